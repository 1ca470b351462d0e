# What httpd refuses at start-up, and how it says so: file, line and rule.
# C10: DUMP_CGIROUTES, the trace log, mod_info.
use strict;
use warnings;
use Apache::Test;
use CGITest::Server;
use Route;

my %files = ('cgi/show' => show_script('show'), 'cgi/text' => "text\n",
             'cgi/.htaccess' => '');

# A line (or lines, wrong in the first unless a number says which), and what
# the message must have.
my @bad = (
    ['CGIRoute', 'must have a REGEX and a SCRIPT'],
    ['CGIRoute "^/x"', 'must have a SCRIPT after the REGEX'],
    ['CGIRoute "^/(x" "@TREE@/cgi/show"',
     'REGEX must be a regular expression: missing closing parenthesis at '
     . 'character 5 of "^/(x"'],
    ['CGIRoute "[" "@TREE@/cgi/show"', 'REGEX must be'],
    ['CGIRoute "^/x" "\1" dir="@TREE@/cgi"',
     'SCRIPT must not refer to group 1: the regular expression has 0'],
    ['CGIRoute "^/(x)" "$2" dir="@TREE@/cgi"', 'SCRIPT must not refer to group 2'],
    ['CGIRoute "^/(?<a>x)" "\{b}" dir="@TREE@/cgi"',
     'SCRIPT must not refer to group "b"'],
    ['CGIRoute "^/(x)" "a\n" dir="@TREE@/cgi"', 'SCRIPT must have a digit'],
    ['CGIRoute "^/(x)" "%{HTTP_HOST}" dir="@TREE@/cgi"', 'SCRIPT must not have %{'],
    ['CGIRoute "^/(x)" "" dir="@TREE@/cgi"', 'SCRIPT must not be empty'],
    ['CGIRoute "^/(x)" "show"', 'SCRIPT must be an absolute path, or dir= must be given'],
    ['CGIRoute "^/(x)" "\1"', 'SCRIPT must be an absolute path, or dir= must be given'],
    ['CGIRoute "^/(x)" "/\1"', 'SCRIPT must begin with a fixed directory other than /'],
    ['CGIRoute "^/(x)" "../show" dir="@TREE@/cgi"', 'SCRIPT must not have . or ..'],
    ['CGIRoute "^/(x)" "show" dir="@TREE@/cgi/../cgi"', 'dir= must not have . or ..'],
    ['CGIRoute "^/(x)" "show" dir="cgi"', 'dir= must be an absolute path'],
    ['CGIRoute "^/(x)" "show" dir="\1"', 'dir= must be an absolute path'],
    ['CGIRoute "^/(x)" "show" dir="/\1"', 'dir= must begin with a fixed directory other than /'],
    ['CGIRoute "^/(x)" "show" dir="@TREE@/none"',
     'dir= must be a directory that exists: @TREE@/none is none'],
    ['CGIRoute "^/(x)" "show" dir="@TREE@/none/\1"', '@TREE@/none is none'],
    ['CGIRoute "^/(x)" "show" dir="@TREE@/cgi/show"', 'dir= must be a directory'],
    ['CGIRoute "^/(x)" "show" dir="@TREE@/cgi/\2"', 'dir= must not refer to group 2'],
    ['CGIRoute "^/(x)" "show" dir=', 'dir= must have a value'],
    ['CGIRoute "^/(x)" "show" dir="@TREE@/cgi" dir="@TREE@/cgi"',
     'must not have dir= twice'],
    ['CGIRoute "^/(x)" "show" "@TREE@/cgi"', q(must not have '@TREE@/cgi': its keys are dir=, exec=)],
    ['CGIRoute "^/(x)" "show" directory="@TREE@/cgi"',
     q(must not have 'directory=@TREE@/cgi': its keys are dir=, exec=)],
    ['CGIRoute "^/(x)" "show" dirs="@TREE@/cgi"', q(must not have 'dirs=@TREE@/cgi')],
    ['CGIRoute "^/(x)" "show" dir="@TREE@/cgi" names=none', 'names= must be strict or any'],
    ['CGIRoute "^/(x)" "show" dir="@TREE@/cgi" static=yes', 'static= must be on or off'],
    ['CGIRoute "^/(x)" "show" dir="@TREE@/cgi" exec="perl"',
     'exec= must begin with the absolute path of a program'],
    ['CGIRoute "^/(x)" "show" dir="@TREE@/cgi" exec="/none/perl -T"',
     'exec= must name a program that exists: /none/perl does not'],
    ['CGIRoute "^/(x)" "show" dir="@TREE@/cgi" exec="@TREE@/cgi/text"',
     'exec= must name a program that may be executed: @TREE@/cgi/text may not'],
    ['CGIRoute "^/(x)" "show" dir="@TREE@/cgi" exec="@TREE@/cgi"',
     'exec= must name a program that may be executed'],
    ['CGIRoute "^/(x)" "show" dir="@TREE@/cgi" exec=" "', 'exec= must begin'],
    ['CGIRoute "^/(x)" "show" dir="@TREE@/cgi" pathinfo=\2', 'pathinfo= must not refer to group 2'],
    ['CGIRoute "^/(x)" "show" dir="@TREE@/cgi" static=on exec=/bin/sh',
     'static=on must not be combined with exec='],
    ['CGIRoute "^/(x)" "show" dir="@TREE@/cgi" static=on pathinfo=\1',
     'static=on must not be combined with pathinfo='],
    ["<Directory \"\@TREE\@\">\nCGIRoute x \@TREE\@/cgi/show\n</Directory>",
     'cannot occur within <Directory> section', 2],
    ["<Files x>\nCGIRoute x \@TREE\@/cgi/show\n</Files>",
     'cannot occur within <Files> section', 2],
    ["<If true>\nCGIRoute x \@TREE\@/cgi/show\n</If>",
     'cannot occur within <If> section', 2],
    ["<Proxy *>\nCGIRoute x \@TREE\@/cgi/show\n</Proxy>",
     'cannot occur within <Proxy> section', 2],
    ["<LocationMatch x>\nCGIRoute x \@TREE\@/cgi/show\n</LocationMatch>",
     'must be inside a <Location> with a plain path', 2],
    ["<Location ~ x>\nCGIRoute x \@TREE\@/cgi/show\n</Location>",
     'must be inside a <Location> with a plain path', 2],
    ["<Location /*/x>\nCGIRoute x \@TREE\@/cgi/show\n</Location>",
     'must be inside a <Location> with a plain path', 2],
    ["<CGIRoute x \@TREE\@/cgi/show>\nCGIRoute y \@TREE\@/cgi/show\n</CGIRoute>",
     'CGIRoute must not be inside another <CGIRoute>', 2],
    ["<CGIRoute x \@TREE\@/cgi/show>\n<Files x>\n</Files>\n</CGIRoute>",
     '<CGIRoute> must not enclose <Files>'],
    ["<CGIRoute x \@TREE\@/cgi/show>\n<Directory \"/\">\n</Directory>\n</CGIRoute>",
     'not allowed in <CGIRoute> context', 2],
    ["<CGIRoute x \@TREE\@/cgi/show>\nSetEnv A b\nSetEnv X \"\\1\"\n</CGIRoute>",
     'the value of SetEnv must not refer to group 1', 3],
    ["<CGIRoute x \@TREE\@/cgi/show>\nNoSuch thing\n</CGIRoute>",
     "Invalid command 'NoSuch'", 2],
    ["<CGIRoute x \@TREE\@/cgi/show>\nRequire nonsense\n</CGIRoute>",
     'nonsense', 2],
    ["<CGIRoute x>\n</CGIRoute>", 'must have a SCRIPT'],
    ["<CGIRoute x \@TREE\@/cgi/show\n</CGIRoute>", 'must have a > at the end'],
    ['CGIRoute "^/x" "show" dir="@TREE@/cgi" group=nogroup', $>
     ? 'must have httpd started as root' : 'group= must come with user='],
    ['CGIRoute "^/x" "show" dir="@TREE@/cgi" user=nobody', $>
     ? 'must have httpd started as root' : ''],
    ['CGIRoute "^/x" "show" dir="/" chroot="@TREE@/none"',
     'chroot= must be a directory that exists'],
    ['CGIRoute "^/x" "show" dir="/" chroot="tree"', 'chroot= must be an absolute path'],
);

