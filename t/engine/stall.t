# mpm: prefork
# Clients that do not take the response: every limit of time holds, memory is
# bounded, and who comes back to reading gets all: HTTP/1.1, TLS and HTTP/2.
use strict;
use warnings;
use Digest::MD5 qw(md5_hex);
use IO::Select;
use Test::More;
use Time::HiRes qw(sleep time);
use CGITest;
use CGITest::H2;
use CGITest::HTTP;
use CGITest::Proc qw(memory_kb wait_until);
use CGITest::Server;

my $h2 = CGITest::Server->default_mpm ne 'prefork';
my $ssl = eval { require IO::Socket::SSL; 1 };
my $tls;
my $own = CGITest::Server->start(
    modules => ['ssl', $h2 ? 'http2' : ()],
    prepare => sub {
        my ($self) = @_;
        $tls = $ssl && $self->make_certificate;
        $self->file('scripts/zeros.doit', "#!/bin/sh\n"
            . "printf 'Content-Type: a/b\\n\\n'\nexec head -c 300000000 /dev/zero\n",
            0755);
        $self->file('scripts/cat.doit',
            "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\nexec cat\n", 0755);
        $self->file('scripts/numbers.doit', "#!/bin/sh\n"
            . "printf 'Content-Type: a/b\\n\\n'\nexec seq 1 3000000\n", 0755);
    },
    conf => <<'END' . ($h2 ? "Protocols h2c http/1.1\n" : ''));
Timeout 8
Alias /total "@root@/scripts"
Alias /plain "@root@/scripts"
<Directory "@root@/scripts">
    Require all granted
    Options +RunScripts
</Directory>
<Location /total>
    CGITimeout total=2s
</Location>
Listen 127.0.0.1:@port2@
<VirtualHost *:@port2@>
    SSLEngine On
    SSLCertificateFile "@root@/tls.pem"
</VirtualHost>
END

# A client: [send a request, go on to read everything]
sub http_client {
    my ($secure) = @_;
    my $sock = $secure
        ? IO::Socket::SSL->new(PeerAddr => '127.0.0.1',
            PeerPort => $own->port(2), SSL_verify_mode => 0)
        : IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $own->port);
    die "connect: $!" unless $sock;
    $sock->blocking(1);
    return $sock;
}

sub write_all {
    my ($sock, $data) = @_;
    local $SIG{PIPE} = 'IGNORE';
    for (my $at = 0; $at < length $data;) {
        my $n = syswrite $sock, $data, 65536, $at or return 0;
        $at += $n;
    }
    return 1;
}

sub read_all {
    my ($sock) = @_;
    my $text = '';
    while (sysread $sock, my $piece, 65536) { $text .= $piece }
    return $text;
}

# The body of a response in the chunked coding, and whether it is whole.
sub dechunked {
    my ($text) = @_;
    my ($body, $at) = ('', index($text, "\r\n\r\n") + 4);
    while (substr($text, $at, 20) =~ /^([0-9a-f]+)\r\n/) {
        my $n = hex $1;
        $at += length($1) + 2;
        return ($body, 1) unless $n;
        $body .= substr $text, $at, $n;
        $at += $n + 2;
    }
    return ($body, 0);
}

my @kinds = ('HTTP/1.1', $tls ? 'TLS' : (), $h2 ? 'HTTP/2' : ());

