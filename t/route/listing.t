# mpm: all, with ALL=1
# listing=on: the page of a directory has what the client may ask for, and
# nothing else.
use strict;
use warnings;
use Apache::Test;
use Digest::SHA 'sha256_base64';
use Route;

my %files = (
    'ext/prog'           => show_script('prog'),
    'ext/page.html'      => "<p>page\n",
    'ext/data~'          => "DATA\n",
    'ext/.hidden'        => "DATA\n",
    'ext/-dash'          => "DATA\n",
    'ext/sp ace'         => "DATA\n",
    'ext/a&<b>"c'        => "DATA\n",
'ext/c:d'            => "DATA\n",
    'ext/secret/x'       => "x\n",
    'ext/denied'         => show_script('denied'),
    'ext/elsewhere'      => show_script('elsewhere'),
    'ext/noread'         => "DATA\n",
    'ext/link'           => \'page.html',
    'ext/dead'           => \'nothing',
    'ext/.git/config'    => "DATA\n",
    'ext/sub/index.html' => "<p>index\n",
    'ext/sub/prog'       => show_script('sub'),
    'ext/more/prog2'     => show_script('more'),
    'ext/more/empty/'    => '',
    'ext/closed/x'       => "x\n",
    'other'              => show_script('other'),
);
my $httpd = routes(<<'EOC', \%files);
CGIRoute "^/ext/elsewhere" "other" dir="@TREE@"
CGIRoute "^/ext/(.*)$" "\1" dir="@TREE@/ext" static=on listing=on
CGIRoute "^/any/(.*)$" "\1" dir="@TREE@/ext" static=on listing=on names=any
CGIRoute "^/off/(.*)$" "\1" dir="@TREE@/ext" static=on
CGIRoute "^/all(.*)$" "\1" dir="@TREE@/ext" static=on listing=on
DirectoryIndex prog index.html
AddType text/html .html
<Location "/ext/secret/">
    Require env letmein
</Location>
<Location "/any/more/">
    Require all denied
</Location>
SetEnvIf X-Key sesame letmein
<Files "denied">
    Require all denied
</Files>
<Directory "@TREE@">
    Options -FollowSymLinks
    Require all granted
</Directory>
EOC
my ($port, $tree) = ($httpd->port, $httpd->{tree});
chmod 0000, "$tree/ext/noread";
chmod 0000, "$tree/ext/closed";
END { chmod 0700, "$tree/ext/closed" if $tree }

# The names of a listing, each with what it is; or the status.
sub listed {
    my ($path, @more) = @_;
    my $response = request($port, 'GET', $path, @more);
    return $response->{status} if $response->{status} != 200;
    my @found = $response->{body}
        =~ m{<a href="(.*?)">.*?</a></td><td>(\w+)</td>}g;
    my $text = '';
    while (my ($name, $kind) = splice @found, 0, 2) {
        $text .= ' ' . substr($kind, 0, 1) . ":$name";
    }
    return $text;
}

my @cases = (
    ['/ext/', ' d:more/ f:page.html p:prog d:sub/'],
    ['/any/', ' f:a&amp;%3cb%3e%22c f:./c:d p:elsewhere f:page.html p:prog d:secret/'
        . ' f:sp%20ace d:sub/'],
    ['/ext/more/', ' d:../ d:empty/ p:prog2'],
    ['/ext/more/empty/', ' d:../'],
    ['/ext/more', 404],
    ['/ext/none/', 404],
    ['/ext/closed/', 404],
    ['/ext/prog/', 200],
    ['/off/', 404],
    ['/all', 404],
    ['/ext/.git/', 404],
    ['/ext/sub/', ''],
);
plan tests => @cases + 12;

for my $case (@cases) {
    my ($path, $expected) = @$case;
    my $got = listed($path);
    $got = 200 if $expected eq '200' && $got eq '';
    is($got, $expected, $path);
}
is(listed('/ext/', 'X-Key' => 'sesame'),
    ' d:more/ f:page.html p:prog d:secret/ d:sub/', 'for who may see more');

my $response = request($port, 'GET', '/any/');
is($response->{body} =~ m{>a&amp;&lt;b&gt;&quot;c</a>} ? 1 : 0, 1, 'escaped');
my ($style) = $response->{body} =~ m{<style>(.*?)</style>}s;
is(index($response->{header}{'content-security-policy'},
    "'sha256-" . sha256_base64($style) . "='") > 0, 1, 'the style is allowed');
is($response->{header}{'content-type'}, 'text/html; charset=utf-8', 'type');
is(request($port, 'HEAD', '/ext/')->{status}, 200, 'HEAD');
is(request($port, 'POST', '/ext/')->{status}, 405, 'POST');
my %vars = %{vars(request($port, 'GET', '/ext/prog/'))};
is($vars{SHOW_NAME}, 'prog', 'a program asked for with a slash');
is($vars{PATH_INFO}, '/', 'gets that as PATH_INFO');

my ($said, $own) = refused('CGIRoute "^/(.*)" "\1" dir="@TREE@" listing=on');
is($said =~ /listing=on must be combined with static=on/ ? 1 : 0, 1,
    'without static=on');
$said = refused('CGIRoute "^/(.*)" "\1" dir="@TREE@" static=on listing=1');
is($said =~ /listing= must be on or off/ ? 1 : 0, 1, 'another value');
$said = $httpd->run('-t', '-D', 'DUMP_CGIROUTES');
is($said =~ / static=on listing=on \(/ ? 1 : 0, 1, 'it is in the dump');
is(log_of($httpd, sub { listed('/ext/') }) =~ /lists \S+ext\// ? 1 : 0, 1,
    'the log says what it does');