my @good = (
    'CGIRoute "^/(x)" "show" DIR="@TREE@/cgi"',
    'CGIRoute ^/x @TREE@/cgi/show names=Strict static=OFF',
    'CGIRoute "^/x" "show" "dir=@TREE@/cgi" "exec=/bin/sh -e"',
    'CGIRoute "^/x" "show" dir=\'@TREE@/cgi\'',
    'CGIRoute "" "@TREE@/cgi/not-yet-there"',
    "<CGIRoute x>y \@TREE\@/cgi/show >\n</CGIRoute>",
    "<Location />\nCGIRoute x \@TREE\@/cgi/show\n</Location>",
    "<VirtualHost *:1>\nCGIRoute x \@TREE\@/cgi/show\n</VirtualHost>",
    "<IfModule mod_cgiroute.c>\nCGIRoute x \@TREE\@/cgi/show\n</IfModule>",
    "SetEnv OUTSIDE \\1\n",
);

plan tests => 3 * @bad + @good + 40;

my $marker = "#MARKER\n";
for (@bad) {
    my ($lines, $expected, $line) = @$_;
    if ($expected eq '') {
        ok(1) for 1 .. 3;
        next;
    }
    my ($said, $own) = refused("$marker$lines\n", \%files);
    my ($tree) = $said =~ m{(/\S*/route-\w+)};
    $expected =~ s/\@TREE\@/$tree/ if $tree;
    my $good = index($said, $expected) >= 0;
    print "# $lines\n# expected: $expected\n# said: $said\n" unless $good;
    ok($good);
    # the line: counted from the marker, whose number is in the file itself
    my ($file, $number) = $said =~ /line (\d+) of (\S+?):/ ? ($2, $1) : ('', 0);
    my $at = 0;
    if ($file and open my $conf, '<', $file) {
        while (<$conf>) { $at = $. if /^#MARKER/ }
    }
    print "# $lines: line $number of $file, marker $at\n"
        if $number != $at + ($line // 1);
    ok($at && $number == $at + ($line // 1));
    ok($said !~ /AH1\d{4}.*cgiroute/);
}
for (@good) {
    my $said = refused("$_\n", \%files);
    print "# $_\n# said: $said\n" if $said;
    ok($said eq '');
}

# A warning where a SetEnv has no effect
my ($ok, $said) = CGITest::Server->check(
    qq(<CGIRoute "^/x" "/bin/sh">\nSetEnv REMOTE_USER x\nSetEnv FINE x\n)
    . "</CGIRoute>\n");
ok($ok && $said =~ /SetEnv REMOTE_USER \(.*:\d+\) has no effect/);
ok($said !~ /FINE/);
# ... in a virtual host too
($ok, $said) = CGITest::Server->check("<VirtualHost *:\@port\@>\n"
    . qq(<CGIRoute "^/x" "/bin/sh">\nSetEnv REMOTE_USER x\n)
    . "</CGIRoute>\n</VirtualHost>\n");
ok($ok && $said =~ /SetEnv REMOTE_USER \(.*:\d+\) has no effect/);

# A key in the place of SCRIPT; a name with = in it is quoted
for (['script="x.php" dir="/tmp"', 'script'], ['dir=/tmp x', 'dir'],
     ['exec="/bin/sh" "/x"', 'exec']) {
    my ($words, $key) = @$_;
    my $said = refused(qq(CGIRoute "^/a" $words\n));
    ok($said =~ /must have a SCRIPT after the REGEX, and $key= behind it/);
}
ok(refused(qq(CGIRoute "^/a" "a=b" dir="/tmp"\n)) eq '');

# SetEnv without mod_env: in the section, and nowhere else
($ok, $said) = CGITest::Server->check({without => ['env'], conf =>
    qq(<CGIRoute "^/(x)" "/bin/sh">\nSetEnv A "\\1"\n</CGIRoute>\n)});
ok($ok);
($ok, $said) = CGITest::Server->check({without => ['env'],
                                    conf => "SetEnv A b\n"});
ok(!$ok && $said =~ /must have mod_env/);

# C10: the dump
my $conf = <<'EOC';
CGIRoute "^/one/(\w+)" "\1" Dir="/bin" Names=Any pathinfo=
CGIRoute "^/two" "/bin/sh" exec="/bin/sh -e -u"
<Location "/base">
    <CGIRoute "" "sh" dir="/bin" STATIC=On>
        SetEnv A b
    </CGIRoute>
</Location>
<VirtualHost *:1>
    ServerName some.host
    CGIRoute "^/three" "/bin/sh"
</VirtualHost>
<VirtualHost *:2>
    ServerName none.of.its.own
</VirtualHost>
EOC
$conf =~ s/ pathinfo=\n/\n/;
($ok, $said) = CGITest::Server->check($conf, '-D', 'DUMP_CGIROUTES');
print "# $_\n" for split /\n/, $said;
ok($ok);
my @blocks = split /^(?=main server|virtual host)/m, $said;
ok(@blocks == 4);
my ($main, $some, $none) = @blocks[1 .. 3];    # as in the file
ok($main =~ /^ +1 +\^\/one\/\(\\w\+\) \\1 dir=\/bin names=any \(\S+:\d+\)$/m);
ok($main =~ /^ +2 +\^\/two \/bin\/sh exec="\/bin\/sh -e -u" \(/m);
ok($main =~ /^ +3 +\/base "" sh dir=\/bin static=on <section> \(/m);
ok($some =~ /some\.host.*\n +1 +\^\/three.*\n +2 +\^\/one.*\n +3 .*\n +4 /);
ok($none =~ /none\.of\.its\.own.*\n +1 +\^\/one/);
my ($line) = $main =~ /\^\/two.*:(\d+)\)/;
my ($first) = $main =~ /\^\/one.*:(\d+)\)/;
ok($line == $first + 1);
($ok, $said) = CGITest::Server->check("LogLevel info\n", '-D', 'DUMP_CGIROUTES');
ok($ok && $said =~ /main server\n +none/);
($ok, $said) = CGITest::Server->check($conf);
ok($said !~ /\^\/two/);

# C10: which routes were tried, and why each was passed over
my $httpd = routes(<<'EOC', \%files);
CGIRoute "^/trace/none/(\w+)" "\1" dir="@TREE@/cgi"
CGIRoute "/(\d+)$" "show" dir="@TREE@/cgi"
CGIRoute "^/tra" "@TREE@/cgi/show"
CGIRoute "^/trace/(.*)" "\1" dir="@TREE@/cgi"
CGIRoute "^/trace/cgi" "cgi" dir="@TREE@"
CGIRoute "^/trace" "@TREE@/cgi/show"
CGIRoute "^/quiet" "@TREE@/cgi/show"
CGIRoute "^/other1" "@TREE@/cgi/show"
CGIRoute "^/other2" "@TREE@/cgi/show"
<Location "/server-info">
    SetHandler server-info
</Location>
<Location "/trace">
    LogLevel cgiroute:trace1
</Location>
EOC
my $port = $httpd->port;
my $log = log_of($httpd, sub {
    ok(show($httpd, '/trace/none/x')->{SHOW_NAME} eq 'show');
});
print "# $_\n" for split /\n/, $log;
my @tried = $log =~ /cgiroute:trace1.*\] route (.*)$/mg;
ok("@tried" =~ /^\^\/trace\/none\/\(\\+w\+\) \(\S+:\d+\) passed over: there is no such file/);
ok($tried[1] =~ /^\/\(\\+d\+\)\$ .*: no match/);
ok($tried[2] =~ /^\^\/tra .*: the match ends in the middle of a segment/);
ok($tried[3] =~ /^\^\/trace\/\(\.\*\) .*: there is no such file/);
ok($log =~ /cgiroute:debug.*route \^\/trace \(\S+:\d+\) runs \S+cgi\/show, PATH_INFO "\/none\/x"/);
ok(@tried == 4);
$log = log_of($httpd, sub { show($httpd, '/trace/a~b') });
ok($log =~ /passed over: a captured name has a character other than/);
$log = log_of($httpd, sub { show($httpd, '/trace/cgi') });
ok($log =~ /\^\/trace\/cgi .* passed over: what is there is not a file/);
$log = log_of($httpd, sub { request($port, 'GET', '/trac') });
ok($log !~ /trace1/);
$log = log_of($httpd, sub { show($httpd, '/quiet') });
ok($log !~ /passed over/);
ok($log =~ /cgiroute:debug.*\^\/quiet/);
# once, also where PATH_INFO is the URL of a route
$log = log_of($httpd, sub { show($httpd, '/quiet/quiet') });
ok(1 == grep { /cgiroute:debug.* runs / } split /\n/, $log);

# C12: the log says how many were not looked at
$httpd->stop;
$httpd = routes(join('', map { qq(CGIRoute "^/r$_/" "\@TREE\@/cgi/show"\n) }
                     1 .. 500)
                . "LogLevel cgiroute:trace1\n", \%files);
$port = $httpd->port;
$log = log_of($httpd, sub { request($port, 'GET', '/r77/') });
ok($log =~ /\^\/r77\/ .*runs/);
ok($log !~ /passed over/);
$log = log_of($httpd, sub { request($port, 'GET', '/r501/') });
ok($log =~ /500 routes passed over: the URL begins otherwise/);
ok(1 == grep { /trace1/ } split /\n/, $log);

# mod_info shows the lines (C10)
$httpd->stop;
$httpd = routes(<<'EOC', \%files);
<CGIRoute "^/seen/(\w+)" "\1" dir="@TREE@/cgi">
    SetEnv A b
</CGIRoute>
CGIRoute "^/also" "@TREE@/cgi/show"
<Location "/server-info">
    SetHandler server-info
</Location>
EOC
my $info = request($httpd->port, 'GET', '/server-info?mod_cgiroute.c')->{body};
$info = request($httpd->port, 'GET', '/server-info')->{body}
    if $info !~ /also/;
ok($info =~ /CGIRoute.*\^\/also/);
ok($info =~ /CGIRoute.*\^\/seen/);
ok($info =~ /mod_cgiroute\.c/);
ok(show($httpd, '/also')->{A} // 'none' eq 'none');
