# mpm: all
# Scripts among httpd's other means: error pages, includes, actions, rewriting,
# filters, caches, conditions, limits. Rules B2 to B6 and B8.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(slurp);
use CGITest::Server;

my $root;

sub prepare {
    my ($server) = @_;
    $root = $server->root;
    my $hello = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n";
    my %page = (
        twice => '<!--#include virtual="/engine/hello" -->|'
            . '<!--#include virtual="/engine/hello" -->',
        args => '<!--#include virtual="/engine/show/x?y=1" -->',
        nph => 'a<!--#include virtual="/engine/raw?HTTP/1.1" -->b',
        status => 'a<!--#include virtual="/engine/emit?Status:%20404%0a'
            . 'Content-Type:%20text/evil%0aX-Evil:%201%0a%0ax" -->b',
        large => 'a<!--#include virtual="/engine/produce?n=1000000" -->b',
        route => '<!--#include virtual="/engineroute/show/x" -->',
        loop => 'a<!--#include virtual="/engine/loop" -->b',
        noexec => 'a<!--#include virtual="/engine/hello" -->b',
    );
    $server->file(($_ eq 'noexec' ? 'htdocs/noexec/' : 'htdocs/ssi/')
        . "$_.shtml", $page{$_}) for keys %page;
    $server->file('htdocs/file.my', 'x');
    $server->file('htdocs/file.txt', "plain\n");
    $server->file('htdocs/fallback/there.txt', "there\n");
    $server->file('htdocs/indexed/index.doit', "${hello}echo index", 0755);
    mkdir "$root/htdocs/absolute";
    $server->file('home/anna/www/me.doit', "${hello}echo anna", 0755);
    $server->file('hosts/v1.example/me.doit', "${hello}echo v1", 0755);
    $server->file('hosts/v2.example/me.doit', "${hello}echo v2", 0755);
    $server->file('cached/count.doit', <<'END', 0755);
#!/bin/sh
# Cacheable, and different each time.
printf 'Content-Type: text/plain\nCache-Control: max-age=60\n\n'
echo run >> "$0.runs"
wc -l < "$0.runs"
END
    mkdir "$root/cache";
    chmod 0777, "$root/cache", "$root/cached";
}

# The kernel counts all threads of the user, also those of other programs.
my $threads = grep { my $uid = (stat)[4]; defined $uid && $uid == $> }
    glob '/proc/[0-9]*/task/[0-9]*';
my ($nproc, $most) = ($threads + 1234, $threads + 2345);
$ENV{CGITEST_PASSED} = 'through';
my $own = CGITest::Server->start(prepare => \&prepare,
    modules => [qw(include filter actions rewrite userdir vhost_alias deflate
        substitute ratelimit cache cache_disk headers)],
    conf => <<'END' =~ s/\@nproc\@/$nproc/r =~ s/\@most\@/$most/r);
ErrorDocument 404 /engine/show/404page?from=404
ErrorDocument 403 /engine/emit?Content-Type:%20text/plain%0aStatus:%20299%20Own%0a%0aown
<Location "/engine-doc">
    ErrorDocument 500 /engine/show
    ErrorDocument 504 /engine/show
    CGITimeout first=1s
</Location>
<Location "/engine-docbroken">
    ErrorDocument 500 /engine/emit?broken
</Location>
<Location "/forbidden">
    Require all denied
</Location>

<Directory "@root@/htdocs">
    Options +Includes
    AddOutputFilter INCLUDES .shtml
    AddType text/html .shtml
    AddHandler my-handler .my
</Directory>
<Directory "@root@/htdocs/noexec">
    Options -Includes +IncludesNOEXEC
</Directory>
Action my-handler /engine/show
<Directory "@root@/htdocs/indexed">
    Options +RunScripts
    DirectoryIndex index
</Directory>
<Directory "@root@/htdocs/absolute">
    DirectoryIndex nothing.html /engine/show
</Directory>
<Directory "@root@/htdocs/fallback">
    FallbackResource /engine/show
</Directory>
<Location "/file.txt">
    Script PUT /engine/show
    Script DELETE /engine/show
</Location>
RewriteEngine On
RewriteRule "^/rw/(.*)$" "/engine/show/$1" [PT,E=FROM_RW:got-$1]
RewriteRule "^/rwroute/(.*)$" "/engineroute/show/$1?new=1" [PT,QSA]

UserDir "@root@/home/*/www"
<Directory "@root@/home/*/www">
    Options +RunScripts
    Require all granted
</Directory>
<Directory "@root@/hosts">
    Options +RunScripts
    Require all granted
