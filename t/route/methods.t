# TRACE is a method like others for a route: what stands in its section says
# whether it may be used. A 405 names the methods that may (RFC 9110, 15.5.6).
use strict;
use warnings;
use Apache::Test;
use Route;

my %files = (
    'cgi/show' => show_script('show'),
    'ext/file' => "text\n",
);
my $httpd = routes(<<'EOC', \%files);
<Directory "@TREE@">
    Require all granted
</Directory>
CGIRoute "^/plain" "show" dir="@TREE@/cgi"
<CGIRoute "^/three" "show" dir="@TREE@/cgi">
    AllowMethods GET HEAD POST
</CGIRoute>
<CGIRoute "^/static/(.*)$" "\1" dir="@TREE@/ext" static=on>
    AllowMethods GET
</CGIRoute>
<CGIRoute "^/trace" "show" dir="@TREE@/cgi">
    AllowMethods GET TRACE
</CGIRoute>
<CGIRoute "^/page" "show" dir="@TREE@/cgi">
    AllowMethods GET HEAD POST
    ErrorDocument 405 /plain/page
</CGIRoute>
<CGIRoute "^/except" "show" dir="@TREE@/cgi">
    <LimitExcept GET HEAD POST>
        Require all denied
    </LimitExcept>
</CGIRoute>
<CGIRoute "^/denied" "show" dir="@TREE@/cgi">
    Require all denied
</CGIRoute>
<CGIRoute "^/backend" "show" dir="@TREE@/cgi">
    SetHandler "proxy:fcgi://127.0.0.1:1"
    AllowMethods GET HEAD POST
</CGIRoute>
<CGIRoute "^/proxied" "show" dir="@TREE@/cgi">
    SetHandler "proxy:fcgi://127.0.0.1:1"
</CGIRoute>
<VirtualHost *:@port@>
    ServerName 127.0.0.1
</VirtualHost>
<VirtualHost *:@port@>
    ServerName off.host
    TraceEnable off
</VirtualHost>
EOC
my $port = $httpd->port;

plan tests => 29;

# The methods of a response's Allow, in order.
sub allowed {
    my $allow = $_[0]{header}{allow} // return 'none';
    return join ',', sort split /\s*,\s*/, $allow;
}

# A route that says nothing answers TRACE as httpd does.
my $response = request($port, 'TRACE', '/plain/x', 'X-Mine' => 'yes');
is($response->{status}, 200, 'TRACE');
is($response->{header}{'content-type'}, 'message/http', 'its type');
ok($response->{body} =~ m{^TRACE /plain/x HTTP/1.1\r\n.*^X-Mine: yes\r$}ms);
is(request($port, 'TRACE', '/plain', body => 'x')->{status}, 413,
    'TRACE with a body');
is(request($port, 'TRACE', '/proxied')->{status}, 200, 'TRACE of a backend');

for my $method (qw(TRACE PUT DELETE OPTIONS)) {
    $response = request($port, $method, '/three');
    is($response->{status}, 405, "$method and AllowMethods GET HEAD POST");
    is(allowed($response), 'GET,HEAD,POST', 'Allow');
}
for my $method (qw(GET HEAD POST)) {
    is(request($port, $method, '/three')->{status}, 200, $method);
}
$response = request($port, 'TRACE', '/static/file');
is($response->{status} . allowed($response), '405GET,HEAD',
    'TRACE of a static file');
$response = request($port, 'TRACE', '/backend');
is($response->{status} . allowed($response), '405GET,HEAD,POST',
    'TRACE of a backend that may not');

is(request($port, 'TRACE', '/trace')->{status}, 200, 'AllowMethods TRACE');
$response = request($port, 'PUT', '/trace');
is(allowed($response), 'GET,HEAD,TRACE', 'then Allow has it');

# A page of one's own, which httpd gets by a redirect inside
for my $method (qw(PUT TRACE)) {
    $response = request($port, $method, '/page');
    is($response->{status} . ' ' . allowed($response), '405 GET,HEAD,POST',
        "$method, and ErrorDocument is a URL");
    is(vars($response)->{PATH_INFO}, '/page', 'which answers');
}

# As it is for the other methods, <LimitExcept> makes a 403.
is(request($port, $_, '/except')->{status}, 403, "$_ and <LimitExcept>")
    for qw(TRACE PUT);
is(request($port, 'GET', '/except')->{status}, 200, 'GET and <LimitExcept>');
is(request($port, 'TRACE', '/denied')->{status}, 403, 'Require all denied');
is(request($port, 'TRACE', '/plain', Host => 'off.host')->{status}, 405,
    'TraceEnable off');
