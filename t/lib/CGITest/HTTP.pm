# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# An HTTP/1.x client over a raw socket, for tests that need to see, or to
# send, what a well-behaved client would hide.
package CGITest::HTTP;

use strict;
use warnings;
use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use IO::Socket::INET;
use IO::Select;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER SO_RCVBUF);
use Time::HiRes qw(time);

# new(host =>, port =>, timeout => 40): a connection. With rcvbuf => N the
# kernel's receive buffer is that small, so that a slow reader is really slow.
# With domain => AF_INET6, host is an IPv6 address.
sub new {
    my ($class, %o) = @_;
    my $self = bless {host => '127.0.0.1', timeout => 40, in => '', %o},
        $class;
    if ($o{v6}) {
        require IO::Socket::IP;
        $self->{sock} = IO::Socket::IP->new(
            PeerHost => $self->{host}, PeerPort => $self->{port},
            Timeout => $self->{timeout}, Type => Socket::SOCK_STREAM());
    }
    else {
        $self->{sock} = IO::Socket::INET->new(
            PeerAddr => $self->{host}, PeerPort => $self->{port},
            Timeout => $self->{timeout}, Proto => 'tcp');
    }
    $self->{sock} or die "connect to $self->{host}:$self->{port}: $@";
    $self->{sock}->setsockopt(SOL_SOCKET, SO_RCVBUF, pack 'i', $o{rcvbuf})
        if $o{rcvbuf};
    binmode $self->{sock};
    $self->{sock}->blocking(0);
    return $self;
}

sub sock { $_[0]{sock} }
sub authority {
    my ($self) = @_;
    my $host = $self->{host} =~ /:/ ? "[$self->{host}]" : $self->{host};
    return "$host:$self->{port}";
}

# The bytes of a request. Options: headers => [name => value, ...], body =>
# bytes (adds Content-Length), version => '1.1', host => '...' (undef: none),
# close => 1.
sub format_request {
    my ($self, $method, $target, %o) = @_;
    my $version = $o{version} || '1.1';
    my $text = "$method $target HTTP/$version\r\n";
    my $host = exists $o{host} ? $o{host} : $self->authority;
    $text .= "Host: $host\r\n" if defined $host;
    my @headers = @{$o{headers} || []};
    while (my ($name, $value) = splice @headers, 0, 2) {
        $text .= "$name: $value\r\n";
    }
    $text .= "Connection: close\r\n" if $o{close};
    $text .= 'Content-Length: ' . length($o{body}) . "\r\n"
        if defined $o{body};
    return "$text\r\n" . (defined $o{body} ? $o{body} : '');
}

# Write all bytes; dies on a timeout. Returns how many went out: fewer when
# the peer closed.
sub send {
    my ($self, $data) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $done = 0;
    my $end = time + $self->{timeout};
    while ($done < length $data) {
        my $n = syswrite $self->{sock}, $data, 65536, $done;
        if (defined $n) {
            $done += $n;
            next;
        }
        next if $! == EINTR;
        return $done unless $! == EAGAIN || $! == EWOULDBLOCK;
        IO::Select->new($self->{sock})->can_write($end - time)
            or die "timeout while sending";
    }
    return $done;
}

# Run code that sends in a process of its own, while this one reads; its id,
# for waitpid.
sub send_in_background {
    my ($self, $code) = @_;
    my $pid = fork;
    die "fork: $!" unless defined $pid;
    if (!$pid) {
        eval { $code->($self) };
        POSIX::_exit($@ ? 1 : 0);
    }
    return $pid;
}

# Bytes in the chunked coding, in pieces of so many bytes; with the end.
sub chunked {
    my ($data, $size) = @_;
    my $out = '';
    for (my $at = 0; $at < length $data; $at += $size) {
        my $piece = substr $data, $at, $size;
        $out .= sprintf "%x\r\n%s\r\n", length $piece, $piece;
    }
    return "${out}0\r\n\r\n";
}

