# mpm: all, with ALL=1
# R2, R3, R4: which file answers which request, and with what SCRIPT_NAME and
# PATH_INFO: every kind of "foo" with every set of scripts, form of URL and
# method. A1: the URL rebuilt from the variables reaches the same script.
use strict;
use warnings;
use Apache::Test;
use CGITest::Server;
use RunScripts;

my %foo = (
    none      => {},
    file      => {'foo' => "cover\n"},
    directory => {'foo/other.txt' => "other\n"},
    symlink   => {'foo' => \'cover.txt', 'cover.txt' => "cover\n"},
);
my %scripts = (
    none => {},
    doit => {'foo.doit' => script()},
    nph  => {'foo.nph' => nph_script()},
    both => {'foo.doit' => script(), 'foo.nph' => nph_script()},
);
my %urls = (
    plain => ['', ''],
    args  => ['?a+b', ''],
    empty => ['?', ''],
    path  => ['/bar/zot', '/bar/zot'],
    slash => ['/', '/'],
);
my @methods = qw(GET HEAD POST PUT OPTIONS FOO);

# What R2 and R3 say: the script's name or nothing.
sub expected {
    my ($foo, $scripts, $url, $method) = @_;
    return '' if $foo eq 'directory' or $scripts eq 'none';
    my $static = $url =~ /plain|empty/ && $method =~ /GET|HEAD/
        && $foo ne 'none';
    return '' if $static;
    return $scripts eq 'nph' ? 'foo.nph' : 'foo.doit';
}

my $count = (keys %foo) * (keys %scripts) * (keys %urls) * @methods;
plan tests => $count + 24;

my $httpd = CGITest::Server->plain(conf => <<'EOC');
<Directory "@root@/htdocs">
    Options RunScripts FollowSymLinks Indexes
    AddType text/html .html
</Directory>
<Directory "@root@/htdocs/off">
    Options -RunScripts
</Directory>
EOC
my $root = $httpd->root . '/htdocs';

for my $foo (sort keys %foo) {
    for my $scripts (sort keys %scripts) {
        my $dir = "$foo-$scripts";
        tree("$root/$dir", %{$foo{$foo}}, %{$scripts{$scripts}});
        for my $url (sort keys %urls) {
            my ($tail, $info) = @{$urls{$url}};
            for my $method (@methods) {
                my $name = expected($foo, $scripts, $url, $method);
                my $want = $name && "$name|/$dir/foo|$info|$method";
                my @body = $method =~ /POST|PUT/ ? (body => 'x=1') : ();
                my $response = request($httpd->port, $method,
                    "/$dir/foo$tail", @body);
                my $ok = ran($response) eq $want;
                if (!$want && $method eq 'GET') {
                    # Not a script: what httpd does without the module.
                    my $status =
                          $foo eq 'none' ? 404
                        : $foo eq 'directory'
                            ? ($url =~ /slash/ ? 200
                                : $url =~ /path/ ? 404 : 301)
                        : $url =~ /slash|path/ ? 404 : 200;
                    $ok &&= $response->{status} == $status;
                    $ok &&= $response->{body} eq "cover\n"
                        if $foo =~ /file|symlink/ && $status == 200;
                }
                $ok &&= $response->{raw} !~ /SECRET/;
                print "# $method /$dir/foo$tail: $response->{status} ",
                    ran($response), ", not $want\n" unless $ok;
                ok($ok);
            }
        }
    }
}

