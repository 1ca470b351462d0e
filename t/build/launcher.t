# A launcher that is missing or can't be executed: httpd refuses to start and
# says where it looked.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use File::Copy 'copy';
use CGITest::Files;
use CGITest::Server;
use Program qw(scratch need_program);

plan tests => 16, sub { need_program('perl') };
my $dir = scratch('launcher');
my $build = Apache::Test::vars('build_dir');
write_file("$dir/plain", "#!/bin/sh\n");

for my $name (qw(runscripts cgiroute)) {
    my @other = grep { $_ ne $name } qw(runscripts cgiroute);
    for my $path ("$dir/none", "$dir/plain", $dir) {
        my ($ok, $output) = CGITest::Server->check({without => \@other,
            conf => "CGILauncher $path\n"});
        ok(!$ok);
        ok t_cmp($output, qr/CGILauncher must .*\Q$path\E/);
    }
}

# The module elsewhere, without the program beside it.
my $installed = "$ENV{CGITEST_MODULES}/cgi-launcher";
skip(-e $installed ? 'cgi-launcher is installed here' : '', sub {
    mkdir "$dir/modules" or die;
    copy("$build/mod_runscripts.so", "$dir/modules/") or die "copy: $!";
    my ($ok, $output) = CGITest::Server->check({
        without => [qw(runscripts cgiroute)],
        conf => "LoadModule runscripts_module $dir/modules/mod_runscripts.so\n"});
    return !$ok && $output =~
        m{\Q$dir\E/modules/cgi-launcher and \Q$installed\E};
});

# Named relative to ServerRoot, it is found.
my ($ok, $output) = CGITest::Server->check("CGILauncher \@root\@/../../build/cgi-launcher\n");
ok($ok) or print "# $output\n";
# What its mode allows can still fail: as SELinux refuses it, or as here.
write_file("$dir/no-program", "\x7fELF\n");
chmod 0755, "$dir/no-program" or die;
my $httpd = CGITest::Server->new(plain => 1, conf => "CGILauncher $dir/no-program\n");
eval { $httpd->launch };
ok($httpd->log_until(0, qr{^cgi-launcher: it can't be started: .*no-program.*: \S}m, 10));
$httpd->stop;
# Not a place to configure it for one host: there is one set of launchers.
($ok, $output) = CGITest::Server->check(
    "<VirtualHost *>\nCGILauncher $build/cgi-launcher\n</VirtualHost>\n");
ok(!$ok && $output =~ /CGILauncher/);
