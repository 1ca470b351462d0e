# C3, A1, A4: SCRIPT_NAME and PATH_INFO for 40 routes and URLs, and for random
# ones; the URL put together from both reaches the same script again, with the
# same values.
use strict;
use warnings;
use Apache::Test;
use Route;

my $merges = CGITest::Server->since(2, 4, 39);

# REGEX, keys, URL path, SCRIPT_NAME and PATH_INFO; undef: no route answers.
# Each route stands in a <Location> of its own, /0, /1 ..., which the last two
# begin with.
my @table = (
    ['^/foo', '', '/foo', '/foo', ''],
    ['^/foo', '', '/foo/', '/foo', '/'],
    ['^/foo', '', '/foo/bar', '/foo', '/bar'],
    ['^/foo', '', '/foo/bar/zot/', '/foo', '/bar/zot/'],
    ['^/foo', '', '/foobar', undef],
    ['^/foo', '', '/foo.cgi/x', undef],
    ['^/foo$', '', '/foo', '/foo', ''],
    ['^/foo$', '', '/foo/', undef],
    ['^/foo/', '', '/foo/', '/foo/', ''],
    ['^/foo/', '', '/foo/bar', undef],
    ['^/fo', '', '/foo', undef],
    ['^/fo?', '', '/foo', undef],
    ['foo', '', '/foo/bar', '/foo', '/bar'],
    ['foo', '', '/a/foo/bar', '/a/foo', '/bar'],
    ['foo', '', '/a/xfoo/bar', '/a/xfoo', '/bar'],
    ['/([a-z]+)$', '', '/a/b/c', '/a/b/c', ''],
    ['/([a-z]+)', '', '/a/b/c', '/a', '/b/c'],
    ['', '', '/a/b', '', '/a/b'],
    ['', '', '/', '', '/'],
    ['', '', '', '', ''],
    ['^', '', '/a', '', '/a'],
    ['^/?', '', '/a', undef],
    ['^/([^/]*)', '', '/a/b', '/a', '/b'],
    ['^/([^/]*)', '', '/', '/', ''],
    ['^/(.*)', '', '/a/b', '/a/b', ''],
    ['^(/.*)?/end', '', '/a/end/b/end/c', '/a/end/b/end', '/c'],
    ['^(/.*?)?/end', '', '/a/end/b/end/c', '/a/end', '/b/end/c'],
    ['^/foo(?=/)', '', '/foo/x', '/foo', '/x'],
    ['^/foo(?=/)', '', '/foo', undef],
    ['(?<=/a)/b', '', '/a/b/c', '/a/b', '/c'],
    ['^/a/(.*)$', 'pathinfo=/\1', '/a/b/c', '/a', '/b/c'],
    ['^/a/(.*)$', 'pathinfo=\1', '/a/b/c', '/a', '/b/c'],
    ['^/a(/.*)?$', 'pathinfo=\1', '/a/b/c', '/a', '/b/c'],
    ['^/a(/.*)?$', 'pathinfo=\1', '/a', '/a', ''],
    ['^/a/(.*)$', 'pathinfo=\1', '/a/', '/a/', ''],
    ['^/a(/[a-z]+)(/.*)$', 'pathinfo=\2', '/a/b/c/d', '/a/b', '/c/d'],
    ['^/a(.*)$', 'pathinfo=\1', '/a', '/a', ''],
    ['^/a/', 'pathinfo=/b', '/a/b', '/a', '/b'],
    ['^/a b;x/(.*)$', 'pathinfo=\1', '/a%20b%3bx/%c3%a4%25', "/a b;x",
     "/\xc3\xa4%"],
    ['^/foo', '', '/foo/this%2eis%2epath%3binfo', '/foo',
     '/this.is.path;info'],
    ['^/foo', '', '/foo/A%42c%3F', '/foo', '/ABc?'],
    ['^/foo', '', '/foo/%2B+%25%20', '/foo', '/++% '],
    ['^/foo', '', '/foo/../foo/x', '/foo', '/x'],
    ['^/foo', '', '/foo//x', '/foo', $merges ? '/x' : '//x'],
    ['^/foo/', '', '/foo//', $merges ? ('/foo/', '') : ('/foo', '//')],
);

my $conf = '';
for my $i (0 .. $#table) {
    my ($regex, $keys) = @{$table[$i]};
    $conf .= qq(<Location "/$i">\n)
        . qq(    CGIRoute "$regex" "\@TREE\@/show" "names=any" $keys\n)
        . "</Location>\n";
}
$conf .= <<'EOC';
<Location "/bad">
    CGIRoute "^/(\w+)/(\w+)$" "@TREE@/show" pathinfo=/\1
</Location>
<Location "/random1">
    CGIRoute "^/([^/]*)/?([^/]*)" "@TREE@/show"
</Location>
<Location "/random2">
    CGIRoute "^/(?:[^/]*/)?([^/]*)" "@TREE@/show"
    CGIRoute "^/([^/]+)" "@TREE@/other"
</Location>
<Location "/random3">
    CGIRoute "^/[^/]*(/[^/]*)?((?:/.*)?)$" "@TREE@/show" pathinfo=\2
</Location>
<Location "/random4">
    CGIRoute "" "@TREE@/show"
</Location>
<Location "/off">
    CGIRoute "^/x" "@TREE@/show"
    AcceptPathInfo Off
</Location>
CGIRoute "^/(empty)" "@TREE@/show"
<VirtualHost *:@port@>
    ServerName 127.0.0.1
    AllowEncodedSlashes On
