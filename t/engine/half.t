# mpm: all
# A client that closes its sending side after the request gets the answer; one
# that is gone has its script ended: rule E6.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);
use CGITest;
use CGITest::HTTP;
use CGITest::Server;

my $own = CGITest::Server->start;

# path, body; how a client leaves, path, what it reads before it does
my @half = (['/engine/slow?head=1.5', "first\nlast\n"],
    ['/engine/slow?head=1&body=1', "first\nlast\n"],
    ['/engine/slow?body=2', "first\nlast\n"],
    ['/engine/slow?head=1.5', "first\nlast\n", '1.0'],
    ['/engine/drip?n=20&ms=100', join '', map { "line $_\n" } 1 .. 20],
    ['/engine/hello', "hello\n"]);
my @left = map { my $how = $_; map { [$how, @$_] }
    ['/engine/slow?head=30'], ['/engine/slow?body=30', 'first'],
    ['/engine/drip?n=1000&ms=50', 'line 2'] } 'abort', 'close';
# Where nothing can be sent, the client's kernel is asked.
$_->[0] eq 'close' && $_->[1] =~ /body/ and $_->[0] = 'vanish' for @left;

my @got = parallel((map {
    my ($path, undef, $version) = @$_;
    sub {
        my $c = CGITest::HTTP->new(%{$own->where});
        $c->send($c->format_request('GET', $path,
            $version ? (version => $version) : ()));
        $c->finish;
        my $res = $c->response;
        return $res->status . $res->error . ' ' . $res->body;
    }
} @half), map {
    my ($how, $path, $until) = @$_;
    sub {
        my $tag = 'tag=h' . $$ . 'y';
        my $c = CGITest::HTTP->new(%{$own->where});
        $c->send($c->format_request('GET', "$path&$tag"));
        $c->read_until($until) if $until;
        runs($tag) or die "no script for $path\n";
        my $start = time;
        $c->$how;
        my $gone = gone($tag, 10) ? time - $start : 99;
        CGITest::end_scripts($tag);
        return $gone;
    }
} @left);
is(shift @got, "200 $_->[1]", "E6 half-closed, @$_[0, 2]: the whole answer")
    for map { [@$_[0, 1], $_->[2] // ''] } @half;
cmp_ok(shift @got, '<', $_->[0] eq 'vanish' ? 9 : 2,
    "E6 gone by $_->[0], $_->[1]: script ended")
    for @left;

$own->stop;
done_testing();
