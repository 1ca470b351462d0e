# C4 (and C3, C4 of CONFORMANCE): no URL makes a route run or serve a file
# outside of its dir=; which captured text is taken; symbolic links obey
# Options; what lies there is checked as if it had been asked for by name.
use strict;
use warnings;
use Apache::Test;
use CGITest::Proc 'alive';
use Route;

my %files = (
    'outside.cgi'        => show_script('OUTSIDE'),
    'outside.txt'        => "OUTSIDE\n",
    'etc/outside.cgi'    => show_script('OUTSIDE'),
    'in/ok.cgi'          => show_script('ok'),
    'in/sub/deep.cgi'    => show_script('deep'),
    'in/sub/.hidden.cgi' => show_script('hidden'),
    'in/.hidden/x.cgi'   => show_script('hidden'),
    'in/-dash.cgi'       => show_script('dash'),
    'in/a b.cgi'         => show_script('space'),
    'in/$(id);x.cgi'     => show_script('shell'),
    "in/\xc3\xa4.cgi"    => show_script('utf8'),
    'in/.cgi'            => show_script('nothing'),
    'in/data.txt'        => "data\n",
    'in/link.cgi'        => \'../outside.cgi',
    'in/etc'             => \'../etc',
    'in/inner.cgi'       => \'sub/deep.cgi',
    'in/loop.cgi'        => \'loop.cgi',
    'in/dangling.cgi'    => \'nothing-there',
    'in/locked/x.cgi'    => show_script('LOCKED'),
    'in/locked/.htaccess' => "Require all denied\n",
    'in/locked/index.html' => "LOCKED\n",
    'in/named.cgi'       => show_script('NAMED'),
    'in/htaccess/x.cgi'  => show_script('htaccess'),
    'in/htaccess/.htaccess' => "SetEnv FROM_HTACCESS yes\n",
    'site/plain.cgi'     => show_script('site'),
    'site/a b.cgi'       => show_script('SOURCE'),
    'site/.a.cgi'        => show_script('SOURCE'),
    'site/a b/index.html' => "index\n",
    'site/c d.cgi/x.cgi' => "text\n",
    'hosts/the.host/x.cgi' => show_script('the.host'),
    'hosts/0/x.cgi'      => show_script('0'),
    'hosts/:./x.cgi'     => show_script('colon'),
);

my $conf = <<'EOC';
CGIRoute "^/strict/(.*)$"   "\1"     dir="@TREE@/in"
CGIRoute "^/suffix/(.*)$"   "\1.cgi" dir="@TREE@/in"
CGIRoute "^/any/(.*)$"      "\1"     dir="@TREE@/in" names=any
CGIRoute "^/half(.*)$"      "\1/ok.cgi" dir="@TREE@/in" names=any
CGIRoute "^/parts/(.*)/(.*)$" "\1\2" dir="@TREE@/in" names=any
CGIRoute "^/beside/(.*)$"   ".\1./outside.cgi" dir="@TREE@/in" names=any
CGIRoute "^/dir/(.*)/x$"    "ok.cgi" dir="@TREE@/in/\1" names=any
CGIRoute "^/static/(.*)$"   "\1"     dir="@TREE@/in" static=on
CGIRoute "^/staticany/(.*)$" "\1"    dir="@TREE@/in" static=on names=any
CGIRoute "^/absolute/(.*)$" "@TREE@/in/\1" names=any
CGIRoute "^/site/(.*\.cgi)$" "\1"    dir="@TREE@/site"
CGIRoute "^/site/(.*)/$"    "\1/index.cgi" dir="@TREE@/site"
Alias "/site" "@TREE@/site"
CGIRoute "^/host/(.*)$"     "\1"     dir="@TREE@/hosts/%{host}"
<CGIRoute "^/env/(.*)$" "ok.cgi" dir="@TREE@/in">
    SetEnv DATA "/srv/data/\1"
</CGIRoute>
<CGIRoute "^/envhalf(.*)$" "ok.cgi" dir="@TREE@/in">
    SetEnv DATA "/srv/data/\1"
</CGIRoute>
<Directory "@TREE@">
    AllowOverride All
