# Pages of PHP that begin with #! and the path of php-cgi, under both modules.
# REDIRECT_STATUS is set for them, and php-cgi runs no other file than them;
# php-cgi itself, asked for by URL, still refuses.
use strict;
use warnings;
use Apache::Test;
use Program qw(program need_program);
use Route;

my $php = program('php-cgi');
plan tests => 19, sub { need_program('php-cgi') };

my $page = <<'E';
<?php header('Content-Type: text/plain');
echo 'PAGE ', basename(__FILE__), ' ', $_SERVER['REDIRECT_STATUS'] ?? 'none',
    ' ', $_SERVER['PATH_INFO'] ?? '', ' ', $_SERVER['QUERY_STRING'], "\n";
E
my %files = (
    'site/page.doit' => "#!$php\n$page",
    'site/env.doit' => "#!/usr/bin/env php-cgi\n$page",
    'site/sh.doit' => show_script('sh'),
    'site/secret/file.txt' => "SECRET <?php echo 'RUN'; ?>\n",
    'site/.htaccess' => "RewriteEngine on\nRewriteRule ^nice(.*)\$ page\$1\n",
    'cgi/page' => "#!$php -q\n$page",
);
my $httpd = routes(<<'EOC', \%files);
DocumentRoot "@TREE@/site"
<Directory "@TREE@">
    Options FollowSymLinks
    Require all granted
</Directory>
<Directory "@TREE@/site">
    Options +RunScripts
    AllowOverride FileInfo
</Directory>
CGIRoute "^/cgi-bin/([^/]+)" "\1" dir="@TREE@/cgi"
<CGIRoute "^/own" "page" dir="@TREE@/cgi">
    SetEnv REDIRECT_STATUS 204
</CGIRoute>
EOC
symlink $php, "$httpd->{tree}/cgi/php" or die "symlink: $!";
my $port = $httpd->port;

sub body { return request($port, 'GET', shift)->{body} }

is(body('/page'), "PAGE page.doit 200  \n", '#! under mod_runscripts');
is(body('/env/x'), "PAGE env.doit 200 /x \n", '#! by way of env');
is(body('/cgi-bin/page/x'), "PAGE page 200 /x \n", '#! of a route');
is(body('/own'), "PAGE page 204  \n", 'SetEnv wins');
is(body('/sh') =~ /REDIRECT_STATUS/ ? 'set' : 'none', 'none',
    'other scripts have none');

# Another file never, though PATH_TRANSLATED is one
for my $url ('/page', '/env', '/cgi-bin/page') {
    my $body = body("$url/secret/file.txt");
    ok($body =~ /^PAGE .* 200 \/secret\/file.txt $/ && $body !~ /SECRET|RUN/);
}
# also after a redirect inside of httpd
my $body = body('/nice/secret/file.txt');
print "# $body\n";
ok($body =~ /^PAGE page\.doit 200 / && $body !~ /SECRET|RUN/);

# no word of a query is an option of php-cgi (CVE-2012-1823)
for my $query ('-s', '-n+-s', '-d+auto_prepend_file%3d/etc/passwd', '%2ds') {
    is(body("/page?$query"), "PAGE page.doit 200  $query\n", $query);
    is(body("/cgi-bin/page?$query"), "PAGE page 200  $query\n", $query);
}

# what REDIRECT_STATUS is there for
my $response = request($port, 'GET', '/cgi-bin/php/secret/file.txt');
ok($response->{status} >= 400
   || $response->{body} =~ /force-cgi-redirect/);
ok($response->{body} !~ /SECRET|RUN|PAGE/);
