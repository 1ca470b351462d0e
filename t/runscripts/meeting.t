# mpm: all, with ALL=1
# R10, R11, CONFORMANCE B2, B4: the rest of httpd reaches scripts as it reaches
# files, and ScriptAlias stays what it is.
use strict;
use warnings;
use Apache::Test;
use CGITest::Server;
use RunScripts;

my $httpd = CGITest::Server->plain(conf => <<'EOC');
AddType text/html .html .shtml
AddType text/plain .txt
<Directory "@root@">
    Require all granted
    Options RunScripts FollowSymLinks
</Directory>

# R10
ScriptAlias /cgi-bin "@root@/htdocs/both"
Alias /no-cgi-bin "@root@/htdocs/both"

<Directory "@root@/htdocs/index">
    DirectoryIndex index
</Directory>
<Directory "@root@/htdocs/index/second">
    DirectoryIndex none.html index index.html
</Directory>
<Directory "@root@/htdocs/index/redirect">
    DirectoryIndexRedirect On
</Directory>
<Directory "@root@/htdocs/error">
    ErrorDocument 404 /both/error/page
    ErrorDocument 403 /both/status
    <Files "denied">
        Require all denied
    </Files>
</Directory>
<Directory "@root@/htdocs/fallback">
    FallbackResource /fallback/app
</Directory>
<Directory "@root@/htdocs/front">
    RewriteEngine On
    RewriteRule ^old/(.*)$ foo/$1?from=$1 [L]
    RewriteRule ^env$ foo [E=SEEN:yes,L]
    RewriteCond %{REQUEST_FILENAME} !-f
    RewriteCond %{REQUEST_FILENAME} !-d
    RewriteRule ^(.*)$ app/$1 [L]
</Directory>
<Directory "@root@/htdocs/canon">
    RewriteEngine On
    RewriteCond %{HTTP_HOST} ^other
    RewriteRule .* http://main.example%{REQUEST_URI} [R=301,L]
</Directory>
RewriteEngine On
RewriteRule ^/pretty/(\d+)$ /both/foo?id=$1 [PT,E=ID:$1]
RewriteRule ^/file/(\w+)$ "@root@/htdocs/both/$1"
RewriteRule ^/inform/(.*)$ /both/foo/$1 [PT]

Alias /aliased "@root@/elsewhere"
Alias /one "@root@/elsewhere/deep/foo"
AliasMatch ^/match/(\w+)$ "@root@/elsewhere/deep/$1"
UserDir "@root@/home/*/public"
<Directory "@root@/home/*/public">
    Options None
    AllowOverride Options=RunScripts
</Directory>

Action run-it /both/action
AddHandler run-it .act
<Directory "@root@/htdocs/put">
    Script PUT /both/action
    Script PROPFIND /both/action
</Directory>

<Directory "@root@/htdocs/noinfo">
    AcceptPathInfo Off
</Directory>
<Directory "@root@/htdocs/info">
    AcceptPathInfo On
</Directory>
<Directory "@root@/htdocs/filtered">
    AddOutputFilter INCLUDES .doit
    Options +Includes
    SetEnv INSIDE value
</Directory>
<Directory "@root@/htdocs/sub">
    Options +Includes
    AddOutputFilter INCLUDES .shtml
</Directory>

CacheRoot "@root@/cache"
CacheEnable disk /cached
ProxyPass /front-proxy http://127.0.0.1:@port@/both
EOC
my $mass = CGITest::Server->plain(conf => <<'EOC');
<Directory "@root@/mass">
    Require all granted
    Options RunScripts
</Directory>
UseCanonicalName Off
VirtualDocumentRoot "@root@/mass/%1"
VirtualScriptAlias "@root@/mass/%1/cgi"
EOC
my $root = $httpd->root . '/htdocs';
my $vars = 'for v in REDIRECT_STATUS REDIRECT_URL REDIRECT_ID ID SEEN '
    . 'REDIRECT_SEEN QUERY_STRING REDIRECT_QUERY_STRING PATH_TRANSLATED '
    . 'REQUEST_URI DOCUMENT_ROOT; do eval '
    . '"echo \"X-Var-$v: \$$v\""; done';

