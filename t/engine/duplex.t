# mpm: all
# Request and response at the same time: rules E2, E7 and C11. The script may
# answer before, while or without reading its body; nobody waits for ever for
# a full pipe on the other side.
use strict;
use warnings;
use Digest::MD5;
use List::Util qw(max);
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(memory_kb);

use constant MB => 2**20;

my $size = 10 * MB;
my $piece = join '', map { pack 'N', $_ * 2654435761 % 2**32 } 1 .. 16384;
my $pieces = MB / length $piece;

# POST so many megabytes, with a length or in chunks, and read the response
# at the same time: length and MD5 of its body, and what else there is.
sub exchange {
    my ($path, $mb, %o) = @_;
    my $c = CGITest::HTTP->new(%{where()}, timeout => 60, %{$o{client} || {}});
    my $pid = $c->send_in_background(sub {
        my ($h) = @_;
        $h->send($h->format_request('POST', $path, headers => $o{chunked}
                ? ['Transfer-Encoding' => 'chunked']
                : ['Content-Length' => $mb * MB]));
        my $data = $o{chunked}
            ? sprintf "%x\r\n%s\r\n", length $piece, $piece : $piece;
        for (1 .. $mb * $pieces) {
            $h->send($data);
            select undef, undef, undef, $o{send_pause} if $o{send_pause};
        }
        $h->send("0\r\n\r\n") if $o{chunked};
    });
    my ($n, $md5, $tail, $most) = (0, Digest::MD5->new, '', 0);
    my $res = $c->response(sink => sub {
        $n += length $_[0];
        $md5->add($_[0]);
        $tail = substr $tail . $_[0], -30;
        $o{watch}->() if $o{watch};
        select undef, undef, undef, $o{read_pause} if $o{read_pause};
    });
    waitpid $pid, 0;
    return {status => $res->status, error => $res->error, n => $n,
        md5 => $md5->hexdigest, tail => $tail, c => $c};
}

sub md5_of {
    my ($mb) = @_;
    my $md5 = Digest::MD5->new;
    $md5->add($piece) for 1 .. $mb * $pieces;
    return $md5->hexdigest;
}

my $want = md5_of(10);

for my $way ('/engine-stream', '/engineroutestream') {
    for my $chunked (0, 1) {
        my $how = "$way, " . ($chunked ? 'chunked' : 'length');
        my $r = exchange("$way/echo", 10, chunked => $chunked);
        is("$r->{status} $r->{n} $r->{error}", "200 $size ",
            "C11 echo, $how");
        is($r->{md5}, $want, "C11 echo, $how: the same bytes");

        $r = exchange("$way/produce?n=$size", 10, chunked => $chunked);
        is("$r->{status} $r->{n} $r->{error}", "200 $size ",
            "C11 never reads, $how");

        $r = exchange("$way/first?n=$size", 10, chunked => $chunked);
        is("$r->{status} $r->{error}", '200 ', "C11 answers first, $how");
        like($r->{tail}, qr/x+read $size\n\z/,
            "C11 answers first, $how: and gets the body after that");

        my $mark = server()->mark;
        $r = exchange("$way/flood?n=1000000", 10, chunked => $chunked);
        is("$r->{status} $r->{n} $r->{error}", "200 $size ",
            "C11 floods stderr, $how");
        is($r->{md5}, $want, "C11 floods stderr, $how: the same bytes");
        like(server()->log_since($mark), qr/stderr from .*flood.*eeee/,
            "C11 floods stderr, $how: it is logged");

        $r = exchange("$way/closein", 10, chunked => $chunked);
        is("$r->{status} $r->{tail} $r->{error}", "200 closed\n ",
            "C11 closes stdin, $how");
    }
}

# Piece by piece: the next goes out when the last has come back.
for my $path ('/engine/echo', '/engineroutestream/echo') {
    my $c = CGITest::HTTP->new(%{where()});
    my $text = 'ping ' x 4000;
    $c->send($c->format_request('POST', $path,
        headers => ['Content-Length' => 20 * length $text]));
    my $back = 0;
    for (1 .. 20) {
        $c->send($text);
        $c->read_until('ping ', 5) if $_ == 1;
        my $end = Time::HiRes::time() + 5;
        my $need = $_ * length $text;
        until ($back >= $need - 200) {
            # Count what is neither header nor framing of chunks.
            $back += 5 while $c->{in} =~ s/ping //;
            last if Time::HiRes::time() > $end;
            $c->fill($end) if $back < $need - 200;
        }
        last if $back < $need - 200;
    }
    cmp_ok($back, '>', 20 * length($text) - 300,
        "E2 $path: each piece comes back before the next is sent");
}

# Slow on one side.
{
    my @results = parallel(
        sub {
            my $r = exchange('/engine/slowread', 1);
            return "slow script: $r->{status} $r->{tail}";
        },
        sub {
            my $r = exchange('/engine-stream/slowread', 1, chunked => 1);
            return "slow script, chunked: $r->{status} $r->{tail}";
        },
        sub {
            my $r = exchange('/engine/echo', 1, send_pause => 0.1);
            return "slow sender: $r->{status} $r->{n}";
        },
        sub {
            my $r = exchange('/engine/echo', 2, read_pause => 0.01,
                client => {rcvbuf => 32768});
            return "slow reader: $r->{status} $r->{n} "
                . ($r->{md5} eq md5_of(2) ? 'same' : 'other');
        },
        sub {
            my $r = exchange('/engine/first?n=2097152', 1, read_pause => 0.01,
                client => {rcvbuf => 32768});
            return "slow reader, answers first: $r->{status} $r->{n}";
        });
    is_deeply(\@results, [
            "slow script: 200 read 1048576\n",
            "slow script, chunked: 200 read 1048576\n",
            'slow sender: 200 1048576',
            'slow reader: 200 2097152 same',
            'slow reader, answers first: 200 2097165',
        ], 'C11 slow on one side') or diag explain \@results;
}

# E7: a worker's memory does not grow with the body. No worker may come to
# use 8 MB more than the largest did before.
{
    my $mb = $ENV{CGITEST_LARGE} ? 1024 : 100;
    my $most = sub { max map { memory_kb($_) } server()->workers };
    for my $chunked (0, 1) {
        my $before = $most->();
        my ($peak, $turn) = (0, 0);
        my $r = exchange('/engine-stream/echo', $mb, chunked => $chunked,
            watch => sub {
                $peak = max($peak, $most->()) if $turn++ % 100 == 0;
            });
        is("$r->{status} $r->{n}", '200 ' . $mb * MB,
            "E7 $mb MB there and back, " . ($chunked ? 'chunked' : 'length'));
        cmp_ok($peak, '>', 0, 'E7 memory was looked at');
        cmp_ok($peak - $before, '<', 8 * 1024,
            "E7 memory of the workers, before $before KB, at most $peak KB");
    }
    # A reader that is much slower than the script.
    my $before = $most->();
    my $c = CGITest::HTTP->new(%{where()}, rcvbuf => 8192);
    $c->send($c->format_request('GET', '/engine/produce?n=50000000'));
    my $peak = 0;
    for (1 .. 10) {
        $c->fill(Time::HiRes::time() + 1);
        $peak = max($peak, $most->());
        select undef, undef, undef, 0.05;
    }
    $c->abort;
    cmp_ok($peak - $before, '<', 8 * 1024,
        "E7 a slow reader: before $before KB, at most $peak KB");
}

done_testing();
