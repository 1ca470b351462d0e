# A shell script's trap of SIGTERM runs, and is not lost to a closed stderr:
# at a time limit, when the client goes, and when httpd stops, whose workers
# leave no reader behind.
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
my @marks;
for my $shell (grep { -x } qw(/bin/dash /bin/bash)) {
    for my $n (1 .. 6) {
        my $name = 'stop-' . ($shell =~ s{.*/}{}r) . $n;
        push @marks, "$dir/$name";
        # It says that its child was ended, before its trap.
        $own->file("s/$name.doit", "#!$shell\ntouch $marks[-1]\n"
            . "trap 'echo cleaned >&2; rm -f $marks[-1]; exit' TERM\n"
            . "sleep 60\necho more >&2\nsleep 60\n", 0755);
    }
}
my @clients = map {
    my $c = CGITest::HTTP->new(%{$own->where});
    $c->send($c->format_request('GET', '/s/' . s{.*/}{}r));
    $c;
} @marks;
ok(wait_until(10, sub { !grep { !-e } @marks }), 'httpd stops: they run');
sleep 0.3;
is_deeply([$own->stop], [], 'nothing is left at the end');
is(join(' ', grep { -e } @marks), '', 'all traps have run');
done_testing();