sub ask { return request($httpd->port, @_) }
sub var { return $_[0]{header}{'x-var-' . lc $_[1]} }

# One line for each of these: what ran, or the status.
sub runs {
    my ($url, $want, $method, @more) = @_;
    my $response = ask($method // 'GET', $url, @more);
    my $got = ran($response) || $response->{status};
    print "# $url: $got, not $want\n" if $got ne $want;
    return $got eq $want;
}

plan tests => 77;

# --- R10: ScriptAlias ---
tree("$root/both", 'foo.doit' => script($vars), 'bare' => script(),
    'cover' => "cover\n", 'cover.doit' => script(),
    'status.doit' => script('echo "Status: 200 OK"'),
    'error.doit' => script($vars), 'action.doit' => script($vars));
ok(runs('/no-cgi-bin/foo', 'foo.doit|/no-cgi-bin/foo||GET'));
ok(runs('/cgi-bin/foo', 404));
ok(runs('/cgi-bin/foo.doit', 'foo.doit|/cgi-bin/foo.doit||GET'));
ok(runs('/cgi-bin/bare/x', 'bare|/cgi-bin/bare|/x|GET'));
# (mod_cgid, which fails at times when a script does not read its body)
ok(runs('/cgi-bin/bare', 'bare|/cgi-bin/bare||POST', 'POST', body => ''));
ok(runs('/cgi-bin/cover?x', 500));
ok(ask('GET', '/no-cgi-bin/bare')->{body} =~ /SECRET/);    # an ordinary file

# --- DirectoryIndex ---
tree("$root/index", 'index.doit' => script($vars), 'cover/index' => "cover\n",
    'cover/index.doit' => script(), 'second/index.doit' => script(),
    'second/index.html' => "html\n", 'redirect/index.doit' => script(),
    'none/x' => '', 'nph/index.nph' => nph_script());
ok(runs('/index/', 'index.doit|/index/index||GET'));
ok(runs('/index/', 'index.doit|/index/index||POST', 'POST', body => 'x=1'));
my $index = ask('GET', '/index/?a=b');
ok(var($index, 'QUERY_STRING') eq 'a=b'
        && var($index, 'REQUEST_URI') eq '/index/?a=b');
ok(ask('HEAD', '/index/')->{header}{'x-ran'} =~ /HEAD$/);
ok(ask('GET', '/index/cover/')->{body} eq "cover\n");
ok(runs('/index/cover/?a', 'index.doit|/index/cover/index||GET'));
ok(runs('/index/cover/', 'index.doit|/index/cover/index||POST', 'POST',
        body => ''));
ok(runs('/index/second/', 'index.doit|/index/second/index||GET'));
ok(ask('GET', '/index/redirect/')->{header}{location} =~
        m{/index/redirect/index$});
ok(runs('/index/nph/', 'index.nph|/index/nph/index||GET'));
ok(runs('/index/none/', 403));
ok(runs('/index', 301));

# --- ErrorDocument ---
tree("$root/error", 'denied' => "x\n", 'go.doit' =>
        "#!/bin/sh\nprintf 'Location: /both/foo/x?y=z\\n\\n'\n",
    'loop.doit' => "#!/bin/sh\nprintf 'Location: /error/loop\\n\\n'\n");
my $error = ask('POST', '/error/none?q', body => 'data');
ok($error->{status} == 404
        && ran($error) eq 'error.doit|/both/error|/page|GET');
ok(var($error, 'REDIRECT_STATUS') eq '404'
        && var($error, 'REDIRECT_URL') eq '/error/none'
        && var($error, 'REDIRECT_QUERY_STRING') eq 'q');
my $denied = ask('GET', '/error/denied');
ok($denied->{status} == 200 && ran($denied) =~ /^status\.doit/);
my $go = ask('POST', '/error/go', body => 'x');
ok(ran($go) eq 'foo.doit|/both/foo|/x|GET' && $go->{status} == 200
        && var($go, 'QUERY_STRING') eq 'y=z');
ok(ask('GET', '/error/loop')->{status} == 500);

# --- FallbackResource ---
tree("$root/fallback", 'app.doit' => script($vars), 'is.txt' => "is\n",
    'other.doit' => script());
ok(ran(ask('GET', '/fallback/some/page')) =~ m{^app\.doit\|/fallback/app\|});
ok(ran(ask('POST', '/fallback/page', body => 'x')) =~ m{^app\.doit.*POST$});
ok(ask('GET', '/fallback/is.txt')->{body} eq "is\n");
ok(runs('/fallback/other', 'other.doit|/fallback/other||GET'));
ok(runs('/fallback/app/x', 'app.doit|/fallback/app|/x|GET'));

# --- mod_rewrite ---
tree("$root/front", 'app.doit' => script($vars), 'foo.doit' => script($vars),
    'is.txt' => "is\n");
ok(runs('/front/any/thing', 'app.doit|/front/app|/any/thing|GET'));
ok(runs('/front/foo', 'foo.doit|/front/foo||GET'));
ok(runs('/front/foo/x', 'foo.doit|/front/foo|/x|GET'));
ok(ask('GET', '/front/is.txt')->{body} eq "is\n");
my $old = ask('GET', '/front/old/x1');
ok(ran($old) eq 'foo.doit|/front/foo|/x1|GET'
        && var($old, 'QUERY_STRING') eq 'from=x1');
ok(var(ask('GET', '/front/env'), 'REDIRECT_SEEN') eq 'yes');
my $pretty = ask('GET', '/pretty/42');
ok(ran($pretty) eq 'foo.doit|/both/foo||GET' && var($pretty, 'ID') eq '42'
        && var($pretty, 'QUERY_STRING') eq 'id=42');
ok(runs('/file/foo', 'foo.doit|/file/foo||GET'));
ok(runs('/inform/a/b', 'foo.doit|/both/foo|/a/b|GET'));
tree("$root/canon", 'foo.doit' => script());
ok(ask('GET', '/canon/foo/x?y', Host => 'other.example')->{header}{location}
        eq 'http://main.example/canon/foo/x?y');
ok(runs('/canon/foo', 'foo.doit|/canon/foo||GET'));

# --- other ways from a URL to a directory ---
tree($httpd->root . '/elsewhere', 'foo.doit' => script($vars),
    'deep/foo.doit' => script());
ok(runs('/aliased/foo', 'foo.doit|/aliased/foo||GET'));
ok(runs('/aliased/foo/x', 'foo.doit|/aliased/foo|/x|GET'));
ok(runs('/aliased/deep/foo', 'foo.doit|/aliased/deep/foo||GET'));
ok(runs('/one', 'foo.doit|/one||GET'));
ok(runs('/one/more', 'foo.doit|/one|/more|GET'));
ok(runs('/match/foo', 'foo.doit|/match/foo||GET'));
tree($httpd->root . '/home/jo/public', 'foo.doit' => script());
ok(runs('/~jo/foo', 404));
tree($httpd->root . '/home/jo/public', '.htaccess' => "Options +RunScripts\n");
ok(runs('/~jo/foo', 'foo.doit|/~jo/foo||GET'));
ok(runs('/~jo/foo/x', 'foo.doit|/~jo/foo|/x|GET'));
ok(runs('/~jo/foo.doit', 404));
tree($mass->root . '/mass/one', 'foo.doit' => script($vars),
    'cgi/foo.doit' => script());
my $one = request($mass->port, 'GET', '/foo/x', Host => 'one');
ok(ran($one) eq 'foo.doit|/foo|/x|GET');
ok(var($one, 'DOCUMENT_ROOT') =~ m{/mass/one$});
ok(request($mass->port, 'GET', '/foo', Host => 'two')->{status} == 404);
ok(ran(request($mass->port, 'GET', '/cgi-bin/foo', Host => 'one')) eq '');
ok(ran(request($mass->port, 'GET', '/cgi-bin/foo.doit', Host => 'one')) eq
        'foo.doit|/cgi-bin/foo.doit||GET');

# --- mod_actions ---
tree($root, 'both/page.act' => "act\n", 'put/file.txt' => "file\n",
    'put/own.doit' => script());
my $action = ask('GET', '/both/page.act?q');
ok(ran($action) eq 'action.doit|/both/action|/both/page.act|GET'
        && var($action, 'PATH_TRANSLATED') =~ m{/both/page\.act$});
ok(runs('/put/file.txt', 'action.doit|/both/action|/put/file.txt|PUT', 'PUT',
        body => 'x'));
ok(runs('/put/own', 'own.doit|/put/own||PUT', 'PUT', body => 'x'));

# --- AcceptPathInfo ---
for my $dir (qw(info noinfo)) {
    tree("$root/$dir", 'foo.doit' => script(), 'foo' => "cover\n");
}
ok(runs('/info/foo/x', 'foo.doit|/info/foo|/x|GET'));
ok(runs('/noinfo/foo/x', 404));
ok(runs('/noinfo/foo/', 404));
ok(runs('/noinfo/foo?x', 'foo.doit|/noinfo/foo||GET'));
ok($httpd->error_log =~ /AcceptPathInfo is off/);

# --- filters, and scripts in pages ---
tree("$root/filtered", 'foo.doit' =>
        script('echo "X: <!--#echo var=\"INSIDE\" -->"'),
    'page.doit' => "#!/bin/sh\nprintf 'Content-Type: text/html\\n\\n'\n"
        . "echo '<!--#echo var=\"INSIDE\" -->'\n");
ok(ask('GET', '/filtered/page')->{body} eq "value\n");
tree("$root/sub", 'twice.shtml' => <<'EOS', 'n.doit' => script($vars),
<!--#include virtual="n" -->+<!--#include virtual="n/x" -->+
<!--#include virtual="/both/cover" -->+<!--#include virtual="/both/cover?q" -->
EOS
    'script.doit' => "#!/bin/sh\nprintf 'Content-Type: text/html\\n\\n'\n"
        . "echo '<!--#include virtual=\"n\" -->'\n");
my $twice = ask('GET', '/sub/twice.shtml');
ok($twice->{body} =~
        /^output of n\.doit\n\+output of n\.doit\n\+\ncover\n\+output of cov/);
ok(ran($twice) eq '');
# A form sent to a page with an include: the include itself is a GET.
my $form = ask('POST', '/sub/twice.shtml', body => 'x=1');
ok($form->{status} == 200 && $form->{body} =~ /\ncover\n\+output of cover/);

# --- mod_proxy in front, mod_cache before ---
ok(runs('/front-proxy/foo/x?y', 'foo.doit|/both/foo|/x|GET'));
ok(runs('/front-proxy/foo', 'foo.doit|/both/foo||POST', 'POST', body => 'x'));
mkdir $httpd->root . '/cache' or die $!;
tree("$root/cached", 'n.doit' => <<'EOS', 'cover' => "cover\n",
#!/bin/sh
n=$(cat "$0.count" 2>/dev/null || echo 0)
echo $((n + 1)) >"$0.count"
printf 'Content-Type: text/plain\nCache-Control: max-age=600\nX-N: %s\n\n' $n
echo $n
EOS
    'cover.doit' => script());
ok(ask('GET', '/cached/n?a')->{body} eq "0\n");
ok(ask('GET', '/cached/n?a')->{body} eq "0\n");
ok(ask('GET', '/cached/n?b')->{body} eq "1\n");
ok(ask('GET', '/cached/cover')->{body} eq "cover\n");
ok(ask('GET', '/cached/cover')->{body} eq "cover\n");
ok(runs('/cached/cover?x', 'cover.doit|/cached/cover||GET'));

# --- a request outside is left alone ---
ok(ask('OPTIONS', '*')->{status} == 200);
ok(ask('GET', '/server-none')->{status} == 404);
