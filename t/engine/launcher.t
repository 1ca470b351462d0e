# mpm: prefork
# The launchers, and httpd's own processes, when something kills them or the
# system runs out of means: rules C18, C19, C21, L1, L2, L3.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(processes_with alive children_of fds_of status_of
                     wait_until);

my ($prlimit) = grep { -x } qw(/usr/bin/prlimit /bin/prlimit);

sub hello {
    my ($server) = @_;
    return CGITest::HTTP->once($server->where, 'GET', '/engine/hello');
}

# Requests one after the other until the file is there; those that failed.
sub keep_asking {
    my ($server, $until, $target) = @_;
    my ($n, @bad) = (0);
    while (!-e $until) {
        my $res = eval {
            CGITest::HTTP->once($server->where, 'GET', $target);
        };
        $n++;
        push @bad, $res ? text_of($res) : "$@"
            unless $res && !$res->error && $res->status == 200;
    }
    return {n => $n, bad => \@bad};
}

sub touch { open my $fh, '>', $_[0] or die "$_[0]: $!" }

my @sections;

# C18: the launchers are killed under load, one by one and all at once.
push @sections, sub {
    my $own = CGITest::Server->start;
    my $until = $own->root . '/stop';
    my $mark = $own->mark;
    ok(scalar $own->launchers, 'C18 there are launchers');
    my ($killer, @load) = parallel(sub {
        my ($kills, $round) = (0, 0);
        my $end = time + 30;    # a busy machine starts them slowly
        while ($kills < 8 && time < $end) {
            sleep 0.5;
            my @launchers = $own->launchers;
            my @now = ++$round % 2 ? @launchers : $launchers[0];
            $kills += kill 'KILL', grep { $_ } @now;
        }
        sleep 1.5;
        touch($until);
        return $kills;
    }, map { my $target = $_ % 2 ? '/engine/hello' : '/engineroute/show';
        sub { keep_asking($own, $until, $target) } } 1 .. 6);
    cmp_ok($killer, '>=', 6, "C18 $killer launchers were killed");
    my ($n, @bad) = (0);
    for (@load) {
        $n += $_->{n};
        push @bad, @{$_->{bad}};
    }
    cmp_ok($n, '>', 20, "C18 under a load of $n requests");
    is(scalar @bad, 0, 'C18 no request was lost') or diag explain \@bad;
    my $log = $own->log_since($mark);
    like($log, qr/:error\].*launcher.*ended unexpectedly/,
        'C18 httpd says so');
    unlike($log, qr/exit signal|seg fault/i, 'C18 httpd stays up');
    my $tag = tag_of();
    my $res = CGITest::HTTP->once($own->where, 'GET', "/engine/show?$tag");
    is($res->status, 200, 'C18 and goes on');
    is_deeply([$own->stop], [], 'C18 nothing is left at the end');
};

# C18: launchers are killed again and again while bodies stream: each arrives
# whole, at one run of its script.
push @sections, sub {
    my $own = CGITest::Server->start(conf => <<'END');
Alias /s "@root@/s"
<Directory "@root@/s">
    Options +RunScripts
    Require all granted
</Directory>
END
    my $runs = $own->root . '/runs';
    $own->file('runs', '', 0666);
    $own->file('s/post.doit', "#!/bin/sh\necho \$QUERY_STRING >>$runs\n"
        . "printf 'Content-Type: text/plain\\n\\n'\nwc -c\n", 0755);
    my $end = time + 5;
    my ($kills, @load) = parallel(sub {
        my $n = 0;
        while (time < $end) {
            sleep 0.15;
            $n += kill 'KILL', $own->launchers;
        }
        return $n;
    }, map { my $part = $_; sub {
        my ($n, @bad) = (0);
        my $body = 'x' x 200_000;
        while (time < $end) {
            my $res = eval {
                CGITest::HTTP->once($own->where, 'POST',
                    "/s/post?$part-" . ++$n, body => $body, timeout => 20);
            };
            push @bad, $res ? text_of($res) : "$@"
                unless $res && $res->status == 200
                && $res->body =~ /^\s*200000$/;
        }
        return {n => $n, bad => \@bad};
    } } 1 .. 6);
    my @bad = map { @{$_->{bad}} } @load;
    my $n = 0;
    $n += $_->{n} for @load;
    is(scalar @bad, 0, "C18 $kills launchers killed: $n bodies are whole")
        or diag join "\n", splice @bad, 0, 5;
    my %runs;
    $runs{$_}++ for split /\n/, CGITest::Proc::slurp($runs);
    is((grep { $_ > 1 } values %runs), 0, 'C18 and no script ran twice');
    is_deeply([$own->stop], [], 'C18 nothing is left at the end');
};

