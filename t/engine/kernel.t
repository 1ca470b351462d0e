# Kernels that lack system calls: the launcher starts and works wherever one of
# those that came after Linux 4.18, which is the oldest, answers ENOSYS.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(fds_of wait_until);
use CGITest::Server;

my $nosys = "$^X $CGITest::Server::t/lib/nosys.pl";
plan skip_all => 'no seccomp filters here' if system("$nosys --can");

# Without openat2() CGISendfile opens a file name by name.
my $conf = <<'END';
CGISendfile "@root@/public"
StartServers 1
<Location "/engine-limited">
    CGILimit 1 queue=9 wait=20s
</Location>
CGITimeout kill=1s
END

sub prepare {
    my ($own) = @_;
    $own->file('public/letters.txt', "letters\n");
    $own->file('secret', "secret\n");
    symlink '../secret', $own->root . '/public/link' or die "symlink: $!";
}

sub check {
    my ($name, @calls) = @_;
    return sub {
        my $own = CGITest::Server->start(conf => $conf, prepare => \&prepare,
            limit => qq{exec $nosys @calls -- "\$@"});
        my $ask = sub { CGITest::HTTP->once($own->where, @_) };

        my @launchers = $own->launchers;
        ok(scalar @launchers, "without $name: there are launchers");
        my %fds;
        wait_until(5, sub {
            %fds = fds_of($launchers[0]);
            !grep { /memfd:cgi-scripts/ } values %fds;
        });
        is((grep { m{^/} && !m{^/dev/null$} && !/error_log|\/out$/ }
                values %fds), 0, "without $name: which hold no file");

        my $body = join '', map { "line $_\n" } 1 .. 20_000;
        my $report = show($ask->('POST', '/engine/show?a+b', body => $body));
        is($report->{stdin}, length $body, "without $name: a script has its body");
        my $c = CGITest::HTTP->new(%{$own->where});
        $c->send($c->format_request('POST', '/engine/show', close => 1,
                headers => ['Transfer-Encoding' => 'chunked'])
            . CGITest::HTTP::chunked($body, 4099));
        $report = show($c->response);
        is($report->{stdin}, length $body,
            "without $name: and one without a length, by way of a file");
        is(join(' ', sort keys %{$report->{fd}}), '0 1 2',
            "without $name: and three descriptors");
        is($ask->('GET', '/engineroute/hello')->body, "hello\n",
            "without $name: a route");

        my $file = $own->root . '/public/letters.txt';
        is(emit_from($own, $file)->body, "letters\n",
            "without $name: CGISendfile");
        is(emit_from($own, $own->root . '/public/link')->status, 403,
            "without $name: but not through a link");

        my @limited = parallel(map { sub {
            CGITest::HTTP->once($own->where, 'GET', '/engine-limited/hello')
                ->status;
        } } 1 .. 4);
        is("@limited", '200 200 200 200', "without $name: CGILimit");

        # Launchers and workers that die
        kill 'KILL', $own->launchers;
        is($ask->('GET', '/engine/hello')->body, "hello\n",
            "without $name: the launchers were killed");
        ($c, my $tag) = begin_script($own, '/engine/slow?body=60');
        kill 'KILL', $own->workers;
        is_gone($tag, 10, "without $name: a script whose worker was killed ends");
        $c->abort;
        is($ask->('GET', '/engine/hello')->body, "hello\n",
            "without $name: and httpd goes on");
        is_deeply([$own->stop], [], "without $name: nothing is left");
    };
}

sub emit_from {
    my ($own, $path) = @_;
    return CGITest::HTTP->once($own->where, 'GET', '/engine/emit?'
        . escape("X-Sendfile: $path\nContent-Type: text/plain\n\n"));
}

sections(
    check('close_range', 436),
    check('pidfds', 424, 434, 'peerpidfd'),
    check('openat2', 437),
    check('clone3', 435),
    check('Landlock', 444 .. 446),
    check('O_TMPFILE', 'tmpfile'),
    check('all that Linux 4.18 lacks', '424-', 'peerpidfd'),
);
done_testing();
