# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# A worker that somebody has taken over shuts the launchers' queue, which all
# workers share: httpd serves scripts again without a restart.
use strict;
use warnings;
use File::Temp ();
use POSIX ();
use Socket ();
use Test::More;
use Time::HiRes qw(sleep);
use CGITest;
use CGITest::HTTP;
use CGITest::Jail qw(put);
use CGITest::Proc qw(alive can_look fds_of wait_until);
use CGITest::Server;

plan skip_all => 'not started as root' if $> != 0;
my ($user, $uid) = (getpwnam 'daemon')[0, 2];
plan skip_all => 'no user daemon' if !$uid;

my $dir = File::Temp::tempdir('cgitest-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $dir;
put("$dir/ids", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nid -u\n",
    0755);
my $s = CGITest::Server->start(conf => <<"END");
<Directory "$dir">
    Require all granted
</Directory>
CGIRoute "^/user" "ids" dir="$dir" user=$user
CGIRoute "^/plain" "ids" dir="$dir"
END

sub status {
    my ($target) = @_;
    my $res = eval { CGITest::HTTP->once($s->where, 'GET', $target) };
    return $res ? $res->status : 0;
}

# The numbers are the same on all architectures.
use constant {PIDFD_OPEN => 434, PIDFD_GETFD => 438, SEQPACKET => 5};

# Do what the worker could: shut all queues that it holds; how many.
sub shut {
    my ($worker, $how) = @_;
    return -1 if !can_look();
    my $pidfd = syscall PIDFD_OPEN, $worker + 0, 0;
    return -1 if $pidfd < 0;
    my %fds = fds_of($worker);
    my $n = 0;
    for my $fd (grep { $fds{$_} =~ /^socket:/ } keys %fds) {
        my $copy = syscall PIDFD_GETFD, $pidfd, $fd + 0, 0;
        return -1 if $copy < 0;
        open my $socket, '+<&=', $copy or die "socket: $!";
        my $type = getsockopt $socket, Socket::SOL_SOCKET(),
            Socket::SO_TYPE();
        next if unpack('i', $type) != SEQPACKET;
        shutdown $socket, $how and $n++;
    }
    POSIX::close($pidfd);
    return $n;
}

for my $how (1, 2) {
    is(status('/plain'), 200, 'a script');
    is(status('/user'), 200, 'one of another user');
    my @workers = $s->workers;
    my $mark = $s->mark;
    my $n = shut($workers[0], $how);
    SKIP: {
        skip 'this system lets root take no descriptor of others', 5 if $n < 0;
        is($n, 2, "two queues are shut ($how)");
        # Of each, since each has the workers replaced.
        ok(wait_until(20, sub {
            $n == (() = $s->log_since($mark)
                =~ /crit\].*has shut the launchers' queue/g)
        }), 'httpd says so');
        ok(wait_until(15, sub { !grep { alive($_) } @workers }),
            'the workers are replaced');
        ok(wait_until(10, sub {
            status('/plain') == 200 && status('/user') == 200
        }), 'scripts run again');
        is((grep { status($_) != 200 } ('/plain', '/user') x 20), 0,
            'all of them');
    }
}
ok($s->graceful && status('/user') == 200, 'and after a restart');
is_deeply([$s->stop], [], 'nothing is left after the stop');
done_testing;
