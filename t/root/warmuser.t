# Licensed under the Apache License, Version 2.0; see LICENSE.
# sanitize: no
#
# CGIWarm with user=: scripts of a route's user in an interpreter. Who they
# are, what they can't tell, whose they are not, what ends them. What a worker
# that somebody has taken over can make of it is in forged.t.
use strict;
use warnings;
use File::Path qw(make_path);
use File::Temp ();
use Test::More;
use Time::HiRes qw(sleep);
use CGITest;
use CGITest::HTTP;
use CGITest::Jail qw(put);
use CGITest::Proc qw(slurp alive wait_until status_of fds_of
                     processes_with children_of);
use CGITest::Server;

my $build = CGITest::Server->build_dir;
plan skip_all => 'not started as root' if $> != 0;
plan skip_all => 'built without libpython' if !-e "$build/cgi-warm-python.so";
my ($user, $uid, $gid) = (getpwnam 'daemon')[0, 2, 3];
my ($other, $other_uid) = (getpwnam 'games')[0, 2];
plan skip_all => 'no user daemon or games' if !$uid || !$other_uid;

# ---- wrong lines

my $dir = File::Temp::tempdir('cgitest-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $dir;

# As whoever httpd is started by, with another /etc/group.
sub refuses {
    my ($line, $expected, %o) = @_;
    my $s = CGITest::Server->new(conf => "$line\n", plain => 1,
        $o{limit} ? (limit => $o{limit}) : ());
    my $said = $s->run('-t');
    ok($?, "$line keeps httpd from starting" . ($o{name} // ''));
    like($said, $expected, 'and httpd says why');
}
refuses('CGIWarm python3 user=root', qr/user= must not be root \(user id 0\)/);
refuses('CGIWarm python3 user=', qr/user= must have a value/);
refuses('CGIWarm python3 user=nobody-of-this-name',
    qr/user= of CGIWarm must be the name of a user: nobody-of-this-name is none/);
refuses('CGIWarm python3 user=1', qr/must be the name of a user: 1 is none/);
refuses('CGIWarm python3 json users=daemon',
    qr/must have names of modules, watch=on or user=, not 'users=daemon'/);

# The user is in more groups, for httpd of these tests only.
my @more = map { scalar getgrnam $_ } qw(audio video);
sub with_groups {
    my ($name, @groups) = @_;
    my $names = join '|', @groups;
    put("$dir/$name", join '', map { s/^($names):(.*:)([^:]*)$/$1:$2$user\n/r }
        split /^/, slurp('/etc/group'));
    return q{exec unshare -m sh -c 'mount --bind "$0" /etc/group}
        . qq{ && exec "\$@"' '$dir/$name' "\$@"};
}
my $private = system('unshare -m mount --bind /etc/group /etc/group'
    . ' >/dev/null 2>&1') == 0;
SKIP: {
    skip 'no mount namespace for another /etc/group', 2 if !$private;
    refuses("CGIWarm python3 user=$user",
        qr/must not be a member of the group root \(group id 0\): $user is one/,
        limit => with_groups('rooted', 'root'), name => ' for one in root');
}
refuses("CGIWarm python3 user=$user",
    qr/user= must have httpd started as root/, name => ' by another user',
    limit => 'chmod -R a+rX . ; exec setpriv --reuid=1 --regid=1 --clear-groups "$@"');

# ---- scripts

make_path("$dir/bin");
my $head = "#!/usr/bin/python3\nprint('Content-Type: text/plain\\n', flush=True)\n";
my $how = "import os\nprint(os.readlink('/proc/self/exe').split('/')[-1])\n";
my %script = (
    how => $how,
    ids => "${how}print(*os.getresuid(), *os.getresgid(), *sorted(os.getgroups()))\n",
    rights => "print(open('/proc/self/status').read())\n",
    # Everything about it that a cold start shows, too
    all => <<'END',
import os, sys, resource, signal
for name in sorted(os.environ): print(name, os.environ[name])
print(sorted(open('/proc/self/environ', 'rb').read().split(b'\0')))
print(sys.argv, sys.path, sys.flags, os.getcwd(), sys.executable)
print(os.umask(0), os.getpgid(0) == os.getpid(), sorted(os.getgroups()))
for what in ('RLIMIT_NOFILE', 'RLIMIT_CORE', 'RLIMIT_NPROC', 'RLIMIT_CPU'):
    print(what, resource.getrlimit(getattr(resource, what)))
print([s for s in range(1, 32) if signal.getsignal(s) != signal.SIG_DFL])
print(sorted(os.listdir('/proc/self/fd')), os.stat('/proc/self/mem').st_uid)
import time; print(time.tzname)
print([l for l in open('/proc/self/status')
    if l.startswith(('Uid', 'Gid', 'Cap', 'NoNew', 'Seccomp:', 'SigB', 'SigI', 'SigC'))])
END
    # What its launcher has: memory, descriptors, the queue
    reach => <<'END',
import os
parent = '/proc/%d' % os.getppid()
for name in ('mem', 'fd', 'environ', 'maps'):
    try:
        os.listdir(parent + '/fd') if name == 'fd' else open(parent + '/' + name, 'rb').read(1)
        print(name, 'open')
    except PermissionError:
        print(name, 'closed')
END
    look => python_counts() . "words = [word(x) for x in os.environ['QUERY_STRING'].split('+')]\n"
        . "print(*[n > 0 for n in counts(words)])\n",
    slow => "import os, time\nprint('start', flush=True)\ntime.sleep(2)\nprint(os.getuid())\n",
    stay => "import signal, time\nsignal.signal(15, signal.SIG_IGN)\n"
        . "print('start', flush=True)\ntime.sleep(60)\n",
);
put("$dir/bin/$_", $head . $script{$_}, 0755) for keys %script;

# One of two routes, which differ in nothing but this.
sub routes {
    my ($name, $on, $keys) = @_;
    return <<"END";
<CGIRoute "^/$name/(?:at-([a-z]+)/)?([a-z]+)" "\\2" dir="$dir/bin" $keys>
    SetEnv FIXED "/srv/own"
    SetEnv CAPTURED "the \\1"
    CGITimeout kill=1s
    CGIWarmScripts $on
</CGIRoute>
END
}
my ($secret, $own) = map { join '', map { chr 97 + int rand 26 } 1 .. 40 } 1, 2;
my $conf = "LogLevel cgiroute:trace1\n<Directory \"$dir\">\nRequire all granted\n</Directory>\n"
    . "CGIWarm python3 json\nCGIWarm python3 user=$user json\nCGIWarm python3 html user=$user\n"
    . "CGIWarm python3 user=$other\n"
    . "CGIWarm \"$dir/v/bin/python3\" shuts user=$user\n"
    . routes('warm', 'On', "user=$user") . routes('cold', 'Off', "user=$user")
    . routes('other', 'On', "user=$other")
    . routes('group', 'On', "user=$user group=$other")
    . routes('third', 'On', 'user=bin') . routes('plain', 'On', '')
    . routes('rooted', 'On', "user=$user chroot=$dir/bin") =~ s{dir="\S+"}{dir=/}r
    . "<CGIRoute ^/secret how dir=\"$dir/bin\" user=$other>\nSetEnv S $secret\n</CGIRoute>\n"
    . "<CGIRoute ^/own how dir=\"$dir/bin\" user=$user>\nSetEnv S $own\n</CGIRoute>\n"
    . "CGIRoute ^/venv how dir=\"$dir/v/s\" user=$user\n"
    . "<Location /venv>\nCGIWarmScripts On\n</Location>\n";

# A virtual environment of that user's, with a module that does harm: it shuts
# the queue, which is a socket that its launcher has.
make_path("$dir/v/bin", "$dir/v/s",
    my @places = map { s{.*/}{}; "$dir/v/lib/$_/site-packages" } glob '/usr/lib/python3.*');
put("$dir/v/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3\n");
symlink '/usr/bin/python3', "$dir/v/bin/python3";
put("$_/shuts.py", <<'END') for @places;
import os, socket, stat
os.write(2, b'[forged]\x1b line\n')
for fd in range(3, 64):
    try:
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            socket.socket(fileno=os.dup(fd)).shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
END
put("$dir/v/s/how", "#!$dir/v/bin/python3\n" . ($head =~ s/.*\n//r) . $how, 0755);

local $ENV{TZ} = 'Asia/Kolkata';
my $s = CGITest::Server->start(conf => $conf,
    $private ? (limit => with_groups('group', 'audio', 'video')) : ());

sub ask {
    my ($target, %o) = @_;
    return CGITest::HTTP->once($s->where, 'GET', $target, %o);
}
sub body { return ask(@_)->body }
sub is_warm {
    my ($of) = @_;
    return wait_until(60, sub { body("/$of/how") eq "cgi-warm\n" });
}
# The launchers with an interpreter that are a user's.
sub warm_of {
    my ($of) = @_;
    return grep {
        slurp("/proc/$_/comm") eq "cgi-warm\n"
            && slurp("/proc/$_/cmdline") !~ m{/v/bin/} # those end by themselves
            && {status_of($_)}->{Uid} =~ /^$of\s/
    } children_of($s->pid);
}
sub why_cold {
    my ($target) = @_;
    my $mark = $s->mark;
    my $said = body($target);
    $s->log_until($mark, qr/not run warm/);
    my ($why) = $s->log_since($mark) =~ /not run warm: (.*)/;
    return ($said, $why // '');
}

# ---- who it is

ok(is_warm('warm'), "a script of $user runs in the interpreter");
ok(is_warm('other'), "so does one of $other");
ok(is_warm('plain'), 'and one of httpd\'s own user');
my $groups = join ' ', sort { $a <=> $b } $gid, $private ? @more : ();
is(body('/warm/ids'), "cgi-warm\n$uid $uid $uid $gid $gid $gid $groups\n",
    'it is that user, with his groups and no way back');
like(body('/other/ids'), qr/^cgi-warm\n$other_uid $other_uid $other_uid /,
    'another user is another one');
my ($nobody) = (getpwnam 'nobody')[2];
like(body('/plain/ids'), qr/^cgi-warm\n$nobody /, 'httpd\'s own stays what it is');
like(body('/cold/how'), qr/^python3/, 'CGIWarmScripts Off: it is executed');

# ---- what it can't tell

for my $target ('all/info?a+b', 'at-home/all') {
    my $cold = body("/cold/$target") =~ s{/cold\b}{/warm}gr =~ s/(REMOTE_PORT\W+)\d+/$1N/gr;
    my $warm = body("/warm/$target") =~ s/(REMOTE_PORT\W+)\d+/$1N/gr;
    like($cold, qr/^FIXED \/srv\/own$/m, "(a cold start of $target)");
    like($cold, qr/IST/, '(with httpd\'s time zone)');
    is($warm, $cold, 'warm and cold show the same');
}
# The launcher itself, which its scripts are copies of
my $filter = `uname -m` =~ /^(?:x86_64|aarch64)$/ ? 2 : 0;
for my $pid (warm_of($uid)) {
    my %st = status_of($pid);
    is(join(' ', map { $st{$_} } qw(CapInh CapPrm CapEff NoNewPrivs Seccomp)),
        "0000000000000000 0000000000000000 0000000000000000 1 $filter",
        'its launcher has nothing of root');
    like($st{Uid}, qr/^$uid\t$uid\t$uid\t$uid$/, 'in none of its ids');
    my %fds = fds_of($pid);
    is(join(' ', grep { m{^/} && $_ ne '/dev/null' && !/^\/memfd:/ } values %fds), '',
        'no file, and not the log');
}

# ---- whose it is not

my ($said, $why) = why_cold('/group/how');
like($said, qr/^python3/, 'the same user with group=: executed');
is($why, 'no CGIWarm is for its interpreter /usr/bin/python3 and its route\'s user',
    'and the log says why');
($said, $why) = why_cold('/third/ids');
like($said, qr/^python3\S*\n2 2 2 /, 'a user without a CGIWarm: executed, as that one');
like($why, qr/and its route's user$/, 'and the log says why');
is((why_cold('/rooted/how'))[1], 'its route has chroot=', 'chroot=: executed');

# Neither another route's SetEnv nor another request's words are in its memory.
my $hex = sub { unpack 'H*', scalar reverse $_[0] };
my $word = join '', map { chr 97 + int rand 26 } 1 .. 40;
for (1 .. 6) {
    is(body("/warm/at-" . $word x 50 . "/how"), "cgi-warm\n", 'a request with a word in its path');
    is(body('/warm/look?' . join '+', map { $hex->($_) } $word, $secret, $own),
        "False False True\n", 'which the next does not find, nor what another\'s route sets');
}
is(body('/warm/reach'), "mem closed\nfd closed\nenviron closed\nmaps closed\n",
    'it can\'t reach into its launcher');

# ---- a module that shuts the queue harms its user only

ok(wait_until(30, sub {
    $s->error_log =~ m{CGIWarm \S+/v/bin/python3 user=$user: its queue has been shut}
}), 'a module that shuts the queue: the log says so');
ok(wait_until(10, sub { $s->error_log =~ /^cgi-warm of user $uid: \[forged\]\? line$/m }),
    'what it writes to the log is a line that says whose it is');
unlike($s->error_log, qr/^\[forged\]/m, 'and no other');
ok(wait_until(30, sub { body('/venv/how') =~ /^python3/ }), 'its scripts are executed');
unlike($s->error_log, qr/has shut the launchers' queue|child pid \d+ exit signal/,
    'no worker of httpd has been replaced');
is(body('/warm/how'), "cgi-warm\n", 'others go on');

# ---- launchers that are killed, leases, restart, stop

sub running { return begin_until($s, $_[0], "start\n") }
my $tag = tag_of();

my $c = running('/warm/slow');
my @killed = warm_of($uid);
cmp_ok(scalar(@killed), '>=', 1, '(launchers of that user)');
kill 'KILL', @killed;
my @answers = map { ask('/warm/ids') } 1 .. 10;
is(scalar(grep { $_->status == 200 && $_->body =~ /\n$uid $uid $uid $gid / } @answers), 10,
    'requests after its launchers were killed are answered, by that user\'s scripts');
like($c->read_until("0\r\n\r\n", 30), qr/\b$uid\n/, 'one that ran goes on');
$c->abort;
ok(is_warm('warm'), 'another launcher has the interpreter');

$c = running("/warm/stay?$tag");
ok(scalar processes_with($tag), '(a script that runs)');
$c->abort;
is_gone($tag, 30, 'it ends with its client');
$c = running("/warm/stay?$tag");
kill 'KILL', $s->workers;
is_gone($tag, 30, 'and with its worker');
$c->abort;

$s->graceful;
ok(is_warm('warm'), 'after a graceful restart, too');
$c = running("/warm/stay?$tag");
my @left = $s->stop;
is_gone($tag, 30, 'stop: a script ends');
ok(wait_until(30, sub { !grep { alive($_) } @left }), 'and all else');
done_testing();
