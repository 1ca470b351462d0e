# HEAD: the header goes out when it is known, of the output nothing does, over
# HTTP/1 and HTTP/2: rule A18.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::H2;
use CGITest::HTTP;
use CGITest::Server;

my $own = CGITest::Server->start(modules => ['http2'],
    conf => "Protocols h2c http/1.1\n");

# name, path, end: the script ends by itself
my @cases = (
    ['small', '/engine/hello', 1],
    ['64 KB', '/engine/produce?n=64000', 1],
    ['a megabyte', '/engine/produce?n=1000000', 1],
    ['piece by piece', '/engine/drip?n=10&ms=30', 1],
    ['endless', '/engine/produce?n=9000000000000', 0],
    ['a body that is late', '/engine/silent?s=20', 0],
);

for (@cases) {
    my ($name, $path, $ends) = @$_;
    my $tag = tag_of();
    my ($file, $query) = split /\?/, $path;
    my $target = "$file?$tag&" . ($query // '');
    my $c = CGITest::HTTP->new(%{$own->where});
    $c->send($c->format_request('HEAD', $target));
    my $res;
    ok(within(4, sub { $c->response(method => 'HEAD', seconds => 8) }, \$res),
        "A18 HTTP/1, $name: the header comes soon");
    is($res->status . $res->error, '200', "A18 HTTP/1, $name: 200");
    if ($ends) {
        ok($c->usable('/engine/hello'), "A18 HTTP/1, $name: no body follows");
        $c->close;
    }
    else {
        is($c->{in}, '', "A18 HTTP/1, $name: no body follows");
        $c->abort;
    }
    is_gone($tag, 5, "A18 HTTP/1, $name: its script ends");

    # Before 2.4.39 mod_http2 drops a HEAD's header that comes before the end.
    next if !$ends && !$own->since(2, 4, 39);

    my $h = CGITest::H2->new(%{$own->where});
    $tag = tag_of();
    $target = "$file?$tag&" . ($query // '');
    my $id = $h->begin('HEAD', $target);
    my $s = $h->stream($id);
    ok($h->until(4, sub { $s->{status} ne '' }),
        "A18 HTTP/2, $name: the header comes soon");
    if ($ends) {
        is($h->response($id), '200 ', "A18 HTTP/2, $name: no body follows");
    }
    else {
        $h->until(0.5, sub { $s->{end} || defined $s->{reset} });
        is("$s->{status} $s->{body}", '200 ',
            "A18 HTTP/2, $name: no body follows");
        $h->reset($id);
    }
    is($h->response($h->begin('GET', '/engine/hello')), "200 hello\n",
        "A18 HTTP/2, $name: the connection serves on");
    $h->close;
    is_gone($tag, 5, "A18 HTTP/2, $name: its script ends");
}

$own->stop;
done_testing();
