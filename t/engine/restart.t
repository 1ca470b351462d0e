# mpm: all
# Restarts and stops of httpd, and what becomes of running scripts: rules B9,
# C20 and L2.
use strict;
use warnings;
use List::Util qw(sum);
use Test::More;
use Time::HiRes qw(sleep time);
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(processes_with alive descendants_of slurp
    wait_until);

# Requests, each on a connection of its own, until the time and, however slow
# the machine, at least so many; what failed.
sub load {
    my ($server, $end, $target, $least) = @_;
    my ($n, @bad) = (0);
    while (time < $end || ($n < ($least || 0) && time < $end + 60)) {
        my $res = eval {
            CGITest::HTTP->once($server->where, 'GET', $target);
        };
        $n++;
        push @bad, $res ? text_of($res) : "$@"
            unless $res && !$res->error && $res->status == 200;
    }
    return {n => $n, bad => \@bad};
}

sub hello {
    my ($server) = @_;
    my $res = eval {
        CGITest::HTTP->once($server->where, 'GET', '/engine/hello');
    };
    return $res && $res->body eq "hello\n";
}

my @sections;

# C20: a graceful restart every second under load, while longer scripts run.
push @sections, sub {
    my $own = CGITest::Server->start;
    my $launchers = () = $own->launchers;
    my $end = time + 6;
    my ($restarts, @load) = parallel(
        sub {
            my $n = 0;
            while (time < $end - 1) {
                sleep 1;
                $own->signal('USR1');
                $n++;
            }
            return $n;
        },
        (map { my $target = $_ % 2 ? '/engine/hello' : '/engineroute/show';
            sub { load($own, $end, $target, 13) } } 1 .. 4),
        map { sub { load($own, $end, '/engine/drip?n=8&ms=200') } } 1 .. 2);
    cmp_ok($restarts, '>=', 4, "C20 $restarts graceful restarts");
    my $n = sum(map { $_->{n} } @load);
    my @bad = map { @{$_->{bad}} } @load;
    cmp_ok($n, '>', 50, "C20 $n requests meanwhile");
    is(scalar @bad, 0, 'C20 none of them failed') or diag explain \@bad;
    ok(hello($own), 'C20 and the next one is served too');
    ok(!$own->ends_workers
            || wait_until(15, sub { $own->launchers == $launchers }),
        'L2 the launchers of earlier generations end')
        or diag join ' ', $own->launchers;
    is_deeply([$own->stop], [], 'B9 nothing is left after the stop');
};

# B9: scripts finish over a graceful restart, with a new generation at work.
push @sections, sub {
    my $own = CGITest::Server->start;
    return is_deeply([$own->stop], [], 'B9 nothing is left after the stop')
        if !$own->ends_restart;
    my @old = $own->launchers;
    my @running = map { [begin_script($own, $_)] } '/engine/slow?body=4',
        '/engine/slow?head=4', '/engine/drip?n=40&ms=100',
        '/engineroute/slow?body=4';
    my ($silent, $tag) = begin_script($own, '/engine/slow?head=60');
    ok($own->graceful, 'B9 a graceful restart');
    ok(hello($own), 'B9 the new generation serves');
    is((grep { my $old = $_; !grep { $_ == $old } @old } $own->launchers) > 0,
        1, 'L2 and has launchers of its own');
    for (@running) {
        my ($c) = @$_;
        my $res = $c->response;
        $c->close; # an older httpd waits for that
        ok(!$res->error && $res->body =~ /(last|line 40)\n\z/,
            'B9 a script finishes over a graceful restart')
            or diag text_of($res);
    }
    # An old generation still knows when a client leaves.
    $silent->abort;
    is_gone($tag, 3, 'B9 one whose client leaves is ended there too');
    ok(!$own->ends_workers
            || wait_until(15, sub { !grep { alive($_) } @old }),
        'L2 then its launchers end');
    is_deeply([$own->stop], [], 'B9 nothing is left after the stop');
};

# B9: graceful-stop lets them finish; stop does not.
push @sections, sub {
    my $own = CGITest::Server->start;
    my @running = map { [begin_script($own, $_)] } '/engine/slow?body=3',
        '/engine/slow?head=3', '/engineroute/drip?n=30&ms=100';
    my @tree = descendants_of($own->pid);
    $own->signal('WINCH');
    for (@running) {
        my ($c) = @$_;
        my $res = $c->response;
        $c->close;
        ok(!$res->error && $res->body =~ /(last|line 30)\n\z/,
            'B9 a script finishes at graceful-stop') or diag text_of($res);
    }
    ok($own->wait_end(20), 'B9 graceful-stop comes to its end');
    ok(wait_until(5, sub { !grep { alive($_) } @tree }),
        'B9 graceful-stop leaves nothing') or diag join ' ',
        grep { alive($_) } @tree;
};
push @sections, sub {
    my $own = CGITest::Server->start;
    my @running = map { [begin_script($own, $_)] } '/engine/slow?body=60',
        '/engine/slow?head=60', '/engine/slow?head=60&trap=1',
        '/engineroute/drip?n=600&ms=100', '/engine/children?wait=1',
        '/engine/rawdrip?n=600&ms=100';
    my @tree = descendants_of($own->pid);
    cmp_ok(scalar @tree, '>', 8, 'B9 stop: many processes');
    my $start = time;
    $own->signal('TERM');
    ok($own->wait_end(15), 'B9 stop comes to its end');
    for (@running) {
        my ($c, $tag) = @$_;
        is_gone($tag, 8, 'B9 stop ends a running script');
    }
    ok(wait_until(5, sub { !grep { alive($_) } @tree }),
        'B9 stop leaves nothing') or diag join ' ',
        grep { alive($_) } @tree;
};

