# CGISandbox of a httpd that was started as root: setuid programs, a route of
# another user, one in another root directory.
use strict;
use warnings;
use File::Temp ();
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Jail qw(busybox make_jail put);
use CGITest::Proc qw(wait_until);
use CGITest::Server;

plan skip_all => 'not started as root' if $> != 0;
plan skip_all => 'this kernel lacks Landlock of version 6 (Linux 6.12)'
    if syscall(444, 0, 0, 1) < 6;

my $run = <<'END';
#!/bin/sh
echo "Content-Type: text/plain"
echo
eval "$(cat)" 2>&1
END
my $jail = '';
my $s = CGITest::Server->start(prepare => sub {
    my ($s) = @_;
    my $root = $s->root;
    $s->file('site/run.doit', $run, 0755);
    $s->file('secret', "secret\n", 0644);
    system "mkdir $root/bin && cp /usr/bin/id $root/bin/id"
        . " && chmod 4755 $root/bin/id";
    make_jail("$root/jail", 'cgi', 'tmp') if busybox();
    chmod 01777, "$root/jail/tmp";
    $s->file('jail/cgi/run.doit', $run, 0755) if busybox();
    $jail = busybox() ? <<"END" : '';
<CGIRoute "^/jail/run" "run.doit" dir=/cgi chroot="$root/jail" user=12345 group=12345>
    CGISandbox on exec=/bin
</CGIRoute>
END
    $s->{conf} .= $jail;
}, conf => <<'END');
<Directory @root@>
    Require all granted
</Directory>
CGIRoute "^/free/run" "run.doit" dir=@root@/site
<CGIRoute "^/own/run" "run.doit" dir=@root@/site>
    CGISandbox on exec=@root@/bin
</CGIRoute>
<CGIRoute "^/user/run" "run.doit" dir=@root@/site user=12345 group=12345>
    CGISandbox on net=none
</CGIRoute>
END
my $root = $s->root;

sub sh {
    my ($name, $commands) = @_;
    return CGITest::HTTP->once($s->where, 'POST', "/$name/run",
        body => $commands)->body;
}

# set-user-ID
is(sh('free', "$root/bin/id -u"), "0\n", 'a setuid program, without');
isnt(sh('own', "$root/bin/id -u"), "0\n", 'in a sandbox: not as its owner');

# another user
my $said = sh('user', 'id -u; stat -c %u:%a $TMPDIR; mkdir $TMPDIR/d;'
    . ' echo x >$TMPDIR/d/f; chmod 0 $TMPDIR/d; echo $TMPDIR;'
    . " cat $root/secret; perl -MSocket -e 'socket S, PF_INET, SOCK_DGRAM, 0"
    . ' or print qq($!\n)\'');
like($said, qr/^12345\n12345:700\n/, 'user=: its own temporary directory');
like($said, qr/secret: Permission denied\nPermission denied\n\z/,
    'no other files, no sockets');
my ($tmp) = $said =~ m{^(/tmp/cgi-\S+)}m;
ok($tmp && wait_until(10, sub { !-e $tmp }), 'removed as that user');

SKIP: {
    skip 'no static busybox', 3 if !$jail;
    $said = sh('jail', 'echo x >$TMPDIR/f; echo $TMPDIR; cat $TMPDIR/f;'
        . ' ls /cgi; ls /; echo x >/tmp/y');
    ($tmp) = $said =~ m{^(/tmp/cgi-\S+)}m;
    like($said, qr/^x\nrun\.doit\n/m, 'chroot=: it works there');
    like($said, qr{ls: .*denied.*denied}s, 'and is shut in');
    ok($tmp && wait_until(10, sub { !-e "$root/jail$tmp" }), 'removed there');
}
my @left = $s->stop;
is("@left", '', 'no process is left');

# Where no temporary directory can be made, the log says so once, of each.
SKIP: {
    my $dir = File::Temp::tempdir('cgitest-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0755, $dir;
    my @places = ("$dir/own", $jail ? "$dir/jail/tmp" : ());
    mkdir "$dir/own";
    skip 'no mount namespace', 1
        if system("unshare -m mount -t tmpfs -o ro none $dir/own"
            . ' >/dev/null 2>&1');
    if ($jail) {
        make_jail("$dir/jail", 'cgi', 'tmp');
        put("$dir/jail/cgi/run.doit", $run, 0755);
    }
    $jail =~ s{"$root/jail"}{"$dir/jail"};
    my $mount = join ' && ', map { "mount -t tmpfs -o ro none $_" } @places;
    my $ro = CGITest::Server->start(
        limit => "export TMPDIR=$dir/own; exec unshare -m sh -c '$mount &&"
            . q{ exec "$@"' sh "$@"},
        prepare => sub {
            my ($s) = @_;
            $s->file('site/run.doit', $run, 0755);
            $s->{conf} .= qq(<Directory "$dir">\n    Require all granted\n)
                . "</Directory>\n$jail";
        }, conf => <<'END');
<Directory @root@>
    Require all granted
</Directory>
<CGIRoute "^/own/run" "run.doit" dir=@root@/site>
    CGISandbox on
</CGIRoute>
END
    for my $name ('own', $jail ? 'jail' : ()) {
        my $mark = $ro->mark;
        is(CGITest::HTTP->once($ro->where, 'POST', "/$name/run",
            body => 'echo on')->status, 500, "$name: no temporary directory");
        $ro->log_until($mark, qr/Read-only/);
        sleep 1;
        my @said = $ro->log_since($mark) =~ /(cgi-launcher: .*|tmp.*denied)/g;
        ok(@said == 1 && $said[0] =~ m{sandbox: /\S+/cgi-[0-9a-f]{16}: Read-only},
            'the log says why, once') or diag $ro->log_since($mark);
    }
    @left = $ro->stop;
    is("@left", '', 'no process is left');
}
done_testing;
