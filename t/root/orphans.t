# Launchers that are killed, and not yet dead when httpd has stopped. Rules
# C18 and L2; the rest is in t/engine/orphans.t.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);
use CGITest;
use CGITest::Proc qw(wait_until);
use CGITest::Server;

# Whom the scheduler gives no time does not even die.
my $hog = 'taskset -c 1 chrt -f 40';
plan skip_all => "$hog fails" if system "$hog true 2>/dev/null";

my $s = CGITest::Server->start;
my ($c, $tag) = begin_script($s, '/engine/slow?head=60&trap=1');
my ($d, $other) = begin_script($s, '/engine/children?wait=1');
my @old = $s->launchers;
system("taskset -p -c 0 $_ >/dev/null") for $s->pid, $s->workers;
system("taskset -p -c 1 $_ >/dev/null") for @old;
system(qq($hog perl -MTime::HiRes=ualarm -e "ualarm 800_000; 1 while 1" &));
sleep 0.15;
kill 'KILL', @old;
$s->signal('TERM');
ok($s->wait_end(20), 'httpd stops');
is_gone($tag, 10, 'a script ends');
is_gone($other, 10, 'so do the children of one');
is_deeply([$s->stop], [], 'nothing is left');
done_testing();
