# mpm: all
# What a script is born with and what is left of it: rules C13, C14, C15 and
# L4.
use strict;
use warnings;
use Fcntl qw(O_NONBLOCK);
use List::Util qw(sum max);
no warnings 'portable';    # signal sets have 64 bits
use Test::More;
use Time::HiRes qw(sleep time);
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(processes_with children_of fds_of state slurp
                    wait_until);

my @ways = ('/engine', '/engineroute');

# C14, L4
for my $way (@ways) {
    # 32 and 33 belong to the C library, which lets nobody set them: its
    # posix_spawn() has every program start with both of them ignored.
    my $said = get("$way/signals")->body;
    $said =~ s/([0-9a-f]{16})/sprintf '%x', hex($1) & ~0x180000000/ge;
    is($said, "SigBlk: 0\nSigIgn: 0\ny\n",
        "C14 $way: no signal is blocked or ignored, yes | head ends");
    for my $post (0, 1) {
        my $r = show($post ? once('POST', "$way/show", body => 'x' x 10)
                           : get("$way/show"));
        is(join(' ', sort keys %{$r->{fd}}), '0 1 2',
            "C14 $way: only three descriptors") or diag explain $r->{fd};
        like($r->{fd}{1}, qr/^(pipe|socket):/, "C14 $way: stdout is a pipe");
        like($r->{fd}{2}, qr/^pipe:/, "C14 $way: stderr is a pipe");
        isnt($r->{fd}{1}, $r->{fd}{2}, "C14 $way: and another one");
        is($r->{pgrp}, 'own', "L4 $way: a process group of its own");
        is($r->{umask}, sprintf('%04o', umask), "L4 $way: the umask is kept");
    }
}

# C13: what the script leaves in its process group ends with it.
for my $way (@ways) {
    my $tag = tag_of();
    my $res = get("$way/children?$tag");
    is($res->body, "started\n", "C13 $way: a script that leaves children");
    is_gone($tag, 8, "C13 $way: its children end with it");
}

# C13: thousands of requests, among them clients that leave, time-outs and
# crashes. 10,000 when there is time.
{
    my $rounds = $ENV{CGITEST_LARGE} ? 1250 : 60;
    my $state = sub {
        my %count = (zombies => 0, scripts => 0, launcher => 0);
        for my $launcher (server()->launchers) {
            my %open = fds_of($launcher);
            $count{launcher} += keys %open;
            for (children_of($launcher)) {
                $count{state($_) eq 'Z' ? 'zombies' : 'scripts'}++;
            }
        }
        my @fds = map { my %f = fds_of($_); values %f } server()->workers;
        $count{pipes} = grep { /^pipe:/ } @fds;
        $count{sockets} = grep { /^socket:/ } @fds;
        $count{files} = grep {
            m{^/.*\(deleted\)$} && !m{^/memfd:cgi-(?:limits|status) }
        } @fds;
        $count{zombies} += grep { state($_) eq 'Z' } children_of(server()->pid);
        return \%count;
    };
    get('/engine/hello') for 1 .. 20;
    sleep 1;
    my $before = $state->();
    my $launchers = join ' ', sort(server()->launchers);
    my @done = parallel(map {
        my $part = $_;
        sub {
            my $n = 0;
            for my $i (1 .. $rounds) {
                my $kind = ($i + $part) % 6;
                if ($kind == 0) {
                    my $c = CGITest::HTTP->new(%{where()});
                    $c->send($c->format_request('GET',
                        '/engine/slow?head=20&tag=c13x'));
                    sleep 0.01 * ($i % 4);
                    $c->abort;
                    $n++;
                }
                elsif ($kind == 1) {
                    $n += get('/engine/crash?at=header')->status == 500;
                }
                elsif ($kind == 2) {
                    my $c = CGITest::HTTP->new(%{where()});
                    $c->send($c->format_request('GET',
                        '/engine/produce?n=3000000&tag=c13x'));
                    $c->read_until('HTTP');
                    $c->abort;
                    $n++;
                }
                elsif ($kind == 3) {
                    $n += once('POST', '/engine-spool/count',
                        body => 'x' x 9999)->body =~ /^size=9999/;
                }
                elsif ($kind == 4 && $i % 30 == 1) {
                    $n += get('/engine-first/slow?head=20&tag=c13x')
                        ->status == 504;
                }
                else {
                    $n += get('/engine/hello')->body eq "hello\n";
                }
            }
            return $n;
        }
    } 0 .. 7);
    is(sum(@done), 8 * $rounds, 'C13 each request ended as it should');
    is_gone('tag=c13x', 8, 'C13 no script is left');
    # The MPM may have started workers, or ended some; each has a few.
    # A launcher watches each worker.
    my ($after, $workers, $watched);
    wait_until(10, sub {
        $after = $state->();
        $workers = max(1, scalar server()->workers);
        $watched = $workers * server()->launchers;
        return !$after->{scripts} && !$after->{zombies}
            && $after->{launcher} <= $before->{launcher} + $watched
            && $after->{pipes} <= $before->{pipes} + 8 * $workers
            && $after->{sockets} <= $before->{sockets} + 8 * $workers;
    });
    is($after->{zombies}, 0, 'C13 no zombie is left');
    is($after->{scripts}, 0, 'C13 no child of a launcher is left');
    is($after->{files}, 0, 'C13 no file of a body is left open');
    cmp_ok($after->{launcher}, '<=', $before->{launcher} + $watched,
        'C13 the launchers hold no descriptor more')
        or diag explain [$before, $after];
    cmp_ok($after->{$_}, '<=', $before->{$_} + 8 * $workers,
        "C13 workers: $before->{$_} $_ before, $after->{$_} after")
        for qw(pipes sockets);
    is(join(' ', sort(server()->launchers)), $launchers,
        'C13 the launchers are the same');
}

