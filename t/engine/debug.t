# mpm: prefork
# CGIDebug: whom its expression admits gets, instead of a response, what was
# decided, given and said; all others get what they got before.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Server;

my $s = CGITest::Server->start(modules => ['include'],
    prepare => sub { $_[0]->file('routes/it.sh', <<'END', 0755) }, conf => <<'CONF');
#!/bin/sh
printf 'X: 1\n\n'
END
<LocationMatch "^/(?:engine|own|routes)">
    CGIDebug "%{HTTP:X-Debug} == 'yes' && %{REMOTE_ADDR} == '127.0.0.1'"
</LocationMatch>
<Location "/engine-query">
    CGIDebug "%{QUERY_STRING} =~ /(?:^|&)cgi-debug=1(?:&|$)/"
</Location>
<Location "/engine-elsewhere">
    CGIDebug "%{REMOTE_ADDR} == '192.0.2.1'"
</Location>
<Location "/engine-off">
    CGIDebug off
</Location>
<Location "/engine-fails">
    CGIDebug "file('/no/such/file') == ''"
</Location>
<Location "/engine-idle">
    CGITimeout idle=300ms
</Location>
<Location "/engine-spool">
    CGIRequestBody spool
    CGIPark 0
</Location>
<Location "/engine-include">
    SetOutputFilter INCLUDES
    Options +Includes
</Location>
<Location "/engine-file">
    CGIStderr debug_stderr
</Location>
<Location "/own">
    Options +RunScripts
</Location>
<Location "/pages">
    Options +Includes
    SetOutputFilter INCLUDES
</Location>
<Directory "@root@/htdocs/own">
    AllowOverride Options FileInfo
    CGIPassAuth On
    SetEnv DB_PASSWORD hush1
    SetEnv my_token hush2
    SetEnv API_KEY hush3
    SetEnv HARMLESS seen
</Directory>
CGIRoute "^/routes/(\d+)" "x" dir="@root@/routes"
CGIRoute "^/routes/(\w+)" "\1.sh" dir="@root@/routes"
CGIRoute "^/elsewhere" "x" dir="@root@/routes"
<Directory "@root@/routes">
    Require all granted
</Directory>
CONF
my $root = $s->root;
my @admitted = (headers => ['X-Debug' => 'yes']);

sub ask {
    my ($method, $target, %o) = @_;
    return CGITest::HTTP->once($s->where, $method, $target, %o);
}

# The page of a request that is admitted.
sub page {
    my ($target, %o) = @_;
    my $method = delete $o{method} // 'GET';
    my @more = @{delete $o{headers} || []};
    my $res = ask($method, $target, headers => ['X-Debug' => 'yes', @more],
        %o);
    is($res->status, 200, "$target: a page");
    like($res->body, qr/\ACGIDebug: $method /, "$target: of CGIDebug")
        if $method ne 'HEAD';
    return $res;
}

