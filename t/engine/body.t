# mpm: prefork
# The request body, RFC 3875, 4.2: rules A2, A10, A11 and C9, on its way
# through a pipe (stream) and through a file (spool).
use strict;
use warnings;
use Digest::MD5 qw(md5_hex);
use List::Util qw(max);
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(processes_with fds_of children_of wait_until);

# What count.doit said, as a hash.
sub counted {
    my ($res) = @_;
    my %c = $res->body =~ /(\w+)=(\S+)/g;
    return $c{size} ? \%c : {size => text_of($res), md5 => '', %c};
}

sub post_chunked {
    my ($path, $bytes, $size, %o) = @_;
    my $c = CGITest::HTTP->new(%{where()});
    my $pid = $c->send_in_background(sub {
        $_[0]->send($_[0]->format_request('POST', $path,
                headers => ['Transfer-Encoding' => 'chunked',
                    @{$o{headers} || []}])
            . CGITest::HTTP::chunked($bytes, $size));
    });
    my $res = $c->response;
    waitpid $pid, 0;
    return $res;
}

my $source = join '', map { pack 'N', $_ * 2654435761 % 2**32 } 0 .. 16500;

# A10: every size, every way.
for my $way ('/engine', '/engine-stream', '/engine-spool', '/engineroute') {
    for my $size (0, 1, 2, 65535, 65536, 65537) {
        my $bytes = substr $source, 0, $size;
        my $want = md5_hex($bytes);
        my $c = counted(once('POST', "$way/count", body => $bytes));
        is($c->{size}, $size, "A10 $way: $size bytes");
        is($c->{md5}, $want, "A10 $way: $size bytes as sent");
        is($c->{length}, $size, "A2 $way: CONTENT_LENGTH is $size");
        $c = counted(post_chunked("$way/count", $bytes, 4099));
        is($c->{size}, $size, "A10 $way: $size bytes in chunks");
        is($c->{md5}, $want, "A10 $way: $size bytes in chunks as sent");
        is($c->{length}, $way =~ /stream/ ? 'unset' : $size,
            "A2 $way: CONTENT_LENGTH of $size bytes in chunks");
    }
    my $c = counted(get("$way/count"));
    is($c->{size}, 0, "A10 $way: no body, EOF at once");
    is($c->{length}, 'unset', "A2 $way: no body, no CONTENT_LENGTH");
}

# HEAD: httpd reads its body away, the script has none.
{
    my $c = CGITest::HTTP->new(%{where()});
    $c->send($c->format_request('HEAD', '/engine/args', body => 'x' x 5000));
    my $res = $c->response(method => 'HEAD');
    is($res->header('X-Length'), 'unset', 'A2 HEAD with a body');
    ok($c->usable('/engine/hello'), 'A2 HEAD with a body: the next request');
}

# Larger than any buffer on the way; 5 GB when there is time for it.
{
    my $total = $ENV{CGITEST_LARGE} ? 5 * 2**30 : 48 * 2**20;
    my $piece = 'p' x 2**20;
    my $md5 = Digest::MD5->new;
    $md5->add($piece) for 1 .. $total / 2**20;
    my $want = $md5->hexdigest;
    for my $coding ('length', 'chunked') {
        my $path = $coding eq 'length' ? '/engine-huge/count'
                                       : '/engine-hugestream/count';
        my $c = CGITest::HTTP->new(%{where()}, timeout => 120);
        my $pid = $c->send_in_background(sub {
            my ($h) = @_;
            my $header = $coding eq 'length' ? ['Content-Length' => $total]
                : ['Transfer-Encoding' => 'chunked'];
            $h->send($h->format_request('POST', $path, headers => $header));
            for (1 .. $total / 2**20) {
                $h->send($coding eq 'length' ? $piece
                    : sprintf "%x\r\n%s\r\n", length $piece, $piece);
            }
            $h->send("0\r\n\r\n") if $coding eq 'chunked';
        });
        my $n = counted($c->response);
        waitpid $pid, 0;
        is($n->{size}, $total, "A10 $total bytes, $coding");
        is($n->{md5}, $want, "A10 $total bytes, $coding, as sent");
        is($n->{length}, $coding eq 'length' ? $total : 'unset',
            "A2 CONTENT_LENGTH of $total bytes, $coding");
    }
}

