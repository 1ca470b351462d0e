# mpm: prefork
# Scripts whose launcher was killed: the next one looks after them. Rules C18,
# C19 and L2.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(processes_with alive wait_until);

# Kill all launchers, and wait for those that follow.
sub kill_launchers {
    my ($server) = @_;
    my @old = $server->launchers;
    kill 'KILL', @old;
    return wait_until(10, sub {
        my @new = $server->launchers;
        return @new == @old && !grep { my $new = $_; grep { $_ == $new } @old }
            @new;
    });
}

# How long something takes, up to so many seconds.
sub seconds_of {
    my ($code) = @_;
    my $start = time;
    $code->();
    return time - $start;
}

my @sections;

# A request goes on, over more than one death; the end of its lease still ends
# the script, and the end of the script the request.
push @sections, sub {
    my $own = CGITest::Server->start;
    my ($drip, $drip_tag) = begin_script($own, '/engine/drip?n=120&ms=100');
    my ($left, $left_tag) = begin_script($own, '/engine/slow?head=60&trap=1');
    for (1 .. 2) {
        ok(kill_launchers($own), 'the launchers are killed, others follow');
        sleep 0.5;
        is(scalar(() = processes_with($_)) > 0, 1, 'scripts run on')
            for $drip_tag, $left_tag;
    }
    like($drip->response(seconds => 30)->body, qr/line 120\n\z/, 'a response comes whole');
    $left->abort;
    is_gone($left_tag, 6, 'a script ends when its client leaves');
    is_deeply([$own->stop], [], 'nothing is left after the stop');
};

# The script's own end is known: its child holds stdout for a minute.
push @sections, sub {
    my $own = CGITest::Server->start(conf => <<'END');
Alias /s "@root@/s"
<Directory "@root@/s">
    Options +RunScripts
    Require all granted
</Directory>
END
    $own->file('s/leaves.doit', "#!/bin/sh\nprintf 'Content-Type: text/plain"
        . "\\n\\nfirst\\n'\nsleep 60 &\nsleep 3\necho last\n", 0755);
    $own->file('s/closes.doit', "#!/bin/sh\nprintf 'Content-Type: text/plain"
        . "\\n\\nall\\n'\nsleep 3\nexec >&- \nsleep 60\n", 0755);
    my %c = map { $_ => CGITest::HTTP->new(%{$own->where}) } qw(leaves closes);
    for (sort keys %c) {
        $c{$_}->send($c{$_}->format_request('GET', "/s/$_"));
        ok(runs("s/$_.doit"), "$_ runs");
    }
    ok(kill_launchers($own), 'the launchers are killed');
    my $took = seconds_of(sub {
        is($c{leaves}->response(seconds => 20)->body, "first\nlast\n",
            'a script that leaves a child with its stdout: whole');
    });
    cmp_ok($took, '<', 10, 'and the child is not waited for');
    is($c{closes}->response(seconds => 20)->body, "all\n",
        'a script that has closed its stdout: whole');
    is_gone('s/closes.doit', 8, 'and it is ended');
    ok(wait_until(8, sub { !processes_with('s/leaves.doit') }),
        'nothing is left of the other');
    is_deeply([$own->stop], [], 'nothing is left after the stop');
};

# The launchers are killed between the end of the lease and their sight of it.
push @sections, sub {
    my $own = CGITest::Server->start;
    my ($left, $tag) = begin_script($own, '/engine/slow?head=60&trap=1');
    my ($stays, $other) = begin_script($own, '/engine/slow?head=4');
    my @old = $own->launchers;
    kill 'STOP', @old;
    my $mark = $own->mark;
    $left->abort;
    ok(wait_until(10, sub { $own->log_since($mark) =~ /the client has gone/ }),
        'a client leaves while the launchers stand still');
    kill 'KILL', @old;
    is_gone($tag, 6, 'its script is ended by the next launcher');
    is($stays->response->status, 200, 'that of another client is not');
    is_deeply([$own->stop], [], 'nothing is left after the stop');
};

# Whoever is killed together with the launchers.
my %killed = (
    'workers and launchers' => sub {
        my ($own) = @_;
        kill 'KILL', $own->launchers, $own->workers;
    },
    'launchers, and httpd is stopped' => sub {
        my ($own) = @_;
        kill 'KILL', $own->launchers;
        $own->signal('TERM');
        $own->wait_end(15);
    },
    'launchers, and httpd is stopped later' => sub {
        my ($own) = @_;
        kill_launchers($own);
        $own->signal('TERM');
        $own->wait_end(15);
    },
    'launchers of an earlier generation, then its workers' => sub {
        my ($own) = @_;
        my @old = $own->launchers;
        my @workers = $own->workers;
        $own->graceful;
        kill 'KILL', @old;
        sleep 2;
        kill 'KILL', @workers;
    },
);
for my $how (sort keys %killed) {
    push @sections, sub {
        my $own = CGITest::Server->start;
        my ($c, $tag) = begin_script($own, '/engine/slow?head=60&trap=1');
        my ($d, $other) = begin_script($own, '/engine/children?wait=1');
        $killed{$how}->($own);
        is_gone($tag, 10, "$how: a script ends");
        is_gone($other, 10, "$how: so do the children of one");
        is_deeply([$own->stop], [], "$how: nothing is left");
    };
}

sections(@sections);
done_testing();
