# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Rules C7, L2, L3, C18, C19: scripts of other users. Who they are, what ends
# them, and what becomes of them when launchers, workers or httpd end.
use strict;
use warnings;
use File::Path qw(make_path);
use File::Temp ();
use Test::More;
use Time::HiRes qw(sleep time);
use CGITest;
use CGITest::HTTP;
use CGITest::Jail qw(put);
use CGITest::Proc qw(can_look slurp alive wait_until processes_with status_of fds_of
                     children_of);
use CGITest::Server;

plan skip_all => 'not started as root' if $> != 0;

my ($user, $uid, $gid) = (getpwnam 'daemon')[0, 2, 3];
my ($other, $other_gid) = (getgrnam 'games')[0, 2];
plan skip_all => 'no user daemon, or no group games'
    if !$uid || !$gid || !$other_gid;

# ---- files of that user's

my $dir = File::Temp::tempdir('cgitest-XXXXXX', TMPDIR => 1, CLEANUP => 1);
make_path("$dir/bin", "$dir/closed", "$dir/secret");
chmod 0755, $dir, "$dir/bin";
my $head = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n";
my %script = (
    ids => "echo \"\$(id -u) \$(id -g) \$(id -G)\"\n",
    status => "cat /proc/self/status\n",
    env => "env\n",
    cpu => "ulimit -H -t\nulimit -S -t\n",
    slow => "echo start\nsleep 2\nid -u\n",
    stay => "echo start\ntrap '' TERM\n(trap '' TERM; sleep 60) &\nsleep 60\n",
    private => "id -u\n",
    theirs => "id -u\n",
    closed => "id -u\n",
    words => "echo \"\$# \$*\"\n",
    err => "echo 'some words' >&2\n",
    dev => "(echo x >/dev/stdout) 2>/dev/null || echo closed\n",
    count => "wc -c\n",
    setuid => "$dir/rootid -u\n",
    calls => "unshare -U true 2>/dev/null && echo made || echo refused\n",
    writes => "echo x > \"$dir/bin/written\" && echo written\n",
);
put("$dir/bin/$_", $head . $script{$_}, 0755) for keys %script;
chown $uid, $gid, "$dir/bin/private", "$dir/secret";
chmod 0700, "$dir/bin/private", "$dir/bin/theirs", "$dir/secret";
put("$dir/secret/ids", $head . $script{ids}, 0755);
put("$dir/bin/nph-raw", "#!/bin/sh\nprintf 'HTTP/1.1 200 Raw\\r\\n\\r\\n'\nid -u\n",
    0755);
put("$dir/bin/nonce", "#!/bin/sh\nprintf 'Content-Type: text/html\\n\\n%s\\n' \"\$CSP_NONCE\"\n", 0755);
put("$dir/page.skin", '$<nonce>|$<content>');
put("$dir/bin/read.sh", "printf 'Content-Type: text/plain\\n\\n'; id -u\n");
chown $uid, $gid, "$dir/bin/read.sh";
chmod 0400, "$dir/bin/read.sh";
put("$dir/bin/env.sh", $head . $script{env});
symlink '/bin/sh', "$dir/bin/php-sh";
put("$dir/bin/php", $head =~ s{/bin/sh}{$dir/bin/php-sh}r . $script{env}, 0755);

# The user is in two more groups, for httpd of this test only.
my @more = map { scalar getgrnam $_ } qw(audio video);
put("$dir/group", join '', map { s/^(audio|video):(.*:)[^:]*$/$1:$2$user\n/r }
    split /^/, slurp('/etc/group'));
my $private = system('unshare -m mount --bind /etc/group /etc/group'
    . ' >/dev/null 2>&1') == 0;

# A setuid program, which says whom it runs as
system('cp', (grep { -x } qw(/usr/bin/id /bin/id))[0], "$dir/rootid") == 0
    or die 'no program id';
chmod 04755, "$dir/rootid";

my $routes = <<"END";
<Directory "$dir">
    Require all granted
    Options FollowSymLinks
</Directory>
SetEnv OUTSIDE x
<CGIRoute "^/user/([a-z-]+)" "\\1" dir="$dir/bin" user=$user>
    SetEnv FIXED "/srv/own"
    SetEnv PATH "/usr/bin:/bin"
    SetEnv REST "\\1 \$0"
    SetEnv my-own "1"
    SetEnv LD_PRELOAD "/none.so"
    SetEnv SCRIPT_FILENAME "/none"
    SetEnvIf Request_URI . CONDITION=1
    RLimitCPU 7 8
    CGITimeout idle=3s kill=1s