</Directory>
<Directory "@root@/cached">
    Options +RunScripts
    Require all granted
</Directory>
Alias /cached "@root@/cached"
CacheRoot "@root@/cache"
CacheEnable disk "/cached"

<Location "/engine-substitute">
    SetOutputFilter SUBSTITUTE
    Substitute "s/hello/goodbye/"
</Location>
<Location "/engine-includes">
    SetOutputFilter INCLUDES
    Options +Includes
</Location>
<Location "/engine-rate">
    SetOutputFilter RATE_LIMIT
    SetEnv rate-limit 400
</Location>
<Location "/engine-headers">
    Header set X-Set "by httpd"
    Header always append X-Always "also"
    Header unset X-Unwanted
</Location>
<Location "/engine-nopath">
    AcceptPathInfo Off
</Location>
<LocationMatch "^/engineroutenopath">
    AcceptPathInfo Off
</LocationMatch>
CGIRoute "^/engineroutenopath/([a-z]+)" "\1.doit" "dir=@engine@"
<Location "/engine-limits">
    RLimitCPU 17 19
    RLimitMEM 900000000 1000000000
    RLimitNPROC @nproc@ @most@
</Location>
<Location "/engine-env">
    PassEnv CGITEST_PASSED
    SetEnv KEPT kept
    SetEnv LOST lost
    UnsetEnv LOST
    SetEnvIf X-Name "^(\w+)$" FROM_HEADER=$1
    CGIVar REQUEST_URI current-uri
</Location>

<VirtualHost *>
    ServerName main.example
    RewriteEngine On
    RewriteOptions Inherit
</VirtualHost>
<VirtualHost *>
    ServerName v.example
    ServerAlias v1.example v2.example
    UseCanonicalName Off
    VirtualDocumentRoot "@root@/hosts/%0"
</VirtualHost>
END

sub ask {
    my ($method, $target, %o) = @_;
    return CGITest::HTTP->once($own->where, $method, $target, %o);
}

# What show.doit reports, or an empty report with the reason printed.
sub shown {
    my ($res) = @_;
    my $r = eval { show($res) };
    diag $@ unless $r;
    return $r || {env => {}, stdin => -1};
}

# ---- B2
for my $method ('GET', 'POST') {
    my $res = ask($method, '/missing/thing?q=1',
        $method eq 'GET' ? () : (body => 'b' x 3000,
            headers => ['Content-Type' => 'text/x']));
    is($res->status, 404, "B2 $method: the status stays 404");
    my $r = shown($res);
    my $env = $r->{env};
    is($env->{REQUEST_METHOD}, 'GET', "B2 $method: the script sees GET");
    is($r->{stdin}, 0, "B2 $method: without a body");
    ok(!exists $env->{$_}, "B2 A2 $method: nor $_")
        for qw(CONTENT_LENGTH CONTENT_TYPE);
    is($env->{REDIRECT_STATUS}, '404', "B2 $method: REDIRECT_STATUS");
    is($env->{REDIRECT_URL}, '/missing/thing', "B2 $method: REDIRECT_URL");
    is($env->{REDIRECT_QUERY_STRING}, 'q=1', "B2 $method: its query");
    is($env->{QUERY_STRING}, 'from=404', "B2 $method: the page's query");
    is($env->{PATH_INFO}, '/404page', "B2 $method: the page's path");
}
{
    my $res = ask('HEAD', '/missing');
    is($res->status, 404, 'B2 HEAD: 404');
    $res = ask('GET', '/forbidden');
    is($res->status . ' ' . $res->body, '299 own',
        'B2 a script that gives a Status changes it');
    for (['/engine-doc/emit?broken', 500], ['/engine-doc/slow?head=20', 504]) {
        my ($path, $status) = @$_;
        $res = ask('GET', $path);
        is($res->status, $status, "B2 $path: status of the engine's error");
        is(shown($res)->{env}{REDIRECT_STATUS}, $status,
            "B2 $path: an error page that is a script");
    }
    $res = ask('POST', '/engine-doc/emit?broken', body => 'x' x 100_000);
    is(shown($res)->{stdin}, 0, 'B2 POST to a script that fails');
    $res = ask('GET', '/engine-docbroken/emit?broken');
    is($res->status, 500, 'B2 the page is a script that fails too: 500');
    like($res->body, qr/Internal Server Error/, 'B2 and httpd\'s own page');
}

