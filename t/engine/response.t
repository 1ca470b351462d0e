# mpm: all
# What a script may answer, RFC 3875, 6: rules A13 to A19 and C10.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;

my $all_bytes = join '', map { chr } 0 .. 255;

# One line for a response: status, type, body.
sub brief {
    my ($res) = @_;
    return "error $res->{error}" if $res->error;
    my $type = $res->header('Content-Type');
    return join ' ', $res->status, defined $type ? $type : '-', $res->body;
}

# A refused output: the status, a line in the log that names the script and
# nothing of the script's own words for the client.
sub refused {
    my ($bytes, $name, %o) = @_;
    my $status = delete $o{status} || 500;
    my $mark = server()->mark;
    my $res = emit($bytes, %o);
    is($res->status . $res->error, $status, "$name: $status")
        or diag text_of($res);
    unlike($res->{head} . $res->body, qr/leaked/, "$name: nothing leaks");
    like(server()->log_until($mark, qr/:error\].*emit/, 3) || '',
        qr/:error\].*emit/, "$name: a line in the log")
        or diag server()->log_since($mark);
}

# ---- A13
is(brief(emit("Content-Type: text/odd\n\nbody")), '200 text/odd body',
    'A13 200 by default');
is(brief(emit("X-Only: 1\n\nbody")), '200 - body',
    'A13 no Content-Type is guessed');
{
    my $res = get('/engine/page.html');
    is($res->header('X-Page'), '1', 'A13 a script named page.html.doit');
    is(scalar $res->header('Content-Type'), undef,
        'A13 no Content-Type is guessed by its name');
}
refused("\nleaked", 'A13 empty header block, LF');
refused("\r\nleaked", 'A13 empty header block, CRLF');
refused("\n\nleaked", 'A13 empty lines only');

# ---- A14
{
    my $res = emit("Location: /engine/show/x%20y?q=%2520&r\n\n");
    is($res->status, 200, 'A14 local redirect');
    my $r = eval { show($res) } || {};
    is($r->{env}{PATH_INFO}, '/x y', 'A14 its PATH_INFO');
    is($r->{env}{QUERY_STRING}, 'q=%2520&r', 'A14 its query');
    is($r->{env}{SCRIPT_NAME}, '/engine/show', 'A14 its SCRIPT_NAME');
    ok(!$res->header('Location'), 'A14 the client sees no Location');

    $res = emit("Location: /engine/show\n\n", method => 'POST',
        body => 'secret body', headers => ['Content-Type' => 'text/x']);
    $r = eval { show($res) } || {};
    is($r->{env}{REQUEST_METHOD}, 'GET', 'A14 after POST: GET');
    is($r->{stdin}, 0, 'A14 after POST: no body');
    ok(!exists $r->{env}{CONTENT_LENGTH}, 'A14 after POST: no length');

    my $c = CGITest::HTTP->new(%{where()});
    $c->send($c->format_request('POST',
            '/engine/emit?' . escape("Location: /engine/show\n\n"),
            headers => ['Transfer-Encoding' => 'chunked'])
            . CGITest::HTTP::chunked('x' x 5000, 1000));
    $r = eval { show($c->response) } || {};
    is($r->{env}{REQUEST_METHOD}, 'GET', 'A14 after a chunked POST: GET');
    is($r->{stdin}, 0, 'A14 after a chunked POST: no body');
    ok($c->usable('/engine/hello'), 'A14 the connection goes on');
}
{
    my $header = "Set-Cookie: leaked=1\nX-Leaked: 1\nETag: \"leaked\"\n"
        . "Content-Type: text/leaked\nCache-Control: leaked\n"
        . "Last-Modified: Thu, 01 Jan 1998 00:00:00 GMT\n"
        . "Content-Encoding: leaked\nContent-Language: leaked\n";
    for my $target ('/engine/hello', '/engine/users', '/engine/none') {
        for my $text ("${header}Location: $target\n\nleaked body",
            "Location: $target\n$header\nleaked body") {
            my $res = emit($text);
            is($res->status, $target =~ /none/ ? 404 : 200,
                "A14 $target has its own status");
            unlike($res->{head} . $res->body, qr/leaked/i,
                "A14 to $target, no other header leaks");
        }
    }
    is(emit("Location: /engine-auth/show\n\n")->status, 401,
        'A14 authorization of the target');
    is(get('/engine/loop')->status, 500, 'A14 a loop ends in 500');
    is(brief(emit("Location: /engine/hello\n\n", method => 'HEAD')),
        '200 text/plain ', 'A14 HEAD');
    is(brief(emit("Location:/engine/hello\r\n\r\n")),
        "200 text/plain hello\n", 'A14 no space after the colon, CRLF');
}

