# CGISandbox of a httpd that was started as root: setuid programs, a route of
# another user, one in another root directory.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Jail qw(busybox make_jail);
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
done_testing;
