# mpm: all, with ALL=1
# DOCUMENT_ROOT is the server's, or what a SetEnv in the section says.
# CONTEXT_DOCUMENT_ROOT is the route's directory, CONTEXT_PREFIX what stands
# for it in the URL: as Alias has it.
use strict;
use warnings;
use Apache::Test;
use Route;

my %files = (
    'cgi/show' => show_script('show'),
    'cgi/index.cgi' => show_script('index'),
    'cgi/sub/index.cgi' => show_script('sub'),
    'cgi/sub/deep/show' => show_script('deep'),
    'cgi/index.html' => show_script('html'),
    'cgi/.htaccess' => "RewriteEngine on\nRewriteRule ^old\$ show\n",
    'cgi/old' => "#!/bin/sh\n",
    'site/x' => "x\n",
    'front/front.cgi' => show_script('front'),
    'front/.htaccess' => "RewriteEngine on\n"
        . "RewriteCond %{QUERY_STRING} file\nRewriteRule ^front file.txt\n",
);
my $httpd = routes(<<'EOC', \%files);
DocumentRoot "@TREE@/site"
<Directory "@TREE@">
    Options FollowSymLinks
    AllowOverride FileInfo
    Require all granted
</Directory>
DirectoryIndex x-index
CGIRoute "^/cgi-bin/(.+?)(?=/info|$)" "\1" dir="@TREE@/cgi"
CGIRoute "^/front/(\w+)" "front.cgi" dir="@TREE@/front"
CGIRoute "^/other" "show" dir="@TREE@/cgi"
CGIRoute "^/host/(\w+)" "\1" dir="@TREE@/cgi/%{host}"
CGIRoute "^/index/(?:(.*)/)?$" "\1/index.cgi" dir="@TREE@/cgi"
CGIRoute "^/absolute/show" "@TREE@/cgi/show"
CGIRoute "^/absolute" "@TREE@/cgi/show" dir="@TREE@/site"
CGIRoute "^/ext/(.*)$" "\1" dir="@TREE@/cgi" static=on
CGIRoute "^/static/(.*)$" "@TREE@/cgi/\1" static=on
<CGIRoute "^/set/(\w+)" "show" dir="@TREE@/cgi">
    SetEnv DOCUMENT_ROOT "/srv/\1"
</CGIRoute>
<CGIRoute "^/unset" "show" dir="@TREE@/cgi">
    SetEnv DOCUMENT_ROOT "/srv"
    UnsetEnv DOCUMENT_ROOT
</CGIRoute>
<CGIRoute "^/misspelled" "show" dir="@TREE@/cgi">
    SetEnv DOCUMENT.ROOT "/srv"
    SetEnv document_root "/srv"
</CGIRoute>
<CGIRoute "/x-(index)$" "show" dir="@TREE@/cgi">
    SetEnv DOCUMENT_ROOT "/srv/\1"
</CGIRoute>
<Location "/none">
    CGIRoute "" "show" dir="@TREE@/cgi"
</Location>
EOC
my $tree = $httpd->{tree};

# URL, then DOCUMENT_ROOT, CONTEXT_DOCUMENT_ROOT and CONTEXT_PREFIX, all below
# the tree's directory or as they are
my @cases = (
    ['/cgi-bin/show', 'site', 'cgi', '/cgi-bin'],
    ['/cgi-bin/show/info', 'site', 'cgi', '/cgi-bin'],
    ['/cgi-bin/sub/deep/show', 'site', 'cgi', '/cgi-bin'],
    ['/other/info', 'site', 'cgi', '/other'],
    ['/index/', 'site', 'cgi', '/index'],
    ['/index/sub/', 'site', 'cgi', '/index'],
    ['/absolute', 'site', 'cgi', '/absolute'],
    ['/absolute/show', 'site', 'cgi', '/absolute'],
    ['/ext/show/info', 'site', 'cgi', '/ext'],
    ['/ext/sub/deep/show', 'site', 'cgi', '/ext'],
    ['/ext/', 'site', 'cgi', '/ext'],
    ['/static/sub/deep/show', 'site', 'cgi/sub/deep', '/static/sub/deep'],
    ['/set/one', '/srv/one', 'cgi', '/set/one'],
    ['/unset', 'site', 'cgi', '/unset'],
    ['/misspelled', 'site', 'cgi', '/misspelled'],
    # DirectoryIndex
    ['/', '/srv/index', 'cgi', '/x-index'],
    ['/none/x', 'site', 'cgi', '/none'],
);
plan tests => @cases + 4;

for my $case (@cases) {
    my ($url, $root, $context, $prefix) = @$case;
    my $got = show($httpd, $url);
    my @got = map { $got->{$_} // 'none' }
        qw(DOCUMENT_ROOT CONTEXT_DOCUMENT_ROOT CONTEXT_PREFIX);
    my @expected = (map({ m{^/} ? $_ : "$tree/$_" } $root, $context), $prefix);
    print "# $url: @got, not @expected\n" if "@got" ne "@expected";
    ok("@got" eq "@expected");
}

# One variable, whatever else is spelled like it
my $body = request($httpd->port, 'GET', '/misspelled')->{body};
ok(1 == (() = $body =~ /^DOCUMENT_ROOT=/mgi));

# mod_rewrite finds the URL of a file beside the program
ok(show($httpd, '/cgi-bin/old')->{SCRIPT_NAME} eq '/cgi-bin/show');

# ... and does not take SCRIPT_NAME for the directory's URL, which would lead to
# the program again and again
ok(show($httpd, '/front/a')->{SHOW_NAME} eq 'front');
ok(request($httpd->port, 'GET', '/front/a?file')->{status} == 404);