</VirtualHost>
<VirtualHost *:@port@>
    ServerName slashes
    MergeSlashes Off
    AllowEncodedSlashes NoDecode
</VirtualHost>
<VirtualHost *:@port@>
    ServerName root
    CGIRoute "" "@TREE@/show"
</VirtualHost>
EOC

my %kinds = (merged => '127.0.0.1', unmerged => 'slashes');
plan tests => 3 * @table + (keys %kinds) * 3 + 12;

my $httpd = routes($conf, {show => show_script('show'),
                           other => show_script('other')});
my $port = $httpd->port;

sub same {
    my ($a, $b) = @_;
    return ($a // 'none') eq ($b // 'none');
}

# The URL's path put together from the variables.
sub rebuilt {
    my $got = shift;
    return escape($got->{SCRIPT_NAME} . ($got->{PATH_INFO} // ''));
}

for my $i (0 .. $#table) {
    my ($regex, $keys, $url, $name, $info) = @{$table[$i]};
    my $got = show($httpd, "/$i$url");
    if (!defined $name) {
        print "# $regex $url: ", $got->{SCRIPT_NAME} // 'none', "\n";
        ok($got->{STATUS} == 404);
        ok(1) for 1 .. 2;
        next;
    }
    my $found = join '|', "/$i" eq substr($got->{SCRIPT_NAME} // '', 0,
                                          length "/$i")
        ? substr $got->{SCRIPT_NAME}, length "/$i" : '?',
        $got->{PATH_INFO} // '';
    print "# $regex $keys on $url: $found, not $name|$info\n"
        if $found ne "$name|$info";
    ok($found eq "$name|$info");
    # A4: unset when empty; PATH_TRANSLATED exactly with it
    ok(exists $got->{PATH_INFO} == ($info ne '')
       && exists $got->{PATH_TRANSLATED} == ($info ne ''));
    my $again = show($httpd, rebuilt($got));
    ok(same($again->{SHOW_NAME}, $got->{SHOW_NAME})
       && same($again->{SCRIPT_NAME}, $got->{SCRIPT_NAME})
       && same($again->{PATH_INFO}, $got->{PATH_INFO}));
}

# SCRIPT_NAME is empty, not unset, where the whole path is PATH_INFO
my $root = show($httpd, '/a/b', Host => 'root');
ok($root->{SHOW_NAME} && $root->{SCRIPT_NAME} eq ''
   && $root->{PATH_INFO} eq '/a/b');

# pathinfo= that is not the end of the URL would make A1 a lie: the line is at
# fault, and the log says so.
my $log = log_of($httpd, sub {
    ok(show($httpd, '/bad/x/y')->{STATUS} == 500);
});
ok($log =~ /cgiroute:error.*httpd\.conf:\d+\): pathinfo= must be the end/);
ok(show($httpd, '/bad/x/x')->{PATH_INFO} eq '/x');

ok(show($httpd, '/off/x')->{STATUS} == 200);
ok(show($httpd, '/off/x/y')->{STATUS} == 404);

# C3 of CONFORMANCE: encoded slashes, as the server has them
ok(show($httpd, '/0/foo%2fbar')->{PATH_INFO} eq '/bar');
ok(show($httpd, '/0/foo%2fbar', Host => 'slashes')->{STATUS} == 404);
my $kept = show($httpd, '/0/foo/a%2fb', Host => 'slashes');
ok($kept->{PATH_INFO} eq '/a%2fb');
# Slashes in a row are kept where MergeSlashes is off, all in PATH_INFO.
my $unmerged = show($httpd, '/0/foo//x///y', Host => 'slashes');
ok($unmerged->{SCRIPT_NAME} eq '/0/foo' && $unmerged->{PATH_INFO} eq '//x///y');
$unmerged = show($httpd, '/8/foo//x', Host => 'slashes');
ok($unmerged->{SCRIPT_NAME} eq '/8/foo' && $unmerged->{PATH_INFO} eq '//x');
ok(show($httpd, '/empty/%00')->{STATUS} =~ /^40[04]$/);

# A1 for random paths, whatever routes make of them
srand 42;
for my $kind (sort keys %kinds) {
    my ($answered, $with_info, @wrong) = (0, 0);
    for (1 .. 120) {
        my @parts = map { join '', map { ('a', 'b', '.', '-', ' ', '%', '?',
            ';', '+', "\xc3", "\n", 'show')[rand 12] } 1 .. rand 4 }
            1 .. 1 + rand 5;
        my $path = '/random' . (1 + int rand 4) . '/'
            . escape(join '/', @parts);
        my $got = show($httpd, $path, Host => $kinds{$kind});
        next unless $got->{SHOW_NAME};
        $answered++;
        $with_info++ if exists $got->{PATH_INFO};
        my $again = show($httpd, rebuilt($got), Host => $kinds{$kind});
        push @wrong, $path
            unless same($again->{SHOW_NAME}, $got->{SHOW_NAME})
            && same($again->{SCRIPT_NAME}, $got->{SCRIPT_NAME})
            && same($again->{PATH_INFO}, $got->{PATH_INFO})
            && ($got->{PATH_INFO} // '/') =~ m{^/};
    }
    print "# $kind: $answered answered, $with_info with PATH_INFO; ",
        "wrong: @wrong\n";
    ok($answered > 60);
    ok($with_info > 20);
    ok(!@wrong);
}
