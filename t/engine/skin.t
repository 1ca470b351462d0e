# CGISkin: a fragment of HTML gets a template around it, everything else goes
# out as it is.
use strict;
use warnings;
use Test::More;
use POSIX ();
use CGITest;
use CGITest::H2;
use CGITest::HTTP;
use CGITest::Proc ();
use CGITest::Server;

my $template = "<!doctype html><title>\$<title></title>\n"
    . "<script nonce=\"\$<nonce>\">1</script>[\$<content>]<i>\$<title></i>\n";
my $s = CGITest::Server->start(modules => [qw(include headers deflate http2)],
    prepare => sub {
        my ($s) = @_;
        $s->file('site.skin', $template);
        $s->file('plain.skin', "{\$<content>}");
        $s->file('htdocs/own/file.html', "<p>file\n");
    }, conf => <<'END');
Protocols h2c http/1.1
CGISkin plain.skin
ScriptLog script_log
<If "%{HTTP:Sec-Fetch-Dest} == 'empty'">
    CGISkin none
</If>
<Location "/engine-debug">
    CGISkin site.skin
    CGIDebug "true"
</Location>
<Location "/engine-error">
    ErrorDocument 500 "<p>sorry"
</Location>
<Location "/engine-deflate">
    SetOutputFilter DEFLATE
</Location>
<Location "/engine-site">
    CGISkin "@root@/site.skin"
</Location>
<Location "/engine-policy">
    CGISkin site.skin
    Header set Content-Security-Policy own
</Location>
<Location "/engine-none">
    CGISkin none
</Location>
<Location "/engine-include">
    SetOutputFilter INCLUDES
    Options +Includes
</Location>
<Directory "@root@/htdocs/own">
    Options +RunScripts
    AllowOverride FileInfo
</Directory>
CGIRoute "^/file/(.*)$" "emit.doit" dir="@engine@"
<Location "/file">
    CGISkin site.skin
</Location>
<Location "/engine-sendfile">
    CGISendfile "@root@/htdocs/own"
</Location>
<Directory "@root@/htdocs/pages">
    Options +Includes
    SetOutputFilter INCLUDES
</Directory>
END
my $root = $s->root;

sub ask {
    my ($method, $target, %o) = @_;
    return CGITest::HTTP->once($s->where, $method, $target, %o);
}

# What a script's output becomes, under what is configured for a name.
sub made {
    my ($bytes, $where, %o) = @_;
    return ask(delete $o{method} // 'GET',
        '/engine' . ($where ? "-$where" : '') . '/emit?' . escape($bytes), %o);
}

my $html = "Content-Type: text/html; charset=utf-8\n";

# ---- what is a fragment

for (["<p>one</p>\n", 'a fragment'], ['text', 'text'],
    ["<!-- a --><p>b", 'a comment before it'], ["\n <p>", 'white space'],
    ["<header>", 'an element whose name begins alike'],
    ['<' . 'x' x 5000, 'a tag without end']) {
    my ($body, $name) = @$_;
    is(made("$html\n$body")->body, "{$body}", "wrapped: $name");
}
for (["<!DOCTYPE html>\n<p>", 'doctype'], ["\n<HTML lang=x>", 'html'],
    ['<!-- x --><body>', 'body'], ['', 'nothing']) {
    is(made("$html\n$_->[0]")->body, $_->[0], "not wrapped: $_->[1]");
}
for (["Content-Type: text/plain\n", 'text/plain'],
    ["Content-Type: text/html-x\n", 'another type'],
    ["X: 1\n", 'no type'],
    ["${html}Content-Encoding: gzip\n", 'compressed'],
    ["${html}Status: 206\nContent-Range: bytes 0-3/4\n", 'a range']) {
    is(made("$_->[0]\n<p>x")->body, '<p>x', "not wrapped: $_->[1]");
}
is(made("${html}Status: 404 Gone\n\n<p>x")->body, '{<p>x}', 'an error\'s page');
is(made("$html\n<p>x", 'none')->body, '<p>x', 'CGISkin none');

# ---- title and nonce

my $res = made("$html\n<p>x", 'site');
like($res->body, qr{^<!doctype\ html><title>emit</title>\n
    <script\ nonce="([\w+/=]{20,})">1</script>\[<p>x\]<i>emit</i>\n\z}x,
    'the script\'s name is the title') or diag $res->body;
my ($nonce) = $res->body =~ /nonce="(.*?)"/;
like($res->header('Content-Security-Policy'), qr/script-src 'self' 'nonce-\Q$nonce\E'/,
    'the policy has the nonce');
isnt((made("$html\n<p>x", 'site')->body =~ /nonce="(.*?)"/)[0], $nonce,
    'the next response has another');
$res = made("$html\n<div class='fossil-doc' data-title='A &amp; \"<b>\"'>x</div>",
    'site');
