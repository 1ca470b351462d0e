# mpm: all, with ALL=1
# C5 (and C1 of CONFORMANCE): exec= starts the program with its words and the
# script's path: no shell, no word of the query; the script must be readable,
# not executable; REDIRECT_STATUS is set.
use strict;
use warnings;
use Apache::Test;
use Route;

my %files = (
    'scripts/plain.pl'   => show_script('plain') =~ s/^#!.*\n//r,
    'scripts/a b;c.pl'   => "#" . show_script('odd') =~ s/^#!.*\n//r,
    'scripts/secret.pl'  => "print qq(X: y\\n\\nSECRET\\n);\n",
    'scripts/x.sh'       => "echo Content-Type: text/plain\necho\n"
        . "echo SHOW_ARGS=\"[\$0][\$1]\"\necho SHOW_NAME=sh\n",
    'scripts/x.py'       => "import sys\nprint('Content-Type: text/plain\\n')"
        . "\nprint('SHOW_ARGS=' + ''.join('[%s]' % a for a in sys.argv))\n",
    # reports its own words: stands for any interpreter
    'bin/my interpreter' => show_script('interpreter'),
    'bin/unexecutable'   => "just text\n",
    'index/index.php'    => "<?php\nheader('Content-Type: text/plain');\n"
        . "echo 'SHOW_ARGS=', '[', implode('][', \$_SERVER['argv'] ?? []),"
        . " ']', \"\\n\", 'SHOW_NAME=index', \"\\n\",\n"
        . "'SCRIPT_FILENAME=', \$_SERVER['SCRIPT_FILENAME'], \"\\n\";\n",
);
$files{'index/sub/x.php'} = $files{'index/index.php'} =~ s/=index/=x/r;
my $python = (grep { -x } '/usr/bin/python3')[0];
my $php = (grep { -x } '/usr/bin/php-cgi')[0];

my $conf = <<'EOC';
CGIRoute "^/perl/(.*\.pl)" "\1" dir="@TREE@/scripts" exec="/usr/bin/perl -T"
CGIRoute "^/any/(.*\.pl)" "\1" dir="@TREE@/scripts" exec=/usr/bin/perl names=any
CGIRoute "^/sh/(\w+)" "\1.sh" dir="@TREE@/scripts" exec=/bin/sh
CGIRoute "^/words" "plain.pl" dir="@TREE@/scripts" \
    exec="'@TREE@/bin/my interpreter' -d x=1 'two words' \"\" $1 %{host} \
    `id` ; *"
CGIRoute "^/args" "plain.pl" dir="@TREE@/scripts" "exec=/usr/bin/perl"
<Location "/args">
    CGIArgs On
</Location>
EOC
$conf =~ s/\\\n\s*//g;
$conf .= <<'EOC' if $python;
CGIRoute "^/py/(\w+)" "\1.py" dir="@TREE@/scripts" exec="/usr/bin/python3 -I"
EOC
$conf .= <<'EOC' if $php;
CGIRoute "^/(?:(.*)/)?$" "\1/index.php" dir="@TREE@/index" \
    exec="/usr/bin/php-cgi -d register_argc_argv=1"
CGIRoute "^/(.+\.php)$" "\1" dir="@TREE@/index" \
    exec="/usr/bin/php-cgi -d register_argc_argv=1"
EOC

plan tests => 39;
my $httpd = routes($conf, \%files);
my ($port, $tree) = ($httpd->port, $httpd->{tree});

my $got = show($httpd, '/perl/plain.pl/info?a=b');
ok($got->{SHOW_NAME} eq 'plain');
ok($got->{SHOW_ARGS} eq '');
ok($got->{SHOW_CWD} eq "$tree/scripts");
ok($got->{REDIRECT_STATUS} eq '200');
ok($got->{SCRIPT_FILENAME} eq "$tree/scripts/plain.pl");
ok($got->{SCRIPT_NAME} eq '/perl/plain.pl' && $got->{PATH_INFO} eq '/info');

# argv[0] is the program, then come its words, then the script's path
$got = show($httpd, '/words');
print "# $got->{SHOW_ARGS}\n";
ok($got->{SHOW_ARGS} eq
   "[-d][x=1][two words][][\$1][%{host}][`id`][;][*][$tree/scripts/plain.pl]");

# no word of a query, whatever it looks like, also where CGIArgs is on
for my $query ('-s', '--version', '%2ds', 'a+-e+b', '-d+x=1', 'word', '', '+',
               '-d%20allow_url_include%3d1') {
    for my $path ('/args', '/words') {
        $got = show($httpd, "$path?$query");
        my $words = $path eq '/args' ? '' : show($httpd, '/words')->{SHOW_ARGS};
        print "# $path?$query: $got->{SHOW_ARGS}\n"
            if $got->{SHOW_ARGS} ne $words;
        ok($got->{SHOW_ARGS} eq $words);
    }
}
my $post = request($port, 'POST', '/args?-s', body => 'x');
ok(vars($post)->{SHOW_ARGS} eq '');

# one argument, whatever is in the name
$got = show($httpd, '/any/a%20b%3Bc.pl');
ok($got->{SHOW_NAME} eq 'odd');
ok(show($httpd, '/sh/x')->{SHOW_ARGS} eq "[$tree/scripts/x.sh][]");
skip(!$python, sub { show($httpd, '/py/x')->{SHOW_ARGS}
                         eq "[$tree/scripts/x.py]" });

# readable is enough and is needed; 403 else, and never the source
chmod 0000, "$tree/scripts/secret.pl";
my $log = log_of($httpd, sub {
    my $response = request($port, 'GET', '/perl/secret.pl');
    ok($> == 0 || $response->{status} == 403);
    ok($> == 0 || $response->{body} !~ /SECRET/);
});
ok($> == 0 || $log =~ /secret\.pl.*must be readable/);
chmod 0311, "$tree/scripts/secret.pl";
ok($> == 0 || request($port, 'GET', '/perl/secret.pl')->{status} == 403);

# PHP: the page of a directory, and the trap of a general route before it
if ($php) {
    ok(show($httpd, '/')->{SHOW_NAME} eq 'index');
    ok(show($httpd, '/sub/x.php')->{SHOW_NAME} eq 'x');
    ok(show($httpd, '/sub/x.php')->{SCRIPT_FILENAME}
       eq "$tree/index/sub/x.php");
    ok(show($httpd, '/sub/')->{STATUS} == 404);
    ok(request($port, 'GET', '/?-s')->{body} =~ /^SHOW_NAME=index$/m);
    ok(request($port, 'GET', '/?-s')->{body} !~ /&lt;\?php|<\?php/);
}
else {
    skip('php-cgi is not installed') for 1 .. 6;
}
