# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# A client of the soak test: until its time is over it makes one connection
# after the other, of all kinds, and writes down what became of each request.
package Client;

use strict;
use warnings;
use CGITest::H2;
use CGITest::HTTP;
use Time::HiRes qw(sleep time);

our $have_ssl = eval { require IO::Socket::SSL; 1 };
our ($curl) = grep { -x } qw(/usr/bin/curl /bin/curl);

# new(id =>, where => {host, port}, tls => port, h2 => bool, log => file,
# tmp => directory)
sub new {
    my ($class, %o) = @_;
    my $self = bless {count => 0, %o}, $class;
    open $self->{out}, '>', $self->{log} or die "$self->{log}: $!";
    $self->{out}->autoflush;
    return $self;
}

# Until the time $end, or so many requests as fast as they go, if $count.
sub run {
    my ($self, $end, $count) = @_;
    if ($count) {
        $self->{fast} = 1;
        while ($self->{count} < $count) {
            eval { $self->keep_alive; 1 } or $self->{now} && $self->note(
                $self->{now}, 'broken', $@);
        }
        return;
    }
    my @sessions = (
        (\&keep_alive) x 28, (\&tls) x 12, (\&over_curl) x 6,
        (\&slow_sender) x 6, (\&slow_reader) x 5, (\&no_reader) x 5,
        (\&half_closed) x 6, (\&leaves) x 14);
    push @sessions, (\&h2) x 18 if $self->{h2};
    while (time < $end) {
        my $session = $sessions[rand @sessions];
        eval { $self->$session; 1 } or $self->{now} && $self->note(
            $self->{now}, 'broken', $@);
        $self->{now} = undef;
    }
}

# ---- requests

# As in soak.doit.
sub pattern {
    my ($n, $from, $size) = @_;
    my $first = $n * 40503 % 2**30 + $from / 4;
    return substr pack('N*', $first .. $first + ($size + 3) / 4), 0, $size;
}

sub size {
    my ($fast) = @_;
    return int rand(rand() < 0.98 ? 5000 : 300_000) if $fast;
    my $class = rand;
    return $class < 0.1 ? 0
        : $class < 0.6 ? int rand 5000
        : $class < 0.8 ? (4096, 8000, 8192, 65536, 65537)[rand 5]
        : $class < 0.95 ? int rand 300_000
        : int rand 4_000_000;
}

my @good = (('get') x 8, ('post') x 4, ('echo') x 4, ('late') x 2,
    qw(slow status));
my @bad = qw(crash cut nothing bad closes holds floods);
my @fast = (('get') x 8, ('post') x 4, ('echo') x 4, qw(status crash cut
    nothing bad));

# A request of a kind, or of any: its number, its path, and what is right.
sub request {
    my ($self, $kind, $size) = @_;
    $kind ||= $self->{fast} ? $fast[rand @fast] : rand() < 0.2 ? $bad[rand @bad] : $good[rand @good];
    my $n = $self->{id} * 1_000_000 + $self->{count}++;
    my %r = (n => $n, kind => $kind, method => 'GET', right => 200);
    my ($more, $total) = ('', undef);
    $size //= $kind =~ /^(get|post|echo|cut)$/ ? size($self->{fast}) : int rand 5000;
    if ($kind eq 'post' || $kind eq 'echo') {
        @r{qw(method body)} = ('POST', pattern($n, 0, $size));
        $r{chunked} = rand() < 0.4;
        $r{want} = $kind eq 'echo' ? $r{body} : "$n $size right\n";
    }
    elsif ($kind eq 'slow') {
        $size &= ~3;
        $more = sprintf '&wait=%.2f', rand 1.5;
        $total = 8 * $size;
    }
    elsif ($kind eq 'late') {
        $more = sprintf '&wait=%.2f', rand 1;
    }
    elsif ($kind eq 'floods') {
        $more = '&lines=' . int rand 5000;
    }
    $r{right} = 500 if $kind =~ /^(crash|nothing|bad)$/;
    $r{want} //= pattern($n, 0, $total // $size);
    $r{path} = (qw(/x/ /x/ /r/ /l/))[rand 4]
        . "soak?n=$n&k=$kind&size=$size$more";
    return \%r;
}

# The bytes of it for HTTP/1.1: header, body.
sub bytes {
    my ($c, $r) = @_;
    return ($c->format_request($r->{method}, $r->{path}), '')
        unless defined $r->{body};
    return ($c->format_request($r->{method}, $r->{path},
            headers => ['Transfer-Encoding' => 'chunked']),
        CGITest::HTTP::chunked($r->{body}, 1 + int rand 70_000))
        if $r->{chunked};
    return ($c->format_request($r->{method}, $r->{path},
            headers => ['Content-Length' => length $r->{body}]), $r->{body});
}

# ---- what became of them

sub begin {
    my ($self, $r, $proto, $sock, $reused) = @_;
    @$r{qw(proto start reused)} = ($proto, time, $reused || 0);
    $r->{ports} = $sock->sockport . ':' . $sock->peerport if $sock;
    $self->{now} = $r;
}

