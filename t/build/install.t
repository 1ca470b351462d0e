# install puts everything where Debian's httpd looks for it, and where one that
# its own ./configure installed does; keeps what an administrator changed; and
# uninstall removes it.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use Cwd 'cwd';
use CGITest::Files;
use CGITest::Server;
use Program qw(run scratch need_program);

plan tests => 39, sub { need_program('make') };

my $root = scratch('install');
my $libexec = "$root/usr/lib/apache2/modules";
my $conf = "$root/etc/apache2/mods-available";
my $guard = "$root/etc/apache2/conf-available/runscripts-guard.conf";
my $guarded = "$root/etc/apache2/conf-enabled/runscripts-guard.conf";
my $doc = "$root/usr/share/doc/libapache2-mod-runscripts";

my %debian = (LIBEXECDIR => '/usr/lib/apache2/modules', BINDIR => '/usr/bin',
    SYSCONFDIR => '/etc/apache2', MANDIR => '/usr/share/man');

# What is built lies in build/ already.
sub make_for {
    my ($target, %where) = @_;
    return run('make', '-f', 'Makefile.apxs', '-o', 'all', "DESTDIR=$root",
        (map { "$_=$where{$_}" } sort keys %where), $target);
}

sub make { return make_for(@_, %debian) }

make('install');
ok t_cmp($?, 0);
for my $file ("$libexec/mod_runscripts.so", "$libexec/mod_cgiroute.so",
    "$conf/runscripts.load", "$conf/runscripts.conf", "$conf/cgiroute.load",
    "$conf/cgiroute.conf", $guard, $guarded, "$doc/README.md", "$doc/LICENSE",
    "$root/usr/share/man/man1/cgi-check.1",
    "$root/usr/share/man/man8/cgi-launcher.8") {
    ok(-s $file && !-x $file) or print "# $file\n";
}
ok(-x "$libexec/cgi-launcher" && -x "$root/usr/bin/cgi-check");
ok(run('readelf', '-S', "$libexec/cgi-launcher") !~ /\.symtab/);

# httpd accepts the installed files, with paths below $root.
my ($lines, $load) = ('', '');
for my $name (qw(runscripts cgiroute)) {
    $load .= read_file("$conf/$name.load");
    $lines .= qq(Include "$conf/$name.conf"\n);
}
ok t_cmp($load, qr{^LoadModule runscripts_module\s+/usr/lib/apache2/modules/mod_runscripts\.so$}m);
ok t_cmp($load, qr{^LoadModule cgiroute_module\s+/usr/lib/apache2/modules/mod_cgiroute\.so$}m);
$load =~ s{ /usr}{ $root/usr}g;
my ($ok, $output) = CGITest::Server->check({conf => "$load$lines",
    without => [qw(runscripts cgiroute)]});
ok($ok) or print map { "# $_\n" } split /\n/, $output;

# A changed file is kept, the new one put beside it.
write_file("$conf/runscripts.conf", "# changed\n");
ok t_cmp(make('install'), qr{kept .*/runscripts\.conf});
ok t_cmp(read_file("$conf/runscripts.conf"), "# changed\n");
ok(-s "$conf/runscripts.conf.new" && !-e "$conf/cgiroute.conf.new");

# The guard that was switched off stays so.
unlink $guarded or die;
make('install');
ok(!-l $guarded);
symlink $guard, $guarded or die;

# As a2enmod makes them: a link to nothing would keep httpd from starting.
mkdir "$root/etc/apache2/mods-enabled" or die;
symlink "../mods-available/$_", "$root/etc/apache2/mods-enabled/$_" or die
    for qw(cgiroute.load cgiroute.conf);
# What will be shown when the module has gone is named.
mkdir "$root/etc/apache2/sites-enabled" or die;
my $site = "$root/etc/apache2/sites-enabled/site.conf";
write_file($site, "#Options RunScripts\n<VirtualHost *>\n",
    "  <Directory /srv/www/tools>\n\tOptions Indexes RunScripts\n",
    "  </Directory>\n Options +RunScripts\n</VirtualHost>\n");
my $said = make('uninstall');
ok t_cmp($?, 0);
ok t_cmp($said, qr{left, because it was changed: .*/runscripts\.conf});
ok t_cmp($said, qr{still have RunScripts});
ok t_cmp($said, qr{^ +\Q$site\E:4: <Directory /srv/www/tools>$}m);
ok t_cmp($said, qr{^ +\Q$site\E:6$}m);
ok t_cmp($said, qr{^left, to deny .*\Q$guard\E$}m);
my @left = sort split /\n/, run('find', $root, '!', '-type', 'd');
ok t_cmp("@left", join ' ', sort $guard, $guarded, "$conf/runscripts.conf",
    $site);
ok(!-e $doc);

# Below one ServerRoot, with lines for httpd.conf.
my %other = (LIBEXECDIR => '/opt/httpd/modules', BINDIR => '/opt/httpd/bin',
    SYSCONFDIR => '/opt/httpd/conf', MANDIR => '/opt/httpd/man');
my $opt = "$root/opt/httpd";
$said = make_for('install', %other);
ok t_cmp($?, 0);
my @missing = grep { !-s "$opt/$_" } qw(modules/mod_runscripts.so
    modules/mod_cgiroute.so modules/cgi-launcher bin/cgi-check
    man/man1/cgi-check.1 man/man8/cgi-launcher.8 doc/libapache2-mod-runscripts/README.md);
ok t_cmp("@missing", '');
ok t_cmp($said, qr{^Installed\. Add these lines to httpd\.conf}m);
my @includes = $said =~ m{^ +(Include /opt/httpd/conf/extra/\S+)$}mg;
ok t_cmp(scalar @includes, 5);
# Nothing is where Debian has it.
ok(!-e "$root/etc/apache2/mods-available/runscripts.load");
for my $file (glob "$opt/conf/extra/*.load") {
    write_file($file, read_file($file) =~ s{ /opt}{ $root/opt}gr);
}
($ok, $output) = CGITest::Server->check({without => [qw(runscripts cgiroute)],
    conf => join "\n", map { s{ }{ $root}r } @includes});
ok($ok) or print map { "# $_\n" } split /\n/, $output;
# The modules find the launcher beside themselves.
($ok, $output) = CGITest::Server->check({without => [qw(runscripts cgiroute)],
    conf => join("\n", map { s{ }{ $root}r } grep { /load$/ } @includes)
        . "\nCGIRoute ^/x y dir=/tmp\n"});
ok($ok) or print map { "# $_\n" } split /\n/, $output;
$said = make_for('uninstall', %other);
ok t_cmp($said, qr{^left, to deny .*extra/runscripts-guard\.conf$}m);
@left = sort grep { !/runscripts-guard/ } split /\n/, run('find', $opt, '-type', 'f');
ok t_cmp(join(' ', @left), join ' ', sort map { "$opt/conf/extra/$_.load" }
    qw(cgiroute runscripts));    # which this test has changed
