# httpd is root, but without the right to signal other users' processes, which a
# service manager or a container can take away: it says so, and stops all the same.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);
use CGITest;
use CGITest::Proc qw(alive descendants_of wait_until);
use CGITest::Server;
use RunScripts 'request';

my $without = 'setpriv --bounding-set=-kill';
plan skip_all => "$without fails" if system "$without true 2>/dev/null";

my $words = qr/\[\w+:warn\].* httpd was started without the capability KILL:/;
for my $limit (undef, "set -- $without \"\$@\"") {
    my $s = CGITest::Server->new(limit => $limit,
        conf => qq(CGIRoute "^/user" "hello.doit" dir="\@engine\@" user=daemon\n));
    $s->launch;
    my $which = $limit ? 'without' : 'with';
    is(() = $s->error_log =~ /$words/g, $limit ? 1 : 0, "$which: what it says");
    is(request($s->port, 'GET', '/engine/hello')->status, 200,
        "$which: a script runs");
    is(request($s->port, 'GET', '/user')->status, 200,
        "$which: so does another user's");
    my ($begun, @tree) = (time, descendants_of($s->pid));
    $s->signal('TERM');
    ok($s->wait_end(20), "$which: httpd stops");
    cmp_ok(time - $begun, '<', 6, "$which: soon");
    ok(wait_until(5, sub { !grep { alive($_) } @tree }), "$which: nothing is left");
}
done_testing();
