# C4 of CONFORMANCE: what a route would run is not served as a text, whatever
# makes the route pass over, and whatever else finds the file: MultiViews, a
# host or a value that is not taken, bytes that are no UTF-8, a name beside
# the expression. What no route would run is served as ever (C6).
use strict;
use warnings;
use Apache::Test;
use Route;

my %files = (
    'tool.py'         => show_script('SOURCE'),
    'fixed.cgi'       => show_script('SOURCE'),
    'word.cgi'        => show_script('SOURCE'),
    'env.sh'          => show_script('SOURCE'),
    'late.sh'         => show_script('SOURCE'),
    'host.pl'         => show_script('SOURCE'),
    'utf.rb'          => show_script('SOURCE'),
    'info.lua'        => show_script('SOURCE'),
    'page.html'       => "page\n",
    'a b.html'        => "page\n",
    'plain.cgi'       => "no route's\n",
    'data.sh.txt'     => "data\n",
    'ext/prog'        => show_script('SOURCE'),
    'ext/page.txt'    => "page\n",
    'linked/x.txt'    => "linked\n",
    'none.txt'        => "none\n",
    # names that lead elsewhere
    'www'             => \'.',
    'in/way.cgi'      => show_script('SOURCE'),
    'deep/way.cgi'    => "another\n",
    'in/link.cgi'     => \'target.cgi',
    'in/target.cgi'   => show_script('SOURCE'),
    'sub/by.py'       => show_script('SOURCE'),
);
my $conf = <<'EOC';
HttpProtocolOptions Unsafe
<VirtualHost *:@port@>
    ServerName 127.0.0.1
    DocumentRoot "@TREE@"
    Alias "/other" "@TREE@"
    <Directory "@TREE@">
        Options +MultiViews
        Require all granted
        MultiviewsMatch Any
    </Directory>
    AddType text/html .html
    AddType text/plain .txt .py .cgi .sh .pl .rb .lua
    <Location "/info.lua">
        AcceptPathInfo On
    </Location>
    CGIRoute "^/(.*\.py)$" "\1" dir="@TREE@"
    CGIRoute "^/front$" "@TREE@/fixed.cgi"
    CGIRoute "^/([a-z]+)" "\1.cgi" dir="@TREE@"
    CGIRoute "^/(.*\.lua)$" "\1" dir="@TREE@"
    CGIRoute "^/long$" "@TREE@/www/in/way.cgi"
    CGIRoute "^/by-link$" "@TREE@/in/link.cgi"
    CGIRoute "^/(sub/.*\.py)$" "\1" dir="@TREE@/www"
    <CGIRoute "^/lost/([a-z]+)" "\1.cgi" dir="@TREE@">
        SetHandler "of-a-module-that-is-not-there"
    </CGIRoute>
    <CGIRoute "^/plain-lost/([a-z]+)" "\1.cgi" dir="@TREE@">
        <If "true">
            SetHandler default-handler
        </If>
    </CGIRoute>
    CGIRoute "^/ext(/.*)$" "\1" dir="@TREE@/ext" static=on
    <CGIRoute "^/([^/]+\.sh)(.*)$" "\1" dir="@TREE@" pathinfo=\2>
        SetEnv REST "\2"
    </CGIRoute>
    <CGIRoute "^/by-host/([a-z]+)" "\1.sh" dir="@TREE@">
        SetEnv HOST "%{host}"
    </CGIRoute>
    CGIRoute "^/(.*\.pl)$" "\1" dir="@TREE@/%{host}"
    CGIRoute "(*UTF)^/(.*\.rb)(?=/|$)" "\1" dir="@TREE@"
    CGIRoute "^/(.*\.txt)$" "\1/index" dir="@TREE@"
</VirtualHost>
EOC

# URL, what answers (a script's name, a body, or a status), Host
my @cases = (
    ['/tool.py', 'SOURCE'],
    # MultiViews
    ['/tool', 404],
    ['/other/tool.py', 404],
    ['/page', 'page'],
    ['/page.html', 'page'],
    ['/a%20b.html', 'page'],
    ['/none.txt', 'none'],
    # a script's own name, where the route has another
    ['/front', 'SOURCE'],
    ['/fixed.cgi', 404],
    ['/other/fixed.cgi', 404],
    ['/word', 'SOURCE'],
    ['/word.cgi', 404],
    ['/plain.html', 404],
    # PATH_INFO that the expression does not know
    ['/info.lua', 'SOURCE'],
    ['/info.lua/x', 404],
    # values that are not taken
    ['/env.sh', 'SOURCE'],
    ['/env.sh/a%0ab', 404],
    ['/none.sh/a%0ab', 404],
    ['/data.sh.txt', 'data'],
    # hosts
    ['/by-host/env', 'SOURCE'],
    ['/by-host/env', 404, '!x'],
    ['/by-host/none', 404, '!x'],
    ['/host.pl', 404, '!x'],
    ['/page.html', 'page', '!x'],
    # not UTF-8
    ['/utf.rb', 'SOURCE'],
    ['/utf.rb/%c3%a4', 'SOURCE'],
    ['/utf.rb/%ff', 404],
    ['/utf%ff.rb', 404],
    # links
    ['/long', 'SOURCE'],
    ['/in/way.cgi', 404],
    ['/www/in/way.cgi', 404],
    ['/other/www/www/in/way.cgi', 404],
    ['/deep/way.cgi', 'another'],
    ['/by-link', 'SOURCE'],
    ['/in/link.cgi', 404],
    ['/in/target.cgi', 404],
    ['/sub/by.py', 'SOURCE'],
    ['/other/sub/by.py', 404],
    # a handler that nobody has
    ['/lost/word', 500],
    ['/lost/nothing', 404],
    ['/plain-lost/word', 500],
    # static=on
    ['/ext/prog', 'SOURCE'],
    ['/ext/page.txt', 'page'],
    ['/other/ext/page.txt', 'page'],
    ['/other/ext/prog', 404],
    ['/linked/x.txt', 'linked'],
);
my $httpd = routes($conf, \%files);
plan tests => 3 * @cases;

for (@cases) {
    my ($path, $expected, $host) = @$_;
    my @host = $host ? (Host => $host) : ();
    my $response = request($httpd->port, 'GET', $path, @host);
    my $answer = vars($response)->{SHOW_NAME} // $response->{status} // 'none';
    chomp(my $body = $response->{body} // '');
    my $good = $answer eq $expected || $body eq $expected;
    print "# $path", $host ? " of $host" : '', ": $answer, not $expected\n"
        if !$good;
    ok($good);
    ok($body !~ /^#!/);
    # the same by another method: never the source
    $response = request($httpd->port, 'POST', $path, @host, body => 'x');
    ok($response->{body} !~ /^#!/
       && ($response->{status} < 500 || $expected eq '500')
       && ($expected ne '404' || $response->{status} =~ /^40[45]$/));
}
