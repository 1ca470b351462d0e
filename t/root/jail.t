# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Rules C7, C8 and L3: routes in another root directory, as cgi-httpd has
# them; a directory for each host; what httpd refuses to start with.
use strict;
use warnings;
use File::Path qw(make_path);
use File::Temp ();
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Jail qw(busybox make_jail put told);
use CGITest::Proc qw(slurp wait_until);
use CGITest::Server;

plan skip_all => 'not started as root' if $> != 0;
plan skip_all => 'no static busybox (package busybox-static)' if !busybox();

my $dir = File::Temp::tempdir('cgitest-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $dir;
my $jail = make_jail("$dir/jail", qw(cgi ext/sub/deep ext/.git ext/-opt),
    map { "host/$_" } qw(0 a.example b.example ::1 10.0.0.1 :. :x -y));
make_jail("$dir/jails/$_/root", 'cgi') for qw(one two);
make_path("$dir/jails/two/upload/root/bin");
put("$dir/outside", "secret\n");
symlink "$dir/outside", "$jail/cgi/outside.sh";
put("$jail/cgi/words.sh", 'echo "Content-Type: text/plain"; echo;'
    . ' echo "$# $0 $(ls /)"', 0644);
my $show = slurp("$jail/bin/show");
put("$jail/cgi/$_", $show, 0755) for qw(show nph-show);
put("$jail/ext/$_", $show, 0755) for qw(prog sub/prog sub/deep/index.html
    .hidden .git/prog -opt/prog);
put("$jail/ext/data.txt", "data\n", 0644);
put("$jail/cgi/missing.sh", "#!/usr/bin/perl\n", 0755);

my $port = CGITest::Server->free_port;
my $conf = <<"END";
<Directory "$dir">
    Require all granted
    Options FollowSymLinks
</Directory>
<CGIRoute "^/jail/([^/]*)" /bin/show chroot="$dir/jails/\\1/root"
        user=12345 group=23456>
    SetEnv JAIL "/srv/\\1"
    SetEnv DOCUMENT_ROOT "/bin/\\1"
</CGIRoute>
CGIRoute "^/exec/([a-z]+)" "\\1.sh" dir=/cgi exec="/bin/sh -e" chroot="$jail" \\
    user=12345 group=23456
CGIRoute "^/cgi/([a-z-]+)" "/cgi/\\1" chroot="$jail" user=12345 group=23456
CGIRoute "^/sh/([a-z]+)" "\\1.sh" dir=/cgi chroot="$jail" user=12345 group=23456
CGIRoute "^/ext/(.*)\$" "\\1" dir=/ext static=on chroot="$jail" \\
    user=12345 group=23456
CGIRoute "^/sub/(.*)\$" "/ext//sub/\\1" static=on chroot="$jail" \\
    user=12345 group=23456
CGIRoute "^/opt/([a-z]*)(/|\$)" "/bin/show" dir="/host/\\1" chroot="$jail" \\
    user=12345 group=23456 pathinfo=\\2
Listen 127.0.0.1:$port
<VirtualHost *:$port>
    CGIRoute "" /bin/show dir="/host/%{host}" chroot="$jail" \\
        user=12345 group=23456
</VirtualHost>
END
$conf =~ s/^(<CGIRoute .*)\n\s+(?=user)/$1 /mg;
my $s = CGITest::Server->start(conf => $conf);
my $where = $s->where;
my $all = {host => '127.0.0.1', port => $port};    # the route for everything

sub ask {
    my ($target, %o) = @_;
    my $method = delete $o{method} || 'GET';
    return CGITest::HTTP->once(delete $o{where} || $where, $method, $target,
        %o);
}

sub status_is {
    my ($target, $status, $name) = @_;
    is(ask($target)->status, $status, $name);
}

# ---- the manual page of cgi-httpd: one program for everything

my $mark = $s->mark;
my $r = told(ask('/a%20b/%C3%A4/c?d=e%20f&g', where => $all,
    host => 'a.example'));
is($r->{ids}, '12345 23456 23456', 'C7: numeric ids, and no further groups');
is($r->{cwd}, '/host/a.example', 'C8: the working directory is the host\'s');
is($r->{words}, '0 /bin/show', 'the program, without words');
is($r->{root}, '/bin /cgi /ext /host /in-jail', 'C7: the root directory');
my %env = %{$r->{env}};
is($env{PATH_INFO}, "/a b/\xc3\xa4/c", 'PATH_INFO: the whole decoded path');
is($env{SCRIPT_NAME}, '', 'SCRIPT_NAME: empty');
is($env{QUERY_STRING}, 'd=e%20f&g', 'QUERY_STRING: as it came');
is($env{PATH}, '/bin', 'C7: PATH is /bin');
is("$env{DOCUMENT_ROOT} $env{CONTEXT_DOCUMENT_ROOT}", '/host/a.example /bin',
    'DOCUMENT_ROOT: dir=, as seen from there');
is($env{GATEWAY_INTERFACE}, 'CGI/1.1', 'GATEWAY_INTERFACE');
is($env{SERVER_NAME}, 'a.example', 'SERVER_NAME: the host');
is($env{SERVER_PROTOCOL}, 'HTTP/1.1', 'SERVER_PROTOCOL');
is($env{REMOTE_ADDR}, '127.0.0.1', 'REMOTE_ADDR');
is($env{REQUEST_METHOD}, 'GET', 'REQUEST_METHOD');
is($env{SCRIPT_FILENAME}, '/bin/show', 'SCRIPT_FILENAME: as seen from there');
ok(!exists $env{$_}, "$_ is not set")
    for qw(PATH_TRANSLATED AUTH_TYPE CONTENT_LENGTH CONTENT_TYPE LD_PRELOAD);
unlike($s->log_since($mark), qr/:error\]/, 'nothing to complain about');