# B9: a restart that is not graceful is a stop for the scripts.
push @sections, sub {
    my $own = CGITest::Server->start;
    return is_deeply([$own->stop], [], 'B9 nothing is left after the stop')
        if !$own->ends_restart;
    my @old = $own->launchers;
    my @running = map { [begin_script($own, $_)] } '/engine/slow?body=60',
        '/engine/slow?head=60&trap=1';
    my $mark = $own->mark;
    $own->signal('HUP');
    ok($own->log_until($mark, qr/resuming normal operations/, 15),
        'B9 a restart');
    is_gone($_->[1], 8, 'B9 a restart ends a running script') for @running;
    ok(wait_until(10, sub { hello($own) }), 'B9 then httpd serves again');
    ok(wait_until(10, sub { !grep { alive($_) } @old }),
        'B9 the old launchers are gone');
    # prefork signals its whole process group.
    $mark = $own->mark;
    my @next = $own->launchers;
    kill 'HUP', @next;
    ok(hello($own), 'B9 a launcher that gets HUP itself');
    is_deeply([sort $own->launchers], [sort @next], 'B9 goes on');
    unlike($own->log_since($mark), qr/unexpectedly/, 'B9 so says the log');
    is_deeply([$own->stop], [], 'B9 nothing is left after the stop');
};

# B9: workers that are replaced after some connections; fewer where there are
# more of them.
push @sections, sub {
    my $own = CGITest::Server->start(conf => 'MaxConnectionsPerChild '
        . (CGITest::Server->default_mpm eq 'prefork' ? 5 : 50));
    my @running = map { [begin_script($own, '/engine/slow?body=3')] } 1 .. 4;
    my $until = $own->root . '/stop';
    my ($seen, @load) = parallel(sub {
        my %seen;
        while (!-e $until) {
            $seen{$_} = 1 for $own->workers;
            sleep 0.1;
        }
        return [keys %seen];
    }, map { my $n = $_; sub {
        my @bad;
        for (1 .. 100) {
            my $res = eval {
                CGITest::HTTP->once($own->where, 'GET', '/engine/hello');
            };
            push @bad, $res ? text_of($res) : "$@"
                unless $res && $res->body eq "hello\n";
        }
        open my $stop, '>', $until if $n == 1;
        return \@bad;
    } } 1 .. 4);
    my @bad = map { @$_ } @load;
    is(scalar @bad, 0, 'B9 MaxConnectionsPerChild: no request fails')
        or diag explain \@bad;
    for (@running) {
        is($_->[0]->response->body, "first\nlast\n",
            'B9 MaxConnectionsPerChild: a running script finishes');
    }
    ok(wait_until(10, sub { scalar grep { !alive($_) } @$seen }),
        'B9 MaxConnectionsPerChild: workers were replaced');
    is_deeply([$own->stop], [], 'B9 nothing is left after the stop');
};

# All of httpd is killed: what it had started does not live on.
push @sections, sub {
    my $own = CGITest::Server->start;
    my ($c, $tag) = begin_script($own, '/engine/slow?head=60&trap=1');
    my @launchers = $own->launchers;
    my @httpd = ($own->pid, $own->workers);
    kill 'KILL', @httpd;
    $own->wait_end(5);
    is_gone($tag, 8, 'L2 httpd is killed: its scripts end');
    ok(wait_until(8, sub { !grep { alive($_) } @launchers }),
        'L2 httpd is killed: its launchers end');
    kill 'KILL', @launchers;
};

# The modules are taken out of the configuration and come back, as a2dismod and
# a2enmod do it: launchers of before are not taken for lost ones.
push @sections, sub {
    my $own = CGITest::Server->plain(conf =>
        '<IfModule mod_runscripts.c>' . "\n"
            . "<Directory \"\@root@/htdocs\">\nOptions +RunScripts\n"
            . "</Directory>\n</IfModule>\n");
    my $conf = $own->root . '/httpd.conf';
    my $with = slurp($conf);
    my $without = $with =~ s/^(?:LoadModule|LogLevel) (?:runscripts|cgiroute)(?:_module|:).*\n//gmr;
    my $status = sub {
        return CGITest::HTTP->once($own->where, 'GET', '/a')->status;
    };
    $own->file('htdocs/a.doit', "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\n",
        0755);
    is($status->(), 200, 'with the modules a script runs');
    $own->file('httpd.conf', $without);
    ok($own->graceful, 'a restart without them');
    ok(wait_until(15, sub { !$own->launchers }), 'their launchers end');
    is($status->(), 404, 'and no script runs');
    $own->file('httpd.conf', $with);
    my $mark = $own->mark;
    for ('a restart with them', 'another') {
        ok($own->graceful, $_);
        is($status->(), 200, 'a script runs');
    }
    is_deeply([$own->stop], [], 'nothing is left');
    unlike($own->log_since($mark), qr/ended unexpectedly/, 'none is missed');
};

sections(@sections);
done_testing();