# So long a script lives whose client reads nothing.
sub life {
    my ($kind, $path) = @_;
    my $tag = tag_of();
    my $start = time;
    my $c;
    if ($kind eq 'HTTP/2') {
        $c = CGITest::H2->new(%{$own->where}, credit => 0);
        my $id = $c->begin('GET', "$path?$tag");
        $c->until(1, sub { length $c->stream($id)->{body} });
    }
    else {
        $c = http_client($kind eq 'TLS');
        $start = time;
        write_all($c, "GET $path?$tag HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    runs($tag) or die "no script";
    my $life = gone($tag, 25) ? time - $start : 99;
    CGITest::end_scripts($tag);
    return $life;
}

# Stop reading for a while, then read all.
sub pause {
    my ($kind) = @_;
    if ($kind eq 'HTTP/2') {
        my $c = CGITest::H2->new(%{$own->where});
        my $id = $c->begin('GET', '/plain/numbers');
        sleep 2;
        my $res = $c->response($id, 30);
        $res =~ s/^200 // or return $res;
        return md5_hex($res);
    }
    my $c = http_client($kind eq 'TLS');
    write_all($c, "GET /plain/numbers HTTP/1.1\r\nHost: x\r\n"
        . "Connection: close\r\n\r\n");
    sleep 2;
    my ($body, $whole) = dechunked(read_all($c));
    return $whole ? md5_hex($body) : 'not whole';
}

# Send all before reading any.
sub send_first {
    my ($kind, $bytes) = @_;
    my $data = join('', map { pack 'N', $_ * 2654435761 % 2**32 } 1 .. 25_000)
        x ($bytes / 100_000);
    if ($kind eq 'HTTP/2') {
        my $c = CGITest::H2->new(%{$own->where}, credit => 0);
        my $id = $c->begin('POST', '/plain/cat', body => 1);
        for (my $at = 0; $at < $bytes; $at += 16000) {
            $c->send($id, substr($data, $at, 16000), $at + 16000 >= $bytes)
                or return 'refused';
        }
        $c->{credit} = 1;
        my $got = length $c->stream($id)->{body};
        $c->{c}->send(CGITest::H2::_frame(8, 0, $id, pack 'N', $got)) if $got;
        return $c->response($id, 30) eq "200 $data" ? 'the same' : 'other';
    }
    my $c = http_client($kind eq 'TLS');
    write_all($c, "POST /plain/cat HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        . "Content-Length: $bytes\r\n\r\n") or return 'refused';
    my $sent = eval {
        local $SIG{ALRM} = sub { die "stalled\n" };
        alarm 30;
        my $ok = write_all($c, $data);
        alarm 0;
        $ok;
    };
    return 'stalled' unless $sent;
    my ($body, $whole) = dechunked(read_all($c));
    return !$whole ? 'not whole' : $body eq $data ? 'the same' : 'other';
}

# Not as one list: that takes 400 MB, and each process below shares them.
my $md5 = Digest::MD5->new;
$md5->add("$_\n") for 1 .. 3_000_000;
my $numbers = $md5->hexdigest;
my @life = map { my $kind = $_;
    map { my $path = $_; [$kind, $path] } '/total/zeros', '/plain/zeros' }
    @kinds;
my @got = parallel(
    (map { my $of = $_; sub { life(@$of) } } @life),
    (map { my $kind = $_; sub { pause($kind) } } @kinds));
for (@life) {
    my ($kind, $path) = @$_;
    my $life = shift @got;
    # A busy machine is given some seconds, but less than Timeout.
    my ($least, $most) = $path =~ /total/ ? (1.9, 6) : (7.9, 20);
    cmp_ok($life, '>=', $least, "E $kind, $path: not too soon");
    cmp_ok($life, '<=', $most, "E $kind, $path: not too late");
}
is(shift @got, $numbers, "E $_: after a pause, all of it") for @kinds;

@got = parallel(map { my $kind = $_; sub { send_first($kind, 30_000_000) } }
    @kinds);
is(shift @got, 'the same', "E $_: 30 MB sent before any read") for @kinds;

# What stalled clients hold: the script waits, not the data. With prefork each
# is in a process of its own, which has its first request's memory besides.
my $most = $h2 ? 300 : 1000;
{
    my $private = sub {
        my $sum = 0;
        $sum += memory_kb($_) for $own->workers;
        return $sum;
    };
    my @clients = map { http_client(0) } 1 .. 30;
    write_all($_, "GET /plain/hello HTTP/1.1\r\nHost: x\r\n\r\n") for @clients;
    sleep 0.5;
    my $before = $private->();
    my @stalled = map { http_client(0) } 1 .. 30;
    write_all($_, "GET /plain/zeros HTTP/1.1\r\nHost: x\r\n\r\n")
        for @stalled;
    sleep 2;
    my $each = ($private->() - $before) / 30;
    cmp_ok($each, '<', $most, 'E a client that does not read holds little: '
        . int($each) . ' KiB');
}

unlike($own->log_since(0), qr/\[(?:crit|alert|emerg)\]|Segmentation/,
    'E nothing odd in the log');
$own->stop;
done_testing();