is(told(ask('/', where => $all, host => 'a.example'))->{env}{PATH_INFO}, '/',
    'PATH_INFO of the shortest path');
$r = told(ask('/x', where => $all, host => 'a.example', method => 'POST',
    headers => ['Content-Type' => 'text/x-test'], body => 'one two'));
is("$r->{body}|$r->{env}{CONTENT_LENGTH}|$r->{env}{CONTENT_TYPE}",
    'one two|7|text/x-test', 'POST');
my $res = ask('/x', where => $all, host => 'a.example', method => 'HEAD');
is($res->status . $res->body, '200', 'HEAD');
$r = told(ask('/x', where => $all, host => undef, version => '1.0'));
is($r->{cwd}, '/host/0', 'C8: no host: 0');
is($r->{env}{SERVER_PROTOCOL}, 'HTTP/1.0', 'with HTTP/1.0');
is(ask('/x', where => $all, host => undef)->status, 400,
    'HTTP/1.1 has to have a host');

# ---- hosts

# host as sent => its directory, or the status
my @hosts = (
    ['A.Example', '/host/a.example', 'upper case'],
    ['a.example:8080', '/host/a.example', 'a port'],
    ['a.example.', '/host/a.example', 'a dot at the end'],
    ['10.0.0.1', '/host/10.0.0.1', 'an address'],
    ['[::1]', '/host/::1', 'an address of IPv6'],
    ["[::1]:$port", '/host/::1', 'and its port'],
    ['-y', '/host/-y', 'a dash at the start'],
    ['none.example', 404, 'no such directory'],
    ['a.exampl', 404, 'the start of a name'],
    ['a.example/', 400, 'a slash'],
    ['a.example/../b.example', 400, 'a way up'],
    ['a%2eexample', 400, 'a percent sign'],
    ['a.example b', 400, 'a space'],
    ['a..example', 400, 'two dots'],
    ['[::1', 400, 'half an address'],
);
for (@hosts) {
    my ($host, $expected, $name) = @$_;
    $r = told(ask('/x', where => $all, host => $host));
    is($r->{cwd} || $r->{status}, $expected, "C8: host $host: $name");
}
# httpd refuses these before any module sees them: if one day it does not,
# they are names without a dot at their start
for (['..', '/host/:.'], ['.x', '/host/:x'], ['.', undef], ['', '/host/0'],
    ['0', '/host/0']) {
    my ($host, $expected) = @$_;
    $r = told(ask('/x', where => $all, host => $host));
    my $got = $r->{cwd} || $r->{status};
    ok($got eq '400' || $got eq '404' || ($expected && $got eq $expected),
        "C8: host '$host' is no way up") or diag $got;
}
$r = told(ask('http://b.example/x', where => $all, host => 'a.example'));
is($r->{cwd}, '/host/b.example', 'C8: the host of an absolute URL is the one');

# ---- a root that the URL chooses

$r = told(ask('/jail/one/x'));
is("$r->{ids} $r->{cwd} $r->{root}", '12345 23456 23456 /bin /bin /cgi /in-jail',
    'chroot= with a reference');