# ---- B3
{
    my $page = sub {
        my ($name, $dir) = @_;
        return ask('GET', '/' . ($dir || 'ssi') . "/$name.shtml");
    };
    is($page->('twice')->body, "hello\n|hello\n", 'B3 two scripts in a page');
    my $res = $page->('args');
    like($res->header('Content-Type'), qr{^text/html}, 'B3 the page\'s type');
    my $env = shown($res)->{env};
    is($env->{SERVER_PROTOCOL}, 'INCLUDED', 'B3 A7 SERVER_PROTOCOL');
    is($env->{PATH_INFO}, '/x', 'B3 PATH_INFO');
    is($env->{QUERY_STRING}, 'y=1', 'B3 QUERY_STRING');
    is($env->{DOCUMENT_NAME}, 'args.shtml', 'B3 DOCUMENT_NAME');
    $env = shown($page->('route'))->{env};
    is($env->{SERVER_PROTOCOL}, 'INCLUDED', 'B3 a route');
    my $mark = $own->mark;
    $res = $page->('nph');
    like($res->body, qr/^a\[an error occurred.*\]b$/, 'B3 NPH is refused');
    like($own->log_since($mark), qr/:error\].*raw\.nph/, 'B3 and logged');
    $res = $page->('status');
    is($res->status, 200, 'B3 a Status of a script is not the page\'s');
    like($res->header('Content-Type'), qr{^text/html}, 'B3 nor its type');
    is(scalar $res->header('X-Evil'), undef, 'B3 nor its headers');
    is(length $page->('large')->body, 1_000_002, 'B3 a large one');
    is($page->('loop')->status, 200, 'B3 a script that redirects for ever');
    like($page->('noexec', 'noexec')->body, qr/^a\[an error occurred.*\]b$/,
        'B3 IncludesNOEXEC holds');
    # A script in a page that was asked for with a body has none.
    $res = ask('POST', '/ssi/args.shtml', body => 'x' x 2000);
    is(shown($res)->{stdin}, 0, 'B3 the page\'s body is not the script\'s')
        if $res->status == 200;
}

# ---- B4
{
    my $env = shown(ask('GET', '/file.my?q=1'))->{env};
    is($env->{PATH_INFO}, '/file.my', 'B4 Action: PATH_INFO');
    like($env->{PATH_TRANSLATED}, qr{/htdocs/file\.my$},
        'B4 Action: PATH_TRANSLATED');
    is($env->{QUERY_STRING}, 'q=1', 'B4 Action: query');
    is($env->{REDIRECT_HANDLER}, 'my-handler', 'B4 Action: handler');
    my $r = shown(ask('POST', '/file.my', body => 'x' x 500));
    is("$r->{env}{REQUEST_METHOD} $r->{stdin}", 'POST 500',
        'B4 Action: POST with its body');
    for my $method ('PUT', 'DELETE') {
        $r = shown(ask($method, '/file.txt', body => 'x' x 700));
        is("$r->{env}{REQUEST_METHOD} $r->{stdin}", "$method 700",
            "B4 Script $method");
        is($r->{env}{PATH_INFO}, '/file.txt', "B4 Script $method: PATH_INFO");
    }
    is(ask('GET', '/file.txt')->body, "plain\n", 'B4 GET is no Script');
    is(ask('GET', '/indexed/')->body, "index\n",
        'B4 DirectoryIndex finds a script');
    $r = shown(ask('GET', '/absolute/?a=1'));
    is($r->{env}{QUERY_STRING}, 'a=1', 'B4 DirectoryIndex names a script');
    $env = shown(ask('GET', '/fallback/no/such?x=y'))->{env};
    is($env->{QUERY_STRING}, 'x=y', 'B4 FallbackResource');
    is($env->{REQUEST_URI}, '/fallback/no/such?x=y',
        'B4 FallbackResource: REQUEST_URI');
    is(ask('GET', '/fallback/there.txt')->body, "there\n",
        'B4 FallbackResource leaves files alone');
    $env = shown(ask('GET', '/rw/a%20b?k=v', host => 'main.example'))->{env};
    is($env->{FROM_RW}, 'got-a b', 'B4 RewriteRule [E=]');
    is($env->{PATH_INFO}, '/a b', 'B4 RewriteRule [PT]');
    is($env->{QUERY_STRING}, 'k=v', 'B4 RewriteRule keeps the query');
    is($env->{REQUEST_URI}, '/rw/a%20b?k=v', 'B4 REQUEST_URI is as asked');
    $env = shown(ask('GET', '/rwroute/x?k=v', host => 'main.example'))->{env};
    is($env->{QUERY_STRING}, 'new=1&k=v', 'B4 RewriteRule to a route');
    is(ask('GET', '/~anna/me')->body, "anna\n", 'B4 UserDir');
    is(ask('GET', '/me', host => 'v1.example')->body, "v1\n",
        'B4 VirtualDocumentRoot');
    is(ask('GET', '/me/info', host => 'V2.example')->body, "v2\n",
        'B4 VirtualDocumentRoot, another');
    $env = shown(ask('GET', '/engine/show', host => 'v2.example'))->{env};
    is($env->{SERVER_NAME}, 'v2.example', 'A7 SERVER_NAME per host');
    $env = shown(ask('GET', '/engine/show', host => '[::1]:8080'))->{env};
    is($env->{SERVER_NAME}, '[::1]', 'A7 SERVER_NAME of an IPv6 address');
}

