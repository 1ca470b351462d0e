# Setting the system's clock changes no timeout. httpd runs with a small
# library that puts the clock back by an hour as soon as a file is there.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use CGITest;
use CGITest::HTTP;

plan skip_all => 'a library is preloaded already' if $ENV{LD_PRELOAD};
plan skip_all => 'no C compiler' if system 'cc --version >/dev/null 2>&1';

my $own = CGITest::Server->start(
    prepare => sub {
        my ($self) = @_;
        my $source = $self->file('back.c', <<'END');
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *ts)
{
    long rc = syscall(SYS_clock_gettime, id, ts);
    if (!rc && id == CLOCK_REALTIME && !access(BACK, F_OK)) {
        ts->tv_sec -= 3600;
    }
    return (int)rc;
}
int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec ts;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *to)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return to ? (*to = ts.tv_sec) : ts.tv_sec;
}
END
        my $back = $self->root . '/back';
        system('cc', '-shared', '-fPIC', "-DBACK=\"$back\"", '-o', "$back.so",
            $source) == 0 or die "cc fails\n";
        $self->{limit} = "LD_PRELOAD=$back.so; export LD_PRELOAD";
    },
    conf => <<'END');
<Location "/engine-wait">
    CGILimit 1 queue=1 wait=2s
</Location>
END

# A request on its way: the connection, and what has come until the mark.
sub begin {
    my ($target, $mark) = @_;
    my $c = CGITest::HTTP->new(%{$own->where});
    $c->send($c->format_request('GET', $target));
    $c->read_until($mark) if $mark;
    return $c;
}

my $tag = tag_of();
my $held = begin("/engine-wait/slow?head=60&$tag");
ok(runs($tag), 'a script that holds the only place');
my $mark = $own->mark;
my $waits = begin('/engine-wait/hello');
ok($own->log_until($mark, qr/waits for a place/), 'a request that waits');
my $first = begin("/engine-first/slow?head=60&$tag");
my $silent = begin("/engine-idle/slow?body=60&$tag", "first\n");
my $endless = begin("/engine-total/drip?n=9000&ms=100&$tag", 'line 1');

$own->file('back', '');
my $start = time;
is($waits->response(seconds => 15)->status, 503, 'an hour back: wait= comes');
is($first->response(seconds => 15)->status, 504, 'first= comes');
for ([idle => $silent], [total => $endless]) {
    my ($name, $c) = @$_;
    ok(eval { $c->read_all(15); 1 }, "$name= comes") or diag $@;
}
cmp_ok(time - $start, '<', 20, 'all in time');
$held->abort;
is_gone($tag, 8, 'the script of a client that leaves ends');
is_deeply([$own->stop], [], 'nothing is left');
done_testing();
