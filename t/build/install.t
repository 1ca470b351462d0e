# install puts everything where Debian's httpd looks for it, keeps what an
# administrator changed, and uninstall removes it.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use Cwd 'cwd';
use PrivateHttpd;
use Program qw(run scratch need_program);

plan tests => 20, sub { need_program('make') };

my $root = scratch('install');
my $libexec = "$root/usr/lib/apache2/modules";
my $conf = "$root/etc/apache2/mods-available";
my $doc = "$root/usr/share/doc/libapache2-mod-runscripts";

# What is built lies in build/ already.
sub make {
    return run('make', '-f', 'Makefile.apxs', '-o', 'all', "DESTDIR=$root",
        @_);
}

sub slurp { return PrivateHttpd::slurp(@_) }

make('install');
ok t_cmp($?, 0);
for my $file ("$libexec/mod_runscripts.so", "$libexec/mod_cgiroute.so",
    "$conf/runscripts.load", "$conf/runscripts.conf", "$conf/cgiroute.load",
    "$conf/cgiroute.conf", "$doc/README.md", "$doc/LICENSE") {
    ok(-s $file && !-x $file) or print "# $file\n";
}
ok(-x "$libexec/cgi-launcher");

# httpd accepts the installed files, with paths below $root.
my ($lines, $load) = ('', '');
for my $name (qw(runscripts cgiroute)) {
    $load .= slurp("$conf/$name.load");
    $lines .= qq(Include "$conf/$name.conf"\n);
}
ok t_cmp($load, qr{^LoadModule runscripts_module\s+/usr/lib/apache2/modules/mod_runscripts\.so$}m);
ok t_cmp($load, qr{^LoadModule cgiroute_module\s+/usr/lib/apache2/modules/mod_cgiroute\.so$}m);
$load =~ s{ /usr}{ $root/usr}g;
my ($ok, $output) = PrivateHttpd->check({conf => "$load$lines",
    without => [qw(runscripts cgiroute)]});
ok($ok) or print map { "# $_\n" } split /\n/, $output;

# A changed file is kept, the new one put beside it.
PrivateHttpd::spew("$conf/runscripts.conf", "# changed\n");
ok t_cmp(make('install'), qr{kept .*/runscripts\.conf});
ok t_cmp(slurp("$conf/runscripts.conf"), "# changed\n");
ok(-s "$conf/runscripts.conf.new" && !-e "$conf/cgiroute.conf.new");

# As a2enmod makes them: a link to nothing would keep httpd from starting.
mkdir "$root/etc/apache2/mods-enabled" or die;
symlink "../mods-available/$_", "$root/etc/apache2/mods-enabled/$_" or die
    for qw(cgiroute.load cgiroute.conf);
ok t_cmp(make('uninstall'), qr{left, .*/runscripts\.conf});
ok t_cmp($?, 0);
my @left = split /\n/, run('find', $root, '!', '-type', 'd');
ok t_cmp("@left", "$conf/runscripts.conf");
ok(!-e $doc);