# ---- B5
SKIP: {
    eval { require IO::Compress::Gzip; require IO::Uncompress::Gunzip; 1 }
        or skip 'IO::Compress::Gzip is not installed', 5;
    my @accept = (headers => ['Accept-Encoding' => 'gzip']);
    my $text = 'to be compressed ' x 100;
    my $res = ask('GET', '/engine-deflate/emit?'
        . escape("Content-Type: text/plain\nContent-Length: 1700\n\n$text"),
        @accept);
    is($res->header('Content-Encoding'), 'gzip', 'B5 DEFLATE');
    my $body = $res->body;
    IO::Uncompress::Gunzip::gunzip(\$body, \my $plain);
    is($plain, $text, 'B5 DEFLATE: the same text');
    is($res->error, '', 'B5 DEFLATE: the script\'s Content-Length is gone');
    IO::Compress::Gzip::gzip(\$text, \my $zipped);
    $res = ask('GET', '/engine-deflate/emit?'
        . escape("Content-Type: text/plain\nContent-Encoding: gzip\n\n$zipped"),
        @accept);
    is(hexed($res->body), hexed($zipped),
        'B5 what the script compressed is not compressed again');
    is(join(', ', $res->header('Content-Encoding')), 'gzip',
        'B5 and named once');
}
{
    is(ask('GET', '/engine-substitute/hello')->body, "goodbye\n",
        'B5 SUBSTITUTE');
    is(ask('GET', '/engine-includes/emit?' . escape("Content-Type: text/html"
                . "\nContent-Length: 35\n\n<!--#echo var=\"REQUEST_METHOD\" -->"
                . '.'))->body, 'GET.', 'B5 INCLUDES on a script\'s output');
    my $res;
    ok(within(15, sub { ask('GET', '/engine-rate/produce?n=300000') }, \$res),
        'B5 RATE_LIMIT: in time');
    is(length $res->body, 300_000, 'B5 RATE_LIMIT: all of it');
    $res = ask('GET', '/engine-headers/emit?' . escape(
            "Content-Type: text/x\nX-Set: script\nX-Unwanted: 1\n"
            . "X-Own: 1\n\nx"));
    is(join('|', $res->header('X-Set')) =~ /by httpd/, 1, 'B5 Header set');
    is(scalar $res->header('X-Own'), '1', 'B5 the script\'s own header');

    # Ranges: httpd may cut them out of a script's output, or not.
    my $ten = '/engine/emit?' . escape("Content-Type: text/x\n\n0123456789");
    $res = ask('GET', $ten, headers => [Range => 'bytes=2-4']);
    like($res->status . ' ' . $res->body, qr/^(206 234|200 0123456789)$/,
        'B5 Range on a script\'s output');
    like($res->header('Content-Range'), qr{^bytes 2-4/10$},
        'B5 Range: Content-Range') if $res->status == 206;
    $res = ask('GET', '/engine/emit?' . escape("Status: 206 Partial Content\n"
            . "Content-Type: text/x\nContent-Range: bytes 2-4/10\n\n234"),
        headers => [Range => 'bytes=2-4']);
    is($res->status . ' ' . $res->body, '206 234',
        'B5 a range that the script answers');
    is($res->header('Content-Range'), 'bytes 2-4/10',
        'B5 a range that the script answers: Content-Range');
    $res = ask('GET', '/engine/emit?' . escape("Status: 416 Not Satisfiable\n"
            . "Content-Range: bytes */10\n\n"),
        headers => [Range => 'bytes=20-']);
    is($res->status . ' ' . $res->header('Content-Range'),
        '416 bytes */10', 'B5 416 of a script');
}
{
    my $first = ask('GET', '/cached/count');
    is($first->body, "1\n", 'B5 mod_cache: the first runs the script');
    my $second = ask('GET', '/cached/count');
    is($second->body, "1\n", 'B5 mod_cache: the second does not');
    ok(defined $second->header('Age'), 'B5 mod_cache: it has an age');
    is(ask('GET', '/cached/count?other')->body, "2\n",
        'B5 mod_cache: another query is another page');
    is(ask('POST', '/cached/count', body => 'x')->body, "3\n",
        'B5 mod_cache: POST runs the script');
}