# Half-close: the peer sees the end of our bytes.
sub finish { shutdown $_[0]{sock}, 1 }

# Close at once, with a reset: the client is gone.
sub abort {
    my ($self) = @_;
    $self->{sock}->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);
    close $self->{sock};
}

sub close { close $_[0]{sock} }

# The same, and its kernel forgets it after a second, as others do after one
# minute (tcp(7), TCP_LINGER2).
sub vanish {
    my ($self) = @_;
    $self->{sock}->setsockopt(Socket::IPPROTO_TCP(), 8, 1);
    CORE::close $self->{sock};
}

# Read more bytes into the buffer, until the time $end.
# Returns 1, 0 at the end of the stream (or a reset), undef after $end.
sub fill {
    my ($self, $end) = @_;
    $end = time + $self->{timeout} unless defined $end;
    while (1) {
        my $n = sysread $self->{sock}, $self->{in}, 65536, length $self->{in};
        return $n > 0 ? 1 : 0 if defined $n;
        next if $! == EINTR;
        if (!($! == EAGAIN || $! == EWOULDBLOCK)) {
            $self->{reset} = "$!";
            return 0;
        }
        my $wait = $end - time;
        return undef if $wait <= 0;
        IO::Select->new($self->{sock})->can_read($wait);
    }
}

# Everything until the peer closes: for raw comparisons.
sub read_all {
    my ($self, $seconds) = @_;
    my $end = time + ($seconds || $self->{timeout});
    my $r;
    1 while $r = $self->fill($end);
    die "timeout: the connection stays open\n" unless defined $r;
    my $all = $self->{in};
    $self->{in} = '';
    return $all;
}

# Read up to and with the first $mark; dies if the stream ends before.
sub read_until {
    my ($self, $mark, $seconds) = @_;
    my $end = time + ($seconds || $self->{timeout});
    my $at;
    while (($at = index $self->{in}, $mark) < 0) {
        my $r = $self->fill($end);
        die "no '$mark' in time\n" unless defined $r;
        die "stream ends before '$mark'\n" unless $r;
    }
    return substr $self->{in}, 0, $at + length $mark, '';
}

# One response. Options: method => 'HEAD' (no body then), sink => sub that
# is called with each piece of the body, seconds => limit, interim => 1:
# return a 1xx response instead of passing over it.
# Returns a CGITest::Response, whose error is set when it was cut short.
sub response {
    my ($self, %o) = @_;
    my $end = time + ($o{seconds} || $self->{timeout});
    my $res = bless {headers => [], header => {}, interim => [], body => '',
        error => ''}, 'CGITest::Response';
    my $sink = $o{sink} || sub { $res->{body} .= $_[0] };
    $res->_parse_head($self, $end) or return $res;
    while ($res->{status} =~ /^1/ && $res->{status} != 101) {
        return $res if $o{interim};
        push @{$res->{interim}}, {%$res};
        @$res{qw(headers header status)} = ([], {}, undef);
        $res->_parse_head($self, $end) or return $res;
    }
    return $res if ($o{method} || '') eq 'HEAD'
        || $res->{status} == 204 || $res->{status} == 304;
    my $coding = $res->header('Transfer-Encoding');
    my $length = $res->header('Content-Length');
    if (defined $coding) {
        $res->_read_chunked($self, $end, $sink);
    }
    elsif (defined $length) {
        $res->_read_bytes($self, $end, $sink, $length);
    }
    else {
        $res->_read_close($self, $end, $sink);
    }
    return $res;
}

# The response that ends with the connection; options of response. All bytes
# are its {raw}. What comes behind its end is a part of its body, so that a
# test sees a body where none may be.
sub last_response {
    my ($self, %o) = @_;
    my $raw = $self->{in} = $self->read_all;
    my $res = $self->response(%o);
    $res->{body} .= $self->{in};
    $res->{raw} = $raw;
    return $res;
}