# ---- A15
for my $url ('http://other.example/x?y=1', 'https://other.example/',
    'mailto:a@b.example') {
    my $res = emit("Location: $url\n\n");
    is($res->status, 302, "A15 $url: 302");
    is($res->header('Location'), $url, "A15 $url is passed on");
}
for my $status (301, 302, 303, 307, 308) {
    my $res = emit("Status: $status Away\nContent-Type: text/plain\n"
        . "Location: http://other.example/\nX-More: 1\n\nown body");
    is(brief($res), "$status text/plain own body", "A15 Status: $status");
    is($res->header('Location'), 'http://other.example/',
        "A15 Status: $status and its Location");
    is($res->header('X-More'), '1', "A15 Status: $status, other headers");
}
{
    my $res = emit("Status: 302 Found\nLocation: /engine/hello\n"
        . "Content-Type: text/plain\n\nown body");
    is(brief($res), '302 text/plain own body',
        'A15 Status wins over a local Location');
    like($res->header('Location'), qr{/engine/hello$}, 'A15 which is sent');
    is(brief(emit("Status: 201 Created\nLocation: /engine/hello\n"
                . "Content-Type: text/plain\n\nmade")),
        '201 text/plain made', 'A15 Status: 201 and Location');
    is(brief(emit("Status: 200 OK\nLocation: /engine/hello\n"
                . "Content-Type: text/plain\n\nown body")),
        '200 text/plain own body', 'A15 Status: 200 and Location');
    is(brief(emit("Status: 404 No\nLocation: http://other.example/\n"
                . "Content-Type: text/plain\n\nown body")),
        '404 text/plain own body', 'A15 Status: 404 and Location');
}

# ---- A16
for my $text ("CONTENT-TYPE: text/x\nsTaTuS: 299 Odd\n\nb",
    "content-type:text/x\nstatus:299\n\nb",
    "Content-Type: \t text/x \nStatus: 299\n\nb",
    "Content-Type: text/x\r\nStatus: 299 Odd\r\n\r\nb",
    "Content-Type: text/x\r\nStatus: 299 Odd\n\r\nb",
    "Content-Type: text/x\nStatus: 299 Odd\r\n\nb",
) {
    is(brief(emit($text)), '299 text/x b', 'A16 ' . escape($text));
}
is(brief(emit("Content-Type: text/x\r\n\nb\r\n")), "200 text/x b\r\n",
    'A16 the body begins after the first empty line');
for my $text ("Content-Type : text/x\n\nleaked",
    "Content-Type\t: text/x\n\nleaked",
    "X-A : 1\nContent-Type: text/x\n\nleaked",
    " Content-Type: text/x\n\nleaked",
    "Content-Type: text/x\n X-Fold: 1\n\nleaked",
    "Content-Type text/x\n\nleaked",
    ": text/x\n\nleaked",
    "Con tent: text/x\n\nleaked",
    "<p>leaked\n\nleaked",
) {
    refused($text, 'A16 ' . escape($text));
}
for my $name ('Status: 200', 'Content-Type: text/x', 'Location: /engine/hello',
    'Location: http://other.example/') {
    my ($field) = $name =~ /^(.*?):/;
    refused("$name\n$name\nX-Leaked: leaked\n\nleaked",
        "A16 $field twice ($name)");
    refused("$name\nX-Leaked: leaked\n\U$field\E: 201\n\nleaked",
        "A16 $field twice with other values ($name)");
}
{
    my $res = emit("Content-Type: text/x\nSet-Cookie: a=1\nSet-Cookie: b=2\n"
        . "X-Two: 1\nX-Two: 2\n\nb");
    is(join('|', $res->header('Set-Cookie')), 'a=1|b=2',
        'A16 Set-Cookie twice');
    is(join(', ', $res->header('X-Two')), '1, 2', 'A16 any other name twice');
}

