# mpm: all
# HTTP/2, h2c and over TLS: rules R5, A7, A9, A17, B7, C11, E2, E6.
use strict;
use warnings;
use Digest::MD5 qw(md5_hex);
use Test::More;
use Time::HiRes qw(sleep time);
use CGITest;
use CGITest::H2;
use CGITest::HTTP;
use CGITest::Proc qw(processes_with memory_kb);
use CGITest::Server;

plan skip_all => 'mod_http2 does not work with the MPM prefork'
    if CGITest::Server->default_mpm eq 'prefork';
my ($curl) = grep { -x } qw(/usr/bin/curl /bin/curl);

my $tls;
my $own = CGITest::Server->start(
    modules => [qw(http2 ssl deflate include)],
    prepare => sub { $tls = $_[0]->make_certificate
        or plan skip_all => 'no certificate could be made' },
    conf => <<'END');
Protocols h2c http/1.1
Timeout 20
H2EarlyHints On
Listen 127.0.0.1:@port2@
<VirtualHost *:@port2@>
    SSLEngine On
    SSLCertificateFile "@root@/tls.pem"
    Protocols h2 http/1.1
</VirtualHost>
END

my $text = join '', map { pack 'N', $_ * 2654435761 % 2**32 } 1 .. 250_000;
my $file = $own->file('upload', $text);

# ---- with curl, over both: [status, body, headers as a text, exit status]
my %over = (
    h2c => ['--http2-prior-knowledge', 'http://127.0.0.1:' . $own->port],
    'h2 over TLS' => ['--http2', '-k', 'https://127.0.0.1:' . $own->port(2)],
    'HTTP/1.1 over TLS' => ['--http1.1', '-k',
        'https://127.0.0.1:' . $own->port(2)],
);

