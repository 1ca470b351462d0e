# mpm: all, with ALL=1
# C6: no such file, not a file, not executable; static=on as Fossil has its
# extension directory (SEMANTICS rows 68-73, 83): the execute bit decides, the
# shortest name that is a file, and one and the same 404 for every failure.
use strict;
use warnings;
use Apache::Test;
use Route;

my %files = (
    'cgi/run.cgi'      => show_script('run'),
    'cgi/noexec.cgi'   => "print 'SOURCE'\n",
    'cgi/dir.cgi/'     => '',
    'cgi/dir.cgi/x'    => "x\n",
    'second/other.cgi' => show_script('second'),
    'second/noexec.cgi' => show_script('second'),
    'second/dir.cgi'   => show_script('second'),
    'ext/prog'         => show_script('prog'),
    'ext/prog.txt'     => "#!/bin/sh\n" . "text, executable\n",
    'ext/page.html'    => "<p>page\n",
    'ext/script.cgi'   => "not executable: plain text\n",
    'ext/script.php'   => "not executable: <?php\n",
    'ext/index.html'   => "<p>index\n",
    'ext/index.wiki'   => "wiki\n",
    'ext/list.txt'     => 'x' x 1000,
    'ext/da~ta'        => "DATA\n",
    'ext/.hidden'      => "DATA\n",
    'ext/-dash'        => "DATA\n",
    'ext/sp ace'       => "DATA\n",
    'ext/noread'       => "DATA\n",
    'ext/sub/index.html' => show_script('index'),
    'ext/sub/prog'     => show_script('subprog'),
    'ext/sub/file/x'   => "not reached\n",
    'ext/noindex/x'    => "x\n",
    'ext/.git/config'  => "DATA\n",
    'ext/groupx'       => show_script('groupx'),
    'alias/run.cgi'    => "from the alias\n",
);

my $httpd = routes(<<'EOC', \%files);
CGIRoute "^/two/([^/]+)" "\1" dir="@TREE@/cgi"
CGIRoute "^/two/([^/]+)" "\1" dir="@TREE@/second"
CGIRoute "^/alias/([^/]+)" "\1" dir="@TREE@/second"
Alias "/alias" "@TREE@/alias"
CGIRoute "^/file(.*)$" "run.cgi\1" dir="@TREE@/cgi"
CGIRoute "^/ext/(.*)$" "\1" dir="@TREE@/ext" static=on
CGIRoute "^/ext" "run.cgi" dir="@TREE@/cgi"
CGIRoute "^/part/([^/]*)" "\1" dir="@TREE@/ext" static=on
AddHandler cgi-script .cgi .php
AddType text/html .html
AddType text/plain .txt
Action text/plain /two/run.cgi
<Directory "@TREE@/alias">
    RemoveHandler .cgi
    Require all granted
</Directory>
EOC
my ($port, $tree) = ($httpd->port, $httpd->{tree});
chmod 0000, "$tree/ext/noread";
chmod 0610, "$tree/ext/groupx";

sub answer {
    my ($method, $path, @more) = @_;
    my $response = request($port, $method, $path, @more);
    return vars($response)->{SHOW_NAME} // $response->{status};
}

my @cases = (
    # C6
    ['/two/run.cgi', 'run'],
    ['/two/other.cgi', 'second'],         # not in the first: the next route
    ['/two/none.cgi', 404],
    ['/two/dir.cgi', 'second'],           # not a file
    ['/two/noexec.cgi', 403],             # final, though the next has it
    ['/alias/run.cgi', 200],              # then the rest of httpd
    ['/alias/other.cgi', 'second'],       # routes before aliases
    ['/file', 'run'],
    ['/file/x', 404],                     # ENOTDIR is no such file
    ['/file' . 'x' x 300, 403],           # ENAMETOOLONG too; says core
    # static=on: the first file, its rest is PATH_INFO
    ['/ext/prog', 'prog'],
    ['/ext/prog/a/b', 'prog'],
    ['/ext/prog/', 'prog'],
    ['/ext/sub/prog', 'subprog'],
    ['/ext/sub/prog/x', 'subprog'],
    ['/ext/groupx', $> ? 404 : 'groupx'],    # 0610: its owner may not
    ['/ext/page.html', 200],
    ['/ext/', 200],
    ['/ext/sub/', 'index'],
    ['/ext/sub//', 'index'],
    # and what fails
    ['/ext/none', 404],
    ['/ext/none/x', 404],
    ['/ext/sub', 404],
    ['/ext/noindex/', 404],
    ['/ext/noindex', 404],
    ['/ext/page.html/', 404],
    ['/ext/page.html/x', 404],
    ['/ext/sub/file/x/y', 404],
    ['/ext/da~ta', 404],
    ['/ext/da%7eta', 404],
    ['/ext/.hidden', 404],
    ['/ext/-dash', 404],
    ['/ext/sp%20ace', 404],
    ['/ext/.git/config', 404],
    ['/ext/prog/a%20b', 404],
    ['/ext/prog/.x', 404],
    ['/ext/sub/none', 404],
    # what the regular expression does not capture is not restricted
    ['/part/prog/a%20b', 'prog'],
    ['/part/page.html/a', 404],
);
plan tests => @cases + 32;
for (@cases) {
    my ($path, $expected) = @$_;
    my $got = answer('GET', $path);
    print "# $path: $got, not $expected\n" unless $got =~ /^$expected$/;
    ok($got =~ /^$expected$/);
}