# ---- A17
for my $status ('99', '1000', '-1', 'abc', '200abc', '', '101 Switching',
    '100 Continue', '100', '199', '600', '000', '0200', '2', '20', '+200',
    '0x1F4', '200.5', '9999999999') {
    my $name = "A17 Status: '$status'";
    my $mark = server()->mark;
    my $res;
    ok(within(5, sub {
        emit("Status: $status\nContent-Type: text/x\n\nleaked");
    }, \$res), "$name does not hang");
    like($res->status, qr/^50[02]$/, "$name is refused") or diag text_of($res);
    unlike($res->body, qr/leaked/, "$name: nothing leaks");
    like(server()->log_until($mark, qr/:error\].*emit/, 3) || '',
        qr/:error\].*emit/, "$name: a line in the log");
}
for (['200', 200], ['404', 404], ['599 Odd', 599], ['418 I am a pot', 418],
    ['  203  Padded  ', 203], ['503', 503]) {
    my ($status, $want) = @$_;
    is(brief(emit("Status: $status\nContent-Type: text/x\n\nbody")),
        "$want text/x body", "A17 Status: '$status'");
}
is(emit("Status: 299 Its Own Words\n\nx")->{reason}, 'Its Own Words',
    'A17 the reason is passed on');
{
    my $res = emit("Status: 103 Early Hints\nLink: </a.css>; rel=preload\n\n"
        . "Status: 200 OK\nContent-Type: text/x\nX-Final: 1\n\nbody");
    is(brief($res), '200 text/x body', 'A17 103: the final response');
    is(scalar @{$res->{interim}}, 1, 'A17 103: one interim response');
    my ($hint) = @{$res->{interim}};
    is($hint && $hint->{status}, 103, 'A17 103: its status');
    is(join('|', map { "$_->[0]: $_->[1]" }
                grep { $_->[0] eq 'Link' } @{$hint ? $hint->{headers} : []}),
        'Link: </a.css>; rel=preload', 'A17 103: its Link');
    is($res->header('X-Final'), '1', 'A17 103: final headers');
    ok(!grep({ $_->[0] eq 'X-Final' } @{$hint ? $hint->{headers} : []}),
        'A17 103: which are not in the interim response');

    $res = emit("Status: 103 Early Hints\nLink: </a.css>\n\n"
        . "Status: 200 OK\n\nbody", version => '1.0');
    is(scalar @{$res->{interim}}, 0, 'A17 103: none for HTTP/1.0');
    is($res->status, 200, 'A17 103: HTTP/1.0 gets the final response');
}
for my $status (204, 304) {
    for my $method (qw(GET POST)) {
        my $c = CGITest::HTTP->new(%{where()});
        $c->send($c->format_request($method, '/engine/emit?'
                . escape("Status: $status\nContent-Type: text/x\nX-A: 1\n"
                    . "ETag: \"e\"\n\n"
                    . 'must not be sent'),
                body => $method eq 'POST' ? 'abc' : undef));
        my $res = $c->response;
        is($res->status, $status, "A17 $method $status");
        is($res->header('ETag'), '"e"', "A17 $method $status: its ETag");
        # Before 2.4.48 httpd sends those of its own list only.
        is($res->header('X-A'), $status == 304 && !server()->since(2, 4, 48)
            ? undef : '1', "A17 $method $status: its headers");
        $c->send($c->format_request('GET', '/engine/hello'));
        is(brief($c->response), "200 text/plain hello\n",
            "A17 $method $status: no byte of a body follows");
        $c->close;
    }
}

