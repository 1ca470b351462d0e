# Generations of workers and their launchers: restarts without end, and
# launchers that die when nobody expects it.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(alive wait_until slurp);

sub hello {
    my ($server) = @_;
    my $res = eval {
        CGITest::HTTP->once($server->where, 'GET', '/engine/hello');
    };
    return $res && $res->body eq "hello\n";
}

my @sections;

# Each restart leaves a worker behind that serves a slow download, and so the
# launchers of that generation. There is no number of them that ends httpd.
push @sections, sub {
    my $own = CGITest::Server->start(mpm => 'event', conf => <<'END');
StartServers 1
ServerLimit 90
ThreadsPerChild 2
MaxRequestWorkers 180
MinSpareThreads 1
MaxSpareThreads 4
END
    open my $fh, '>', $own->root . '/htdocs/large' or die $!;
    truncate $fh, 64 * 1024 * 1024;
    close $fh;
    my $launchers = () = $own->launchers;
    # Once there was room for 64 launchers in all; reaching that takes time.
    my $restarts = $ENV{CGITEST_LARGE} ? int(64 / $launchers) + 3 : 6;
    my ($n, @slow) = (0);
    for (1 .. $restarts) {
        my $c = CGITest::HTTP->new(%{$own->where}, rcvbuf => 4096);
        $c->send($c->format_request('GET', '/large'));
        eval { $c->read_until("\r\n\r\n", 10); 1 } or last;
        push @slow, $c;
        $own->graceful or last;
        $n++;
    }
    is($n, $restarts, "$restarts graceful restarts, each with a download left")
        or diag $own->log_since(0) =~ /^(.*error.*)$/m;
    ok(alive($own->pid) && hello($own), 'httpd serves after them');
    is(scalar $own->launchers, $launchers * ($restarts + 1),
        'the launchers of all are there');
    $_->abort for @slow;
    ok(wait_until(20, sub { $own->launchers == $launchers }),
        'they end when the downloads have')
        or diag scalar $own->launchers;
    ok($own->graceful && hello($own), 'and one restart more');
    is_deeply([$own->stop], [], 'nothing is left after the stop');
};

# A request waits in the queue while a restart comes, and then the launchers
# of its generation die: another one is started for it, even where the restart
# has loaded other modules before ours, so that ours lie elsewhere in memory.
push @sections, map { my @more = @$_; sub {
    my $own = CGITest::Server->start;
    my @old = $own->launchers;
    my $launchers = @old;
    kill 'STOP', @old;
    my @waiting = map {
        my $c = CGITest::HTTP->new(%{$own->where});
        $c->send($c->format_request('GET', '/engine/hello', close => 1));
        $c;
    } 1 .. 3;
    my $slow = CGITest::HTTP->new(%{$own->where});
    $slow->send($slow->format_request('GET', '/engine/slow?body=4', close => 1));
    sleep 0.5;
    $own->_write($own->root . '/httpd.conf', join '', (map {
        "LoadModule ${_}_module " . $own->module_dir . "/mod_$_.so\n"
    } @more), slurp($own->root . '/httpd.conf'));
    ok($own->graceful, 'a graceful restart while requests wait');
    kill 'KILL', @old;
    is($_->response(seconds => 10)->body, "hello\n",
        'a request of before is answered') for @waiting;
    my @odd = grep { !/^[^\0]+\0-t\0\d+\0-n\0\d\0(?:-u\0|\z)/ }
        map { slurp("/proc/$_/cmdline") } $own->launchers;
    is(join('; ', @odd), '', 'by a launcher that was started as all are');
    is($slow->response(seconds => 10)->body, "first\nlast\n",
        'and a slow one');
    ok(hello($own), 'and the next one too');
    # Before 2.4.52 an open connection holds its worker, and its launchers.
    $_->close for @waiting, $slow;
    ok(!$own->ends_workers
            || wait_until(15, sub { $own->launchers == $launchers }),
        'then the launcher of before ends');
    is_deeply([$own->stop], [], 'nothing is left after the stop');
} } [], [qw(dav rewrite ssl proxy)];
# The same when they died before the restart.
push @sections, sub {
    my $own = CGITest::Server->start;
    my @old = $own->launchers;
    my $tag = tag_of();
    kill 'STOP', @old;
    my $c = CGITest::HTTP->new(%{$own->where});
    $c->send($c->format_request('GET', '/engine/hello', close => 1));
    sleep 0.3;
    kill 'KILL', @old;
    ok($own->graceful, 'a graceful restart as the launchers die');
    is($c->response(seconds => 10)->body, "hello\n",
        'a request of before is answered');
    is_deeply([$own->stop], [], 'nothing is left after the stop');
};

# A copy of the launcher, for a server that is to have its own.
sub copy {
    my ($server, $change) = @_;
    my $program = slurp($server->build_dir . '/cgi-launcher');
    $change->($program) if $change;
    return $server->file('cgi-launcher', $program, 0755);
}

# Requests that no launcher takes are told so, soon.
push @sections, sub {
    my $own = CGITest::Server->start(conf => 'CGILauncher @root@/cgi-launcher',
        prepare => sub { copy(@_) });
    my @launchers = $own->launchers;
    my $file = $own->root . '/cgi-launcher';
    my $mark = $own->mark;
    ok(hello($own), 'a launcher of its own');
    rename $file, "$file.away";
    kill 'KILL', @launchers;
    my $res = CGITest::HTTP->once($own->where, 'GET', '/engine/hello');
    is($res->status, 503, 'no launcher: 503') or diag text_of($res);
    like($res->header('Retry-After') || '', qr/^\d+$/,
        'no launcher: Retry-After');
    like($own->log_since($mark),
        qr/hello\.doit: can't be started: no launcher takes the request/,
        'no launcher: the log says so');
    rename "$file.away", $file;
    ok(wait_until(30, sub { hello($own) }),
        'a launcher that comes back is used');
    is_deeply([$own->stop], [], 'nothing is left after the stop');
};
push @sections, sub {
    my $own = CGITest::Server->start(conf => 'CGILauncher @root@/cgi-launcher',
        prepare => sub {
            my ($self) = @_;
            # the number that a message begins with
            copy($self, sub { $_[0] =~ s/\dIGC/\x7fIGC/g or die "no number" });
        });
    my $mark = $own->mark;
    my $res = CGITest::HTTP->once($own->where, 'GET', '/engine/hello');
    is($res->status, 503, 'another version: 503') or diag text_of($res);
    like($own->log_since($mark), qr/another version of cgi-launcher/,
        'another version: the log says so');
    is_deeply([$own->stop], [], 'nothing is left after the stop');
};

sections(@sections);
done_testing();