# Large bodies go from socket to script without a copy where nobody on the way
# looks at them. Each 64 KiB are different here: all of them, in order, and
# not a byte of the request behind them.
my $many = join '', map { pack('N', $_) . substr $source, 0, 65532 } 1 .. 200;
$many .= 'the end';
for my $way ('/engine', '/engine-spool', '/engine-stream', '/engineroute') {
    my $c = CGITest::HTTP->new(%{where()});
    my $pid = $c->send_in_background(sub {
        $_[0]->send($_[0]->format_request('POST', "$way/count", body => $many)
            . $_[0]->format_request('GET', '/engine/hello'));
    });
    my $n = counted($c->response);
    is($n->{size}, length $many, "A10 $way: a large body, and a request");
    is($n->{md5}, md5_hex($many), "A10 $way: a large body as sent");
    is($c->response->body, "hello\n", "A10 $way: the request after it");
    waitpid $pid, 0;
}

# The same where somebody looks: a filter below ours, or TLS. And no pipe is
# left, however the request ends.
{
    my $own = CGITest::Server->start(modules => [qw(dumpio ssl)],
        prepare => sub {
            $_[0]->make_certificate or diag 'no certificate';
            $_[0]->file('many', $many);
        },
        conf => <<'END');
DumpIOInput On
LogLevel dumpio:trace7
Listen 127.0.0.1:@port2@
<VirtualHost 127.0.0.1:@port2@>
    DumpIOInput Off
    SSLEngine On
    SSLCertificateFile "@root@/tls.pem"
</VirtualHost>
Listen 127.0.0.1:@port3@
<VirtualHost 127.0.0.1:@port3@>
    DumpIOInput Off
</VirtualHost>
END
    for (['a filter that looks', 'http', $own->port, 'count'],
        ['TLS', 'https', $own->port(2), qw(count closein hello)],
        ['nobody looks', 'http', $own->port(3), qw(count closein hello)]) {
        my ($name, $scheme, $port, @scripts) = @$_;
        for my $script (@scripts) {
            my $url = "$scheme://127.0.0.1:$port/engine/$script";
            my $got = `curl -sk --http1.1 -H Expect: --data-binary '\@$own->{root}/many' $url 2>&1`;
            my $want = $script eq 'count' ? md5_hex($many)
                : $script eq 'hello' ? 'hello' : 'closed';
            like($got, qr/$want/, "A10 large body, $name: $script");
        }
    }
    my $pipes = sub { # of the worker that has most: their number varies
        return max(map {
            my %fds = fds_of($_);
            scalar grep { /^pipe:/ } values %fds;
        } $own->workers);
    };
    my $before = $pipes->();
    for my $script (('count', 'closein', 'hello') x 5) {
        my $c = CGITest::HTTP->new(%{$own->where}, port => $own->port(3));
        my $pid = $c->send_in_background(sub {
            $_[0]->send($_[0]->format_request('POST', "/engine/$script",
                body => $many));
        });
        $script eq 'count' ? $c->response : $c->abort;
        waitpid $pid, 0;
    }
    my $after;
    wait_until(5, sub { ($after = $pipes->()) <= $before });
    cmp_ok($after, '<=', $before, 'A10 large bodies: no pipe is left open');
    $own->stop;
}

# Arriving bit by bit.
for my $way ('/engine', '/engine-spool') {
    my $c = CGITest::HTTP->new(%{where()});
    $c->send($c->format_request('POST', "$way/count",
        headers => ['Content-Length' => 10]));
    for (1 .. 10) {
        $c->send($_ % 10);
        select undef, undef, undef, 0.02;
    }
    is(counted($c->response)->{md5}, md5_hex('1234567890'),
        "A10 $way: a byte at a time");
}

# Trailers after the chunks.
for my $way ('/engine-stream', '/engine-spool') {
    my $c = CGITest::HTTP->new(%{where()});
    $c->send($c->format_request('POST', "$way/count",
            headers => ['Transfer-Encoding' => 'chunked'])
        . "4;ext=1\r\nabcd\r\n0\r\nX-Trailer: t\r\n\r\n");
    is(counted($c->response)->{md5}, md5_hex('abcd'),
        "A10 $way: chunks with trailers");
    ok($c->usable('/engine/hello'), "A10 $way: and then the next request");
}

