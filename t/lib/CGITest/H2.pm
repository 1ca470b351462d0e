# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# A client of HTTP/2 (RFC 9113) without TLS, for tests that need its frames:
# to reset a stream, to stop reading, to send while receiving. Of the headers
# of responses it knows the status only: SETTINGS forbid a table of headers.
package CGITest::H2;

use strict;
use warnings;
use CGITest::HTTP;
use Time::HiRes qw(time);

use constant {DATA => 0, HEADERS => 1, RST_STREAM => 3, SETTINGS => 4,
    PING => 6, GOAWAY => 7, WINDOW_UPDATE => 8};
use constant {END_STREAM => 1, ACK => 1, END_HEADERS => 4};

# HPACK's static table, appendix A of RFC 7541: :status at 8 to 14
my @static = (200, 204, 206, 304, 400, 404, 500);

# new(host =>, port =>, window => N): so many bytes of a stream are taken
# before we must say that we want more; credit => 0: we never say so.
sub new {
    my ($class, %o) = @_;
    my $self = bless {credit => 1, window => 65535, next => 1, stream => {},
        %o}, $class;
    $self->{c} = CGITest::HTTP->new(host => $o{host}, port => $o{port});
    # SETTINGS_HEADER_TABLE_SIZE, SETTINGS_INITIAL_WINDOW_SIZE
    $self->{c}->send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        . _frame(SETTINGS, 0, 0, pack 'nNnN', 1, 0, 4, $self->{window})
        . _frame(WINDOW_UPDATE, 0, 0, pack 'N', 2**30));
    return $self;
}

sub _frame {
    my ($type, $flags, $id, $payload) = @_;
    return substr(pack('N', length $payload), 1)
        . pack('CCN', $type, $flags, $id) . $payload;
}

# A string of up to 126 bytes, not Huffman coded.
sub _text { return pack('C', length $_[0]) . $_[0] }

# Three digits, Huffman coded: 0 to 2 have five bits, the others six.
sub _digits {
    my ($bits) = unpack 'B*', $_[0];
    my $text = '';
    $text .= defined $1 ? oct "0b$1" : 2 + oct "0b$2"
        while length $text < 3
        && $bits =~ s/^(?:000(\d\d)|011(\d{3}))//;
    return $text;
}

# Begin a request; the number of its stream. Options: headers => [...],
# body => 1: a body follows, by send().
sub begin {
    my ($self, $method, $path, %o) = @_;
    my $id = $self->{next};
    $self->{next} += 2;
    my @headers = (':method' => $method, ':scheme' => 'http',
        ':path' => $path, ':authority' => $self->{c}->authority,
        @{$o{headers} || []});
    my $block = '';
    while (my ($name, $value) = splice @headers, 0, 2) {
        # literal, not to be remembered
        $block .= "\0" . _text($name) . _text($value);
    }
    $self->{stream}{$id} = {body => '', status => '', end => 0, reset => undef,
        may_send => 65535};
    $self->{c}->send(_frame(HEADERS,
        END_HEADERS | ($o{body} ? 0 : END_STREAM), $id, $block));
    return $id;
}

sub stream { $_[0]{stream}{$_[1]} }

# Send a part of a body (at most 16 KB); the last one with $end. False when
# the response has ended meanwhile, and the peer takes no more.
sub send {
    my ($self, $id, $bytes, $end) = @_;
    my $s = $self->stream($id);
    until ($s->{may_send} >= length $bytes) {
        return 0 if $s->{end} || defined $s->{reset};
        $self->take(5) or die "the peer's window stays closed\n";
    }
    $s->{may_send} -= length $bytes;
    $self->{c}->send(_frame(DATA, $end ? END_STREAM : 0, $id, $bytes));
    return 1;
}

sub reset {
    my ($self, $id) = @_;
    $self->{c}->send(_frame(RST_STREAM, 0, $id, pack 'N', 8));    # CANCEL
}

sub close { $_[0]{c}->close }
sub abort { $_[0]{c}->abort }

# Take one frame; false when there is none within so many seconds.
sub take {
    my ($self, $seconds) = @_;
    my $c = $self->{c};
    my $end = time + $seconds;
    my $need = 9;
    while (1) {
        if (length $c->{in} >= 9) {
            $need = 9 + unpack 'N', "\0" . substr $c->{in}, 0, 3;
        }
        last if length $c->{in} >= $need;
        my $r = $c->fill($end);
        $self->{closed} = 1 if defined $r && !$r;
        return 0 unless $r;
    }
    my ($type, $flags, $id) = unpack 'x3CCN', $c->{in};
    my $payload = substr $c->{in}, 9, $need - 9;
    substr $c->{in}, 0, $need, '';
    my $s = $self->{stream}{$id & 0x7fffffff} || {};
    if ($type == DATA) {
        $s->{body} .= $payload;
        $self->{c}->send(_frame(WINDOW_UPDATE, 0, $id,
            pack 'N', length $payload))
            if $self->{credit} && length $payload && !($flags & END_STREAM);
    }
    elsif ($type == HEADERS && !$s->{status}) {
        # After an update of the table's size, the status comes first.
        $payload =~ s/^(?:[\x20-\x3e]|\x3f[\x80-\xff]*[\x00-\x7f])+//;
        my $first = ord $payload;
        $s->{status} = $first >= 0x88 && $first <= 0x8e
            ? $static[$first - 0x88]
            : $payload =~ /^.\x03(\d{3})/s ? $1
            : $payload =~ /^.(?:\x82(..)|\x83(...))/s ? _digits($1 // $2)
            : 'other';
    }
    elsif ($type == RST_STREAM) {
        $s->{reset} = unpack 'N', $payload;
    }
    elsif ($type == SETTINGS && !($flags & ACK)) {
        $self->{c}->send(_frame(SETTINGS, ACK, 0, ''));
    }
    elsif ($type == PING && !($flags & ACK)) {
        $self->{c}->send(_frame(PING, ACK, 0, $payload));
    }
    elsif ($type == WINDOW_UPDATE) {
        $s->{may_send} += unpack 'N', $payload if exists $s->{may_send};
    }
    elsif ($type == GOAWAY) {
        # the last stream that it has begun, or will
        $self->{goaway} = unpack 'N', $payload;
    }
    $s->{end} = 1 if $type <= HEADERS && $flags & END_STREAM;
    return 1;
}

# Take frames until the test is true; false after so many seconds.
sub until {
    my ($self, $seconds, $test) = @_;
    my $end = time + $seconds;
    until ($test->()) {
        my $left = $end - time;
        return 0 if $left <= 0;
        $self->take($left) or return $test->() ? 1 : 0;
    }
    return 1;
}

# The response of a stream, whole: "status body", or what went wrong.
sub response {
    my ($self, $id, $seconds) = @_;
    my $s = $self->stream($id);
    my $whole = $self->until($seconds || 30, sub {
        return $s->{end} || defined $s->{reset};
    });
    return !$whole ? 'timeout'
        : defined $s->{reset} && !$s->{end} ? "reset $s->{reset}"
        : "$s->{status} $s->{body}";
}

1;