is($r->{env}{JAIL}, '/srv/one', 'and its variable');
is($r->{env}{DOCUMENT_ROOT}, '/bin/one', 'its DOCUMENT_ROOT');
is("$r->{env}{SCRIPT_NAME}$r->{env}{PATH_INFO}", '/jail/one/x', 'its URL');
status_is('/jail/three', 404, 'a root that is not there');
status_is('/jail/', 404, 'no name');
status_is('/jail/..%2f..', 404, 'a way up, encoded');
status_is('/jail/.', 404, 'a dot');
status_is('/jail/..', 404, 'two dots');
status_is('/jail/two/upload', 200, 'what follows is PATH_INFO');
status_is('/jail/two%2fupload', 404, 'and no part of the name');

# ---- scripts and interpreters in the jail

$res = ask('/exec/words?-s+x');
is($res->body, "0 /cgi/words.sh bin\ncgi\next\nhost\nin-jail\n",
    'exec= is a program of the jail, with its own words only');
status_is('/exec/none', 404, 'no such script');
unlike(ask('/exec/outside')->body, qr/secret/,
    'a link that leads out of the jail is none in it');
$r = told(ask('/cgi/show/x'));
is($r->{cwd}, '/cgi', 'A21: the script\'s directory');
is(join(' ', @{$r->{env}}{qw(DOCUMENT_ROOT CONTEXT_DOCUMENT_ROOT
    CONTEXT_PREFIX)}), '/cgi /cgi /cgi', 'is DOCUMENT_ROOT, too');
$mark = $s->mark;
status_is('/sh/missing', 500, 'an interpreter that the jail does not have');
ok($s->log_until($mark, qr{its interpreter /usr/bin/perl does not exist}),
    'is named in the log');
is(told(ask('/opt/a.example'))->{status}, 404, '(no such host)');

# ---- static=on in the jail

$r = told(ask('/ext/prog/more'));
is("$r->{ids} $r->{cwd} $r->{env}{PATH_INFO}", '12345 23456 23456 /ext /more',
    'static=on: a script');
is("$r->{env}{DOCUMENT_ROOT} $r->{env}{CONTEXT_PREFIX}", '/ext /ext',
    'its DOCUMENT_ROOT');
is(told(ask('/ext/sub/prog'))->{cwd}, '/ext/sub', 'one below');
is(told(ask('/ext/sub/deep/'))->{cwd}, '/ext/sub/deep', 'an index');
is(told(ask('/sub/prog'))->{cwd}, '/ext/sub', 'SCRIPT with a directory');
is(told(ask('/sub/deep/'))->{words}, '0 /ext/sub/deep/index.html',
    'its index');
is(ask('/ext/data.txt')->body, "data\n", 'a file');
status_is("/ext/$_", 404, "no script: $_")
    for qw(.hidden .git/prog -opt/prog sub none data.txt/x ../bin/show);

# ---- large messages

$r = told(ask('/cgi/show', headers => [map { ("X-H$_" => 'v' x 5000) } 1 .. 20]));
is($r->{ids}, '12345 23456 23456', 'an environment of 100 KB');
is(length($r->{env}{HTTP_X_H20}), 5000, 'is there to its end');

# ---- what httpd does not start with

my $file = $s->root . '/httpd.conf';
my $text = slurp($file);

sub refuses {
    my ($line, $like, $name) = @_;
    put($file, "$text$line\n");
    my ($said, $status) = $s->configtest;
    ok($status != 0 && $said =~ $like, "start-up: $name") or diag $said;
    put($file, $text);
}
my $route = qq(CGIRoute "^/x" /bin/show chroot="$jail");
my $ids = 'user=12345 group=23456';
refuses("$route user=root", qr/user= must not be root \(user id 0\)/, 'root');
refuses("$route user=0 group=1", qr/user= must not be root/, 'user 0');
refuses("$route user=000 group=1", qr/user= must not be root/, 'user 000');
refuses("$route user=12345 group=0", qr/group= must not be root/, 'group 0');
refuses("$route user=12345 group=root", qr/group= must not be root/,
    'the group of root');
refuses("$route user=12345", qr/user= must come with group=/,
    'a number without group=');
refuses("$route user=nosuchuser", qr/nosuchuser is neither/, 'an unknown user');
refuses("$route user=12345 group=nosuchgroup", qr/nosuchgroup is neither/,
    'an unknown group');
refuses("$route user=-1 group=1", qr/-1 is neither/, 'user -1');
refuses("$route user=4294967296 group=1", qr/is neither/,
    'a user number that would wrap to 0');