</CGIRoute>
<CGIRoute "^/long/([a-z-]+)" "\\1" dir="$dir/bin" user=$user>
    CGITimeout kill=1s
</CGIRoute>
<CGIRoute "^/skin/([a-z]+)" "\\1" dir="$dir/bin" user=$user>
    CGISkin "$dir/page.skin"
</CGIRoute>
CGIRoute "^/group/([a-z]+)" "\\1" dir="$dir/bin" user=$user group=$other
CGIRoute "^/numbers/([a-z]+)" "\\1" dir="$dir/bin" user=$uid group=$other_gid
CGIRoute "^/file/([a-z]+)" "\\1.sh" dir="$dir/bin" exec=/bin/sh user=$user
CGIRoute "^/secret/([a-z]+)" "\\1" dir="$dir/secret" user=$user
CGIRoute "^/plain/([a-z]+)" "\\1" dir="$dir/bin"
END
my $s = CGITest::Server->start(conf => $routes,
    $private ? (limit => q{exec unshare -m sh -c 'mount --bind "$0" /etc/group}
        . qq{ && exec "\$@"' '$dir/group' "\$@"}) : ());

sub ask {
    my ($target, %o) = @_;
    my $method = delete $o{method} || 'GET';
    return CGITest::HTTP->once($s->where, $method, $target, %o);
}

sub says {
    my ($target, $expected, $name) = @_;
    my $res = ask($target);
    is($res->status . ' ' . $res->body, "200 $expected\n", $name);
}

# The launchers of root's; those that have ended their work, too.
sub privileged {
    return grep { my %st = status_of($_); ($st{Uid} || '') =~ /^0\s/ }
        $s->launchers;
}

# A connection whose script has said that it runs.
sub running { return begin_until($s, $_[0], "start\n") }

# ---- who it is

my ($nobody, $nogroup) = (getpwnam 'nobody')[2, 3];
says('/plain/ids', "$nobody $nogroup $nogroup", 'a route without user=');
SKIP: {
    skip 'no mount namespace for another /etc/group', 1 if !$private;
    my ($ids) = ask('/user/ids')->body =~ /^(.*)$/m;
    my ($u, $g, @groups) = split / /, $ids;
    is(join(' ', $u, $g, sort { $a <=> $b } @groups),
        join(' ', $uid, $gid, sort { $a <=> $b } $gid, @more),
        'C7: a name brings its group and its further groups');
}
says('/group/ids', "$uid $other_gid $other_gid", 'C7: group= is then the only one');
says('/numbers/ids', "$uid $other_gid $other_gid", 'C7: numbers');

my $status = ask('/user/status')->body;
like($status, qr/^Uid:(\t$uid){4}$/m, 'all four user ids');
like($status, qr/^Gid:(\t$gid){4}$/m, 'all four group ids');
like($status, qr/^Cap$_:\t0+$/m, "no right of root's: $_") for qw(Prm Eff Amb);
says('/user/cpu', "8\n7", 'RLimitCPU holds');
says('/user/nph-raw', $uid, 'NPH');
says('/user/words?one+two', '0 ', 'a query makes no words');
is(ask('/user/writes')->body, '', 'what it may not write');
my $mark = $s->mark;
is(ask('/user/err')->status, 200, 'a script that complains');
ok($s->log_until($mark, qr/some words/), 'is heard in the log');
says('/user/dev', 'closed', 'but can\'t open its stdout by name');
is(ask('/user/count', method => 'POST', body => 'x' x 70000)->body, "70000\n",
    'a body');

# ---- what it may run

says('/user/private', $uid, 'a script that only the user may execute');
is(ask('/plain/private')->status, 403, 'and the workers may not');
is(ask('/user/theirs')->status, 403, 'one that only root may execute');
says('/file/read', $uid, 'exec=: a script that only the user may read');
$mark = $s->mark;
is(ask('/secret/ids')->status, 403,
    'a directory that the workers may not search');
ok($s->log_until($mark, qr/can't be looked at/), 'is said in the log');

# ---- its environment

my %env = map { /^(\w+)=(.*)$/ ? ($1, $2) : () } split /\n/, ask('/user/env')->body;
is($env{FIXED}, '/srv/own', 'SetEnv in the section');
is($env{PATH}, '/usr/bin:/bin', 'PATH of a SetEnv');
is($env{REST}, 'env /user/env', 'with references');
is($env{my_own}, '1', 'with another character in its name');
is($env{SCRIPT_FILENAME}, "$dir/bin/env", 'SCRIPT_FILENAME is the server\'s');
my ($nonce, $seen) = ask('/skin/nonce')->body =~ /^(\S{20,})\|(.*)\n/;
is($seen, $nonce, 'the nonce of CGISkin');
ok(!exists $env{$_}, "$_ does not arrive")
    for qw(LD_PRELOAD OUTSIDE CONDITION);
%env = map { /^(\w+)=(.*)$/ ? ($1, $2) : () } split /\n/, ask('/file/env/x')->body;
is($env{PATH}, '/bin', 'C7: PATH is /bin');
is($env{PATH_INFO}, '/x', 'PATH_INFO');
ok(!exists $env{PATH_TRANSLATED}, 'exec=: no PATH_TRANSLATED');
%env = map { /^(\w+)=(.*)$/ ? ($1, $2) : () }
    split /\n/, ask('/numbers/env/x')->body;
is($env{PATH_INFO}, '/x', '(PATH_INFO)');
ok(!exists $env{PATH_TRANSLATED}, 'nor for other programs');
ok(!exists $env{REDIRECT_STATUS}, 'REDIRECT_STATUS is for php-cgi');
like(ask('/numbers/php')->body, qr/^REDIRECT_STATUS=200$/m,
    'which has it behind #!, too');

# ---- the launcher

is(scalar(privileged()), 1, 'L3: one launcher stays root');
my ($launcher) = privileged();
my %fds = fds_of($launcher);
is(join(' ', grep { !/^(?:socket:|anon_inode:\[(?:eventpoll|signalfd|pidfd)\]$|\Q$s->{log}\E$)/ }
    values %fds), '', 'it holds a queue, its log and what it waits with')
    or diag explain \%fds;
my @stat = split / /, slurp("/proc/$launcher/stat") =~ s/^.*\) //sr;
is("$stat[3] $stat[4]", "$launcher 0", 'a session of its own, no terminal');

# ---- times, and clients that leave

my $tag = tag_of();
is(ask("/user/stay?$tag", seconds => 30)->error, 'closed early',
    'a script that is silent: the response is cut');
is_gone($tag, 30, 'C12: it ends with its child, though both ignore SIGTERM');

$tag = tag_of();
my $c = running("/long/stay?$tag");
$c->abort;
is_gone($tag, 30, 'E6: the client leaves: it ends');

# ---- its walls

sub rights {
    my (%st) = @_;
    return join ' ', map { "$_=$st{$_}" }
        qw(CapInh CapPrm CapEff CapBnd NoNewPrivs Seccomp);
}
my $filter = `uname -m` =~ /^(?:x86_64|aarch64)$/ ? 2 : 0;
# What launcher/walls.c names, as far as this root has it
my %own = status_of($$);
my $bits = sprintf '%016x', 0x400e4 & hex substr $own{CapEff}, -8;
is(rights(status_of($launcher)), "CapInh=0000000000000000 CapPrm=$bits"
    . " CapEff=$bits CapBnd=$bits NoNewPrivs=1 Seccomp=$filter",
    'the launcher has given up what it does not need of root');
is(rights(ask('/numbers/status')->body =~ /^(\w+):\s*(.*)$/mg),
    'CapInh=0000000000000000 CapPrm=0000000000000000'
    . " CapEff=0000000000000000 CapBnd=$bits NoNewPrivs=1 Seccomp=$filter",
    'its scripts have nothing of root');
SKIP: {
    skip 'setuid programs do not work in this directory', 1
        if ask('/plain/setuid')->body ne "0\n";
    says('/numbers/setuid', $uid, 'a setuid program gives them nothing');
}
SKIP: {
    skip 'nobody may make a user namespace, or no filter', 1
        if !$filter || ask('/plain/calls')->body ne "made\n";
    says('/numbers/calls', 'refused', 'they make no user namespace');
}

# ---- launchers that die

$tag = tag_of();
$c = running("/long/slow?$tag");
($launcher) = privileged();
$mark = $s->mark;
kill 'KILL', $launcher;
is(ask('/group/ids')->body, "$uid $other_gid $other_gid\n",
    'C18: the next request waits for another launcher');
my ($next) = privileged();
ok($next && $next != $launcher, 'which is there');
ok($s->log_until($mark, qr/ended unexpectedly/), 'and httpd says so');
like($c->read_until("0\r\n\r\n", 30), qr/\b$uid\n/,
    'a script that ran before comes to its end');
$c->abort;

# Under load: none fails
my @bodies = parallel(map {
    my $n = $_;
    sub {
        return join '', map {
            kill 'KILL', privileged() if $n == 0 && $_ == 5;
            ask('/numbers/ids')->body;
        } 1 .. 15;
    };
} 0 .. 3);
is($bodies[$_], "$uid $other_gid $other_gid\n" x 15,
    "C18: no request is lost with it ($_)") for 0 .. 3;
wait_until(30, sub { privileged() == 1 });

# ---- workers that die

$tag = tag_of();
$c = running("/long/stay?$tag");
my @workers = $s->workers;
kill 'KILL', @workers;
is_gone($tag, 30, 'C19: the workers die: their scripts end');
ok(wait_until(30, sub { my @now = $s->workers; @now > 0 }), '(new workers)');
says('/numbers/ids', "$uid $other_gid $other_gid", 'others do their work');
$c->abort;

# ---- the launcher dies, then whoever has asked for the script

for my $who (qw(client workers)) {
    $tag = tag_of();
    $c = running("/long/stay?$tag");
    ($launcher) = privileged();
    kill 'KILL', $launcher;
    ok(wait_until(30, sub { grep { $_ != $launcher } privileged() }),
        "(another launcher, $who)");
    sleep 0.3;
    can_look()
        ? ok(scalar processes_with($tag), 'C18: the launcher dies, a script runs on')
        : is_hidden('C18: the launcher dies, a script runs on');
    $who eq 'client' ? $c->abort : kill 'KILL', $s->workers;
    is_gone($tag, 30, "C18: the next launcher ends it with its $who");
    $c->abort;
}
ok(wait_until(30, sub { my @now = $s->workers; @now > 0 }), '(new workers)');

# ---- restarts

$tag = tag_of();
$c = running("/long/slow?$tag");
($launcher) = privileged();
my $file = $s->root . '/httpd.conf';
my $text = slurp($file);
put($file, $text =~ s/(\^\/group.*) group=$other/$1 group=$gid/r);
ok($s->graceful, 'a graceful restart');
# Old workers may still accept one right after.
wait_until(10, sub { ask('/group/ids')->body eq "$uid $gid $gid\n" });
says('/group/ids', "$uid $gid $gid", 'the new configuration holds');
like($c->read_until("0\r\n\r\n", 30), qr/\b$uid\n/,
    'L2: a script of before comes to its end');
$c->abort;
ok(wait_until(30, sub { !alive($launcher) }), 'L2: its launcher ends then');
is(scalar(privileged()), 1, 'one is there');
put($file, $text);

put($file, $text =~ s/^.*CGIRoute.*user=.*\n//mgr =~ s/^<\/CGIRoute.*\n//mgr
    =~ s/^    (?:SetEnv|RLimit|CGITimeout).*\n//mgr);
ok($s->graceful, 'a restart without such routes');
says('/plain/ids', "$nobody $nogroup $nogroup", 'the others are there');
ok(!$s->ends_workers || wait_until(30, sub { !privileged() }),
    'L3: no launcher stays root');
put($file, $text);
ok($s->graceful, '(and back)');
# A worker of before may take a connection still.
ok(wait_until(30, sub { privileged() && ask('/user/ids')->status == 200 }),
    'L3: and one does again');

$tag = tag_of();
$c = running("/long/stay?$tag");
my @left = $s->stop;
is_gone($tag, 30, 'B9: stop: a script of another user ends');
ok(wait_until(30, sub { !grep { alive($_) } @left }), 'and all else');

# ---- User behind the routes, and chroot= alone is theirs

SKIP: {
    skip 'no static busybox (package busybox-static)', 3
        if !CGITest::Jail::busybox();
    my $jail = CGITest::Jail::make_jail("$dir/jail");
    $s = CGITest::Server->start(conf => <<"END");
$routes
CGIRoute "^/chroot" /bin/show chroot="$jail"
User $user
Group $other
END
    my $r = CGITest::Jail::told(ask('/chroot'));
    is(join(' ', (split / /, $r->{ids})[0, 1]), "$uid $other_gid",
        'chroot= alone: the user of the workers, wherever User stands');
    is($r->{root}, '/bin /in-jail', 'in the other root');
    is($r->{env}{PATH}, '/bin', 'C7: PATH is /bin');
}
done_testing;
