# mpm: all, with ALL=1
# The command line, RFC 3875, 4.4: rules A12 and C1.
use strict;
use warnings;
use Test::More;
use CGITest;

sub args_of {
    my ($method, $target, %o) = @_;
    my $res = once($method, $target, %o);
    my $text = $res->header('X-Args');
    return 'none, but ' . text_of($res) unless defined $text;
    my ($n, $list) = $text =~ /^(\d+):(.*)$/;
    my @words = map { unescape($_) } split /,/, $list, -1;
    @words = ('') if $n == 1 && !@words;
    return "$n not " . @words if $n && $n != @words;
    return join '|', $n, $n ? @words : ();
}

# Query and the arguments it makes: their number, then each.
my @table = (
    ['', '0'],
    ['?', '0'],
    ['?word', '1|word'],
    ['?a+b+c', '3|a|b|c'],
    ['?a%20b+c', '2|a b|c'],
    ['?a%2Bb', '1|a+b'],
    ['?a%3Db', '1|a=b'],
    ['?a=b', '0'],
    ['?a+b=', '0'],
    ['?=', '0'],
    ['?a++b', '3|a||b'],
    ['?a+', '2|a|'],
    ['?+', '2||'],
    ['?caf%C3%A9+%FF', "2|caf\xc3\xa9|\xff"],
    # NUL can't be in an argument: then there is none at all
    ['?a%00b', '0'],
    ['?a+b%00', '0'],
    ['?%00+a', '0'],
    # C1: options are words like others
    ['?-s', '1|-s'],
    ['?--version', '1|--version'],
    ['?%2ds', '1|-s'],
    ['?a+-e+b', '3|a|-e|b'],
    ['?-d+allow_url_include%3don', '2|-d|allow_url_include=on'],
    # RFC 3875, 7.2: what is active in the Bourne shell has a backslash
    ['?%3bid', '1|\\;id'],
    ['?$(id)', '1|\\$\\(id\\)'],
    ['?a%60b', '1|a\\`b'],
);
for (@table) {
    my ($query, $want) = @$_;
    is(args_of('GET', "/engine/args$query"), $want, "A12 C1 GET $query");
    is(args_of('HEAD', "/engine/args$query"), $want, "A12 C1 HEAD $query");
}

# Methods with a meaning for their body take none.
for my $method (qw(POST PUT DELETE OPTIONS FOO)) {
    is(args_of($method, '/engine/args?x'), '0', "A12 C1 $method ?x");
}
is(args_of('POST', '/engine/args?x', body => 'a+b'), '0',
    'A12 POST ?x with a body');

# Routes do not, unless CGIArgs says so; with an interpreter never.
for my $query ('?-s', '?a+b', '?%2ds') {
    is(args_of('GET', "/engineroute/args$query"), '0', "C1 a route, $query");
    is(args_of('GET', "/engineexec/args$query"), '0', "C1 exec=, $query");
    is(args_of('GET', "/engineexecargs/args$query"), '0',
        "C1 exec= with CGIArgs On, $query");
}
is(args_of('GET', '/enginerouteargs/args?a+-s'), '2|a|-s',
    'A12 a route with CGIArgs On');
is(args_of('GET', '/engine-noargs/args?a+b'), '0', 'A12 CGIArgs Off');

# Many words: all of them, or none.
{
    my $query = join '+', ('a') x 4000;
    my $got = args_of('GET', "/engine/args?$query");
    my ($n) = $got =~ /^(\d+)/;
    ok(defined $n && ($n == 0 || $n == 4000), 'A12 4000 words: all or none')
        or diag substr $got, 0, 100;
}

done_testing();