like($res->body, qr{<title>A &amp; &quot;&lt;b&gt;&quot;</title>},
    'data-title is the title, and ends no element');
$res = made("${html}Content-Security-Policy: mine\n\n<p>x", 'site');
is(join('|', $res->header('Content-Security-Policy')), 'mine',
    'the script\'s own policy stays');
$res = made("$html\n<p>x", 'policy');
is(join('|', $res->header('Content-Security-Policy')), 'own',
    'so does that of Header');
is(made("$html\n<p>x")->header('Content-Security-Policy'), undef,
    'no nonce, no policy');
$s->file('htdocs/own/nonce.doit', <<'END', 0755);
#!/bin/sh
printf 'Content-Type: text/html\n\n<p>%s' "$CSP_NONCE"
END
$s->file('htdocs/own/own.skin', "<\$<nonce>|\$<content>>");
$s->file('htdocs/own/.htaccess', "CGISkin own.skin\n");
like(ask('GET', '/own/nonce')->body, qr/^<([\w+\/=]{20,})\|<p>\1>$/,
    'a script gets the nonce; a template of a .htaccess file');

# ---- the header

my $fields = "${html}Content-Length: 5\nETag: \"e\"\nX-Own: 1\n"
    . "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\n";
for my $method ('GET', 'HEAD') {
    $res = made("$fields\n<p>ab", '', method => $method);
    is($res->body, $method eq 'GET' ? '{<p>ab}' : '', "$method: body");
    is($res->header($_), undef, "$method: no $_")
        for qw(ETag Last-Modified Accept-Ranges);
    isnt($res->header('Content-Length') // '', 5, "$method: not its length");
    is($res->header('X-Own'), 1, "$method: other fields");
}
$res = made("${html}Content-Length: 15\nETag: \"e\"\n\n<!doctype html>");
is($res->header('ETag') . $res->header('Content-Length'), '"e"15',
    'a whole page keeps them');
is(made("$html\n<p>ab", '', headers => [Range => 'bytes=1-2'])->body,
    '{<p>ab}', 'no ranges');

# A client that has a page from before the template.
$res = made("$fields\n<p>ab", '', headers => ['If-None-Match' => '"e"']);
is($res->status . $res->body, '200{<p>ab}', 'no 304 by a field of the fragment');
$res = made("$fields\n<p>ab", 'none', headers => ['If-None-Match' => '"e"']);
is($res->status, 304, 'which there is without a template');
for (['GET', '{<p>file' . "\n}"], ['HEAD', '']) {
    $res = made("X-Sendfile: $root/htdocs/own/file.html\nContent-Type: text/html\n\n",
        'sendfile', method => $_->[0]);
    is($res->body, $_->[1], "a file of X-Sendfile: $_->[0]");
    is($res->header($_), undef, "no $_") for qw(ETag Accept-Ranges);
}

# ---- HTTP/2

$s->file('htdocs/own/.htaccess', '');
$s->file('htdocs/own/long.doit', <<'END', 0755);
#!/usr/bin/perl
print "Content-Type: text/html\n\n<", 'x' x 300_000;
END
$s->file('htdocs/own/cut.doit', <<'END', 0755);
#!/bin/sh
printf 'Content-Type: text/html\n\n<p>one'
sleep 0.5
kill -KILL $$
END

SKIP: {
    skip 'no HTTP/2 with the MPM prefork', 4
        if CGITest::Server->default_mpm eq 'prefork';
    my $h = CGITest::H2->new(%{$s->where});
    my $target = '/engine/emit?' . escape("Content-Type: text/html\n\n<p>ab");
    is($h->response($h->begin('GET', $target)), '200 {<p>ab}', 'HTTP/2: GET');
    is($h->response($h->begin('HEAD', $target)), '200 ', 'HTTP/2: HEAD');
    is($h->response($h->begin('GET', '/own/long')),
        '200 {<' . 'x' x 300_000 . '}', 'HTTP/2: a long one');
    # Before 2.4.55 mod_http2 ends any stream in order.
    like($h->response($h->begin('GET', '/own/cut'), 20),
        $s->since(2, 4, 55) ? qr/^reset / : qr/^200 /,
        'HTTP/2: one that is cut');
    $h->close;
}

# ---- others

is(made("$html\n<p>x", '', headers => ['Sec-Fetch-Dest' => 'empty'])->body,
    '<p>x', 'not for fetch(), by <If>');
$res = made("$html\n<p>" . 'x' x 200, 'deflate', headers => ['Accept-Encoding' => 'gzip']);
is(scalar $res->header('Content-Encoding'), 'gzip', 'compressed afterwards');
require Compress::Zlib;
is(Compress::Zlib::memGunzip($res->body), '{<p>' . 'x' x 200 . '}',
    'as a whole');
$res = made("$html\n<p>x", 'debug');
like($res->body, qr{^CGIDebug: .*^body   \| <p>x}ms, 'CGIDebug shows what the script says');
unlike($res->body, qr/doctype/, 'without a template');
like($res->body, qr/^\s*CSP_NONCE=[\w+\/=]{20}/m, 'and the nonce');
$res = ask('GET', "/engineroute/emit?" . escape("$html\n<p>x"));
is($res->body, '{<p>x}', 'a route');
is(ask('GET', "/file/it's%3Cb%3E&?" . escape("$html\n<p>x"))->body =~
    m{<title>(.*?)</title>} ? $1 : '', 'it&#39;s&lt;b&gt;&amp;',
    'a title from a URL is escaped');
is(ask('GET', "/file/a/?" . escape("$html\n<p>x"))->body =~
    m{<title>(.*?)</title>} ? $1 : '', 'emit.doit',
    'a URL that ends in a slash: the name of the program');

is(made("$html\n<!--#echo var=\"SERVER_NAME\" -->", 'include')->body,
    '{127.0.0.1}', 'after mod_include');
$s->file('htdocs/pages/page.html', '(<!--#include virtual="/engine/emit?'
    . escape("$html\n<p>x") . '" -->)');
is(ask('GET', '/pages/page.html')->body, '(<p>x)', 'not within a page');
$s->file('htdocs/own/raw.nph', <<'END', 0755);
#!/bin/sh
printf 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>raw'
END
is(ask('GET', '/own/raw')->body, '<p>raw', 'not of an NPH script');
is(made('', 'error')->body, '<p>sorry', 'nor what httpd says of an error');
is(made("Location: /engine/emit?" . escape("$html\n<p>x") . "\n\n")->body,
    '{<p>x}', 'a local redirect: once');

# ---- streaming, and a response that is cut

$s->file('htdocs/own/drip.doit', <<'END', 0755);
#!/bin/sh
printf 'Content-Type: text/html\n\n<'
sleep 0.3
printf 'p>one'
while [ ! -e go ]; do sleep 0.1; done
printf 'two'
END
my $c = CGITest::HTTP->new(%{$s->where});
$c->send($c->format_request('GET', '/own/drip', version => '1.0'));
like($c->read_until('{<p>one'), qr/^HTTP\/1.1 200 /,
    'the start is sent while the script runs');
$s->file('htdocs/own/go', '');
is($c->read_all, 'two}', 'then the rest');
is(ask('GET', '/own/long')->body, '{<' . 'x' x 300_000 . '}', 'a long one');
$res = ask('GET', '/own/cut');
isnt($res->error, '', 'a response that is cut');
unlike($res->body, qr/\}/, 'has no end of a template');

