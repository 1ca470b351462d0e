# Requests that fail leave no memory behind: any client could make as many of
# them as it likes. Counted in the one child of a server of its own.
use strict;
use warnings;
use Socket;
use Test::More;
use Time::HiRes qw(time);
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(memory_kb status_of);
use CGITest::Server;

my %script = (
    nothing => ["#!/bin/sh\n:\n"],
    badheader => ["#!/bin/sh\nprintf 'no header\\n\\n'\n"],
    endless => ["#!/bin/sh\nexec head -c 1000000 /dev/zero\n"],
    nointerpreter => ["#!/no/such/interpreter\n"],
    nofile => ["#!/bin/sh\nprintf 'X-Sendfile: %s/none\\n\\n' \"\$PWD\"\n"],
    forbidden => ["#!/bin/sh\nprintf 'X-Sendfile: /etc/passwd\\n\\n'\n"],
    conditional => ["#!/bin/sh\nprintf 'ETag: \"b\"\\n\\ntext'\n"],
    mode => ["#!/bin/sh\n", 0644],
    fields => ["#!/usr/bin/perl\nprint qq(Content-Type: text/plain\\n),"
        . " qq(a:1\\n) x 32_000, qq(\\nok);\n"],
    hints => ["#!/usr/bin/perl\nwhile (1) { print"
        . " qq(Status: 103\\nLink: </a>; rel=preload\\n\\n) }\n"],
    slowhints => ["#!/usr/bin/perl\n\$SIG{PIPE} = 'IGNORE';\nsyswrite STDOUT,"
        . " qq(Status: 103\\nLink: </) . 'a' x 60_000 . qq(>\\n\\n) for 1, 2;"
        . " sleep 60;\n"],
    pieces => ["#!/usr/bin/perl\nsyswrite STDOUT, qq(Content-Type: text/html\\n\\n<!--);"
        . " for (1 .. 4_000) { syswrite STDOUT, 'x'; select undef, undef, undef, 0.0002 }"
        . " syswrite STDOUT, '--><p>end</p>';\n"],
    good => ["#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\ntext'\n"],
);
my $own = CGITest::Server->start(prepare => sub {
    my ($server) = @_;
    $server->file("s/$_.doit", $script{$_}[0], $script{$_}[1] || 0755)
        for keys %script;
    $server->file('a.skin', "{\$<content>}\n");
}, conf => <<'END');
StartServers 1
ServerLimit 1
ThreadsPerChild 2
MinSpareThreads 1
MaxSpareThreads 2
MaxRequestWorkers 2
MaxKeepAliveRequests 0
SendBufferSize 8192
<Directory "@root@/s">
    Options +RunScripts
    Require all granted
    CGISendfile @root@/s
    <Files "pieces*">
        CGISkin "@root@/a.skin"
    </Files>
    <Files "slowhints*">
        CGITimeout total=2s
    </Files>
</Directory>
Alias /s "@root@/s"
END

# Many requests one after the other; the number of those with that status. A
# kept connection may be closed by an httpd that needs the thread, before it
# has read the request: then it is for the client to ask again (RFC 9112, 9.3.1).
sub ask {
    my ($n, $path, $status, @headers) = @_;
    my ($c, $right) = (undef, 0);
    for (1 .. $n) {
        my $kept = $c;
        $c ||= CGITest::HTTP->new(%{$own->where});
        my $request = $c->format_request('GET', $path, headers => [@headers]);
        $c->send($request);
        my $res = $c->response;
        if ($kept && $res->error eq 'closed early' && !$res->status) {
            $c = CGITest::HTTP->new(%{$own->where});
            $c->send($request);
            $res = $c->response;
        }
        $right++ if $res->status == $status;
        if ($res->error || ($res->header('Connection') || '') eq 'close') {
            $c->close;
            undef $c;
        }
    }
    $c->close if $c;
    return $right;
}

sub memory {
    my $sum = 0;
    $sum += memory_kb($_) for $own->workers;
    return $sum;
}

# name, requests, status, header fields
for (['good', 300, 200], ['nothing', 300, 500], ['badheader', 300, 500],
    ['endless', 60, 500], ['nointerpreter', 300, 500], ['mode', 300, 403],
    ['nofile', 300, 404], ['forbidden', 300, 403],
    ['conditional', 300, 412, 'If-Match' => '"a"']) {
    my ($name, $n, $status, @headers) = @$_;
    ask(30, "/s/$name", $status, @headers);    # warm
    my $before = memory();
    is(ask($n, "/s/$name", $status, @headers), $n,
        "E5 $n times $name: $status");
    cmp_ok(memory() - $before, '<', 700,
        "E7 memory in KB that $n times $name leave behind");
}

# A script whose header has many fields, or that hints without end, takes no
# more than some times its size.
sub peak {
    my ($most) = sort { $b <=> $a }
        map { my %s = status_of($_); $s{VmHWM} =~ /(\d+)/ } $own->workers;
    return $most;
}
for (['pieces', 200], ['fields', 200], ['hints', 500]) {
    my ($name, $status) = @$_;
    my $before = peak();
    for my $version ('1.1', '1.0') {
        my $res = CGITest::HTTP->once($own->where, 'GET', "/s/$name",
            version => $version);
        is($res->status, $status, "$name, HTTP/$version: $status");
    }
    cmp_ok(peak() - $before, '<', 20_000, "E7 memory in KB for $name");
}
# To a client that does not read, the time limit holds.
{
    my $mark = $own->mark;
    socket my $c, PF_INET, SOCK_STREAM, 0 or die "socket: $!";
    setsockopt $c, SOL_SOCKET, SO_RCVBUF, 2048;
    connect $c, pack_sockaddr_in($own->{port}, INADDR_LOOPBACK)
        or die "connect: $!";
    syswrite $c, "GET /s/slowhints HTTP/1.1\r\nHost: localhost\r\n\r\n";
    ok($own->log_until($mark, qr/longer than CGITimeout total=/, 20),
        'hints that the client does not take');
}

$own->stop;
done_testing();
