# mpm: all, with ALL=1
# The section <CGIRoute>: any directive of a <Location> works in it, merged
# behind <Directory>, .htaccess and <Location>, before <If>; in virtual hosts,
# for sub-requests and after internal redirects. SetEnv with references.
use strict;
use warnings;
use Apache::Test;
use MIME::Base64 'encode_base64';
use Route;

my %files = (
    'cgi/show'    => show_script('show'),
    'cgi/other'   => show_script('other'),
    'cgi/status'  => "#!/bin/sh\necho Status: 404 gone\necho\n",
    'cgi/sleep'   => "#!/bin/sh\nsleep 20\n",
    'cgi/limits'  => "#!/bin/sh\necho Content-Type: text/plain\necho\n"
        . "ulimit -t\n",
    'cgi/text'    => "#!/bin/sh\necho Content-Type: text/plain\necho\n"
        . "echo AAA `cat`\n",
    'cgi/html'    => "#!/bin/sh\necho Content-Type: text/html\necho\n"
        . "echo '<!--#echo var=\"ROUTE\" -->'\n",
    'cgi/show.html.gz.de' => "#!/bin/sh\necho X-Type: none\necho\necho x\n",
    'site/noexec.shtml' => "[<!--#include virtual=\"/in/one\" -->]\n",
    'cgi/fail'    => "#!/bin/sh\nexit 1\n",
    'users'       => "joe:\$apr1\$qJVS9aUJ\$QzcM1ZUW6CY14rGs.kaV9/\n",
    'site/page.shtml' => "[<!--#include virtual=\"/in/one\" -->"
        . "<!--#include virtual=\"/in/two?q=1\" -->"
        . "<!--#include virtual=\"/locked/x\" -->]\n",
    'site/index-by-route/x' => "x\n",
    'site/fallback/x'       => "x\n",
    'site/rewrite/.htaccess' => "RewriteEngine On\n"
        . "RewriteRule ^to/(\\w+)\$ /in/\$1\n",
    'site/routes/.htaccess' => "CGIRoute x /bin/sh\n",
    'site/routes2/.htaccess' => "<CGIRoute x /bin/sh>\n</CGIRoute>\n",
    'site/list/.htaccess'   => "CGIRoute x /bin/sh\n",
    'site/handler/.htaccess' => "SetHandler cgiroute-script\n",
    'site/handler/file'     => "SOURCE\n",
);

my $httpd = routes(<<'EOC', \%files);
DocumentRoot "@TREE@/site"
<Directory "@TREE@/site">
    Options Includes FollowSymLinks
    AllowOverride All
    AddOutputFilter INCLUDES .shtml
    AddType text/html .shtml
    Require all granted
</Directory>
<Files "noexec.shtml">
    Options -Includes +IncludesNOEXEC
</Files>
CGIRoute "^/typed" "show.html.gz.de" dir="@TREE@/cgi"
<Directory "@TREE@/cgi">
    AddEncoding x-gzip .gz
    AddLanguage de .de
    AddType text/html .html
</Directory>
<Directory "@TREE@/site/list">
    AllowOverride None
    AllowOverrideList CGIRoute <CGIRoute
</Directory>
<Directory "@TREE@/site/index-by-route">
    DirectoryIndex nothing in-index
</Directory>
<Directory "@TREE@/site/fallback">
    FallbackResource /in/fallback
</Directory>
<Directory "@TREE@/cgi">
    Header append X-Order directory
    SetEnv FROM_DIR directory
    SetEnv WHO directory
</Directory>
<Location "/">
    Header append X-Order location
    SetEnv FROM_LOCATION location
    SetEnv WHO location
</Location>
<If "%{QUERY_STRING} =~ /if/">
    Header append X-Order if
    SetEnv WHO if
</If>

<CGIRoute "^/order/(\w+)" "show" dir="@TREE@/cgi">
    Header append X-Order section
    SetEnv WHO "section \1"
    SetEnv PLAIN value
    SetEnv EMPTY
    SetEnv GONE "\1"
    UnsetEnv GONE
    <If "%{QUERY_STRING} =~ /inner/">
        Header append X-Order inner
        SetEnv WHO "inner \1"
    </If>
    <IfModule mod_env.c>
        SetEnv IN_IFMODULE "\1"
    </IfModule>