# ---- B6
{
    my $date = 'Thu, 01 Jan 2015 00:00:00 GMT';
    my $later = 'Thu, 01 Jan 2015 00:00:01 GMT';
    my $earlier = 'Wed, 31 Dec 2014 23:59:59 GMT';
    for (
        ["ETag: \"a\"\n", ['If-None-Match' => '"a"'], 304, 200],
        ["ETag: \"a\"\n", ['If-None-Match' => '"b"'], 200, 200],
        ["ETag: \"a\"\n", ['If-None-Match' => 'W/"a"'], 304, 200],
        ["Last-Modified: $date\n", ['If-Modified-Since' => $date], 304, 200],
        ["Last-Modified: $date\n", ['If-Modified-Since' => $later], 304, 200],
        ["Last-Modified: $date\n", ['If-Modified-Since' => $earlier], 200,
            200],
        ["ETag: \"a\"\n", ['If-Match' => '"b"'], 412, 200],
        ["Last-Modified: $date\n", ['If-Unmodified-Since' => $earlier], 412,
            200],
        ['', ['If-None-Match' => '"a"'], 200, 200],
    ) {
        my ($header, $condition, $without, $with) = @$_;
        my $name = ($header =~ s/\n//r || 'no header') . ", @$condition";
        my $text = "Content-Type: text/x\n$header\nbody";
        my $res = ask('GET', '/engine/emit?' . escape($text),
            headers => $condition);
        is($res->status, $without, "B6 $name: $without without a Status");
        is($res->body, $without == 200 ? 'body' : '', "B6 $name: body")
            unless $without == 412;
        is($res->header('ETag'), '"a"', "B6 $name: 304 has the ETag")
            if $without == 304 && $header =~ /ETag/;
        $res = ask('GET', '/engine/emit?' . escape("Status: 200 OK\n$text"),
            headers => $condition);
        is($res->status . $res->body, "${with}body",
            "B6 $name: $with with one");
        $res = ask('POST', '/engine/emit?' . escape($text),
            headers => $condition, body => 'x');
        is($res->status . $res->body, '200body', "B6 $name: POST runs");
    }
    my $res = ask('GET', '/engine/emit?'
        . escape("Content-Type: text/x\nLast-Modified: $date\n\nbody"));
    is($res->header('Last-Modified'), $date, 'B6 Last-Modified is passed on');
}

# ---- B8
{
    is(ask('GET', '/engine-nopath/hello')->status, 200,
        'B8 AcceptPathInfo Off, no path');
    is(ask('GET', '/engine-nopath/hello/x')->status, 404,
        'B8 AcceptPathInfo Off, a path');
    is(ask('GET', '/engineroutenopath/hello')->status, 200,
        'B8 AcceptPathInfo Off, a route without a path');
    is(ask('GET', '/engineroutenopath/hello/x')->status, 404,
        'B8 AcceptPathInfo Off, a route with a path');
    my $limits = ask('GET', '/engine-limits/limits')->body;
    like($limits, qr/^Max cpu time\s+17\s+19\b/m, 'B8 RLimitCPU');
    like($limits, qr/^Max address space\s+900000000\s+1000000000\b/m,
        'B8 RLimitMEM');
    like($limits, qr/^Max processes\s+$nproc\s+$most\b/m, 'B8 RLimitNPROC');
    my $before = ask('GET', '/engine/limits')->body;
    unlike($before, qr/^Max cpu time\s+17\b/m, 'B8 and elsewhere none');
    my ($files) = slurp('/proc/' . $own->pid . '/limits')
        =~ /^(Max open files.*)$/m;
    like($before, qr/^\Q$files\E/m,
        'L4 a script has the descriptors that httpd was given');

    my $env = shown(ask('GET', '/engine-env/show/x?a=b',
            headers => ['X-Name' => 'word']))->{env};
    is($env->{KEPT}, 'kept', 'B8 SetEnv');
    ok(!exists $env->{LOST}, 'B8 UnsetEnv');
    is($env->{FROM_HEADER}, 'word', 'B8 SetEnvIf');
    is($env->{CGITEST_PASSED}, 'through', 'B8 PassEnv');
    is($env->{REQUEST_URI}, '/engine-env/show/x', 'B8 CGIVar');
    is($env->{PATH}, $ENV{PATH}, 'B8 PATH is httpd\'s');
}

$own->stop;
done_testing();