# A cover sheet is a static file like any other.
my $cover = request($httpd->port, 'GET', '/file-doit/foo');
ok($cover->{header}{etag} && $cover->{header}{'last-modified'});
ok(($cover->{header}{'accept-ranges'} // '') eq 'bytes');
ok($cover->{header}{'content-length'} == 6);
my $again = request($httpd->port, 'GET', '/file-doit/foo',
    'If-None-Match' => $cover->{header}{etag});
ok($again->{status} == 304);
my $part = request($httpd->port, 'GET', '/file-doit/foo',
    Range => 'bytes=1-2');
ok($part->{status} == 206 && $part->{body} eq 'ov');
tree("$root/typed", 'page.html' => "<p>\n", 'page.html.doit' => script());
my $typed = request($httpd->port, 'GET', '/typed/page.html');
ok(ran($typed) eq '' && $typed->{header}{'content-type'} eq 'text/html');
ok(ran(request($httpd->port, 'GET', '/typed/page.html?x'))
        eq 'page.html.doit|/typed/page.html||GET');

# Both kinds of script: noted at debug.
ok($httpd->error_log =~ /none-both\/foo\.doit is chosen, although/);

# Path info goes on below a script, and a directory wins (R3) further down.
tree("$root/deep", 'a.doit' => script(), 'a/b.doit' => script(),
    'a/c/' => '', 'a/.keep' => '');
ok(ran(request($httpd->port, 'GET', '/deep/a/b/c')) eq
        'b.doit|/deep/a/b|/c|GET');
ok(request($httpd->port, 'GET', '/deep/a/x')->{status} == 404);
ok(request($httpd->port, 'GET', '/deep/a')->{status} == 301);
ok(ran(request($httpd->port, 'GET', '/deep/a/b/')) eq
        'b.doit|/deep/a/b|/|GET');
# Another method does not help against the directory.
ok(ran(request($httpd->port, 'POST', '/deep/a', body => '')) eq '');

# Names with odd characters; the path is decoded once (A4), and the URL that
# is put together again reaches the same (A1).
tree("$root/odd", 'a b.doit' => script(), 'caf' . "\xc3\xa9.doit" => script(),
    'per%25.doit' => script(), '-n.doit' => script(), '.dot.doit' => script());
for my $case (['/odd/a%20b/x%2ey;z', 'a b.doit|/odd/a b|/x.y;z|GET'],
    ["/odd/caf%c3%a9", "caf\xc3\xa9.doit|/odd/caf\xc3\xa9||GET"],
    ['/odd/per%2525/%2541', 'per%25.doit|/odd/per%25|/%41|GET'],
    ['/odd/-n/', '-n.doit|/odd/-n|/|GET'],
    ['/odd/.dot', '.dot.doit|/odd/.dot||GET']) {
    my ($url, $want) = @$case;
    my $got = ran(request($httpd->port, 'GET', $url));
    my (undef, $name, $info) = split /\|/, $got;
    my $rebuilt = ($name // '') . ($info // '');
    $rebuilt =~ s/([^A-Za-z0-9\/._-])/sprintf '%%%02x', ord $1/ge;
    my $second = ran(request($httpd->port, 'GET', $rebuilt));
    print "# $url: $got, then $second\n";
    ok($got eq $want && $second eq $want);
}

# A name that is too long, or has no end, is httpd's business.
ok(request($httpd->port, 'GET', '/odd/' . 'x' x 250 . '?q')->{status} == 404);
ok(request($httpd->port, 'GET', '/odd/' . 'x' x 255 . '?q')->{status} == 404);
# The option is off: nothing runs, and foo.doit is an ordinary file.
tree("$root/off", 'foo.doit' => "text\n");
ok(request($httpd->port, 'GET', '/off/foo')->{status} == 404);
ok(request($httpd->port, 'GET', '/off/foo.doit')->{body} eq "text\n");
# HTTP/1.0 without Host
ok(ran(RunScripts::raw($httpd->port, "GET /none-doit/foo HTTP/1.0\r\n\r\n"))
        eq 'foo.doit|/none-doit/foo||GET');
# A path info that is itself the URL of a script is no second run in the log.
my $before = length $httpd->error_log;
request($httpd->port, 'GET', '/none-doit/foo/none-doit/foo/x');
my @said = substr($httpd->error_log, $before) =~ /^.* is run by .*$/mg;
print map { "# $_\n" } @said;
ok(@said == 1);