</CGIRoute>
CGIRoute "^/plain" "show" dir="@TREE@/cgi"

<CGIRoute "^/env/(.*)$" "show" dir="@TREE@/cgi">
    SetEnv HTTP_X_ROUTE "route"
    SetEnv HTTP_X_Mixed-Name "mixed"
    SetEnv REQUEST_METHOD "FOO"
    SetEnv REMOTE_USER "root"
    SetEnv AUTH_TYPE "none"
    SetEnv CONTENT_LENGTH "7"
    SetEnv REQUEST-METHOD "FOO"
    SetEnv SCRIPT.NAME "FOO"
    SetEnv PATH_INFO "FOO"
    SetEnv CAPTURED "\1"
</CGIRoute>

<CGIRoute "^/(locked)/(\w+)" "show" dir="@TREE@/cgi">
    AuthType Basic
    AuthName "a realm"
    AuthUserFile "@TREE@/users"
    Require valid-user
    SetEnv WHO "\2"
</CGIRoute>
<CGIRoute "^/denied" "show" dir="@TREE@/cgi">
    Require all denied
    ErrorDocument 403 "denied by section"
</CGIRoute>
<CGIRoute "^/local" "show" dir="@TREE@/cgi">
    Require ip 127.0.0.1
</CGIRoute>
<CGIRoute "^/limit" "show" dir="@TREE@/cgi">
    <Limit POST>
        Require all denied
    </Limit>
</CGIRoute>
<CGIRoute "^/rlimit" "limits" dir="@TREE@/cgi">
    RLimitCPU 7
</CGIRoute>
<CGIRoute "^/filter" "text" dir="@TREE@/cgi">
    SetOutputFilter SUBSTITUTE
    Substitute s/AAA/BBB/
    AddDefaultCharset koi8-r
</CGIRoute>
<CGIRoute "^/ssi/(\w+)" "html" dir="@TREE@/cgi">
    Options +Includes
    SetOutputFilter INCLUDES
    SetEnv ROUTE "\1"
</CGIRoute>
<CGIRoute "^/timeout" "sleep" dir="@TREE@/cgi">
    CGITimeout first=1s
</CGIRoute>
<CGIRoute "^/(error)" "fail" dir="@TREE@/cgi">
    ErrorDocument 500 "/in/errordoc"
</CGIRoute>
<CGIRoute "^/status-handler" "show" dir="@TREE@/cgi">
    SetHandler default-handler
</CGIRoute>
<Location "/handled">
    SetHandler server-status
    CGIRoute "" "show" dir="@TREE@/cgi"
</Location>
<CGIRoute "^/none-handler" "show" dir="@TREE@/cgi">
    SetHandler none
</CGIRoute>
<CGIRoute "^/loglevel" "show" dir="@TREE@/cgi">
    LogLevel cgiroute:trace3
    AcceptPathInfo Off
</CGIRoute>
<Location "/inside">
    SetEnv WHO inside
    <CGIRoute "^/(\w+)$" "show" dir="@TREE@/cgi">
        SetEnv WHO "inside \1"
    </CGIRoute>
</Location>
<CGIRoute "^/in/(\w+)" "show" dir="@TREE@/cgi">
    SetEnv WHO "in \1"
    SetEnv HTTP_X_ROUTE "route"
</CGIRoute>
<CGIRoute "/(in-index)$" "show" dir="@TREE@/cgi">
    SetEnv WHO "index \1"
    SetEnv HTTP_X_ROUTE "route"
</CGIRoute>
RewriteEngine On
RewriteRule "^/rewritten/(\w+)$" "/in/$1" [PT,E=FROM_REWRITE:$1]
<VirtualHost *:@port@>
    ServerName 127.0.0.1
    RewriteEngine On
    RewriteOptions Inherit
</VirtualHost>
<VirtualHost *:@port@>
    ServerName other.host
    Header append X-Order vhost
    <Location "/order">
        SetEnv FROM_LOCATION vhost
    </Location>
    <CGIRoute "^/vhost/(\w+)" "other" dir="@TREE@/cgi">
        SetEnv WHO "vhost \1"
    </CGIRoute>
</VirtualHost>
EOC
my ($port, $tree) = ($httpd->port, $httpd->{tree});