</Directory>
<Files "named.cgi">
    Require all denied
</Files>
<VirtualHost *:@port@>
    ServerName 127.0.0.1
    AllowEncodedSlashes On
</VirtualHost>
<VirtualHost *:@port@>
    ServerName nolinks
    <Directory "@TREE@">
        Options None
    </Directory>
</VirtualHost>
<VirtualHost *:@port@>
    ServerName owner
    <Directory "@TREE@">
        Options SymLinksIfOwnerMatch
    </Directory>
</VirtualHost>
<VirtualHost *:@port@>
    ServerName unmerged
    MergeSlashes Off
    AllowEncodedSlashes On
</VirtualHost>
EOC

# URL, name of the script or status
my @cases = (
    ['/strict/ok.cgi', 'ok'],
    ['/strict/sub/deep.cgi', 'deep'],
    ['/strict/sub//deep.cgi', 'deep'],
    ['/strict/./sub/../ok.cgi', 'ok'],
    ['/strict/../outside.cgi', 404],
    ['/strict/..%2foutside.cgi', 404],
    ['/strict/%2e%2e/outside.cgi', 404],
    ['/strict/.%2e/outside.cgi', 404],
    ['/strict/%%32%65%%32%65/outside.cgi', '40[04]'],
    ['/strict/%252e%252e/outside.cgi', 404],
    ['/strict/sub/..%2f..%2foutside.cgi', 404],
    ['/strict/sub/.hidden.cgi', 404],
    ['/strict/.hidden/x.cgi', 404],
    ['/strict/-dash.cgi', 404],
    ['/strict/a%20b.cgi', 404],
    ['/strict/$(id);x.cgi', 404],
    ['/strict/%c3%a4.cgi', 404],
    ['/strict/ok.cgi%00', '40[04]'],
    ['/strict/ok.cgi%0a', 404],
    ['/strict/%0aok.cgi', 404],
    ['/strict/', 404],
    ['/strict/sub', 404],
    ['/suffix/ok', 'ok'],
    ['/suffix/../outside', 404],
    ['/any/.hidden/x.cgi', 'hidden'],
    ['/any/-dash.cgi', 'dash'],
    ['/any/a%20b.cgi', 'space'],
    ['/any/$(id);x.cgi', 'shell'],
    ['/any/%c3%a4.cgi', 'utf8'],
    ['/any/..%2foutside.cgi', 404],
    ['/any/ok.cgi%0a', 404],
    ['/half', 'ok'],
    # that is /, says httpd; before 2.4.49, nothing
    ['/half%2f..%2f..', CGITest::Server->since(2, 4, 49) ? 403 : 400],
    ['/half../x', 404],
    ['/half./x', 404],
    ['/parts/./.%2foutside.cgi', 404],
    ['/parts/x/..%2foutside.cgi', 404],
    ['/beside/', 404],
    ['/beside/%2f', 404],
    ['/dir/sub%2f../x', 404],
    ['/dir/./x', 404],
    ['/static/ok.cgi', 'ok'],
    ['/static/data.txt', 200],
    ['/static/..%2foutside.txt', 404],
    ['/static/sub/..%2f..%2foutside.txt', 404],
    ['/static/.htaccess', 404],
    ['/static/locked/.htaccess', 404],
    ['/staticany/..%2foutside.txt', 404],
    ['/absolute/ok.cgi', 'ok'],
    ['/absolute/..%2foutside.cgi', 404],
    # what a variable says may be the name of a directory
    ['/env/a%20b~', 'ok'],
    ['/env/a..b/c', 'ok'],
    ['/envhalf../../etc', 404],
    ['/env/x%0ay', 404],
    # followed, because Options says so
    ['/strict/inner.cgi', 'deep'],
    ['/strict/link.cgi', 'OUTSIDE'],
    ['/strict/etc/outside.cgi', 'OUTSIDE'],
    ['/strict/loop.cgi', 403],
    ['/strict/dangling.cgi', 404],
    ['/static/loop.cgi', 404],
    # not, because it says otherwise
    ['/strict/ok.cgi', 'ok', 'nolinks'],
    ['/strict/inner.cgi', 403, 'nolinks'],
    ['/strict/link.cgi', 403, 'nolinks'],
    ['/strict/etc/outside.cgi', 403, 'nolinks'],
    ['/static/inner.cgi', 404, 'nolinks'],
    ['/static/etc/outside.cgi', 404, 'nolinks'],
    ['/strict/link.cgi', 'OUTSIDE', 'owner'],
    # the file's own protection
    ['/strict/locked/x.cgi', 403],
    ['/strict/named.cgi', 403],
    ['/strict/htaccess/x.cgi', 'htaccess'],
    # a bad name of a route's file is not a good name of a document
    ['/site/plain.cgi', 'site'],
    ['/site/a%20b.cgi', 404],
    ['/site/.a.cgi', 404],
    ['/site/a%20b/', 200],
    ['/site/a%20b/index.html', 200],
    ['/site/c%20d.cgi/x.cgi', 404],
    # names of hosts
    ['/host/x.cgi', 'the.host', 'the.host'],
    ['/host/x.cgi', 'the.host', 'THE.host:8080'],
    ['/host/x.cgi', 404, 'unknown'],
    ['/host/x.cgi', '40[04]', '..'],
    ['/host/x.cgi', '40[04]', '.'],
    ['/host/x.cgi', '40[04]', '../in'],
    ['/host/x.cgi', '40[04]', 'the.host/../in'],
);

