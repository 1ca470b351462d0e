# One version: of the modules in the log and on the status page, of the
# launcher, of the package and of CHANGES.md.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use JSON::PP;
use CGITest::Files;
use CGITest::Server;
use Program qw(run need_program);
use RunScripts 'request';

plan tests => 9, sub { need_program('perl') };
my $top = Apache::Test::vars('top_dir');
my ($version) = read_file("$top/base/version.h")
    =~ /^#define CGI_VERSION "(\S+)"$/m;
ok t_cmp($version, qr/^\d+\.\d+/);
my ($package, $of) = read_file("$top/debian/changelog")
    =~ /^(\S+) \(([^-)]+)(?:-\S+)?\) /;
ok t_cmp("$package $of", "libapache2-mod-runscripts $version");
my ($newest) = read_file("$top/CHANGES.md") =~ /^## (\S+?),? /m;
ok t_cmp($newest, $version =~ s/~.*//r);
ok t_cmp(run(Apache::Test::vars('build_dir') . '/cgi-launcher', '-V'),
    "cgi-launcher/$version\n");

# Once at a start, and again at a restart, whatever LogLevel says.
my $httpd = CGITest::Server->plain(conf => "LogLevel error\n"
    . "LogLevel runscripts:error cgiroute:error\n"
    . "<Location /cgi-status>\nSetHandler cgi-status\n</Location>\n");
for my $module (qw(runscripts cgiroute)) {
    my @lines = $httpd->error_log
        =~ m{\[$module:notice\].* mod_$module/\Q$version\E configured$}mg;
    ok t_cmp(scalar @lines, 1);
}
my $page = request($httpd->port, 'GET', '/cgi-status')->{body};
ok(index($page, " modules $version ") > 0);
my $json = decode_json(request($httpd->port, 'GET', '/cgi-status?json')->{body});
ok t_cmp($json->{modules_version}, $version);
my $mark = $httpd->mark;
$httpd->graceful;
ok($httpd->log_until($mark, qr{mod_cgiroute/\Q$version\E configured}, 10));
