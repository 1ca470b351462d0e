# The recipes of doc/mod_cgiroute.md, as they stand there: only /srv is another
# directory.
use strict;
use warnings;
use Apache::Test;
use CGITest::Files;
use MIME::Base64 'encode_base64';
use Route;

my $page = read_file(Apache::Test::vars('top_dir')
    . '/doc/mod_cgiroute.md');
my ($section) = $page =~ /^## Recipes\n(.*?)^## /ms;
my @recipes = split /^### /m, $section;
shift @recipes;

my %files = (
    'app/app.cgi' => show_script('app'),
    'app/htdocs/file.txt' => "FILE\n",
    'app/ext/prog' => show_script('prog'),
    'app/capabilities' => "ann read,write\n",
    'app/users' => join('', map { "$_:" . crypt('pw', '$6$saltsalt$') . "\n" }
                        qw(ann bob)),
    'docs/.well-known/x' => "KNOWN\n",
);
# all in one server: the most general route comes last
my $conf = join '', sort { ($a =~ /"\^\(/) <=> ($b =~ /"\^\(/) } map {
    map { s/^    //mgr } /^((?:    .*\n)+)/mg
} @recipes;
print map { "# $_\n" } split /\n/, $conf;
$conf =~ s{/srv/}{\@TREE\@/}g;
my $httpd = routes(<<"EOC", \%files);
DocumentRoot "\@TREE\@/docs"
<Directory "\@TREE\@">
    Require all granted
</Directory>
$conf
EOC
my $port = $httpd->port;

plan tests => 23;

sub body { return request($port, 'GET', shift)->{body} }

is(scalar @recipes, 4, 'recipes');

# Files first, then the program
is(show($httpd, '/one/x')->{SHOW_NAME}, 'app', 'look-ahead: the program');
is(show($httpd, '/one/chromes')->{SHOW_NAME}, 'app', 'of a name like it');
is(body('/one/chrome/file.txt'), "FILE\n", 'Alias: the file');
is(request($port, 'GET', '/one/chrome/none')->{status}, 404, 'no file');
is(show($httpd, '/any/thing')->{SHOW_NAME}, 'app', 'all URLs but a few');
is(body('/.well-known/x'), "KNOWN\n", 'which are files');
is(show($httpd, '/two/p/x')->{SHOW_NAME}, 'app', 'two routes: the program');
is(body('/two/p/chrome/file.txt'), "FILE\n", 'the file');
is(request($port, 'GET', '/two/p/chrome/none')->{status}, 404, 'no file');
is(show($httpd, '/three/x')->{SHOW_NAME}, 'app', 'mod_rewrite: the program');
is(show($httpd, '/three/x')->{PATH_INFO}, '/x', 'its PATH_INFO');
is(body('/three/file.txt'), "FILE\n", 'the file');

# A user's name and capabilities
is(request($port, 'GET', '/ext/prog')->{status}, 401, 'no password');
for (['ann', 'read,write'], ['bob', 'none']) {
    my ($user, $expected) = @$_;
    my $got = show($httpd, '/ext/prog', 'Authorization',
                   'Basic ' . encode_base64("$user:pw", ''));
    is($got->{FOSSIL_USER}, $user, 'FOSSIL_USER');
    is($got->{FOSSIL_CAPABILITIES}, $expected, 'FOSSIL_CAPABILITIES');
}

# A nonce
my @nonces = map {
    my $response = request($port, 'GET', '/app');
    my $nonce = vars($response)->{CSP_NONCE} // '';
    is($response->{header}{'content-security-policy'},
       "script-src 'nonce-$nonce'", 'the header has it');
    $nonce;
} 1, 2;
ok($nonces[0] =~ /^[0-9a-f]{40}$/);
ok($nonces[1] =~ /^[0-9a-f]{40}$/);
ok($nonces[0] ne $nonces[1]);