plan tests => @cases + 7;
my $httpd = routes($conf, \%files);
my $port = $httpd->port;

for (@cases) {
    my ($path, $expected, $host) = @$_;
    my $response = request($port, 'GET', $path, $host ? (Host => $host) : ());
    my $answer = vars($response)->{SHOW_NAME} // $response->{status} // 'none';
    my $good = $answer =~ /^(?:\Q$expected\E|$expected)$/;
    $good &&= $response->{body} !~ /OUTSIDE|LOCKED|SOURCE/
        if $expected !~ /OUTSIDE/;
    print "# $path", $host ? " on $host" : '', ": $answer, not $expected\n"
        unless $good;
    ok($good);
}
ok(show($httpd, '/strict/htaccess/x.cgi')->{FROM_HTACCESS} eq 'yes');
my $none = RunScripts::raw($port, "GET /host/x.cgi HTTP/1.0\r\n\r\n");
ok(vars($none)->{SHOW_NAME} eq '0');

# a refusal tells the log, not the client
my $log = log_of($httpd, sub {
    my $response = request($port, 'GET', '/strict/link.cgi', Host => 'nolinks');
    ok($response->{body} !~ m{in/link});
});
ok($log =~ m{link\.cgi});

# Property: random mixtures of what is dangerous never leave the directory.
srand 7;
my @pieces = ('..', '.', '/', '%2f', '%2e', '%2e%2e', '//', 'sub', 'etc', 'ok',
              'outside.cgi', 'outside.txt', '.cgi', '%00', '%0a', '%5c', '-', 'ok.cgi',
              'ok.cgi', 'sub/', 'deep.cgi',               'in', ';', '%3f', '%25', 'link', '%252f', '..%2f', '/../');
my @routes = qw(strict any suffix half parts beside static staticany absolute
                dir);
my ($answered, @bad) = (0);
for my $try (1 .. 1500) {
    my $route = $routes[rand @routes];
    my $path = "/$route" . ($route eq 'half' ? '' : '/')
        . join '', map { $pieces[rand @pieces] } 1 .. 1 + rand 6;
    $path .= '/x' if $route eq 'dir';
    my $response = request($port, 'GET', $path,
                           Host => $try % 2 ? 'nolinks' : 'unmerged');
    # links are followed by one of the two hosts: that one is let off for them
    next if !($try % 2) and $path =~ /etc|link/;
    $answered++ if $response->{status} == 200;
    push @bad, $path
        if $response->{body} =~ /OUTSIDE/ or $response->{status} >= 500;
}
print "# $answered of 1500 answered; bad: @bad\n";
ok(!@bad);
ok($answered > 30);
ok(alive($httpd->pid));
