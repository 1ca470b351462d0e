# A shell script's trap of SIGTERM runs, and is not lost to a closed stderr:
# at a time limit, and when the client goes.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(wait_until);

my $own = CGITest::Server->start(conf => <<'EOC');
<Directory "@root@/s">
    Options +RunScripts
    Require all granted
</Directory>
Alias /s "@root@/s"
<Location /s/trapped-limit>
    CGITimeout first=3s
</Location>
EOC
my $dir = $own->root . '/trapped';
mkdir $dir or die "$dir: $!";
chmod 0777, $dir;

for my $shell (grep { -x } qw(/bin/dash /bin/bash /bin/sh)) {
    for my $how (qw(limit client)) {
        my $mark = "$dir/" . ($shell =~ s{.*/}{}r) . "-$how";
        $own->file("s/trapped-$how.doit", "#!$shell\ntouch $mark\n"
            . "trap 'rm -f $mark; echo cleaned >&2; exit' TERM\n"
            . "while :; do sleep 0.1; done\n", 0755);
        my $log = $own->mark;
        my $c = CGITest::HTTP->new(%{$own->where});
        $c->send($c->format_request('GET', "/s/trapped-$how"));
        ok(wait_until(5, sub { -e $mark }), "$shell, $how: it runs");
        if ($how eq 'client') {
            sleep 0.3;
            $c->abort;
        }
        else {
            is($c->response->status, 504, "$shell, $how: 504");
        }
        ok(wait_until(8, sub { !-e $mark }), "$shell, $how: its trap has run");
        ok(wait_until(5, sub { $own->log_since($log) =~ /cleaned/ }),
            "$shell, $how: what it said is in the log");
        unlink $mark;
    }
}
is_deeply([$own->stop], [], 'nothing is left at the end');
done_testing();