# C18: a script of a launcher that is killed; its request goes on.
push @sections, sub {
    my $own = CGITest::Server->start;
    my $tag = tag_of();
    my $c = CGITest::HTTP->new(%{$own->where});
    $c->send($c->format_request('GET', "/engine/drip?n=20&ms=100&$tag"));
    $c->read_until("line 2\n");
    kill 'KILL', $own->launchers;
    my $rest = eval { $c->read_until("line 20\n", 10) };
    ok(defined $rest, 'C18 a running script can finish without its launcher')
        or diag $@;
    is_gone($tag, 5, 'C18 and ends');
    # The lease is gone too; who ends a silent one whose client leaves?
    $tag = tag_of();
    $c = CGITest::HTTP->new(%{$own->where});
    $c->send($c->format_request('GET', "/engine/slow?body=60&$tag"));
    $c->read_until("first\n");
    kill 'KILL', $own->launchers;
    sleep 0.3;
    $c->abort;
    is_gone($tag, 8, 'C18 a script without a launcher does not outlive its'
        . ' client');
    ok(wait_until(10, sub { hello($own)->status == 200 }),
        'C18 and the next request is served');
    is_deeply([$own->stop], [], 'C18 nothing is left at the end');
};

# C19: a worker process is killed; its scripts end, those of others do not.
push @sections, sub {
    my $own = CGITest::Server->start;
    my %tag;
    my @clients;
    for my $i (1 .. 12) {
        my $tag = $tag{$i} = tag_of();
        my $c = CGITest::HTTP->new(%{$own->where});
        $c->send($c->format_request('GET',
            "/engine/slow?head=60&trap=" . ($i % 2) . "&$tag"));
        push @clients, $c;
    }
    ok(wait_until(10, sub {
        !grep { !processes_with($_) } values %tag;
    }), 'C19 scripts run');
    my @workers = $own->workers;
    kill 'KILL', @workers;
    my $start = time;
    for my $i (sort { $a <=> $b } keys %tag) {
        ok(gone($tag{$i}, 8), "C19 worker killed, script $i is ended");
        CGITest::end_scripts($tag{$i});
    }
    cmp_ok(time - $start, '<', 8, 'C19 and that soon');
    ok(wait_until(10, sub {
        my $res = eval { hello($own) };
        return $res && $res->status == 200;
    }), 'C19 httpd starts another worker');
    is_deeply([$own->stop], [], 'C19 nothing is left at the end');
};

