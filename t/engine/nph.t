# mpm: all
# Scripts that write the whole HTTP response, RFC 3875, 5: rule A20.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(processes_with);

# What comes over the wire for a request, to the last byte.
sub raw {
    my ($method, $target, %o) = @_;
    my $c = CGITest::HTTP->new(%{where()});
    $c->send($c->format_request($method, $target, %o));
    return $c->read_all(10);
}

my @ways = (['raw.nph', '/engine/raw'], ['nph-raw.doit', '/engine/nph-raw']);
my @outputs = (
    ['plain', "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\n\r\nbody"],
    ['LF only', "HTTP/1.0 200 Fine\nX: 1\n\nbody\n"],
    ['every byte', "HTTP/1.1 299 A\r\n\r\n" . join '', map { chr } 0 .. 255],
    ['no status line', "just some text"],
    ['a wrong status line', "HTTP/9.9 xyz\r\n\r\nbody"],
    ['CGI header', "Status: 404\r\nContent-Type: text/x\r\n\r\nbody"],
    ['an interim response', "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        . "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"],
    ['chunks of its own', "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        . "\r\n3\r\nabc\r\n0\r\n\r\n"],
    ['a local Location', "HTTP/1.1 302 Found\r\nLocation: /engine/hello\r\n\r\n"],
);
for my $way (@ways) {
    my ($file, $path) = @$way;
    for my $output (@outputs) {
        my ($name, $bytes) = @$output;
        my $url = "$path?" . escape($bytes);
        for my $version ('1.1', '1.0') {
            my @keep = $version eq '1.0'
                ? (headers => [Connection => 'keep-alive']) : ();
            is(hexed(raw('GET', $url, version => $version, @keep)),
                hexed($bytes), "A20 $file, HTTP/$version: $name");
        }
    }
    my $bytes = $outputs[0][1];
    is(raw('HEAD', "$path?" . escape($bytes)), $bytes,
        "A20 $file: HEAD, nothing removed");
    is(raw('POST', "$path?" . escape($bytes), body => 'x' x 100), $bytes,
        "A20 $file: POST with a body that is not read");
}

# Nothing after it: a request that was sent along with it is not answered.
{
    my $c = CGITest::HTTP->new(%{where()});
    my $bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    $c->send($c->format_request('GET', '/engine/raw?' . escape($bytes))
            . $c->format_request('GET', '/engine/hello'));
    is($c->read_all, $bytes, 'A20 then the connection closes');
}

# The body reaches it; no filter sees what it prints.
{
    my $text = "HTTP/1.1 200 OK\r\n\r\n" . 'z' x 200000;
    is(length raw('POST', '/engine/rawecho', body => $text), length $text,
        'A20 an NPH script with a body of its own');
    is(hexed(raw('GET', '/engine-deflate/raw?' . escape($outputs[0][1]),
                headers => ['Accept-Encoding' => 'gzip'])),
        hexed($outputs[0][1]), 'A20 no output filter');
    my $c = CGITest::HTTP->once(where(), 'GET', '/engine-deflate/show',
        headers => ['Accept-Encoding' => 'gzip']);
    is($c->header('Content-Encoding'), 'gzip',
        'A20 (which other scripts have)');
}

# Unbuffered: each piece is there while the script still runs.
for my $path ('/engine/rawdrip', '/engine-deflate/rawdrip') {
    my $tag = tag_of();
    my $c = CGITest::HTTP->new(%{where()});
    $c->send($c->format_request('GET', "$path?n=30&ms=50&$tag"));
    for my $n (1, 2, 5) {
        $c->read_until("line $n\n");
        my $last = $c->{in} !~ /line 30\n/;
        ok($last && processes_with($tag),
            "A20 $path: line $n before the script's end");
    }
    like($c->read_all, qr/line 30\n\z/, "A20 $path: all of it arrives");
}

# It can't be started: then httpd answers, as always.
{
    my $res = get('/engine/rawno');
    is($res->status, 403, 'A20 not executable: 403');
    like($res->body, qr/403 Forbidden/, 'A20 with a page of httpd');
}

done_testing();
