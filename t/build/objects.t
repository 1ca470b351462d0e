# sanitize: no
# The two copies of the engine can't see each other, and the launcher stays
# small: it links nothing but APR and what APR needs, or is static. No file
# calls one that calls it, through however many others.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use Program qw(run need_program);

plan tests => 6, sub { need_program('nm') };
my $build = Apache::Test::vars('build_dir');

for my $name (qw(runscripts cgiroute)) {
    my @seen = sort map { (split)[2] } grep { / [A-TV-Z] / }
        split /\n/, run('nm', '-D', '--defined-only', "$build/mod_$name.so");
    ok t_cmp("@seen", "${name}_module");
}
my @needed = run('readelf', '-d', "$build/cgi-launcher")
    =~ /\(NEEDED\).*\[(lib[^\].]+)/g;
ok t_cmp(join(' ', sort @needed), qr/^(?:libapr-1 libc)?$/);


# Files in a circle. A module's own structure does not count: that is where
# its messages go.
sub circle {
    my ($dir) = @_;
    my (%home, %calls, %wants);
    for my $file (sort glob "$dir/*.o $dir/*/*.o") {
        for (split /\n/, run('nm', $file)) {
            my @word = split;
            next if $word[-1] =~ /_module$/;
            if (@word == 3 && $word[1] =~ /[TDBR]/) { $home{$word[2]} = $file }
            elsif ($word[-2] eq 'U') { push @{$wants{$file}}, $word[-1] }
        }
    }
    for my $file (keys %wants) {
        $calls{$file} = {map { $_ => 1 } grep { defined && $_ ne $file }
            map { $home{$_} } @{$wants{$file}}};
    }
    # Who calls nobody that is left goes, until nobody can.
    while (my @free = grep { !%{$calls{$_}} } keys %calls) {
        delete @calls{@free};
        for my $file (keys %calls) {
            delete $calls{$file}{$_} for grep { !$calls{$_} }
                keys %{$calls{$file}};
        }
    }
    return join ' ', map { s{^\Q$dir\E/}{}r } sort keys %calls;
}
for my $name (qw(runscripts cgiroute launcher)) {
    ok t_cmp(circle("$build/obj/$name"), '', "$name: files that need each other");
}