ok(request($port, 'GET', '/alias/run.cgi')->{body} eq "from the alias\n");
my $response = request($port, 'GET', '/two/noexec.cgi');
ok($response->{body} !~ /SOURCE/);

# SCRIPT_NAME and PATH_INFO of static=on
for (['/ext/prog/a/b', '/ext/prog', '/a/b'], ['/ext/prog', '/ext/prog', undef],
     ['/ext/sub/', '/ext/sub/', undef], ['/ext/prog/', '/ext/prog', '/'],
     ['/part/prog/x', '/part/prog', '/x']) {
    my ($path, $name, $info) = @$_;
    my $got = show($httpd, $path);
    ok($got->{SCRIPT_NAME} eq $name);
    ok(($got->{PATH_INFO} // 'none') eq ($info // 'none'));
}
ok(show($httpd, '/ext/sub/')->{SCRIPT_FILENAME} eq "$tree/ext/sub/index.html");

# A static file has what httpd gives static files, whatever its suffix says.
$response = request($port, 'GET', '/ext/page.html');
ok($response->{body} eq "<p>page\n");
ok($response->{header}{'content-type'} =~ m{^text/html});
ok($response->{header}{etag} && $response->{header}{'last-modified'});
$response = request($port, 'GET', '/ext/list.txt', Range => 'bytes=10-19');
ok($response->{status} == 206 && length $response->{body} == 10);
for my $name (qw(script.cgi script.php)) {
    $response = request($port, 'GET', "/ext/$name");
    ok($response->{status} == 200 && $response->{body} =~ /^not executable/);
}
ok(request($port, 'PUT', '/ext/page.html', body => 'x')->{status} == 405);
ok(answer('POST', '/ext/prog', body => 'x') eq 'prog');
ok(answer('DELETE', '/ext/none') == 404);

# Executable whatever its name and type is.
$response = request($port, 'GET', '/ext/prog.txt');
ok($response->{body} !~ /executable/);

# Not readable: 404 as well. (Root can read everything.)
$response = request($port, 'GET', '/ext/noread');
ok($> == 0 || $response->{status} == 404);
ok($response->{body} !~ /DATA/ || $> == 0);

# The same page for every failure, and the reason in the log only.
my %pages;
my $log = log_of($httpd, sub {
    for my $path (qw(none da~ta .hidden sub noindex/ page.html/x -dash
                     sub/none loop)) {
        my $r = request($port, 'GET', "/ext/$path");
        $r->{head} =~ s/^Date:.*\n//m;
        $pages{join '', CGITest::Server->without_url(qr{\Q/ext/$path\E},
            @$r{qw(head body)})}++;
    }
});
print "# $_\n" for keys %pages;
ok(keys %pages == 1);
ok($log !~ /cgiroute:error/);
ok($log =~ /refuses the request with 404: a captured name has a character/);
ok($log =~ /refuses the request with 404: there is no such file/);

# C6: a directory that may not be entered is no reason to try the next
mkdir "$tree/cgi/closed";
chmod 0000, "$tree/cgi/closed";
my $closed = show($httpd, '/two/closed');
ok($closed->{STATUS} == 404);
chmod 0000, "$tree/second";
$log = log_of($httpd, sub {
    ok($> == 0 || answer('GET', '/two/other.cgi') == 403);
});
ok($> == 0 || $log =~ /cgiroute:error.*can't be looked at/);
chmod 0755, "$tree/second", "$tree/cgi/closed";