# ---- A18
{
    my $plain = sub {
        my ($res) = @_;
        join "\n", sort map { "$_->[0]: $_->[1]" }
            grep { $_->[0] !~ /^(Date|Content-Length|Transfer-Encoding)$/ }
            @{$res->{headers}};
    };
    my $tag = tag_of();
    my $mark = server()->mark;
    my $get = get("/engine/finish?n=1000000&$tag");
    is(length $get->body, 1000000, 'A18 GET');
    ok(server()->log_until($mark, qr/finished n=1000000/), 'A18 GET finishes');
    $mark = server()->mark;
    my $c = CGITest::HTTP->new(%{where()});
    $c->send($c->format_request('HEAD', "/engine/finish?n=1000000&$tag"));
    my $head = $c->response(method => 'HEAD');
    is($head->status, 200, 'A18 HEAD');
    is($plain->($head), $plain->($get) =~ s/^Connection: close\n//mr,
        'A18 HEAD has the headers of GET');
    ok($c->usable('/engine/hello'), 'A18 HEAD: no body follows');
    like(server()->log_until($mark, qr/finished n=1000000/) || '',
        qr/finished n=1000000/, 'A18 HEAD: the script could write it all');
}

# ---- A19
for my $body ($all_bytes, "\0", "\0\0\n\0", "no newline", "\n", "\r\n",
    "\n\nContent-Type: text/y\n\n", $all_bytes x 4) {
    my $res = emit("Content-Type: text/x\n\n$body");
    is(hexed($res->body), hexed($body),
        'A19 ' . length($body) . ' bytes as they are');
}
{
    my $c = CGITest::HTTP->new(%{where()});
    my $sent = join '', map { pack 'N', $_ * 2654435761 % 2**32 } 1 .. 250000;
    my $pid = $c->send_in_background(sub {
        $_[0]->send($_[0]->format_request('POST', '/engine/echo',
            body => $sent));
    });
    my $res = $c->response;
    waitpid $pid, 0;
    ok($res->body eq $sent, 'A19 a megabyte, there and back');
}

# ---- C10
refused('', 'C10 no output');
refused("Content-Type: text/leaked\n", 'C10 header without end');
refused("Content-Type: text/leaked", 'C10 header line without end');
refused("X-A: b\0c\nContent-Type: text/leaked\n\nleaked",
    'C10 NUL in a header');
refused("X\0A: b\nContent-Type: text/leaked\n\nleaked",
    'C10 NUL in a name');
refused("Status: 200 OK\rX-Leaked: leaked\n\nleaked", 'C10 CR in Status');
refused("X-A: b\rX-Leaked: leaked\nContent-Type: text/x\n\nleaked",
    'C10 CR in a header');
refused("X-A: b\x0bleaked\nContent-Type: text/x\n\nleaked",
    'C10 VT in a header');
refused("X-A: b\x7fleaked\nContent-Type: text/x\n\nleaked",
    'C10 DEL in a header');
