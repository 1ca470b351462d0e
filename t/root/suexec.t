# suexec, rule B8: whose scripts run as whom, with this system's suexec. Its
# document root (/var/www) gets a directory for the time of the test.
use strict;
use warnings;
use File::Path ();
use File::Temp ();
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(slurp alive wait_until);
use CGITest::Server;

my ($wrapper) = `$ENV{CGITEST_HTTPD} -V 2>/dev/null` =~ /SUEXEC_BIN="(.*)"/;
$wrapper //= '/nowhere';
my ($user, $docroot, $suffix) = about_suexec();

# Who may run it, and where; from its own words and Debian's configuration.
sub about_suexec {
    my $about = -x $wrapper ? `$wrapper -V 2>&1` : '';
    my ($dir) = $about =~ /SUEXEC_CONFIG_DIR=(\S+)/;
    my ($name) = $about =~ /AP_HTTPD_USER="(.*)"/;
    $name ||= 'www-data';
    return ($name, split /\n/, slurp("$dir/$name")) if $dir;
    return ($name, $about =~ /AP_DOC_ROOT="(.*)"/,
        $about =~ /AP_USERDIR_SUFFIX="(.*)"/);
}

plan skip_all => 'not started as root' if $> != 0;
plan skip_all => 'no suexec that is set up'
    if !-u $wrapper || !$docroot || $docroot !~ /^\// || !getpwnam $user;
plan skip_all => "suexec's document root $docroot is not there" if !-d $docroot;
my ($log) = `$wrapper -V 2>&1` =~ /AP_LOG_EXEC="(.*)\//;
plan skip_all => "the directory of suexec's log, $log, is not there"
    if $log && !-d $log;