# Of a large body that comes quickly the kernel tells only in large pieces: its
# end need not be one, and neither are the requests that follow.
{
    my $h = CGITest::HTTP->new(%{where()});
    my $large = $source x 48;
    for my $pause (0.0003, 0.02) {
        my @ends = map { "$_," } 1 .. 30;
        my $pid = $h->send_in_background(sub {
            my ($c) = @_;
            $c->send($c->format_request('POST', '/engine/count',
                    headers => ['Transfer-Encoding' => 'chunked']));
            for my $piece ($large, @ends) {
                $c->send(sprintf "%x\r\n%s\r\n", length $piece, $piece);
                select undef, undef, undef, $pause;
            }
            $c->send("0\r\n\r\n");
        });
        my $c = counted($h->response(seconds => 20));
        waitpid $pid, 0;
        is($c->{md5}, md5_hex(join '', $large, @ends),
            "A10 a large body that ends in small pieces, each after $pause s");
        ok($h->usable('/engine/hello'), 'A10 and then a small request');
    }
}

# The spool file: it is stdin itself, has no name, and can be read again.
{
    my $c = counted(once('POST', '/engine-spool/count', body => 'x' x 5000));
    is($c->{again}, 10, 'CGIRequestBody spool: stdin is seekable');
    like($c->{stdin}, qr/^\/.+/, 'CGIRequestBody spool: stdin is a file');
    my ($path) = $c->{stdin} =~ /^(\/\S+)/;
    ok(!-e $path, 'C9 the file has no name any more');
    $c = counted(once('POST', '/engine-stream/count', body => 'x' x 5000));
    like($c->{stdin}, qr/^pipe:/, 'CGIRequestBody stream: stdin is a pipe');
    $c = counted(post_chunked('/engine/count', 'x' x 5000, 100));
    is($c->{again}, 10, 'CGIRequestBody default: chunks are spooled');
    $c = counted(once('POST', '/engine/count', body => 'x' x 5000));
    like($c->{stdin}, qr/^pipe:/,
        'CGIRequestBody default: a known length is streamed');

    # Nothing is started before the whole body is there.
    my $tag = tag_of();
    my $h = CGITest::HTTP->new(%{where()});
    $h->send($h->format_request('POST', "/engine-spool/count?$tag",
        headers => ['Content-Length' => 6]) . 'abc');
    select undef, undef, undef, 0.5;
    ok(!processes_with($tag), 'CGIRequestBody spool: the script waits');
    $h->send('def');
    is(counted($h->response)->{md5}, md5_hex('abcdef'),
        'CGIRequestBody spool: then it runs');
    # With a pipe it does not wait.
    $h = CGITest::HTTP->new(%{where()});
    $h->send($h->format_request('POST', "/engine/count?$tag",
        headers => ['Content-Length' => 6]) . 'abc');
    ok(runs($tag), 'CGIRequestBody stream: the script does not wait');
    $h->send('def');
    is(counted($h->response)->{size}, 6, 'CGIRequestBody stream: it ends');
}

# A2: a filter that changes the body.
SKIP: {
    eval { require IO::Compress::Gzip; 1 }
        or skip 'IO::Compress::Gzip is not installed', 8;
    my $plain = 'A body that compresses well. ' x 1000;
    IO::Compress::Gzip::gzip(\$plain, \my $zipped) or die 'gzip';
    my @headers = ('Content-Encoding' => 'gzip');
    for my $way ('/engine-inflate', '/engine-inflatestream') {
        for my $res (
            once('POST', "$way/count", body => $zipped, headers => \@headers),
            post_chunked("$way/count", $zipped, 50, headers => \@headers)
        ) {
            my $c = counted($res);
            is($c->{md5}, md5_hex($plain), "B5 $way: INFLATE of the body");
            is($c->{length}, $way =~ /stream/ ? 'unset' : length $plain,
                "A2 $way: CONTENT_LENGTH of the inflated body");
        }
    }
}