for my $coding ('chunked', 'identity', 'gzip, chunked') {
    refused("Transfer-Encoding: $coding\nContent-Type: text/x\n\n"
        . "6\r\nleaked\r\n0\r\n\r\n", "C10 Transfer-Encoding: $coding",
        status => 502);
}
{
    # A header line of 100 KB passes, or is refused and the log has a size.
    my $mark = server()->mark;
    my $res = get('/engine/long?n=102400');
    if ($res->status == 200) {
        is(length($res->header('X-Long')), 102400, 'C10 100 KB header line');
    }
    else {
        is($res->status, 500, 'C10 100 KB header line is refused');
    }
    my $log = server()->log_since($mark);
    ok($res->status == 200 || $log =~ /:error\].*\d{3,} ?(bytes|B|K)/,
        'C10 and if refused, the log names a size') or diag $log;
    for my $what ('lines', 'line') {
        my $tag = tag_of();
        my $ended = within(10, sub {
            get("/engine/endless?what=$what&$tag");
        }, \$res);
        ok($ended, "C10 endless header ($what) comes to an end");
        like($res->status, qr/^50[02]$/, "C10 endless header ($what): refused")
            or diag text_of($res);
        is_gone($tag, 5, "C10 endless header ($what): script ended");
    }
}
for (
    ['too short', "Content-Length: 4\n", 'abcdefgh'],
    ['too long', "Content-Length: 40\n", 'abcdefgh'],
    ['twice, same', "Content-Length: 8\nContent-Length: 8\n", 'abcdefgh'],
    ['twice, other', "Content-Length: 8\nContent-Length: 4\n", 'abcdefgh'],
    ['negative', "Content-Length: -8\n", 'abcdefgh'],
    ['no number', "Content-Length: 8x\n", 'abcdefgh'],
    ['huge', "Content-Length: 99999999999999999999\n", 'abcdefgh'],
    ['list', "Content-Length: 8, 8\n", 'abcdefgh'],
    ['right', "Content-Length: 8\n", 'abcdefgh'],
) {
    my ($name, $length, $body) = @$_;
    my $c = CGITest::HTTP->new(%{where()}, timeout => 8);
    $c->send($c->format_request('GET',
        '/engine/emit?' . escape("Content-Type: text/x\n$length\n$body")));
    my $res = $c->response;
    isnt($res->error, 'timeout', "C10 Content-Length $name: no hang");
    if ($name eq 'right') {
        is(brief($res), "200 text/x $body", "C10 Content-Length $name");
    }
    else {
        # Refused, cut short visibly, or delivered with the true length.
        ok($res->status =~ /^50[02]$/ || $res->error eq 'closed early'
                || index($body, $res->body) == 0,
            "C10 Content-Length $name: first response") or diag brief($res);
    }
    my $second = '';
    if (!$res->error) {
        my $sent = eval {
            $c->send($c->format_request('GET', '/engine/hello'));
        };
        my $r = $c->response;
        $second = $r->error ? 'closed' : brief($r);
    }
    like($second, qr/^(|closed|200 text\/plain hello\n)$/,
        "C10 Content-Length $name: second request is not confused");
}

# ---- hop by hop: what concerns one connection is the server's to say
{
    my @hop = ('Connection: close, X-Other', 'Keep-Alive: timeout=99',
        'Proxy-Connection: close', 'Proxy-Authenticate: Basic', 'TE: trailers',
        'Trailer: X-Later', 'Upgrade: strange/1');
    my $c = CGITest::HTTP->new(%{where()});
    my $ask = sub {
        $c->send($c->format_request('GET', '/engine/emit?' . escape(
                    join("\n", @_, @hop, 'X-Other: 1') . "\n\nbody")));
        return $c->response;
    };
    for my $first ('Content-Type: text/x', 'Status: 404 No') {
        my $res = $ask->($first);
        is($res->body, 'body', "hop by hop: $first");
        for (@hop) {
            my ($name, $value) = split /: /;
            my @got = grep { defined && index($_, $value) >= 0 }
                $res->header($name);
            is("@got", '', "$name is not the script's");
        }
        is($res->header('X-Other'), 1, 'another field is');
    }
    my $res = $ask->('Status: 426 Upgrade');
    is($res->header('Upgrade'), 'strange/1',
        '426 needs Upgrade; and the connection went on');
    like(join(', ', $res->header('Connection')), qr/\bUpgrade\b/,
        'which the connection is told of');
}

# ---- streaming
{
    my $tag = tag_of();
    my $c = CGITest::HTTP->new(%{where()});
    $c->send($c->format_request('GET', "/engine/drip?n=40&ms=50&$tag"));
    $c->read_until("line 1\n");
    ok(CGITest::Proc::processes_with($tag),
        'B a line arrives while the script is still running');
    $c->read_until("line 40\n");
    pass('B and so do the others');
}

done_testing();