# C19: no process can be made; no descriptor is left.
push @sections, sub { SKIP: {
    skip 'prlimit is not installed', 14 unless $prlimit;
    my $own = CGITest::Server->start(conf => CGITest::Server->default_mpm
        eq 'prefork' ? "StartServers 1\nMaxRequestWorkers 1\n"
        : "StartServers 1\nThreadsPerChild 25\nMaxRequestWorkers 25\n");
    my $limit = sub {
        my ($what, $soft, @pids) = @_;
        for (@pids) {
            system($prlimit, "--pid=$_", "--$what=$soft:") == 0
                or die "prlimit --pid=$_ --$what=$soft: failed\n";
        }
    };
    my $soft = sub {
        my ($what, $pid) = @_;
        my ($value) = qx($prlimit --pid=$pid --$what --noheadings -o SOFT)
            =~ /(\w+)/;
        return $value;
    };
    is(hello($own)->status, 200, 'C19 before');
    my @launchers = $own->launchers;

    my $before = $soft->('nproc', $launchers[0]);
    my $mark = $own->mark;
    $limit->('nproc', 1, @launchers);
    my $res = hello($own);
    is($res->status, 503, 'C19 fork is refused: 503') or diag text_of($res);
    like($res->header('Retry-After') || '', qr/^\d+$/,
        'C19 fork is refused: Retry-After');
    like($own->log_since($mark), qr/:error\].*hello\.doit.*can't be started/,
        'C19 fork is refused: in the log');
    $limit->('nproc', $before, @launchers);
    is(hello($own)->status, 200, 'C19 fork is refused: it recovers');

    # The launcher can't take a message's descriptors.
    $before = $soft->('nofile', $launchers[0]);
    $limit->('nofile', 4, @launchers);
    my $ended = within(10, sub { hello($own) }, \$res);
    ok($ended, 'C19 launcher without descriptors: no hang');
    is($res->status, 503, 'C19 launcher without descriptors: 503')
        or diag text_of($res);
    $limit->('nofile', $before, @launchers);
    is(hello($own)->status, 200,
        'C19 launcher without descriptors: it recovers');
    is(join(' ', sort $own->launchers), join(' ', sort @launchers),
        'C19 and is the same');

    # The worker can make no pipe. The connection is there already: nothing
    # else of httpd needs a descriptor.
    my @workers = $own->workers;
    my $c = CGITest::HTTP->new(%{$own->where});
    $c->send($c->format_request('GET', '/engine/hello'));
    is($c->response->status, 200, 'C19 a kept connection');
    $before = $soft->('nofile', $workers[0]);
    $limit->('nofile', 4, @workers);
    $c->send($c->format_request('GET', '/engine/hello'));
    $res = $c->response;
    $limit->('nofile', $before, @workers);
    is($res->status, 503, 'C19 worker without descriptors: 503')
        or diag text_of($res), $own->log_since($mark);
    is(hello($own)->status, 200,
        'C19 worker without descriptors: it recovers');
    is_deeply([$own->stop], [], 'C19 nothing is left at the end');
} };

# C21: two servers on one machine.
push @sections, sub {
    my @own = map { CGITest::Server->start } 1, 2;
    my @launchers = map { [$_->launchers] } @own;
    my %queues;
    for my $i (0, 1) {
        for my $launcher (@{$launchers[$i]}) {
            my %fds;
            wait_until(5, sub { # one that starts closes what it inherited
                %fds = fds_of($launcher);
                !grep { /memfd:cgi-scripts/ } values %fds;
            });
            $queues{$fds{0}}{$i} = 1;
            is((grep { m{^/} && !m{^/dev/null$} && !/error_log|\/out$/ }
                    values %fds), 0,
                "C21 server $i: launcher $launcher holds no file");
        }
    }
    is((grep { keys %$_ > 1 } values %queues), 0,
        'C21 they share no queue') or diag explain \%queues;
    my $tag = tag_of();
    my $c = CGITest::HTTP->new(%{$own[1]->where});
    $c->send($c->format_request('GET', "/engine/slow?head=2&$tag"));
    runs($tag);
    kill 'KILL', @{$launchers[0]};
    is(hello($own[1])->status, 200,
        'C21 the launchers of one die, the other does not care');
    is(join(' ', sort $own[1]->launchers), join(' ', sort @{$launchers[1]}),
        'C21 its launchers are the same');
    $own[0]->stop;
    is($c->response->body, "first\nlast\n",
        'C21 one server stops, the other\'s scripts run on');
    is(hello($own[1])->status, 200, 'C21 and more of them');
    is((grep { /^(srwx|s)/ } map { -S $_ ? "s $_" : () }
            glob($own[1]->root . '/*')), 0, 'C21 there is no socket file');
    $own[1]->stop;
};

# L3, L4: who the launchers are.
push @sections, sub {
    my $own = CGITest::Server->start;
    for my $launcher ($own->launchers) {
        my %s = status_of($launcher);
        my ($uid) = $s{Uid} =~ /^(\d+)/;
        my $want = $> == 0 ? (getpwnam 'nobody')[2] : $>;
        is($uid, $want, 'L3 a launcher runs as the user of the workers');
        is($s{Threads}, 1, 'a launcher has one thread');
        my ($kb) = $s{VmRSS} =~ /(\d+)/;
        cmp_ok($kb, '<', 8 * 1024, "a launcher is small: $kb KB");
    }
    $own->stop;
};

sections(@sections);
done_testing();