sub curl {
    my ($over, $path, @options) = @_;
    my @o = @{$over{$over}};
    my $url = pop @o;
    open my $fh, '-|', $curl, '-s', '-i', '--max-time', 25, @o, @options,
        "$url$path" or die "curl: $!";
    binmode $fh;
    my $all = do { local $/; <$fh> };
    close $fh;
    my $exit = $? >> 8;
    $all = '' unless defined $all;
    my @interim;
    push @interim, $1 while $all =~ s{^(HTTP/\S+ 1\d\d.*?\r\n\r\n)}{}s;
    my ($head, $body) = split /\r\n\r\n/, $all, 2;
    my ($status) = ($head // '') =~ m{^HTTP/\S+ (\d+)};
    return {status => $status // 0, body => $body // '', head => $head // '',
        exit => $exit, interim => \@interim};
}

my @sections;

push @sections, map { my $over = $_; sub {
    my $h2 = $over =~ /h2/;
    my $r = curl($over, '/engine/show/a%20b?x=y');
    is($r->{status}, 200, "$over: a script");
    my $env = eval { show(CGITest::Response->wrap($r->{body}))->{env} } || {};
    is($env->{SERVER_PROTOCOL}, $h2 ? 'HTTP/2.0' : 'HTTP/1.1',
        "A7 $over: SERVER_PROTOCOL");
    is($env->{PATH_INFO}, '/a b', "$over: PATH_INFO");
    is($env->{SERVER_PORT}, $own->port($over =~ /TLS/ ? 2 : 0),
        "A7 $over: SERVER_PORT");
    $r = curl($over, '/engine/show', '-H', 'Cookie: a=1', '-H',
        'Cookie: b=2');
    $env = eval { show(CGITest::Response->wrap($r->{body}))->{env} } || {};
    is($env->{HTTP_COOKIE}, $h2 ? 'a=1; b=2' : 'a=1, b=2',
        "A9 $over: cookies in one value");
    $r = curl($over, '/engine/echo', '--data-binary', "\@$file");
    is(md5_hex($r->{body}), md5_hex($text), "C11 $over: echo of a megabyte");
    $r = curl($over, '/engine/count', '--data-binary', "\@$file", '-H',
        'Transfer-Encoding: chunked');
    like($r->{body}, qr/^size=1000000 .*length=1000000/,
        "A2 $over: a body without a length is spooled");
    $r = curl($over, '/engine-stream/count', '-T', '-', '-X', 'POST');
    like($r->{body}, qr/^size=0 /, "A10 $over: an empty body");
    $r = curl($over, '/engine/hello', '-I');
    is("$r->{status} $r->{body}", '200 ', "A18 $over: HEAD");
    for (['/engine/emit?' . escape("Status: 404\nContent-Type: text/x\n\nno"),
            '404 no'],
        ['/engine/emit?' . escape("Status: 204 No\n\nno"), '204 '],
        ['/engine/emit?' . escape("Location: /engine/hello\n\n"),
            "200 hello\n"],
        ['/engine/emit?' . escape("Transfer-Encoding: chunked\n\nno"), 502],
        ['/engine/emit?' . escape("broken\n\n"), 500],
        ['/engine-first/slow?head=20', 504],
        ['/engine/no', 403]) {
        my ($path, $want) = @$_;
        $r = curl($over, $path);
        is($want =~ / / ? "$r->{status} $r->{body}" : $r->{status}, $want,
            "$over: $path gives $want");
    }
    # What comes for a body that is not read: of HTTP/2 see below, since curl
    # forgets a response whose stream is reset after its end.
    if (!$h2) {
        $r = curl($over, '/engine/produce?n=10000000', '--data-binary',
            "\@$file");
        is(length $r->{body}, 10_000_000, "C11 $over: the body is not read");
        $r = curl($over, '/engine-body1000/count', '--data-binary',
            "\@$file");
        is($r->{status}, 413, "B7 $over: 413");
    }
    # Connection's own headers of a script must not break HTTP/2.
    $r = curl($over, '/engine/emit?' . escape("Content-Type: text/x\n"
            . "Connection: close\nKeep-Alive: 3\nUpgrade: x\n\nbody"));
    is("$r->{status} $r->{body} $r->{exit}", '200 body 0',
        "$over: a script's Connection header");
    # Cut off: the client can tell. Before 2.4.55 mod_http2 ends any stream in
    # order.
    my $shows = !$h2 || server()->since(2, 4, 55);
    for my $path ('/engine-idle/slow?body=20', '/engine/crash?at=nolength') {
        $r = curl($over, $path);
        ok($shows ? $r->{exit} : !$r->{exit},
            "B7 $over: $path, the client sees the truncation, or can't");
        is($r->{status}, 200, "B7 $over: $path, after its header");
    }
    # Early hints
    $r = curl($over, '/engine/emit?' . escape("Status: 103 Early Hints\n"
            . "Link: </a.css>; rel=preload\n\nContent-Type: text/x\n\nbody"));
    is("$r->{status} $r->{body}", '200 body', "A17 $over: 103, then 200");
    like(join('', @{$r->{interim}}), qr/ 103 .*link: <\/a\.css>/is,
        "A17 $over: 103 with its Link");
    # A script that runs on after its output: the connection lives on too.
    # (curl does not use an h2c connection twice.)
    if ($over ne 'h2c') {
        my @o = @{$over{$over}};
        my $url = pop(@o) . '/engine/slow?body=3&out=1';
        my $asked = "$curl -s -w '%{http_code} %{num_connects};' @o";
        my $said = qx($asked '$url' '$url');
        is($said, "first\n200 1;first\n200 0;",
            "C12 $over: two scripts that run on, on one connection");
    }
    # Lines arrive while the script runs.
    my $tag = tag_of();
    my @o = @{$over{$over}};
    my $url = pop @o;
    open my $fh, '-|', $curl, '-sN', @o, "$url/engine/drip?n=40&ms=50&$tag"
        or die "curl: $!";
    my $line = <$fh>;
    is($line, "line 1\n", "$over: streaming, the first line");
    ok(processes_with($tag), "$over: streaming, while the script runs");
    my @rest = <$fh>;
    is($rest[-1], "line 40\n", "$over: streaming, the last line");
    close $fh;
} } $curl ? sort keys %over : ();

# R5: an NPH script's own response is read and framed anew.
push @sections, map { my $over = $_; sub {
    my $r = curl($over, '/engine/raw?' . escape("HTTP/1.1 299 Odd\r\n"
            . "Content-Type: text/x\r\nX-Own: 1\r\n\r\nthe body"));
    is("$r->{status} $r->{body}", '299 the body', "R5 $over: NPH");
    like($r->{head}, qr/^x-own: 1\r?$/im, "R5 $over: NPH, its headers");
    $r = curl($over, '/engine/nph-raw?' . escape("HTTP/1.0 200 OK\n"
            . "Content-Type: text/x\n\nbody\n"));
    is("$r->{status} $r->{body}", "200 body\n", "R5 $over: nph- prefix, LF");
    $r = curl($over, '/engine/raw?' . escape("no status line\r\n\r\nbody"));
    is($r->{status}, 500, "R5 $over: NPH without a status line");
    unlike($r->{body}, qr/no status line/, "R5 $over: and nothing of it");
    $r = curl($over, '/engine/rawdrip?n=3&ms=10');
    is($r->{body}, "line 1\nline 2\nline 3\n", "R5 $over: NPH in pieces");
} } $curl ? ('h2c', 'h2 over TLS') : ();

# ---- frame by frame

sub h2 { return CGITest::H2->new(%{$own->where}, @_) }

# A body that is not read, or refused: the response is whole all the same.
push @sections, sub {
    for (['/engine-stream/produce?n=3000000', 200, 3_000_000],
        ['/engineroutestream/produce?n=3000000', 200, 3_000_000],
        ['/engine/closein', 200, 7], ['/engine/no', 403],
        ['/engine-body1000/count', 413], ['/engine-stream1000/count', 413]) {
        my ($path, $status, $length) = @$_;
        my $h = h2();
        my $id = $h->begin('POST', $path, body => 1,
            headers => ['content-length' => 960_000]);
        my $s = $h->stream($id);
        for (1 .. 60) {
            last if $s->{end} || defined $s->{reset};
            $h->send($id, 'u' x 16_000, $_ == 60) or last;
        }
        my ($got) = $h->response($id) =~ /^(\w+)/;
        is($got, $status, "C11 B7 HTTP/2, $path: $status");
        is(length $s->{body}, $length, "C11 HTTP/2, $path: all of it")
            if $length;
        $h->close;
    }
};

# E6: a stream that is reset ends its script, and no other.
push @sections, sub {
    my $h = h2();
    my @tag = map { tag_of() } 0 .. 3;
    my @id = map { $h->begin('GET', $_) } "/engine/slow?head=60&$tag[0]",
        "/engine/slow?body=60&$tag[1]", "/engine/slow?head=60&trap=1&$tag[2]",
        "/engine/drip?n=60&ms=50&$tag[3]";
    ok(runs($_), 'E6 a stream\'s script runs') for reverse @tag;
    my $start = time;
    $h->reset($id[$_]) for 0 .. 2;
    ok(gone($tag[0], 2), 'E6 RST_STREAM before the header: script ended');
    ok(gone($tag[1], 2), 'E6 RST_STREAM in the body: script ended');
    ok(gone($tag[2], 6), 'E6 RST_STREAM, a script that traps TERM: ended');
    like($h->response($id[3]), qr/^200 line 1\n.*line 60\n\z/s,
        'E6 another stream of the connection is not harmed');
    is($h->response($h->begin('GET', '/engine/hello')), "200 hello\n",
        'E6 and the connection serves on');
    $h->close;
    CGITest::end_scripts($_) for @tag;
};
# The connection goes.
push @sections, map { my $how = $_; sub {
    my $h = h2();
    my @tag = map { tag_of() } 0 .. 2;
    my @id = map { $h->begin('GET', $_) } "/engine/slow?head=60&$tag[0]",
        "/engine/slow?body=60&$tag[1]", "/engine/drip?n=900&ms=50&$tag[2]";
    runs($_) for @tag;
    $h->$how;
    is_gone($_, 3, "E6 the connection goes ($how): script ended") for @tag;
} } 'close', 'abort';

# A script that runs on after its output: the connection lives on too.
push @sections, sub {
    my $h = h2();
    is($h->response($h->begin('GET', '/engine/slow?body=3&out=1')),
        "200 first\n", 'C12 h2c: a script that runs on, on one connection')
        for 1, 2;
    $h->close;
};

# Nothing is known of the response yet, while its client is looked after.
push @sections, sub {
    my $h = h2();
    my $id = $h->begin('POST', '/engine/slow?head=1', body => 1);
    sleep 0.6;
    $h->send($id, 'x', 1);
    is($h->response($id), "200 first\nlast\n",
        'B7 a header that comes after a second');
    $h->close;
};

# Many streams: quick ones do not wait for those that sleep.
push @sections, sub {
    my $h = h2();
    my $tag = tag_of();
    my @slow = map { $h->begin('GET', "/engine/slow?head=30&$tag") } 1 .. 5;
    runs($tag);
    my @quick = map { $h->begin('GET', '/engine/hello') } 1 .. 10;
    my @got = map { $h->response($_) } @quick;
    is((grep { $_ eq "200 hello\n" } @got), 10,
        'C15 ten quick streams beside five that sleep') or diag explain \@got;
    is(scalar processes_with($tag), 5, 'C15 which still do');
    $h->close;
    is_gone($tag, 3, 'C15 and end with the connection');
};

# E2: piece by piece, the next one when the last has come back.
push @sections, map { my $path = $_; sub {
    my $h = h2();
    my $id = $h->begin('POST', $path, body => 1);
    my $s = $h->stream($id);
    my $back = 1;
    for my $n (1 .. 20) {
        $h->send($id, "piece $n " . 'p' x 5000);
        $back &&= $h->until(5, sub { $s->{body} =~ /piece $n p{5000}\z/ });
    }
    ok($back, "E2 $path: each piece comes back before the next is sent");
    $h->send($id, 'end', 1);
    like($h->response($id), qr/pend\z/, "E2 $path: and the end too");
    $h->close;
} } '/engine-stream/echo', '/engineroutestream/echo';

# A client that does not read: its script waits, others do not, and the memory
# of the workers does not grow with what the script could say.
push @sections, sub {
    my $server = CGITest::Server->start(modules => ['http2'],
        conf => "Protocols h2c http/1.1\n");
    my $most = sub {
        my $sum = 0;
        $sum += memory_kb($_) for $server->workers;
        return $sum;
    };
    my $h = CGITest::H2->new(%{$server->where}, credit => 0);
    is($h->response($h->begin('GET', '/engine/hello')), "200 hello\n",
        'E7 a stream that is read');
    my $before = $most->();
    my $tag = tag_of();
    my $id = $h->begin('GET', "/engine/produce?n=200000000&$tag");
    $h->until(2, sub { length $h->stream($id)->{body} >= 65535 });
    sleep 1;
    cmp_ok($most->() - $before, '<', 16 * 1024,
        'E7 a stream that is not read: memory of the workers');
    is($h->response($h->begin('GET', '/engine/hello')), "200 hello\n",
        'E7 another stream of it is answered');
    $h->reset($id);
    is_gone($tag, 3, 'E6 a reset ends the script that could not write');
    $h->close;
    $server->stop;
};

# B7: a client that stalls in its body.
push @sections, sub {
    my $slow = CGITest::Server->start(modules => ['http2'],
        conf => "Protocols h2c http/1.1\nTimeout 2\n");
    for my $path ('/engine/count', '/engine-spool/count') {
        my $h = CGITest::H2->new(%{$slow->where});
        my $tag = tag_of();
        my $id = $h->begin('POST', "$path?$tag", body => 1,
            headers => ['content-length' => 10]);
        $h->send($id, 'abc');
        my $said = $h->response($id, 8);
        like($said, qr/^(408|other|reset) /,
            "B7 $path: a stream that stalls is given up") or diag $said;
        is_gone($tag, 4, "B7 $path: and its script ended");
        $h->close;
    }
    $slow->stop;
};

sections(@sections);
$own->stop;
done_testing();