# One request on a connection of its own; options of format_request and
# response.
sub once {
    my ($class, $where, $method, $target, %o) = @_;
    my $c = $class->new(%$where);
    $c->send($c->format_request($method, $target, close => 1, %o));
    my $res = $c->response(method => $method, %o);
    $c->close;
    return $res;
}

# True if the connection still answers a plain request.
sub usable {
    my ($self, $target) = @_;
    return 0 if length $self->{in};
    my $sent = eval { $self->send($self->format_request('GET', $target)) };
    return 0 unless $sent;
    my $res = $self->response;
    return !$res->{error} && $res->{status} == 200;
}

package CGITest::Response;

use strict;
use warnings;

# A body that came by other means, for functions that take a response.
sub wrap {
    my ($class, $body) = @_;
    return bless {status => 200, body => $body, error => ''}, $class;
}

sub status { defined $_[0]{status} ? $_[0]{status} : 0 }
sub body { $_[0]{body} }
sub error { $_[0]{error} }

# All values of a header, in order; the first one in scalar context. As
# {header}{'lower-case-name'}, the last one in any context.
sub header {
    my ($self, $name) = @_;
    my @values = map { $_->[1] }
        grep { lc $_->[0] eq lc $name } @{$self->{headers}};
    return wantarray ? @values : $values[0];
}

sub _fail {
    my ($self, $r) = @_;
    $self->{error} = defined $r ? 'closed early' : 'timeout';
    return 0;
}

sub _need {
    my ($self, $c, $end, $test) = @_;
    until ($test->()) {
        my $r = $c->fill($end);
        return $self->_fail($r) unless $r;
    }
    return 1;
}

sub _parse_head {
    my ($self, $c, $end) = @_;
    $self->_need($c, $end, sub { $c->{in} =~ /\r?\n\r?\n/ }) or return 0;
    $c->{in} =~ s/^(.*?\n)\r?\n//s;
    my ($line, @lines) = split /\r?\n/, $self->{head} = $1;
    unless ($line =~ m{^HTTP/(\d\.\d) (\d{3})(?: (.*))?$}) {
        $self->{error} = "status line: $line";
        return 0;
    }
    @$self{qw(version status reason)} = ($1, $2, $3);
    for (@lines) {
        my ($name, $value) = split /:[ \t]*/, $_, 2;
        push @{$self->{headers}}, [$name, $value];
        $self->{header}{lc $name} = $value;
    }
    return 1;
}

sub _read_bytes {
    my ($self, $c, $end, $sink, $left) = @_;
    while ($left > 0) {
        $self->_need($c, $end, sub { length $c->{in} }) or return 0;
        my $piece = substr $c->{in}, 0, $left, '';
        $left -= length $piece;
        $sink->($piece);
    }
    return 1;
}

sub _read_chunked {
    my ($self, $c, $end, $sink) = @_;
    while (1) {
        $self->_need($c, $end, sub { $c->{in} =~ /\n/ }) or return 0;
        $c->{in} =~ s/^([0-9a-fA-F]+)[^\n]*\n// or do {
            $self->{error} = 'bad chunk';
            return 0;
        };
        my $size = hex $1;
        last unless $size;
        $self->_read_bytes($c, $end, $sink, $size) or return 0;
        $self->_need($c, $end, sub { length $c->{in} >= 2 }) or return 0;
        substr $c->{in}, 0, 2, '';
    }
    while (1) {
        $self->_need($c, $end, sub { $c->{in} =~ /\n/ }) or return 0;
        $c->{in} =~ s/^([^\n]*)\n//;
        return 1 if $1 eq "\r" || $1 eq '';
    }
}

sub _read_close {
    my ($self, $c, $end, $sink) = @_;
    while (1) {
        if (length $c->{in}) {
            $sink->($c->{in});
            $c->{in} = '';
        }
        my $r = $c->fill($end);
        return $self->_fail($r) unless defined $r;
        if (!$r) {
            return $self->_fail(0) if $c->{reset};
            return 1;
        }
    }
}

1;