# A11: the script need not read it.
for my $way ('/engine', '/engine-stream', '/engine-spool', '/engineroute') {
    for my $script ('hello', 'closein') {
        for my $size (1, 100_000, 3_000_000) {
            my $mark = server()->mark;
            my $name = "A11 $way/$script ignores $size bytes";
            my $c = CGITest::HTTP->new(%{where()});
            my $pid = $c->send_in_background(sub {
                $_[0]->send($_[0]->format_request('POST', "$way/$script",
                    body => 'u' x $size));
            });
            my $res = $c->response;
            is($res->status . $res->error, 200, "$name: 200")
                or diag text_of($res);
            waitpid $pid, 0;
            my $next = eval {
                $c->send($c->format_request('GET', '/engine/hello'));
                $c->response;
            };
            # Closed without an answer is clean; anything else must be right.
            ok($next && ($next->error eq 'closed early' && !$next->{head}
                    || $next->body eq "hello\n"),
                "$name: the connection is usable or closed")
                or diag $@ || text_of($next);
            none_like(server()->log_since($mark), qr/:(error|crit|alert)\]/,
                "$name: nothing in the log");
        }
    }
}
{
    # Refused before it is read, by what is no script at all.
    my $c = CGITest::HTTP->new(%{where()});
    my $pid = $c->send_in_background(sub {
        $_[0]->send($_[0]->format_request('POST', '/engine/no',
            body => 'u' x 300_000));
    });
    is($c->response->status, 403, 'A11 403, the body is not read');
    waitpid $pid, 0;
    $c->send($c->format_request('GET', '/engine/hello'));
    my $next = $c->response;
    ok($next->error eq 'closed early' && !$next->{head}
        || $next->body eq "hello\n", 'A11 403, and the connection is clean')
        or diag text_of($next);
}

# C9: LimitRequestBody 1000.
for my $way ('/engine-body1000', '/engine-stream1000', '/engine-spool1000') {
    is(once('POST', "$way/count", body => 'x' x 1000)->status, 200,
        "C9 $way: 1000 bytes are allowed");
    is(post_chunked("$way/count", 'x' x 1000, 100)->status, 200,
        "C9 $way: 1000 bytes in chunks are allowed");
    my $tag = tag_of();
    my $res = once('POST', "$way/count?$tag", body => 'x' x 1001);
    is($res->status, 413, "C9 $way: 1001 bytes give 413")
        or diag text_of($res);
    is_gone($tag, 5, "C9 $way: no script is left");
    for my $size (1001, 100_000) {
        $tag = tag_of();
        $res = post_chunked("$way/count?$tag", 'x' x $size, 100);
        is($res->status, 413, "C9 $way: $size bytes in chunks give 413")
            or diag text_of($res);
        is_gone($tag, 5, "C9 $way: $size bytes in chunks, no script is left");
    }
}

# 100-continue comes when the body is wanted, and else not.
{
    my @expect = (Expect => '100-continue', 'Content-Length' => 5);
    for my $way ('/engine', '/engine-spool') {
        my $c = CGITest::HTTP->new(%{where()});
        $c->send($c->format_request('POST', "$way/count",
            headers => \@expect));
        my $res = $c->response(interim => 1, seconds => 5);
        is($res->status, 100, "100-continue: $way wants the body")
            or diag text_of($res);
        $c->send('12345');
        is(counted($c->response)->{size}, 5, "100-continue: $way gets it");
    }
    for (['/engine/no', 403], ['/engine-auth/count', 401]) {
        my ($path, $want) = @$_;
        my $c = CGITest::HTTP->new(%{where()});
        $c->send($c->format_request('POST', $path, headers => \@expect));
        my $res = $c->response(seconds => 5);
        is($res->status, $want, "100-continue: $path, $want at once");
        is(scalar @{$res->{interim}}, 0, "100-continue: $path, no 100");
    }
    my $c = CGITest::HTTP->new(%{where()});
    $c->send($c->format_request('POST', '/engine-body1000/count',
        headers => [Expect => '100-continue', 'Content-Length' => 5000]));
    my $res = $c->response(seconds => 5);
    is($res->status, 413, '100-continue: 413 at once');
    is(scalar @{$res->{interim}}, 0, '100-continue: 413 without a 100');
}

# B7: what is wrong with a body is said as it is.
{
    for my $way ('/engine', '/engine-stream', '/engine-spool') {
        for my $bad ("zz\r\nabc\r\n0\r\n\r\n", "-5\r\nabc", "5 5\r\nabcde",
            "FFFFFFFFFFFFFFFFFF\r\nabc") {
            my $tag = tag_of();
            my $c = CGITest::HTTP->new(%{where()});
            $c->send($c->format_request('POST', "$way/count?$tag",
                    headers => ['Transfer-Encoding' => 'chunked'])
                . "3\r\nabc\r\n$bad");
            my $res = $c->response(seconds => 10);
            like($res->status, qr/^4(00|13)$/, "B7 $way: a bad chunk ("
                . escape(substr $bad, 0, 10) . ') is the client\'s error')
                or diag text_of($res);
            is_gone($tag, 5, "B7 $way: and the script is ended");
        }
        # The client leaves in the middle.
        my $tag = tag_of();
        my $mark = server()->mark;
        my $c = CGITest::HTTP->new(%{where()});
        $c->send($c->format_request('POST', "$way/count?$tag",
            headers => ['Content-Length' => 100000]) . 'abc');
        runs($tag) if $way ne '/engine-spool';
        $c->close;
        is_gone($tag, 3, "B7 $way: the client leaves, the script ends");
        none_like(server()->log_since($mark), qr/:(error|crit|alert)\]/,
            "B7 $way: which is no error for the administrator");
    }
}