# "joe:" with a password that this machine's crypt() knows
open my $users, '>', "$tree/users" or die $!;
print $users 'joe:', crypt('secret', '$6$saltsalt$'), "\n";
close $users;
my $joe = 'Basic ' . encode_base64('joe:secret', '');

plan tests => 80;

# Merging: <Directory>, <Location>, section, <If>
my $response = request($port, 'GET', '/order/foo');
is($response->{header}{'x-order'}, 'directory, location, section', 'order');
my $got = vars($response);
is($got->{WHO}, 'section foo', 'the section wins');
is($got->{FROM_DIR}, 'directory', 'of the directory');
is($got->{FROM_LOCATION}, 'location', 'of the location');
is($got->{PLAIN}, 'value', 'without reference');
is($got->{EMPTY}, '', 'without value');
is($got->{GONE}, 'none', 'UnsetEnv');
is($got->{IN_IFMODULE}, 'foo', 'SetEnv in an <IfModule>');
$response = request($port, 'GET', '/order/foo?if+inner');
is($response->{header}{'x-order'},
   'directory, location, section, if, inner', '<If> after the section');
is(vars($response)->{WHO}, 'inner foo', 'SetEnv in an <If> of the section');
$response = request($port, 'GET', '/order/foo?if');
is($response->{header}{'x-order'}, 'directory, location, section, if', 'if');
is(vars($response)->{WHO}, 'if', 'an <If> of the server wins');
$response = request($port, 'GET', '/plain?if');
is($response->{header}{'x-order'}, 'directory, location, if', 'without one');
is(show($httpd, '/plain')->{WHO}, 'location', 'nothing leaks');

# Virtual hosts inherit sections, and have their own first
$response = request($port, 'GET', '/order/foo', Host => 'other.host');
is($response->{header}{'x-order'}, 'vhost, directory, location, section',
   'in a virtual host');
is(vars($response)->{FROM_LOCATION}, 'vhost', 'its own <Location>');
is(vars($response)->{WHO}, 'section foo', 'the section is the last');
is(show($httpd, '/vhost/x', Host => 'other.host')->{WHO}, 'vhost x', 'own');
is(show($httpd, '/vhost/x')->{STATUS}, 404, 'not of others');
is(show($httpd, '/inside/foo')->{WHO}, 'inside foo', 'in a <Location>');
is(show($httpd, '/inside/foo/x')->{STATUS}, 404, 'which the regex leaves');

# C2 of CONFORMANCE: a client's header hides no SetEnv, and SetEnv no
# variable of the server
$got = show($httpd, '/env/x', 'X-Route' => 'evil', 'x-ROUTE' => 'evil',
            'X-Mixed-Name' => 'evil', 'X-Other' => 'fine');
is($got->{HTTP_X_ROUTE}, 'route', 'SetEnv beats the header');
is($got->{HTTP_X_Mixed_Name}, 'mixed', 'also a mixed name');
is($got->{HTTP_X_MIXED_NAME}, 'none', 'whose header is gone');
is($got->{HTTP_X_OTHER}, 'fine', 'other headers stay');
is($got->{REQUEST_METHOD}, 'GET', 'REQUEST_METHOD');
is($got->{SCRIPT_NAME}, '/env/x', 'SCRIPT_NAME');
is($got->{$_}, 'none', $_)
    for qw(REMOTE_USER AUTH_TYPE CONTENT_LENGTH PATH_INFO);
is(show($httpd, '/plain', 'X-Route' => 'own')->{HTTP_X_ROUTE}, 'own',
   'only in the section');
is(show($httpd, '/env/a%20b%3D%27%22')->{CAPTURED}, 'a b=\'"', 'captured');

# Authentication and authorization
is(request($port, 'GET', '/locked/x')->{status}, 401, 'asked for a password');
is(request($port, 'GET', '/locked/x', Authorization => "Basic x")->{status},
   401, 'a wrong one');
$got = show($httpd, '/locked/x/y', Authorization => $joe);
is($got->{REMOTE_USER}, 'joe', 'REMOTE_USER');
is($got->{AUTH_TYPE}, 'Basic', 'AUTH_TYPE');
is($got->{WHO}, 'x', 'and its SetEnv');
is($got->{HTTP_AUTHORIZATION}, 'none', 'no password');
is(show($httpd, '/env/x', Authorization => $joe)->{REMOTE_USER}, 'none',
   'not from SetEnv');
