# R6, R7, CONFORMANCE C5: sources of scripts and editors' copies are never
# served and never listed, whatever the method, the spelling of the URL, the
# module that looks for files, or the state of the file. Every hidden file here
# holds the word SECRET: no response may.
use strict;
use warnings;
use Apache::Test;
use Digest::SHA ();
use MIME::Base64 ();
use CGITest::Files;
use CGITest::Server;
use RunScripts;

my $httpd;
my $leaks = 0;

# A request, looked through for what must not be in it.
sub ask {
    my $response = request($httpd->port, @_);
    if ($response->{raw} =~ /SECRET/) {
        print "# leak: @_\n";
        $leaks++;
    }
    return $response;
}
sub status { return ask(@_)->{status} // 0 }

my %files = (
    'foo.doit' => script(), 'bar.nph' => nph_script(),
    'note.txt~' => "SECRET\n", '#note#' => "SECRET\n", 'foo~' => "SECRET\n",
    'dead.doit' => "SECRET, not executable\n", 'FOLD.DOIT' => "SECRET\n",
    '.doit' => "SECRET\n", 'plain.txt' => "plain\n",
);
my @hidden = ('foo.doit', 'bar.nph', 'note.txt~', '%23note%23', 'foo~',
    'dead.doit', 'FOLD.DOIT', '.doit', 'locked.doit');
my @never = ('none.doit', 'none.nph', 'none~', 'none%23');

my $conf = <<'EOC';
DocumentRoot "@root@/htdocs"
DavLockDB "@root@/davlock"
AddType text/html .html .shtml
AddType text/plain .txt
<Directory "@root@/htdocs">
    Options RunScripts FollowSymLinks
</Directory>
<Directory "@root@/htdocs/handler-cgi">
    AddHandler cgi-script .doit .nph
    Options +ExecCGI
</Directory>
<Directory "@root@/htdocs/handler-parsed">
    AddOutputFilter INCLUDES .doit
    AddHandler server-parsed .doit
    Options +Includes
</Directory>
<Directory "@root@/htdocs/handler-default">
    SetHandler default-handler
</Directory>
<Directory "@root@/htdocs/handler-ours">
    SetHandler runscripts
</Directory>
<Directory "@root@/htdocs/handler-rewrite">
    SetHandler redirect-handler
</Directory>
<Directory "@root@/htdocs/handler-none">
    SetHandler none
</Directory>
<Directory "@root@/htdocs/type-forced">
    ForceType text/plain
</Directory>
<Directory "@root@/htdocs/type-added">
    AddType text/plain .doit
    AddHandler type-map .nph
</Directory>
<Directory "@root@/htdocs/type-asis">
    AddHandler send-as-is .doit .nph ~
</Directory>
<Directory "@root@/htdocs/views">
    Options +MultiViews
    AddLanguage en .en
    AddEncoding x-gzip .gz
    AddType text/plain .doit .nph
    AddHandler type-map .var
</Directory>
<Directory "@root@/htdocs/spell">
    CheckSpelling On
</Directory>
<Directory "@root@/htdocs/spell/base">
    CheckSpelling On
    CheckBasenameMatch On
</Directory>
<Directory "@root@/htdocs/spell/narrow">
    CheckSpelling On
    <Files "*">
        Options -RunScripts
    </Files>
</Directory>
<Directory "@root@/htdocs/ssi">
    Options +Includes
    AddOutputFilter INCLUDES .shtml
</Directory>
<Directory "@root@/htdocs/index">
    DirectoryIndex foo.doit bar.nph note.txt~
    Options +Indexes
    <Files "bar.nph">
        Require all denied
    </Files>
    <Files "plain.txt~">
        Require all denied
    </Files>
</Directory>
<Directory "@root@/htdocs/error">
    ErrorDocument 404 /plain/foo.doit
</Directory>
<Directory "@root@/htdocs/fallback">
    FallbackResource /plain/foo.doit
</Directory>
<Directory "@root@/htdocs/rewrite">
    RewriteEngine On
    RewriteRule ^plain$ foo.doit [L]
    RewriteRule ^other$ /plain/foo.doit [L]
    RewriteRule ^(.*)\.old$ foo.doit/$1 [L]
    RewriteRule ^moved\.doit$ /plain/foo [R=301,L]
    RewriteRule ^passed\.doit$ /plain/foo [L]
    RedirectMatch 302 ^/rewrite/alias\.doit$ /plain/foo
</Directory>
RewriteEngine On
RewriteRule ^/pt$ /plain/foo.doit [PT]
RewriteRule ^/direct$ "@root@/htdocs/plain/foo.doit"
Alias /aliased "@root@/htdocs/plain/foo.doit"
AliasMatch ^/matched/(.*) "@root@/htdocs/plain/$1.doit"
<Directory "@root@/htdocs/dav">
    Dav On
</Directory>
<Directory "@root@/htdocs/dav/narrow">
    <If "true">
        Options -RunScripts
    </If>
</Directory>
<Directory "@root@/htdocs/dav-off">
    Dav On
    Options -RunScripts
</Directory>
<Directory "@root@/htdocs/one-off">
    <Files "foo.doit">
        Options -RunScripts
    </Files>
    <Files "dead.doit">
        Options None
    </Files>
    <If "true">
        Options -RunScripts
    </If>
</Directory>
<Directory "@root@/htdocs/off">
    Options -RunScripts
</Directory>
<Directory "@root@/htdocs/secured">
    AuthType Basic
    AuthName x
    AuthUserFile "@root@/users"
    Require valid-user
</Directory>
Alias /author "@root@/htdocs/plain"
<Location /author>
    Dav On
    Options -RunScripts
    SetHandler none
</Location>
EOC
# The forms of generated listings
my %listings = (
    plain => 'IndexOptions ShowForbidden',
    fancy => 'IndexOptions FancyIndexing ShowForbidden',
    table => 'IndexOptions FancyIndexing HTMLTable ShowForbidden',
    xhtml => 'IndexOptions FancyIndexing XHTML HTMLTable VersionSort '
        . 'ShowForbidden',
    titles => 'IndexOptions FancyIndexing ScanHTMLTitles FoldersFirst',
);
$conf .= "<Directory \"\@root\@/htdocs/index/$_\">\n$listings{$_}\n"
    . "</Directory>\n" for sort keys %listings;

my @methods = qw(GET HEAD POST PUT DELETE OPTIONS PATCH PROPFIND COPY FOO);
my @tails = ('', '/', '/x', '?q', '/x?q');
my @handlers = qw(handler-cgi handler-parsed handler-default handler-ours
    handler-rewrite handler-none type-forced type-added type-asis views spell
    ssi one-off dav);
my @odd = ('foo%2edoit', 'foo.do%69t', 'f%6fo.doi%74/', './foo.doit',
    'x/../foo.doit', 'x%2f..%2ffoo.doit', '.%2ffoo.doit', '%2e/foo.doit',
    '/foo.doit', '/////foo.doit//', 'foo.doit/.', 'foo.doit/x/..',
    'foo.doit%00', 'foo.doit%00.txt', 'foo.doit%20', 'foo.doit.', 'foo.doit;a',
    'foo.doit%2f', 'foo.doit%2fx', 'foo.doit%3fx', 'foo.doit%5c', 'foo.DoIt',
    'foo.doit%0a', '%66%6f%6f%2e%64%6f%69%74', 'foo%252edoit');

plan tests => (@hidden + @never) * (1 + @methods * @tails) + @odd + 1
    + 3 * @handlers + 4 * keys(%listings) + 93;

$httpd = CGITest::Server->plain(conf => $conf);
my $root = $httpd->root . '/htdocs';
write_file($httpd->root . '/users',
    'me:{SHA}' . MIME::Base64::encode(Digest::SHA::sha1('it')) . "\n");
my @dirs = (qw(plain index error fallback rewrite dav-off off secured
        spell/base spell/narrow dav/narrow), @handlers,
    map {"index/$_"} keys %listings);
for my $dir (@dirs) {
    tree("$root/$dir", %files, 'locked.doit' => script());
    chmod 0, "$root/$dir/locked.doit";
}

# --- by name, method and what follows ---
my $missing = ask('GET', '/plain/none');
sub same_page {
    my ($one, $two) = @_;
    for ($one, $two) { s/^Date:.*\n//m, s/^Vary:.*\n//m for $_->{head} }
    ($one, $two) = map { join "\0", CGITest::Server->without_url(
        qr{/plain/\S+}, @$_{qw(head body)}) } $one, $two;
    return $one eq $two;
}
for my $name (@hidden, @never) {
    my $response = ask('GET', "/plain/$name");
    ok($response->{status} == 404 && same_page($response, $missing));
    for my $method (@methods) {
        for my $tail (@tails) {
            my $status = status($method, "/plain/$name$tail");
            print "# $method $name$tail: $status\n" if $status != 404;
            ok($status == 404);
        }
    }
}
ok(status('GET', '/plain/foo.doit', Range => 'bytes=0-5') == 404);
for my $path (@odd) {
    my $status = status('GET', "/plain/$path");
    print "# $path: $status\n" if $status !~ /^40[04]$/;
    ok($status =~ /^40[04]$/);
}

# --- whatever handles the file ---
for my $dir (@handlers) {
    ok(status('GET', "/$dir/foo.doit") == 404);
    ok(status('POST', "/$dir/bar.nph/x", body => 'x') == 404);
    ok(status('GET', "/$dir/note.txt~") == 404);
    ask('GET', "/$dir/$_") for qw(foo foo?x foo/x bar dead.doit foo. note .);
    ask('POST', "/$dir/$_", body => 'x') for qw(foo bar dead);
}
# Where the type is known, httpd leaves the choice alone or we run the script.
ok(ran(ask('GET', '/handler-cgi/foo')) =~ /^foo\.doit/);
ok(ran(ask('GET', '/handler-parsed/foo')) =~ /^foo\.doit/);
ok(ran(ask('GET', '/handler-none/foo')) =~ /^foo\.doit/);
ok(ran(ask('GET', '/type-forced/foo')) =~ /^foo\.doit/);
ok(ask('GET', '/type-added/foo')->{header}{'content-type'} eq 'text/plain');
ok(ran(ask('GET', '/type-asis/bar')) =~ /^bar\.nph/);
# R10: not where another handler is set for the directory.
ok(status('GET', '/handler-default/foo') == 404);
# Nobody can name our handler and have a file run by it.
ok(status('GET', '/handler-ours/plain.txt') == 403);
ok($httpd->error_log =~ /runscripts must not be set by hand/);

# --- off for one file, by a condition: no script, but no text either ---
ok(status('GET', '/one-off/foo') == 404);
ok(status('GET', '/one-off/plain.txt') == 200);
# Off for a directory, or below a Location: ordinary files (see the page).
ok(request($httpd->port, 'GET', '/off/dead.doit')->{body} =~ /SECRET/);
ok(request($httpd->port, 'GET', '/author/foo.doit')->{body} =~ /SECRET/);

# --- by name only: a link of another name passes ---
symlink 'dead.doit', "$root/plain/source.txt" or die;
ok(request($httpd->port, 'GET', '/plain/source.txt')->{body} =~ /SECRET/);
symlink 'plain.txt', "$root/plain/link.doit" or die;
ok(status('GET', '/plain/link.doit') == 404);

# --- directories with such names are directories ---
tree("$root/plain", 'd.doit/in.txt' => "in\n", 'e~/in.txt' => "in\n");
ok(ask('GET', '/plain/d.doit/in.txt')->{body} eq "in\n");
ok(ask('GET', '/plain/e~/in.txt')->{body} eq "in\n");
ok(status('GET', '/plain/d.doit') == 301);

# --- listings ---
for my $form (sort keys %listings) {
    tree("$root/index/$form", 'plain.txt~' => "SECRET\n", 'sub.doit/' => '',
        'denied' => "SECRET\n");
    write_file("$root/index/$form/title.html",
        "<title>SHOWN</title>\n");
    my $page = ask('GET', "/index/$form/");
    ok($page->{status} == 200 && $page->{body} =~ /plain\.txt"/);
    ok($page->{body} !~ /foo\.doit|bar\.nph|dead|FOLD|"\.doit|locked/);
    ok($page->{body} !~ /~|%23|#/);
    ok($page->{body} =~ /sub\.doit\// && $page->{body} =~ /denied/);
}

# --- MultiViews ---
tree("$root/views", 'page.doit' => "SECRET\n", 'page.html.en' => "page\n",
    'only.nph' => "SECRET\n", 'lang.doit.en' => "copy\n",
    'lang.html.en' => "lang\n", 'pack.doit.gz' => "packed\n",
    'two.en.doit' => script(), 'three.doit~' => "SECRET\n",
    'map.var' => "URI: map\n\nURI: foo.doit\nContent-type: text/plain\n\n",
    'run.var' => "URI: run\n\nURI: foo\nContent-type: text/plain\n\n");
ok(status('GET', '/views/page.doit') == 404);
chmod 0755, "$root/views/page.doit";
write_file("$root/views/page.doit", script());
ok(ran(ask('GET', '/views/page')) =~ /^page\.doit/);
unlink "$root/views/page.doit";
write_file("$root/views/page.nph~", "SECRET\n");
ok(ask('GET', '/views/page')->{body} eq "page\n");
ok(status('GET', '/views/three') == 404);
ok(status('GET', '/views/page.nph') == 404);
# A variant that no client accepts: the list of 406 has no hidden names.
my $choice = ask('GET', '/views/lang', 'Accept' => 'image/png');
ok($choice->{status} == 406 && $choice->{body} !~ /lang\.doit"/);
# foo.doit.en and foo.doit.gz do not end in the suffix: ordinary files. The
# name foo.doit is refused all the same, and foo.en.doit is the script foo.en.
ok(ask('GET', '/views/lang.doit.en')->{body} eq "copy\n");
ok(status('GET', '/views/lang.doit') == 404);
ok(ask('GET', '/views/pack.doit.gz')->{body} eq "packed\n");
ok(status('GET', '/views/two.en.doit') == 404);
ok(ran(ask('GET', '/views/two.en')) eq 'two.en.doit|/views/two.en||GET');
ok(!ask('GET', '/views/two.en')->{header}{'content-language'});
ok(status('GET', '/views/two') == 404);
ok(status('GET', '/views/map.var') != 200);
ok(ran(ask('GET', '/views/run.var')) =~ /^foo\.doit/);

# --- mod_speling ---
tree("$root/spell", 'recipe.html' => "recipe\n", 'recipe.htmk~' => "SECRET\n",
    'letter.doit' => script(), 'letter' => "letter\n",
    'twin1.txt' => "1\n", 'twin2.txt' => "2\n", 'twin3.doit' => script());
my $spelt = ask('GET', '/spell/recipe.htm');
ok($spelt->{status} == 301
        && $spelt->{header}{location} =~ /\/spell\/recipe\.html$/);
for my $path ('foo.dot', 'dead.doi', 'bar.npg', 'foo.doit~', 'foo.dot/x?y=z',
    'note.tx~', 'RECIPE.HTMK~', 'a/../dead.doi') {
    my $response = ask('GET', "/spell/$path");
    ok($response->{status} == 404 && !$response->{header}{location}
            && $response->{body} !~ /href/);
}
ok(ask('GET', '/spell/lettre')->{header}{location} =~ /\/spell\/letter$/);
# Several that come near: the list has those that may be seen.
tree("$root/spell", 'thing1.doot' => "1\n", 'thing1.dojt' => "2\n");
tree("$root/spell", 'thing1.doit' => script());
my $list = ask('GET', '/spell/thing1.dost/in?q=1');
ok($list->{status} == 300 && $list->{body} !~ /doit/
        && $list->{body} =~ /thing1\.doot\/in/
        && $list->{body} =~ /thing1\.dojt/);
my $base = ask('GET', '/spell/base/plain.html');
ok(!CGITest::Server->since(2, 4, 50) # which has CheckBasenameMatch
        || $base->{status} == 300 && $base->{body} =~ /plain\.txt"/);
ok(status('GET', '/spell/base/dead.html') == 404);
ok(status('GET', '/spell/narrow/foo.dot') == 404);
ok(status('GET', '/spell/narrow/foo.doot') == 404);

# --- SSI ---
tree("$root/ssi",
    'page.shtml' => <<'EOS', 'run.shtml' => <<'EOR', 'never.shtml' => <<'EON');
<!--#include virtual="foo.doit" --><!--#include file="foo.doit" -->
<!--#include virtual="/plain/note.txt~" --><!--#include file="dead.doit" -->
<!--#fsize file="foo.doit" --><!--#flastmod virtual="foo.doit" -->end
EOS
<!--#include virtual="foo" -->|<!--#include virtual="foo/x?y" -->|end
EOR
<!--#include virtual="bar" -->end
EON
my $ssi = ask('GET', '/ssi/page.shtml');
my $errors = () = $ssi->{body} =~ /an error occurred/g;
ok($ssi->{status} == 200 && $errors == 6 && $ssi->{body} =~ /end/);
my $run = ask('GET', '/ssi/run.shtml');
ok($run->{body} eq "output of foo.doit\n|output of foo.doit\n|end\n");
my $nph = ask('GET', '/ssi/never.shtml');
ok($nph->{body} =~ /an error occurred/ && $nph->{body} !~ /output/);

# --- by way of other documents ---
ok(status('GET', '/index/') == 200);    # DirectoryIndex foo.doit
ok(ask('GET', '/index/')->{body} =~ /plain\.txt"/);
ok(status('GET', '/error/none') == 404);
ok(status('GET', '/fallback/none') == 404);
for my $url (qw(/rewrite/plain /rewrite/other /rewrite/x.old /pt /direct
        /aliased /aliased/x /matched/foo /matched/dead)) {
    my $status = status('GET', $url);
    print "# $url: $status\n" if $status != 404;
    ok($status == 404);
}
# ... but a rule for the old name may lead to the new one.
ok(ask('GET', '/rewrite/moved.doit')->{header}{location} =~ m{/plain/foo$});
ok(ask('GET', '/rewrite/alias.doit')->{header}{location} =~ m{/plain/foo$});
ok(ran(ask('GET', '/rewrite/passed.doit')) eq 'foo.doit|/plain/foo||GET');
tree("$root/local", 'go.doit' =>
        "#!/bin/sh\nprintf 'Location: /plain/foo.doit\\n\\n'\n");
ok(status('GET', '/local/go') == 404);

# --- WebDAV ---
my @depth = (Depth => 1);
ok(status('PROPFIND', '/dav/', Depth => 0) == 207);
ok(status('PROPFIND', '/dav/', @depth) == 403);
ok(status('PROPFIND', '/dav/') == 403);
ok(status('PROPFIND', '/dav/', Depth => 'infinity') == 403);
ok(status('PROPFIND', '/dav/foo.doit', Depth => 0) == 404);
ok(status('PROPFIND', '/dav/narrow/', @depth) == 403);
ok(status('PROPFIND', '/dav/plain.txt', @depth) == 207);
sub copy {
    my ($method, $from, $to) = @_;
    return status($method, $from,
        Destination => 'http://127.0.0.1:' . $httpd->port . $to);
}
ok(copy('COPY', '/dav/foo.doit', '/dav-off/stolen.txt') == 404);
ok(copy('MOVE', '/dav/foo.doit', '/dav-off/stolen.txt') == 404);
ok(copy('COPY', '/dav/', '/dav-off/all/') == 403);
ok(copy('COPY', '/dav/narrow/', '/dav-off/all/') == 403);
ok(copy('MOVE', '/dav/', '/dav-off/all/') == 403 && -e "$root/dav/foo.doit");
ok(copy('COPY', '/dav/plain.txt', '/dav/foo.doit') >= 400
        && -s "$root/dav/foo.doit" > 20);
ok(status('MKCOL', '/dav/dir.doit') == 404 && !-e "$root/dav/dir.doit");
ok(status('PROPPATCH', '/dav/dead.doit', body => '<x/>') == 404);
# What the page recommends: a URL for authors, without the option.
ok(request($httpd->port, 'PROPFIND', '/author/', @depth)->{body} =~
        /foo\.doit/);
ok(status('PUT', '/author/new.doit', body => "#!/bin/sh\n") == 201
        && -e "$root/plain/new.doit");
ok(!-e "$root/dav-off/stolen.txt" && !-e "$root/dav-off/all");
ok(status('PUT', '/dav/new.doit', body => "#!/bin/sh\n") == 404
        && !-e "$root/dav/new.doit");
ok(status('PUT', '/dav/new.txt', body => "new\n") == 201);
ok(status('DELETE', '/dav/foo.doit') == 404 && -e "$root/dav/foo.doit");

# --- behind authentication, as if nothing was there ---
ok(status('GET', '/secured/foo.doit') == 401);
my @me = (Authorization => 'Basic ' . MIME::Base64::encode('me:it', ''));
ok(status('GET', '/secured/foo.doit', @me) == 404);
ok(ran(ask('GET', '/secured/foo', @me)) ne '');

ok($leaks == 0);
