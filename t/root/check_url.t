# cgi-check as root: httpd decides with its workers' rights, and a route's user is
# the one whose rights count for its script.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use JSON::PP;
use CGITest::Files;
use CGITest::Server;
use Program qw(run need_program);
use RunScripts 'tree';

plan tests => 10, sub { need_program('perl') };
my $httpd = CGITest::Server->new(plain => 1, conf => <<'EOC');
CGIRoute "^/closed" "foo" dir="@root@/closed"
CGIRoute "^/own" "foo" dir="@root@/open" user=nobody
CGIRoute "^/other" "bar" dir="@root@/open" user=daemon
EOC
my $root = $httpd->root;
tree($root, map { ("$_/foo" => "#!/bin/sh\ntouch \"\$0.ran\"\n") }
    qw(closed open));
write_file("$root/open/bar", "#!/bin/sh\n");
chown scalar(getpwnam 'nobody'), 0, "$root/open/bar";
chmod 0700, "$root/closed", "$root/open/bar";
my @objects = map { decode_json($_) } split /\n/, run(
    Apache::Test::vars('top_dir') . '/scripts/cgi-check', '--json',
    (map { 'http://127.0.0.1:' . $httpd->port . $_ } qw(/closed /own /other)),
    CGITest::Server::program(), '-d', $root, '-f', "$root/httpd.conf");
ok t_cmp($? >> 8, 1);
my ($closed, $own, $other) = @objects;
ok t_cmp("$closed->{result} $closed->{status}", 'refused 403');
my @codes = map { join ' ', map { $_->{code} } @{$_->{problems}} } @objects;
ok t_cmp($codes[0], 'status search');
ok t_cmp($closed->{problems}[1]{text},
    "nobody can't search the directory $root/closed: it lacks the permission x.");
ok t_cmp("$own->{user} $own->{file}", "nobody $root/open/foo");
ok t_cmp($codes[1], '');
ok t_cmp($other->{user}, 'daemon');
ok t_cmp($codes[2], 'not-executable unreadable');
ok t_cmp($own->{variables}{PATH}, '/bin');
ok t_cmp(join(' ', glob "$root/*/*.ran"), '');
