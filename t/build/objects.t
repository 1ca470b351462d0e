# sanitize: no
# The two copies of the engine can't see each other, and the launcher stays
# small: it links nothing but APR and what APR needs, or is static.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use Program qw(run need_program);

plan tests => 3, sub { need_program('nm') };
my $build = Apache::Test::vars('build_dir');

for my $name (qw(runscripts cgiroute)) {
    my @seen = sort map { (split)[2] } grep { / [A-TV-Z] / }
        split /\n/, run('nm', '-D', '--defined-only', "$build/mod_$name.so");
    ok t_cmp("@seen", "${name}_module");
}
my @needed = run('readelf', '-d', "$build/cgi-launcher")
    =~ /\(NEEDED\).*\[(lib[^\].]+)/g;
ok t_cmp(join(' ', sort @needed), qr/^(?:libapr-1 libc)?$/);

