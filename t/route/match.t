# mpm: all, with ALL=1
# C1, C2, C11: which route answers: order, virtual hosts, <Location>, search
# in the decoded path; what references stand for; a regular expression that
# runs away.
use strict;
use warnings;
use Apache::Test;
use Time::HiRes ();
use Route;

my %files = map { $_ => show_script($_) }
    qw(a b c d e bin/x bin/y base root vhost main late);

my $httpd = routes(<<'EOC', \%files);
CGIRoute "^/first/(\w+)" "\1" dir="@TREE@"
CGIRoute "^/first/" "@TREE@/late"
CGIRoute "^/first" "@TREE@/late"
CGIRoute "anywhere" "@TREE@/a"
CGIRoute "(?i)^/CASE$" "@TREE@/b"
CGIRoute "^/sp ace\+é$" "@TREE@/c"
CGIRoute '^/quo"te$' '@TREE@/c'
CGIRoute "^/dollar$" "@TREE@/d"
CGIRoute "^/esc/([a-z]+)\.cgi$" "$1" dir="@TREE@"
<Location "/base">
    CGIRoute "^/(\w+)/in$" "base" "dir=@TREE@"
    CGIRoute "^$" "root" dir="@TREE@"
</Location>
<Location "/slashed/">
    CGIRoute "^/x" "base" dir="@TREE@"
</Location>
<Location "/">
    CGIRoute "^/roots/(.+)" "@TREE@/root"
</Location>
CGIRoute "^/shared" "@TREE@/main"
CGIRoute "^/only-main" "@TREE@/main"
<CGIRoute "^/refs/(?<one>\w+)-(\w+)(?:-(\w+))?(?:/(?<tail>.*))?$" "@TREE@/e">
    SetEnv R0 "<\0>"
    SetEnv R1 "<\1>"
    SetEnv R2 "<$2>"
    SetEnv R3 "<\3>"
    SetEnv NAMED "<\{one}${tail}>"
    SetEnv HOST "<%{host}>"
    SetEnv LITERAL "<\\\\1 \$1 \%{host} 5% $ $x>"
    SetEnv TEN "\10"
</CGIRoute>
CGIRoute "^/bin/\w" "bin/y" dir="@TREE@"
CGIRoute "^/runaway/(a+)+$" "@TREE@/a"
CGIRoute "^/runaway" "@TREE@/b"
<VirtualHost *:@port@>
    ServerName 127.0.0.1
</VirtualHost>
<VirtualHost *:@port@>
    ServerName with.routes
    CGIRoute "^/shared" "@TREE@/vhost"
</VirtualHost>
EOC
my $port = $httpd->port;

# Rule, URL, Host, name of the script that answers (or a status).
my @cases = (
    ['C1: the first that matches and whose file exists', '/first/a', '', 'a'],
    ['C1: the second is for the rest', '/first/zz', '', 'late'],
    ['C1: searched, not anchored', '/x/anywhere/y', '', 'a'],
    ['C1: not in the query', '/x?anywhere', '', 404],
    ['C1: the regular expression says so itself', '/case', '', 'b'],
    ['C1: case counts otherwise', '/DOLLAR', '', 404],
    ['C1: the path is decoded', '/sp%20ace%2B%c3%A9', '', 'c'],
    ['C1: and quotes are characters', '/quo%22te', '', 'c'],
    ['C1: $ is the end', '/dollar', '', 'd'],
    ['C1: and nothing else', '/dollarx', '', 404],
    ['C1: not a line', '/dollar%0a', '', 404],
    ['C1: normalised', '/x/../dollar', '', 'd'],
    ['C1: normalised, in any disguise', '/x/%2e%2e/./dollar', '', 'd'],
    ['C1: below a <Location>', '/base/foo/in', '', 'base'],
    ['C1: where there is none', '/foo/in', '', 404],
    ['C1: the path of the <Location> itself', '/base', '', 'root'],
    ['C1: not what only begins so', '/basement', '', 404],
    ['C1: a <Location> with a slash', '/slashed/x', '', 'base'],
    ['C1: the <Location> of all', '/roots/x', '', 'root'],
    ['C1: one server', '/shared', '', 'main'],
    ['C1: the virtual host has the first word', '/shared', 'with.routes',
     'vhost'],
    ['C1: the server the next', '/only-main', 'with.routes', 'main'],
    ['C1: other hosts share the server\'s', '/only-main', '', 'main'],
    ['C2: \$1', '/esc/d.cgi', '', 'd'],
    ['C2: no reference', '/bin/x', '', 'bin/y'],
);

plan tests => @cases + 24;

for (@cases) {
    my ($name, $path, $host, $expected) = @$_;
    my $got = show($httpd, $path, $host ? (Host => $host) : ());
    my $answer = $got->{SHOW_NAME} // $got->{STATUS};
    print "# $name: $answer\n" if $answer ne $expected;
    ok($answer eq $expected);
}

# C2: each reference, by value; names of groups that took no part are empty.
my $got = show($httpd, '/refs/foo-bar/x/y%20z', Host => 'Www.Test:8080');
my %refs = (R0 => '</refs/foo-bar/x/y z>', R1 => '<foo>', R2 => '<bar>',
            R3 => '<>', NAMED => '<foox/y z>', HOST => '<www.test>',
            LITERAL => '<\1 $1 %{host} 5% $ $x>', TEN => 'foo0');
for (sort keys %refs) {
    print "# $_: ", $got->{$_} // 'none', "\n";
    ok(($got->{$_} // '') eq $refs{$_});
}
# What a capture says is text, whatever it says (CONFORMANCE C4).
$got = show($httpd, '/refs/a-b-c/' . escape('\1$2${one}%{host}`id`;$(id)'));
ok($got->{NAMED} eq '<a\1$2${one}%{host}`id`;$(id)>');
ok($got->{R3} eq '<c>');

# C8, row 92: a request without a host
my $response = RunScripts::raw($port, "GET /refs/a-b HTTP/1.0\r\n\r\n");
ok(vars($response)->{HOST} eq '<0>');

# C11: stopped in no time, logged once; the pattern's other URLs work, and so
# does everything else at the same time.
my $bad = '/runaway/' . 'a' x 60 . 'b';
my $log = log_of($httpd, sub {
    my $start = Time::HiRes::time();
    my $result = request($port, 'GET', $bad);
    my $took = Time::HiRes::time() - $start;
    ok($result->{status} == 500);
    print "# took $took s\n";
    ok($took < 0.1);
    ok($result->{body} !~ /runaway\/\(a|route|httpd\.conf/);
});
ok($log =~ /cgiroute:error.*route \^\/runaway\/\(a\+\)\+\$ \(.*:\d+\).*steps/);
ok(1 == grep { /cgiroute:error/ } split /\n/, $log);
ok(show($httpd, '/runaway/aaaa')->{SHOW_NAME} eq 'a');
ok(show($httpd, '/runaway/')->{SHOW_NAME} eq 'b');
ok(show($httpd, '/first/a')->{SHOW_NAME} eq 'a');
my @slow = grep { request($port, 'GET', $bad)->{status} != 500 } 1 .. 20;
ok(!@slow);

# After graceful restarts the module is another copy of itself: compiled
# expressions, and what threads keep for them, are new too.
for (1 .. 3) {
    $httpd->graceful;
    ok(show($httpd, '/refs/foo-bar')->{R1} eq '<foo>');
}
ok($httpd->error_log !~ /exit signal/);