# C15: quick ones do not wait for those that sleep.
{
    my $own = CGITest::Server->start(conf => server()->mpm eq 'prefork'
        ? "StartServers 40\nMinSpareServers 10\nMaxSpareServers 90\n"
            . "MaxRequestWorkers 100\n"
        : "StartServers 2\nThreadsPerChild 50\nMaxRequestWorkers 100\n");
    my $tag = tag_of();
    my @sleepers = map {
        my $c = CGITest::HTTP->new(%{$own->where});
        $c->send($c->format_request('GET', "/engine/slow?head=30&$tag"));
        $c;
    } 1 .. 10;
    ok(wait_until(10, sub { processes_with($tag) == 10 }),
        'C15 ten scripts sleep');
    my @took = parallel(map { sub {
        my $worst = 0;
        for (1 .. 4) {
            my $start = time;
            my $res = CGITest::HTTP->once($own->where, 'GET', '/engine/hello');
            die text_of($res) . "\n" unless $res->body eq "hello\n";
            $worst = max($worst, time - $start);
        }
        return $worst;
    } } 1 .. 16);
    is(scalar processes_with($tag), 10, 'C15 and still do when 64 quick ones'
        . ' have been answered');
    cmp_ok(max(@took), '<', 5, 'C15 none of which had to wait');
    $_->close for @sleepers;
    is_gone($tag, 5, 'C15 the sleepers end');
    $own->stop;
}

# A script may take back what it has printed, by /proc/self/fd/1: a read of a
# worker must not wait for more then, since no time limit would hold. The
# script's own ends are as a program expects them.
for my $way (@ways) {
    my $tag = tag_of();
    my $c = CGITest::HTTP->new(%{where()});
    $c->send($c->format_request('GET', "$way/slow?head=30&$tag"));
    ok(runs($tag), "C12 $way: a script runs");
    my ($script) = processes_with($tag);
    my %own = fds_of($script);
    my $blocks = sub {
        my ($pid, $fd) = @_;
        my ($flags) = slurp("/proc/$pid/fdinfo/$fd") =~ /^flags:\s*(\d+)/m;
        return oct($flags) & O_NONBLOCK ? 'no' : 'yes';
    };
    for my $n (1, 2) {
        my @read;
        # The worker may still have the script's end, which it has just sent.
        wait_until(10, sub {
            @read = ();
            for my $worker (server()->workers) {
                my %fd = fds_of($worker);
                push @read, map { $blocks->($worker, $_) }
                    grep { $fd{$_} eq $own{$n} } keys %fd;
            }
            return @read == 1;
        });
        is("@read", 'no', "C12 $way: no read of its descriptor $n blocks");
        is($blocks->($script, $n), 'yes', "C12 $way: a write to it does");
    }
    $c->abort;
    is_gone($tag, 5, "C12 $way: and it ends");
}

done_testing();
