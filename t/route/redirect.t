# C4, C5: after a redirect inside of httpd, php-cgi takes PATH_TRANSLATED for
# the script, if it has one: a file that the URL chooses, such as an upload.
use strict;
use warnings;
use Apache::Test;
use Route;

my $php = (grep { -x } '/usr/bin/php-cgi')[0];
plan tests => 6, $php ? sub { need_module('rewrite') }
    : sub { skip_reason('no php-cgi') };

my %files = (
    'app/index.php' => "<?php\nheader('Content-Type: text/plain');\n"
        . "echo 'INDEX ', \$_SERVER['PATH_INFO']\n"
        . "?? \$_SERVER['ORIG_PATH_INFO'] ?? '', ' ',\n"
        . "getenv('PATH_TRANSLATED'), \"\\n\";\n",
    'site/up/image.gif' => "GIF <?php echo 'UPLOAD RAN'; ?>\n",
);
my $httpd = routes(<<'EOC', \%files);
DocumentRoot "@TREE@/site"
<Directory "@TREE@">
    Require all granted
</Directory>
CGIRoute "^/app/(.*?\.php)(?=/|$)" "\1" dir="@TREE@/app" exec="/usr/bin/php-cgi"
ErrorDocument 404 /app/index.php/up/image.gif
<Directory "@TREE@/site">
    RewriteEngine On
    RewriteRule "^go/(.*)$" "/app/index.php/$1"
</Directory>
EOC

# @return the body
sub body {
    my $r = request($httpd->port, 'GET', $_[0]);
    print "# $r->{status} $r->{body}\n";
    return $r->{body};
}

my $got = body('/app/index.php/up/image.gif');
ok($got eq "INDEX /up/image.gif $httpd->{tree}/site/up/image.gif\n");
ok(body('/up/image.gif') =~ /<\?php/);    # it is a file like any other
for my $url ('/go/up/image.gif', '/none') {
    $got = body($url);
    ok($got !~ /RAN/);
    ok($got eq "INDEX /up/image.gif \n");
}