my ($uid, $gid) = (getpwnam 'nobody')[2, 3];
my ($server_uid, $server_gid) = (getpwnam $user)[2, 3];
my $group = getgrgid $gid;
my $www = File::Temp::tempdir('cgitest-XXXXXX', DIR => $docroot, CLEANUP => 1);
my $home = File::Temp::tempdir('cgitest-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $www, $home;
my $script = <<'END';
#!/bin/sh
echo "Content-Type: text/plain"
echo
echo "$(id -u) $(id -g) $(pwd) $SCRIPT_FILENAME $SCRIPT_NAME $# $*"
END

# A file of the user's, below a directory of theirs.
sub put {
    my ($dir, $name, $text, $mode) = @_;
    my @made = File::Path::make_path("$dir");
    chown $uid, $gid, @made, $dir;
    open my $file, '>', "$dir/$name" or die "$dir/$name: $!";
    print $file $text;
    close $file or die "$dir/$name: $!";
    chown $uid, $gid, "$dir/$name";
    chmod $mode, "$dir/$name";
}

put("$www/own", 'who.doit', $script, 0755);
put("$www/own", 'private.doit', $script, 0700);
put("$www/own", 'group.doit', $script, 0775);
put("$www/own", 'data.doit', $script, 0644);
put("$www/own", 'script.sh', $script, 0755);
put("$www/own", 'caps.doit', "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n"
    . "grep Cap /proc/self/status\n", 0755);
put("$www/own", 'sleep.doit', "#!/bin/sh\ntrap '' TERM\nsleep 60\n", 0755);
put("$www/own", 'raw.nph', "#!/bin/sh\nprintf 'HTTP/1.1 200 Raw\\r\\n\\r\\n'; id -u\n",
    0755);
put("$www/own", 'strange.doit', $script, 0755);
chown 0, 0, "$www/own/strange.doit";
put("$www/shared", 'who.doit', $script, 0755);
chmod 0777, "$www/shared";
put("$home/$suffix", 'who.doit', $script, 0755) if $suffix;

# The user's home directory, for httpd and suexec of this test only
my $passwd = "$home/passwd";
open my $out, '>', $passwd or die $!;
for (split /^/, slurp('/etc/passwd')) {
    s/^(nobody:.*:)[^:]*:([^:]*)$/$1$home:$2/;
    print $out $_;
}
close $out;
my $private = system('unshare -m mount --bind /etc/passwd /etc/passwd'
    . ' >/dev/null 2>&1') == 0;

my $conf = <<"END";
User $user
Group @{[scalar getgrgid $server_gid]}
Alias /www "$www"
<Directory "$www">
    Options +RunScripts
    CGITimeout first=1s kill=1s
    Require all granted
</Directory>
<IfModule mod_cgiroute.c>
    CGIRoute "^/route/([a-z]+)" "\\1.sh" "dir=$www/own"
    CGIRoute "^/exec/([a-z]+)" "\\1.sh" "dir=$www/own" "exec=/bin/sh"
</IfModule>
UserDir $suffix
<Directory "$home/$suffix">
    Options +RunScripts
    Require all granted
</Directory>
<VirtualHost *>
    ServerName plain
</VirtualHost>
<VirtualHost *>
    ServerName as-user
    SuexecUserGroup nobody $group
END
my $s = CGITest::Server->start(modules => [qw(suexec userdir)],
    conf => "$conf</VirtualHost>\n",
    $private ? (limit => q{exec unshare -m sh -c 'mount --bind "$0" /etc/passwd}
        . qq{ && exec "\$@"' '$passwd' "\$@"}) : ());

sub ask {
    my ($host, $target, %o) = @_;
    return CGITest::HTTP->once($s->where, 'GET', $target, host => $host, %o);
}

sub says {
    my ($host, $target, $expected, $name) = @_;
    my $res = ask($host, $target);
    is($res->status . ' ' . $res->body, "200 $expected\n", $name);
}

says('plain', '/www/own/who', "$server_uid $server_gid $www/own "
    . "$www/own/who.doit /www/own/who 0 ", 'without suexec: the server\'s user');
says('as-user', '/www/own/who', "$uid $gid $www/own "
    . "$www/own/who.doit /www/own/who 0 ", 'SuexecUserGroup');
says('as-user', '/www/own/who?one+two%20words', "$uid $gid $www/own "
    . "$www/own/who.doit /www/own/who 2 one two words", 'its arguments');
says('as-user', '/www/own/private', "$uid $gid $www/own "
    . "$www/own/private.doit /www/own/private 0 ",
    'a script that only its owner may read');
is(ask('plain', '/www/own/private')->status, 403, 'which others can not run');
is(ask('as-user', '/www/own/raw')->body, "$uid\n", 'NPH');

# What suexec refuses
for (['group', 'writable by the group'], ['strange', 'of another user'],
    ['data', 'not executable']) {
    my ($name, $why) = @$_;
    my $mark = $s->mark;
    is(ask('as-user', "/www/own/$name")->status, 500, "a script $why: 500");
    my $text = $s->log_until($mark, qr/or suexec's: see its log/);
    like($text, qr/stderr from .*suexec policy violation/, 'suexec\'s words');
    like($text, qr/exit status was 1\d\d, or suexec's: see its log/, 'and ours');
}
is(ask('as-user', '/www/shared/who')->status, 500, 'a directory open to all');
is(ask('as-user', '/engine/hello')->status, 500, 'outside its document root');

# The time limit holds for another user's script, even one that ignores TERM.
for (['as-user', '/www/own/sleep'], ['plain', '/www/own/sleep']) {
    my ($host, $target) = @$_;
    my $tag = tag_of();
    is(ask($host, "$target?$tag")->status, 504, "$host: a script that sleeps");
    is_gone($tag, 4, "$host: is ended");
}
# One that still runs when httpd stops
my $tag = tag_of();
my $c = CGITest::HTTP->new(%{$s->where});
$c->send($c->format_request('GET', "/www/own/sleep?$tag", host => 'as-user'));
ok(runs($tag), 'a script runs');

# The launcher has no other right of root's, and its scripts have none.
for my $pid ($s->launchers) {
    my %status = CGITest::Proc::status_of($pid);
    is(join('|', map { hex $status{"Cap$_"} } qw(Prm Eff Inh Amb)), '32|32|0|0',
        'a launcher may only end processes of others');
    like($status{Uid}, qr/^$server_uid\s+$server_uid\s/, 'as the server\'s user');
}
my $caps = ask('plain', '/www/own/caps')->body;
like($caps, qr/^CapPrm:\t0+$/m, 'a script has none: permitted');
like($caps, qr/^CapEff:\t0+$/m, 'a script has none: effective');
my @left = $s->stop;
is_gone($tag, 5, 'the script ends when httpd stops');
ok(wait_until(5, sub { !grep { alive($_) } @left }), 'and so does all else');

# A route
$s->launch;
SKIP: {
    skip 'no mod_cgiroute', 8
        if !-e CGITest::Server->build_dir . '/mod_cgiroute.so';
    says('as-user', '/route/script', "$uid $gid $www/own "
        . "$www/own/script.sh /route/script 0 ", 'a route');
    my $mark = $s->mark;
    is(ask('as-user', '/exec/script')->status, 500,
        'a route with exec= of the main server');
    ok($s->log_until($mark, qr/suexec runs no script by an interpreter/),
        'with the reason in the log');

    my $path = $s->root . '/httpd.conf';
    my $text = slurp($path);
    my $check = sub {
        my ($line) = @_;
        (my $new = $text) =~ s/(SuexecUserGroup nobody .*\n)/$1$line\n/;
        $s->_write($path, $new);
        return $s->configtest;
    };
    my ($output, $status) =
        $check->(qq{CGIRoute "^/x" "script.sh" "dir=$www/own"});
    is($status, 0, 'a route of this host without exec=');
    ($output, $status) = $check->(
        qq{CGIRoute "^/x" "script.sh" "dir=$www/own" "exec=/bin/sh"});
    isnt($status, 0, 'with exec= httpd does not start');
    like($output, qr/CGIRoute at \S+httpd\.conf:\d+ must not have exec=/,
        'and says where');
    ($output, $status) = $check->(qq{CGIRoute "^/x" "script.sh"}
        . qq{ "dir=$www/own" "exec=/bin/sh" user=nobody group=$group});
    is($status, 0, 'but with user=, which has nothing to do with suexec');
    $s->_write($path, $text);
}

# A user's own directory
SKIP: {
    skip "suexec runs nothing in users' directories", 2 if !$suffix;
    skip 'no mount namespace for another /etc/passwd', 2 if !$private;
    says('plain', '/~nobody/who', "$uid $gid $home/$suffix "
        . "$home/$suffix/who.doit /~nobody/who 0 ", 'mod_userdir');
    put("$home/$suffix", 'group.doit', $script, 0775);
    is(ask('plain', '/~nobody/group')->status, 500, 'what suexec refuses');
}
# mod_userdir alone is enough for suexec, and so for that right.
{
    my $other = CGITest::Server->start(modules => ['userdir'],
        conf => "UserDir public_html\n");
    my ($pid) = $other->launchers;
    my %status = CGITest::Proc::status_of($pid);
    is(hex $status{CapPrm}, 32, 'mod_userdir without mod_suexec');
}
done_testing;