# A script that has ended without its body is heard before the body is there.
{
    my $c = CGITest::HTTP->new(%{where()});
    my $path = '/engine/emit?' . escape("Content-Type: text/x\n\nearly");
    $c->send($c->format_request('POST', $path,
        headers => ['Content-Length' => 1000]) . 'ab');
    my $res;
    my $intime = within(15, sub { $c->response }, \$res);
    is($res->status . ' ' . $res->body, '200 early',
        'B1 an answer before the body');
    ok($intime, 'B1 at once');
    $c->send('x' x 998);
    $c->send($c->format_request('GET', $path));
    is($c->response->body, 'early', 'B1 and the next request after the body');
    $c->close;
}

# Servers of their own: times and disks that nobody else may have.
for (['Timeout', "Timeout 2\nRequestReadTimeout header=0 body=0\n"],
    ['RequestReadTimeout', "Timeout 60\nRequestReadTimeout body=2,MinRate=500\n"],
    ['RequestReadTimeout, parked',
        "Timeout 60\nRequestReadTimeout body=2\nCGIPark 100ms\n"]) {
    my ($which, $conf) = @$_;
    my $own = CGITest::Server->start(modules => ['reqtimeout'], conf => $conf
            . "<Location /engine-none>\nCGIRequestBody stream\n</Location>");
    my @results = parallel(map {
        my $path = $_;
        sub {
            my $c = CGITest::HTTP->new(%{$own->where});
            my $tag = "tag=$$-stall";
            $c->send($c->format_request('POST', "$path/count?$tag",
                headers => ['Content-Length' => 10]) . 'abc');
            my $res;
            my $intime = within(20, sub { $c->response }, \$res);
            return [$path, $res->status, $intime, gone($tag, 4)];
        }
    } '/engine', '/engine-spool', '/engine-none');
    for (@results) {
        my ($path, $status, $intime, $gone) = @$_;
        is($status, 408, "B7 $path: a client that stalls gets 408");
        ok($intime, "B7 $path: after $which");
        ok($gone, "B7 $path: and the script is ended");
    }
    $own->stop;
}
{
    # A slow client is not the script's fault: first= and idle= wait for it.
    my ($r) = parallel(sub {
        my $c = CGITest::HTTP->new(%{where()});
        $c->send($c->format_request('POST', '/engine-first/count',
            headers => ['Content-Length' => 6]) . 'abc');
        select undef, undef, undef, 4;
        $c->send('def');
        return text_of($c->response);
    });
    like($r, qr/^200 size=6 /, 'B7 first=3s does not count the client\'s time');
}
{
    # No space for the file: httpd may write so many blocks only.
    my $own = CGITest::Server->start(limit => 'ulimit -f 2000');
    my $mark = $own->mark;
    my $res;
    my $size = 5_000_000;
    my $c = CGITest::HTTP->new(%{$own->where});
    my $pid = $c->send_in_background(sub {
        $_[0]->send($_[0]->format_request('POST', '/engine-spool/count',
            body => 'd' x $size));
    });
    ok(within(10, sub { $c->response }, \$res), 'C9 full disk: no hang');
    waitpid $pid, 0;
    is($res->status, 500, 'C9 full disk: 500') or diag text_of($res);
    like($own->log_since($mark), qr/:error\].*count/,
        'C9 full disk: in the log');
    is(CGITest::HTTP->once($own->where, 'POST', '/engine-spool/count',
        body => 'd' x 1000)->status, 200, 'C9 full disk: it recovers');
    my %fds = map { fds_of($_) } $own->workers;
    is((grep { /\(deleted\)/ && !/\/(SYSV|anon|rewrite|\.apr|memfd:cgi-status)/ } values %fds),
        0, 'C9 full disk: no file is left open') or diag explain \%fds;
    $own->stop;
}

done_testing();