refuses("$route user=4294967295 group=1", qr/is neither/, 'user -1, unsigned');
refuses("$route user=0x10 group=1", qr/is neither/, 'a number in another base');
refuses("$route group=1", qr/group= must come with user=/, 'group= alone');
refuses("$route user=", qr/user= must have a value/, 'user= without value');
refuses(qq(CGIRoute "^/x" /bin/show chroot="$_->[0]" $ids), $_->[1], $_->[2])
    for (["$dir/none", qr/chroot= must be a directory that exists/,
            'a root that is not there'],
        ["$dir/outside", qr/chroot= must be a directory that exists/,
            'a root that is a file'],
        ['/', qr{chroot= must not be /}, 'the root directory itself'],
        ['//', qr{chroot= must not be /}, 'the same, with more slashes'],
        ['jail', qr/chroot= must be an absolute path/, 'a relative root'],
        ["$dir/jail/..", qr/must not have \. or \.\./, 'a root with ..'],
        ['/\\0', qr/chroot= must begin with a fixed directory/,
            'a root that only the URL knows']);
refuses(qq($route $ids dir=/none), qr/dir= must be a directory that exists/,
    'dir= that the jail does not have');
refuses(qq($route $ids exec=/usr/bin/perl), qr/exec= must name a program/,
    'exec= that the jail does not have');
SKIP: {
    # A name's further groups are those of /etc/group: here, one in which the
    # user games and httpd's own User are members of root's group.
    my $groups = put("$dir/group", slurp('/etc/group')
        =~ s/^root:.*/root:x:0:games,www-data,nobody/mr);
    my $with = qq(exec unshare -m sh -c 'mount --bind $groups /etc/group &&)
        . q( exec "$@"' sh "$@");
    skip 'no mount namespace', 4
        if system("set -- true; $with 2>/dev/null") != 0;
    local $s->{limit} = $with;
    my $member = qr/member of the group root \(group id 0\): games is one/;
    refuses("$route user=games", $member, 'a member of root\'s group');
    refuses($route, qr/user= beside chroot=.*group root/,
        'chroot= alone, where httpd\'s User is a member of root\'s group');
    put($file, "$text$route user=games group=games\n");
    my ($said, $status) = $s->configtest;
    is($status, 0, 'with group= it has no further groups') or diag $said;
    put($file, $text);
    ($said, $status) = $s->configtest;
    is($status, 0, 'a number has no further groups') or diag $said;
}
{
    # As somebody else
    my $unprivileged = 'exec setpriv --reuid=nobody --regid=nogroup'
        . ' --clear-groups "$@"';
    chmod 0777, $s->root;
    local $s->{limit} = $unprivileged;
    my ($said, $status) = $s->configtest;
    ok($status != 0 && $said =~ /must have httpd started as root/,
        'start-up: not as root') or diag $said;
    chmod 0755, $s->root;
}
# ---- the example

my $example = "$CGITest::Server::t/../conf/examples/chroot-by-host.conf";
SKIP: {
    skip 'no conf/examples/chroot-by-host.conf', 8 if !-e $example;
    put("$jail/bin/site", $show, 0755);
    # with what its comment offers
    my $changed = put("$dir/example.conf",
        slurp($example) =~ s/^    # (?=AllowMethods)/    /mr);
    my $e = CGITest::Server->start(modules => ['allowmethods'],
        conf => <<"END");
<Directory "$dir">
    Require all granted
</Directory>
Define JAIL "$jail"
Define JAIL_USER daemon
Define JAIL_GROUP 23456
Include "$changed"
END
    my $daemon = getpwnam 'daemon';
    my $r = told(ask('/x/y', where => $e->where, host => 'a.example'));
    is("$r->{ids} $r->{cwd} $r->{root}", "$daemon 23456 23456 /host/a.example"
        . ' /bin /cgi /ext /host /in-jail', 'conf/examples/chroot-by-host.conf');
    is("$r->{env}{SCRIPT_NAME}|$r->{env}{PATH_INFO}", '|/x/y', 'its paths');
    is(ask('/', where => $e->where, host => 'none.example')->status, 404,
        'a host without directory');
    is(told(ask('/', where => $e->where, host => undef, version => '1.0'))
        ->{cwd}, '/host/0', 'no host');
    is(ask('/', where => $e->where, host => 'a.example', method => $_)->status,
        405, "AllowMethods: no $_") for qw(TRACE PUT OPTIONS);
    is(ask('/', where => $e->where, host => 'a.example', method => 'POST',
        body => 'x')->status, 200, 'AllowMethods: POST');
}

my ($said, $status) = $s->configtest;
is($status, 0, 'the configuration without those is fine') or diag $said;
done_testing;