# ---- wrong templates

$s->file('htdocs/own/hello.doit', <<'END', 0755);
#!/bin/sh
printf 'Content-Type: text/html\n\n<p>hello'
END
for (['bad.skin', '$<content>$<user>', qr/must not have \$<user> \(line 1\)/],
    ['none.skin', 'x', qr/must have \$<content>, and only once/],
    ['gone.skin', undef, qr/No such file/]) {
    my ($name, $text, $error) = @$_;
    my ($ok, $said) = CGITest::Server->check({conf => "CGISkin $name\n",
        prepare => sub { $_[0]->file($name, $text) if defined $text }});
    ok(!$ok, "$name: httpd does not start");
    like($said, qr/CGISkin \S+$name: .*$error/, 'and says why');
    $s->file("htdocs/own/$name", $text) if defined $text;
    $s->file('htdocs/own/.htaccess', "CGISkin $name\n");
    my $mark = $s->mark;
    is(ask('GET', '/own/hello')->status, 500, "$name in .htaccess: 500");
    like($s->log_since($mark), qr/CGISkin \S+$name: .*$error/,
        'the log says why');
    is(ask('GET', '/own/go')->status, 200, 'files are served');
}
for ('/etc/passwd', '../x.skin', 'link.skin') {
    symlink "$root/plain.skin", "$root/htdocs/own/link.skin"
        if $_ eq 'link.skin';
    $s->file('htdocs/x.skin', '$<content>');
    $s->file('htdocs/own/.htaccess', "CGISkin $_\n");
    is(ask('GET', '/own/hello')->status, 500, "$_ in .htaccess: refused");
}

my ($ok, $said) = CGITest::Server->check({conf => "CGISkin pipe.skin\n",
    prepare => sub { POSIX::mkfifo($_[0]->root . '/pipe.skin', 0644) }});
like($said, qr/CGISkin \S+pipe.skin: it must be a file/, 'a pipe: refused');

# ---- ScriptLog has what the script said

$s->file('htdocs/own/.htaccess', '');
made("no header\n\n<p>x", '');
ok(CGITest::Proc::wait_until(10, sub {
    CGITest::Proc::slurp("$root/script_log") =~ /^%response\nno header/m
}), 'ScriptLog');
unlike(CGITest::Proc::slurp("$root/script_log"), qr/\{<p>/, 'not the template');

done_testing;