$response = request($port, 'GET', '/denied');
is($response->{status}, 403, 'Require all denied');
is($response->{body}, 'denied by section', 'ErrorDocument of the section');
is(show($httpd, '/local')->{SHOW_NAME}, 'show', 'Require ip');
is(request($port, 'POST', '/limit', body => 'x')->{status}, 403, '<Limit>');
is(show($httpd, '/limit')->{SHOW_NAME}, 'show', 'other methods');

# What acts on the response or on the script
$response = request($port, 'GET', '/filter');
ok($response->{body} =~ /^BBB/);
is($response->{header}{'content-type'}, 'text/plain; charset=koi8-r',
   'AddDefaultCharset');
is(request($port, 'GET', '/ssi/foo')->{body}, "foo\n",
   'SetOutputFilter INCLUDES sees the variable');
is(request($port, 'GET', '/rlimit')->{body}, "7\n", 'RLimitCPU');
my $start = time;
is(request($port, 'GET', '/timeout')->{status}, 504, 'CGITimeout');
ok(time - $start < 8);

# SetHandler: only the section's, and not "none" (C9)
my $static = request($port, 'GET', '/status-handler');
ok($static->{body} =~ m{^#!/usr/bin/perl});
is(show($httpd, '/handled')->{SHOW_NAME}, 'show', 'not a <Location>\'s');
is(show($httpd, '/none-handler')->{SHOW_NAME}, 'show', 'SetHandler none');

my $log = log_of($httpd, sub { show($httpd, '/loglevel') });
ok($log =~ /./);
is(show($httpd, '/loglevel/x')->{STATUS}, 404, 'AcceptPathInfo Off');

# Sub-requests and redirects inside of httpd
$response = request($port, 'GET', '/error');
is($response->{status}, 500, 'the status stays');
$got = vars($response);
is($got->{WHO}, 'in errordoc', 'ErrorDocument is a route');
is($got->{REDIRECT_STATUS}, '500', 'REDIRECT_STATUS');
is($got->{REDIRECT_URL}, '/error', 'REDIRECT_URL');
is(show($httpd, '/rewritten/foo')->{WHO}, 'in foo', 'RewriteRule [PT]');
is(show($httpd, '/rewritten/foo')->{FROM_REWRITE}
   // show($httpd, '/rewritten/foo')->{REDIRECT_FROM_REWRITE}, 'foo', '[E=]');
is(show($httpd, '/rewrite/to/bar')->{WHO}, 'in bar', 'RewriteRule, .htaccess');
$got = show($httpd, '/index-by-route/', 'X-Route' => 'evil');
is($got->{WHO}, 'index in-index', 'DirectoryIndex is a route');
is($got->{HTTP_X_ROUTE}, 'route', 'which has its SetEnv');
is(show($httpd, '/fallback/nothing')->{WHO}, 'in fallback',
   'FallbackResource is a route');
$response = request($port, 'GET', '/page.shtml');
my @who = $response->{body} =~ /^WHO=(.*)$/mg;
is(join(',', @who), 'in one,in two', 'included twice, not the locked one');
ok($response->{body} =~ /\[an error occurred/);

$response = request($port, 'GET', '/noexec.shtml');
ok($response->{body} =~ /\[an error occurred/ && $response->{body} !~ /WHO=/);

# A13: nothing is made of the script's name
$response = request($port, 'GET', '/typed');
is($response->{status}, 200, 'a script without Content-Type');
is($response->{header}{$_}, 'none', $_)
    for qw(content-type content-encoding content-language);

# C7 of CONFORMANCE: .htaccess adds no routes
for (qw(routes routes2 list)) {
    $log = log_of($httpd, sub {
        is(request($port, 'GET', "/$_/x")->{status}, 500, "$_/.htaccess");
    });
    ok($log =~ /CGIRoute(?:> cannot occur within| cannot occur within| not allowed)/);
}
# and no handler that would run or show what lies there
$response = request($port, 'GET', '/handler/file');
is($response->{status}, 403, 'SetHandler cgiroute-script');