# A script that prints these bytes.
sub said { return page('/engine/emit?' . escape($_[0]), @_[1 .. $#_])->body }

sub has {
    my ($text, $part, $name) = @_;
    ok(index($text, $part) >= 0, $name) or diag "no '$part' in\n$text";
}

sub verdict { return $_[0] =~ /^Without CGIDebug: (.*)$/m ? $1 : "none: $_[0]" }

# ---- who gets it

my $good = "Status: 203 Fine\nContent-Type: text/x-own\nX-Own: 1\n"
    . "Set-Cookie: a=b\nVary: Accept\n\nhello\n";
my $plain = ask('GET', '/engine/emit?' . escape($good));
is($plain->status . $plain->body, "203hello\n", 'not admitted: the response');
is(join('|', $plain->header('Vary')), 'Accept',
    'which does not say that it depends on the expression');
my $same = ask('GET', '/engine-off/emit?' . escape($good));
for ($plain, $same) {
    # On a busy machine, a script's end may come too late for its length.
    $_->{head} =~ s/^(?:Date|Content-Length|Transfer-Encoding): .*\n//mg;
}
is($plain->{head}, $same->{head}, 'with the same header as without CGIDebug');
for (['/engine-off/hello', 'switched off inside'],
    ['/engine-elsewhere/hello', 'another address'],
    ['/engine-query/hello?cgi-debug=10', 'another query'],
    ['/engine-query/hello', 'no query']) {
    unlike(ask('GET', $_->[0], @admitted)->body, qr/CGIDebug/, $_->[1]);
}
like(ask('GET', '/engine-query/hello?a=1&cgi-debug=1')->body,
    qr/\ACGIDebug: /, 'by the query');
my $mark = $s->mark;
unlike(ask('GET', '/engine-fails/hello', @admitted)->body, qr/CGIDebug/,
    'an expression that fails admits nobody');
like($s->log_since($mark), qr/CGIDebug: its expression fails/,
    'and the log says so');

# ---- what it says

my $res = page('/engine/emit?' . escape($good));
is($res->header('Content-Type'), 'text/plain; charset=utf-8', 'a text');
is($res->header('Cache-Control'), 'no-store', 'that nobody stores');
is($res->header('X-Content-Type-Options'), 'nosniff', 'nor takes for HTML');
is($res->header('Set-Cookie') // $res->header('X-Own'), undef,
    'the script\'s header is not that of the page');
my $body = $res->body;
is(verdict($body), '203 Fine, text/x-own', 'what would have been answered');
has($body, "\nheader | Status: 203 Fine\nheader | Content-Type: text/x-own\n",
    'raw output, its header marked');
has($body, "\nheader | Vary: Accept\nheader | \nbody   | hello\n",
    'to the empty line');
like($body, qr/^  script +\S+\/engine\/emit\.doit$/m, 'the script');
has($body, "\n  - Options RunScripts is on here\n"
    . "  - a file with the suffix .doit is there: it runs\n", 'why');
like($body, qr/^  argv\[0\] +emit\.doit$/m, 'argv');
like($body, qr/^  directory +\S+\/engine\/?$/m, 'directory');
like($body, qr/^  end +its exit status was 0$/m, 'exit status');
like($body, qr/^ +\d+\.\d\d\d ms  $_$/m, "time: $_")
    for 'a launcher is asked for the script', 'it has made a process',
    'the process executes the script', 'the first byte of output',
    'the header is complete', 'the output has ended',
    'the exit status is known', 'the request is over';
my @times = $body =~ /^ +(\d+\.\d\d\d) ms  /mg;
is("@times[0, -1]", join(' ', (sort { $a <=> $b } @times)[0, -1]),
    'from begin to end');
like($body, qr/^  QUERY_STRING=Status%3A/m, 'environment');
has($body, "\n  CGIDebug \"%{HTTP:X-Debug} == 'yes' && %{REMOTE_ADDR} == "
    . "'127.0.0.1'\"   in <LocationMatch \"^/(?:engine|own|routes)\">   "
    . "($root/httpd.conf:", 'a directive, its section, and its place');
like(page('/engine-idle/hello')->body,
    qr/^  CGIDebug .*\n  CGITimeout idle=300ms   in <Location /m,
    'two directives, the inner one last');

# ---- what the script is given

like(page('/engine/show?a+b%20c')->body,
    qr/argv\[1\] +a\n  argv\[2\] +b c\n/, 'words of the query');
$res = page('/engine/show', method => 'POST', body => 'x' x 100_000);
like($res->body, qr/^body   \| body_size=100000$|^body   \| .*100000$/m,
    'a body reaches it');
$res = page('/engine-spool/show', method => 'POST', body => 'x' x 1000);
like($res->body, qr/ms  the request body is in a file\n/, 'and by a file');

$s->file('htdocs/own/env.doit', <<'END', 0755);
#!/bin/sh
printf 'Content-Type: text/plain\n\n'
END
$s->file('htdocs/own/.htaccess', "CGIScriptTimeout 20\n");
$body = page('/own/env', headers => [Cookie => 'hush4=1',
    Authorization => 'Basic aHVzaDU6aHVzaDU=', 'X-Auth-Token' => 'hush6'])
    ->body;
like($body, qr/^  $_=\(not shown\)$/m, "$_ is masked")
    for qw(DB_PASSWORD my_token API_KEY HTTP_COOKIE HTTP_AUTHORIZATION
    HTTP_X_AUTH_TOKEN);
unlike($body, qr/hush|aHVz/, 'nothing of their values');
like($body, qr/^  HARMLESS=seen$/m, 'others are shown');
like($body, qr/^  CGIScriptTimeout 20   \(\Q$root\E\/htdocs\/own\/\.htaccess:1\)/m,
    'a directive of a .htaccess file');

# ---- what went wrong

is(verdict(said('')), '500: it has printed nothing; its exit status was 0',
    'no output');
$body = said("X-Good: 1\nnot a field\n\nbody\n");
is(verdict($body), "500: bad header: a header line must be 'Name: value', "
    . "not 'not a field'", 'a bad header');
like($body, qr/^header \| not a field\nheader \| \nbody   \| body\n/m,
    'which is shown with all that follows');
like($body, qr/end +its exit status was 0/, 'to the end');
$body = said("no end");
is(verdict($body), '500: bad header: its header does not end with an empty '
    . 'line', 'a header without end');
like($body, qr/^none   \| no end\n/m, 'is shown as none');
is(verdict(said("Transfer-Encoding: chunked\n\n")), '502: bad header: '
    . "Transfer-Encoding is the server's to set, not a script's", 'a 502');
is(verdict(said("Content-Type: text/x\nContent-Length: 9\n\nabc")),
    '200 OK, text/x; cut off: its body is 6 bytes shorter than its '
    . 'Content-Length', 'a short body');
is(verdict(said("Content-Type: text/x\nContent-Length: 2\n\nabc")),
    '200 OK, text/x; the last 1 bytes are over its Content-Length, and are '
    . 'not sent', 'a long one');
is(verdict(said("Location: /engine/hello\n\n")),
    'the answer is that of /engine/hello (local redirect)', 'local redirect');
is(verdict(said("Location: http://x/\n\n")), '302, to http://x/', 'redirect');

$s->file('htdocs/own/no.doit', "#!/no/such/program\n", 0755);
like(verdict(page('/own/no')->body), qr/^\d\d\d: .*\/no\/such\/program/,
    'a start that fails, and why');
$body = page('/engine/crash')->body;
like($body, qr/end +it was killed by signal 9/, 'a signal');
$mark = $s->mark;
$body = page('/engine/stderr?text=one%0Atwo%0A')->body;
like($body, qr/^stderr \| one\nstderr \| two\n/m, 'standard error');
ok($s->log_until($mark, qr/stderr from \S+: two/), 'in the log as ever');
like(page('/engine-file/stderr?text=one')->body,
    qr/is where CGIStderr says\n/, 'CGIStderr');
like(verdict(page('/engine-idle/slow?body=20')->body),
    qr/^504: silent for longer than CGITimeout idle=$/, 'a time limit');

# ---- nobody else's text is taken for the page's

$body = said("Content-Type: text/x\r\n\r\na\rb\e[31m\0c\xff\xc3\xa4\n"
    . "stderr | forged\n");
like($body, qr/^header \| Content-Type: text\/x\\r\nheader \| \\r\n/m,
    'line ends are visible');
has($body, "\nbody   | a\\rb\\x1b[31m\\x00c\\xff\xc3\xa4\n"
    . "body   | stderr | forged\n", 'control characters, too');
like(page('/engine/hello/a%0Abody%20%20%20%7C%20forged')->body,
    qr/path info +\/a\\nbody   \| forged\n/, 'nor can a URL end a line');
my $echo = '<!--#echo var="SERVER_NAME" -->';
$body = page('/engine-include/emit?'
    . escape("Content-Type: text/html\n\n$echo"),
    headers => ['User-Agent' => $echo])->body;
has($body, "\nbody   | $echo\n", 'mod_include runs nothing of a script');
has($body, "\n  HTTP_USER_AGENT=$echo\n", 'nor of a client');
is(ask('GET', '/engine-include/emit?'
    . escape("Content-Type: text/html\n\n$echo"))->body, '127.0.0.1',
    'which it does without CGIDebug');

# ---- bounds, and the connection

$s->file('htdocs/own/much.doit', <<'END', 0755);
#!/bin/sh
printf 'Content-Type: text/plain\n\n'
exec yes 0123456789
END
my $tag = tag_of;
$body = page("/own/much?$tag")->body;
like($body, qr/and more than these 1048576 bytes: the rest was not read\n\z/,
    'endless output is cut');
cmp_ok(length $body, '<', 3_000_000, 'to a page of that size');
is_gone($tag, 10, 'and its script has ended');

$s->file('htdocs/own/raw.nph', <<'END', 0755);
#!/bin/sh
printf 'HTTP/1.1 299 Own\r\nX: 1\r\n\r\nraw'
END
my $c = CGITest::HTTP->new(%{$s->where});
for (1 .. 2) {
    $c->send($c->format_request('GET', '/own/raw', @admitted));
    $res = $c->response(method => 'GET');
    is(verdict($res->body), 'the output is sent as it is (NPH)', 'NPH');
    like($res->body, qr/^header \| HTTP\/1.1 299 Own\\r\n/m, 'its header');
}
$res = page('/engine/hello', method => 'HEAD');
is($res->body, '', 'HEAD');
$res = page('/engine/emit?' . escape("ETag: \"x\"\nContent-Type: a/b\n\n"),
    headers => ['If-None-Match' => '"x"']);

# A part of another page is for whom that page is.
$s->file('htdocs/pages/page.shtml', '<!--#include virtual="/engine/hello" -->');
unlike($res = ask('GET', '/pages/page.shtml', @admitted)->body,
    qr/CGIDebug|#include/, 'not in a page that includes it');

# ---- where nothing runs

like(verdict(page('/own/env.doit')->body),
    qr/^404: the name is that of a script/, 'a hidden name');
is(ask('GET', '/own/env.doit')->status, 404, 'which is one for others');

SKIP: {
    skip 'no mod_cgiroute', 1
        if !-e CGITest::Server->build_dir . '/mod_cgiroute.so';
    $body = page('/routes/it/more')->body;
    my @routes = $body =~ /^  - (route \^\/routes.*)$/mg;
    like($routes[0], qr{^route \^/routes/\(\\d\+\) \(\S+:\d+\) passed over: no match$},
        'a route that was tried');
    like($routes[1] // '', qr{^route \^/routes/\(\\w\+\) \(\S+:\d+\) runs},
        'the one that answers');
    has($routes[1] // '', "runs $root/routes/it.sh, PATH_INFO \"/more\"",
        'and what it runs');
    $body = page('/routes/none')->body;
    like($body, qr/passed over: there is no such file\n/, 'no such file');
    like($body, qr/^  - no route answers$/m, 'and no route');
    like(verdict($body), qr/^no route answers.*not there$/, 'is what it says');
    unlike(ask('GET', '/routes/none')->body, qr/CGIDebug/, 'to nobody else');
    my $log = $s->log_since($mark);
    unlike($log, qr/route .* fails/, 'nothing of it is logged twice');
}

# ---- wrong directives

for (['on', 'must be off or an expression'], ['"%{"', 'must be off or an'],
    ['', 'takes one argument']) {
    my ($value, $error) = @$_;
    my ($ok, $text) = CGITest::Server->check("CGIDebug $value\n");
    like($text, qr/CGIDebug $error/, "CGIDebug $value");
}
$s->file('htdocs/own/.htaccess', "CGIDebug \"true\"\n");
$mark = $s->mark;
is(ask('GET', '/own/env')->status, 500, 'not in a .htaccess file');
like($s->log_since($mark), qr/CGIDebug not allowed here/, 'says the log');

done_testing;