sub note {
    my ($self, $r, $what, $detail) = @_;
    print {$self->{out}} join("\t", @$r{qw(n kind proto start)}, time,
        $r->{ports} // '', $r->{reused}, $what,
        ($detail // '') =~ s/\s+/ /gr), "\n";
    $self->{now} = undef;
}

# What an answer is worth: right, short (it looks whole, and is not), cut,
# unanswered, timeout, 503, another status, or wrong.
sub verdict {
    my ($r, $status, $body, $error) = @_;
    return 'timeout' if $error eq 'timeout';
    # Of a response that was cut early, HTTP/2 sends nothing.
    return 'right' if $r->{kind} eq 'cut' && $error =~ /^reset/;
    return 'unanswered' unless $status;
    return $error ? 'cut' : '503' if $status == 503;
    my $begins = index($r->{want}, $body) == 0;
    if ($r->{kind} eq 'cut') {
        return 'right' if $status == 502 || ($status == 200 && $error && $begins);
        return 'short' if $status == 200 && $begins;
    }
    return 'right' if $status == $r->{right} && $status != 200;
    return "status $status" if $status != 200;
    return $error ? 'cut' : $body eq $r->{want} ? 'right' : 'short' if $begins;
    return 'wrong';
}

sub answer {
    my ($self, $r, $res) = @_;
    my $what = verdict($r, $res->status, $res->body, $res->error);
    $self->note($r, $what, $what eq 'right' ? '' : sprintf
        '%d bytes of %d, %s', length $res->body, length $r->{want},
        $res->error || 'no error');
    return $what eq 'right';
}

# ---- connections

sub plain {
    my ($self, %o) = @_;
    return CGITest::HTTP->new(%{$self->{where}}, timeout => 25, %o);
}

sub exchange {
    my ($self, $c, $proto, $reused) = @_;
    my $r = $self->request;
    $self->begin($r, $proto, $c->sock, $reused);
    $c->send(join '', bytes($c, $r));
    my $res = $c->response;
    return $self->answer($r, $res) && ($res->header('Connection') || '')
        ne 'close';
}

sub keep_alive {
    my ($self) = @_;
    my $c = $self->plain;
    for (0 .. rand 8) {
        $self->exchange($c, 'http', $_ > 0) or last;
        sleep rand 0.3 if !$self->{fast} && rand() < 0.2;
    }
    $c->close;
}

sub tls {
    my ($self) = @_;
    return $self->over_curl unless $have_ssl;
    my $c = $self->plain(port => $self->{tls});
    $c->sock->blocking(1);
    $c->sock->timeout(20);
    my %r = (n => 0, kind => 'handshake');
    $self->begin(\%r, 'tls', $c->sock);
    IO::Socket::SSL->start_SSL($c->sock, SSL_verify_mode => 0, Timeout => 20)
        or return $self->note(\%r, 'unanswered');
    $c->sock->blocking(0);
    for (0 .. rand 5) {
        $self->exchange($c, 'tls', $_ > 0) or last;
    }
    $c->close;
}

# One request over HTTP/2 and TLS. No second one: curl would silently send it
# again where a connection is closed.
sub over_curl {
    my ($self) = @_;
    return $self->keep_alive unless $curl;
    my $r = $self->request;
    my ($in, $out) = map { "$self->{tmp}/$self->{id}.$_" } qw(in out);
    unlink $out;
    my @options = ('--http' . ($self->{h2} ? '2' : '1.1'));
    if (defined $r->{body}) {
        open my $fh, '>', $in or die "$in: $!";
        print $fh $r->{body};
        close $fh;
        push @options, '--data-binary', "\@$in";
        push @options, '-H', 'Transfer-Encoding: chunked'
            if $r->{chunked} && !$self->{h2};
    }
    $self->begin($r, 'curl');
    open my $curl_says, '-|', $curl, qw(-sk --max-time 25 -o), $out, '-w',
        '%{http_code} %{exitcode} %{local_port}', '-H', 'Expect:', @options,
        "https://127.0.0.1:$self->{tls}$r->{path}" or die "curl: $!";
    my ($status, $exit, $port) = split ' ', <$curl_says> // '';
    close $curl_says;
    $r->{ports} = "$port:$self->{tls}" if $port;
    my $body = '';
    if (open my $fh, '<', $out) {
        local $/;
        $body = <$fh> // '';
    }
    my $what = verdict($r, ($status || 0) + 0, $body,
        $exit == 28 ? 'timeout' : $exit =~ /^(18|92)$/ ? 'reset'
            : $exit ? 'exit' : '');
    $self->note($r, $what, $what eq 'right' ? '' : "curl's exit $exit, "
        . length($body) . ' bytes of ' . length $r->{want});
}

sub slow_sender {
    my ($self) = @_;
    my $c = $self->plain;
    my $r = $self->request(qw(post echo)[rand 2], int rand 200_000);
    $self->begin($r, 'slow sender', $c->sock);
    my ($head, $body) = bytes($c, $r);
    $c->send($head);
    my $piece = 1 + int length($body) / (1 + rand 20);
    for (my $at = 0; $at < length $body; $at += $piece) {
        sleep rand 0.1;
        my $part = substr $body, $at, $piece;
        last if $c->send($part) < length $part;
    }
    $self->answer($r, $c->response);
    $c->close;
}

sub slow_reader {
    my ($self) = @_;
    my $c = $self->plain(rcvbuf => 32768);
    my $r = $self->request('get', int rand 400_000);
    $self->begin($r, 'slow reader', $c->sock);
    $c->send(join '', bytes($c, $r));
    for (1 .. rand 100) {
        sleep 0.02;
        last unless sysread $c->sock, $c->{in}, 8000, length $c->{in} or
            $!{EAGAIN};
    }
    $self->answer($r, $c->response);
    $c->close;
}

sub no_reader {
    my ($self) = @_;
    my $c = $self->plain(rcvbuf => 32768);
    my $r = $self->request(qw(get echo endless)[rand 3],
        1_000_000 + int rand 2_000_000);
    $r->{chunked} = 0;
    $self->begin($r, 'no reader', $c->sock);
    $c->send(join '', bytes($c, $r));
    sleep 0.5 + rand 3;
    if ($r->{kind} eq 'endless' || rand() < 0.4) {
        $c->abort;
        return $self->note($r, 'left');
    }
    $self->answer($r, $c->response);
    $c->close;
}

sub half_closed {
    my ($self) = @_;
    my $c = $self->plain;
    my $r = $self->request(qw(get slow late post echo)[rand 5], int rand 50_000);
    $self->begin($r, 'half-closed', $c->sock);
    $c->send(join '', bytes($c, $r));
    $c->finish;
    $self->answer($r, $c->response);
    $c->close;
}

sub leaves {
    my ($self) = @_;
    my $c = $self->plain;
    my $r = $self->request(rand() < 0.4 ? qw(endless stays)[rand 2] : undef);
    $self->begin($r, 'leaves', $c->sock);
    my $bytes = join '', bytes($c, $r);
    $bytes = substr $bytes, 0, rand length $bytes if rand() < 0.2;
    $c->send($bytes);
    $c->fill(time + rand 0.7) if rand() < 0.7;
    rand() < 0.5 ? $c->abort : $c->close;
    $self->note($r, 'left');
}

# Some streams at once; one in six is reset.
sub h2 {
    my ($self) = @_;
    my $h2 = CGITest::H2->new(%{$self->{where}});
    my $sock = $h2->{c}->sock;
    my @open;
    my $broken = '';
    for (0 .. rand 5) {
        my $r = $self->request;
        $self->begin($r, 'h2c', $sock);
        push @open, $r;
        eval {
            $r->{id} = $h2->begin($r->{method}, $r->{path},
                body => defined $r->{body});
            if (rand() < 0.16) {
                $h2->take(rand 0.2) for 0 .. rand 3;
                $h2->reset($r->{id});
                $r->{left} = 1;
            }
            elsif (defined $r->{body}) {
                my $at = 0;
                do {
                    my $end = $at + 16_000 >= length $r->{body};
                    $h2->send($r->{id}, substr($r->{body}, $at, 16_000), $end)
                        or $end = 1;
                    $at = $end ? 1e9 : $at + 16_000;
                } while ($at < length $r->{body});
            }
            1;
        } or $broken = $@;
        last if $broken || $h2->{closed};
    }
    my $whole = $h2->until(25, sub {
        $h2->{closed} || !grep {
            my $s = $_->{id} ? $h2->stream($_->{id}) : {end => 1};
            !$_->{left} && !$s->{end} && !defined $s->{reset}
                && !(defined $h2->{goaway} && $_->{id} > $h2->{goaway})
        } @open;
    });
    for my $r (@open) {
        my $s = $r->{id} ? $h2->stream($r->{id}) : {status => '', body => ''};
        if ($r->{left}) {
            $self->note($r, 'left');
            next;
        }
        # Not begun, as httpd says: it may be sent again.
        $r->{reused} = 1 if ($s->{reset} // 0) == 7
            || (defined $h2->{goaway} && ($r->{id} || 1e9) > $h2->{goaway});
        my $error = $s->{end} && !$s->{reset} ? ''
            : defined $s->{reset} ? "reset $s->{reset}"
            : $h2->{closed} ? (defined $h2->{goaway} ? 'closed after GOAWAY'
                : 'closed') : $whole ? 'not begun' : 'timeout';
        my $what = verdict($r, $s->{status}, $s->{body}, $error);
        $self->note($r, $what, $what eq 'right' ? '' : length($s->{body})
            . ' bytes of ' . length($r->{want}) . ", $error $broken");
    }
    $h2->close;
}

1;
