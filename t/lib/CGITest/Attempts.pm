# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# A script that tries to break out of its sandbox, and what it has reached.
# Each attempt runs in a process of its own.
package CGITest::Attempts;

use strict;
use warnings;
use Exporter 'import';
use File::Path qw(make_path);
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket;
use CGITest::Proc qw(slurp);

our @EXPORT = qw(prey attempts results refused);

# prey(DIR): what attempts are aimed at, as the user of this process: another
# site's files, a process, sockets.
sub prey {
    my ($dir) = @_;
    my %prey = (dir => $dir, secret => "$dir/secret", below => "$dir/below",
        program => "$dir/program");
    make_path($prey{below});
    reset_files(\%prey);
    pipe my $in, my $out or die "pipe: $!";
    my $test = $$;
    $prey{pid} = fork;
    die "fork: $!" unless defined $prey{pid};
    if (!$prey{pid}) {
        # ends with the test, and holds nothing of it
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        exec $^X, '-e', 'sleep 1 while getppid == $ARGV[0]', $test or exit 1;
    }
    $prey{tcp} = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 50)
        or die "tcp: $!";
    $prey{udp} = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        Proto => 'udp') or die "udp: $!";
    $prey{unix} = IO::Socket::UNIX->new(Local => "$dir/socket", Listen => 50)
        or die "unix: $!";
    chmod 0777, "$dir/socket";
    $prey{name} = "cgitest-$$-" . time;
    socket my $abstract, PF_UNIX, SOCK_STREAM, 0 or die "socket: $!";
    bind $abstract, pack 'S a*', AF_UNIX, "\0$prey{name}" or die "bind: $!";
    listen $abstract, 50;
    socket my $datagrams, PF_UNIX, SOCK_DGRAM, 0 or die "socket: $!";
    bind $datagrams, pack 'S a*', AF_UNIX, "\0$prey{name}-d" or die "bind: $!";
    @prey{qw(abstract datagrams)} = ($abstract, $datagrams);
    return \%prey;
}

# As before the attempts.
sub reset_files {
    my ($prey) = @_;
    system 'rm', '-rf', glob "$prey->{dir}/new*";
    my %text = (secret => "SECRET\n", victim => "",
        program => "#!/bin/sh\necho SECRET\n");
    for (keys %text) {
        my $name = "$prey->{dir}/$_";
        open my $fh, '>', $name or die "$name: $!";
        print $fh $text{$_};
        close $fh or die "$name: $!";
        chmod $_ eq 'program' ? 0755 : 0666, $name;
    }
}

# attempts(PREY): the script, for perl. Its output, after a header: a line for
# each attempt, its name and "done" or the error.
sub attempts {
    my ($prey) = @_;
    my %fact = (%$prey, tcp => $prey->{tcp}->sockport,
        udp => $prey->{udp}->sockport);
    my $text = script();
    $text =~ s/\@(dir|secret|below|program|pid|tcp|udp|name)\@/$fact{$1}/g;
    return $text;
}

# results(TEXT): name => result
sub results {
    my ($text) = @_;
    return $text =~ /^try ([\w-]+): (.*)$/mg;
}

# The result, if the kernel has said that one may not; else what it should be.
# An attempt must not end by a mistake of its own.
sub refused {
    my ($result) = @_;
    my @may_not = ('Permission denied', 'Operation not permitted',
        'Invalid cross-device link');
    return (grep { $_ eq ($result // '') } @may_not) ? $result : $may_not[0];
}

my $script;

sub script {
    local $/;
    return $script //= <DATA>;
}

1;
__DATA__
#!/usr/bin/perl
use strict;
use warnings;
use Errno;
use Fcntl;
use POSIX ();
use Socket;

$| = 1;
print "Content-Type: text/plain\n\n" if $ENV{GATEWAY_INTERFACE};
my $tmp = $ENV{TMPDIR} || '@dir@/new-tmp';
mkdir $tmp;
my $pid = @pid@;
my $arm = (POSIX::uname())[4] eq 'aarch64';

# A system call: its numbers on x86_64 and on aarch64, and its arguments.
sub call {
    my ($x86, $aarch64, @args) = @_;
    my $rv = syscall($arm ? $aarch64 : $x86, @args);
    return $rv >= 0 ? $rv + 1 : 0;
}

sub reads {
    my ($name) = @_;
    open my $fh, '<', $name or return 0;
    my $line = <$fh>;
    return defined $line && $line ne '';
}

sub writes {
    my ($name, $flags) = @_;
    sysopen my $fh, $name, O_WRONLY | ($flags || 0), 0666 or return 0;
    return syswrite $fh, "x";
}

sub runs {
    my ($name, @words) = @_;
    my $kid = fork // return 0;
    if (!$kid) {
        open STDOUT, '>', '/dev/null';
        exec { $name } $name, @words or POSIX::_exit($!);
    }
    waitpid $kid, 0;
    return 1 if !$?;
    $! = $? >> 8;
    return 0;
}

sub connects {
    my ($family, $address, $type, $protocol) = @_;
    socket my $s, $family, $type || SOCK_STREAM, $protocol || 0 or return 0;
    return connect $s, $address;
}

my $tcp = pack_sockaddr_in(@tcp@, inet_aton('127.0.0.1'));
my @tries = (
    # files, by their names
    'read' => sub { reads('@secret@') },
    'read-relative' => sub { chdir '@below@' and reads('../secret') },
    'read-passwd' => sub { reads('/etc/passwd') },
    'list' => sub { opendir my $d, '@dir@' or return 0; readdir $d },
    'list-root' => sub { opendir my $d, '/' or return 0; readdir $d },
    'list-tmp' => sub { opendir my $d, '/tmp' or return 0; readdir $d },
    'write' => sub { writes('@secret@') },
    'append' => sub { writes('@secret@', O_APPEND) },
    'truncate' => sub { truncate '@secret@', 3 },
    'truncate-open' => sub {
        sysopen my $fh, '@secret@', O_RDONLY | O_TRUNC },
    'create' => sub { writes('@dir@/new-file', O_CREAT) },
    'mkdir' => sub { mkdir '@dir@/new-dir' },
    'mkfifo' => sub { POSIX::mkfifo('@dir@/new-fifo', 0666) },
    'symlink-outside' => sub { symlink '/etc', '@dir@/new-link' },
    'unlink' => sub { unlink '@dir@/victim' },
    'rename' => sub {
        rename '@secret@', '@dir@/new-name'
            and rename '@dir@/new-name', '@secret@' },
    'rename-in' => sub {
        rename '@secret@', "$tmp/name" and rename "$tmp/name", '@secret@' },
    'run' => sub { runs('@program@') },
    'tmpfile' => sub {
        sysopen my $fh, '@dir@', O_RDWR | ($arm ? 0x404000 : 0x410000), 0600 },
    # links
    'by-symlink' => sub {
        symlink '@secret@', "$tmp/link" or return 0; reads("$tmp/link") },
    'by-hard-link' => sub {
        link '@secret@', "$tmp/hard" or return 0; reads("$tmp/hard") },
    'by-directory-link' => sub {
        symlink '@dir@', "$tmp/away" or return 0; reads("$tmp/away/secret") },
    'hard-link-outside' => sub {
        writes("$tmp/own", O_CREAT) or return 0;
        link "$tmp/own", '@dir@/new-hard' },
    # /proc
    'proc-root' => sub { reads('/proc/self/root@secret@') },
    'proc-other-root' => sub { reads("/proc/$pid/root@secret@") },
    'proc-environ' => sub { reads("/proc/$pid/environ") },
    'proc-cmdline' => sub { reads("/proc/$pid/cmdline") },
    'proc-mem' => sub {
        sysopen my $fh, "/proc/$pid/mem", O_RDWR },
    'proc-fd' => sub { opendir my $d, "/proc/$pid/fd" or return 0;
        readdir $d },
    'proc-cwd' => sub { readlink "/proc/$pid/cwd" },
    'proc-list' => sub { opendir my $d, '/proc' or return 0; readdir $d },
    'proc-oom' => sub {
        writes("/proc/$pid/oom_score_adj") or $!{EINVAL} },
    # other processes of the same user
    'ptrace' => sub { call(101, 117, 16, $pid, 0, 0) },
    'ptrace-seize' => sub { call(101, 117, 0x4206, $pid, 0, 0) },
    'vm-read' => sub {
        my $buf = "\0" x 8;
        my ($line) = do { open my $f, '<', '/proc/self/maps' or return 0; <$f> };
        my $local = pack 'P Q', $buf, 8;
        my $remote = pack 'Q Q', 0x1000, 8;
        my $rv = call(310, 270, $pid, $local, 1, $remote, 1, 0);
        return $rv || $!{EFAULT} },    # allowed, but nothing is there
    'signal' => sub { kill 'CONT', $pid },
    'signal-tgkill' => sub { call(234, 131, $pid, $pid, 18) },
    'signal-pidfd' => sub {
        my $fd = call(434, 434, $pid, 0) or return 0;
        call(424, 424, $fd - 1, 18, 0, 0) },
    'pidfd-getfd' => sub {
        my $fd = call(434, 434, $pid, 0) or return 0;
        call(438, 438, $fd - 1, 0, 0) },
    'prlimit' => sub {
        my $limit = pack 'Q Q', 100, 100;
        call(302, 261, $pid, 7, $limit, 0) },
    'priority' => sub { setpriority 0, $pid, 5 },
    'affinity' => sub {
        my $mask = pack 'Q', 1;
        call(203, 122, $pid, 8, $mask) },
    'kcmp' => sub { call(312, 272, $$, $pid, 2, 0, 0) },
    'shared-memory' => sub {
        my $id = call(29, 194, 0, 4096, 01600) or return 0;
        call(31, 195, $id - 1, 0, 0) },
    'message-queue' => sub {
        my $id = call(68, 186, 0, 01600) or return 0;
        call(71, 187, $id - 1, 0, 0) },
    'semaphores' => sub {
        my $id = call(64, 190, 0, 1, 01600) or return 0;
        call(66, 191, $id - 1, 0, 0, 0) },
    'posix-queue' => sub {
        my $name = "cgitest$$";
        call(240, 180, $name, O_CREAT | O_RDWR, 0600, 0) or return 0;
        call(241, 181, $name) },
    # sockets
    'tcp' => sub { connects(PF_INET, $tcp) },
    'tcp-listen' => sub {
        socket my $s, PF_INET, SOCK_STREAM, 0 or return 0;
        bind $s, pack_sockaddr_in(0, INADDR_ANY) and listen $s, 1 },
    'tcp-fast-open' => sub {
        socket my $s, PF_INET, SOCK_STREAM, 0 or return 0;
        send $s, 'x', 0x20000000, $tcp },
    'mptcp' => sub { connects(PF_INET, $tcp, SOCK_STREAM, 262) },
    'udp' => sub {
        socket my $s, PF_INET, SOCK_DGRAM, 0 or return 0;
        send $s, 'x', 0, pack_sockaddr_in(@udp@, inet_aton('127.0.0.1')) },
    'unix' => sub { connects(PF_UNIX, pack_sockaddr_un('@dir@/socket')) },
    'abstract' => sub {
        connects(PF_UNIX, pack 'S a*', AF_UNIX, "\0@name@") },
    'abstract-datagram' => sub {
        socket my $s, PF_UNIX, SOCK_DGRAM, 0 or return 0;
        send $s, 'x', 0, pack 'S a*', AF_UNIX, "\0@name@-d" },
    'netlink' => sub { socket my $s, 16, SOCK_RAW, 0 },
    # programs out of nothing
    'memfd-exec' => sub {
        my $name = 'x';
        my $fd = call(319, 279, $name, 0) or return 0;
        open my $out, '>&=', $fd - 1 or return 0;
        open my $in, '<', '/bin/true' or return 0;
        binmode $in;
        local $/;
        syswrite $out, scalar <$in>;
        runs('/proc/self/fd/' . ($fd - 1)) },
    'run-written' => sub {
        return runs("$tmp/program")
            if !system "cp /bin/true $tmp/program && chmod 755 $tmp/program";
        0 },
    # namespaces, and the rest of the system
    'user-namespace' => sub { call(272, 97, 0x10000000) },
    'user-namespace-clone' => sub {
        my $kid = call(56, 220, 0x10000000 | 17, 0, 0, 0, 0) or return 0;
        POSIX::_exit(0) if $kid == 1;
        1 },
    'mount-namespace' => sub { call(272, 97, 0x10020000) },
    'io-uring' => sub {
        my $params = "\0" x 120;
        call(425, 425, 1, $params) },
    'keys' => sub {
        my ($type, $name, $value) = ('user', 'x', 'y');
        call(248, 217, $type, $name, $value, 1, -3) },
    'userfaultfd' => sub { call(323, 282, 1) },
    'handle' => sub {
        my ($path, $handle, $id) = ('@secret@', pack('L L', 128, 0) . "\0" x 128,
            "\0" x 8);
        call(303, 264, -100, $path, $handle, $id, 0) },
    'bpf' => sub { my $attr = "\0" x 64; call(321, 280, 0, $attr, 64) },
    'perf' => sub {
        my $attr = pack('L L', 1, 64) . "\0" x 56;
        call(298, 241, $attr, 0, -1, -1, 0) },
    'mount' => sub {
        my ($what, $where, $type) = ('x', $tmp, 'tmpfs');
        call(165, 40, $what, $where, $type, 0, 0) },
    'chroot' => sub { chroot $tmp },
);

while (my ($name, $code) = splice @tries, 0, 2) {
    pipe my $in, my $out or die "pipe: $!";
    my $kid = fork // die "fork: $!";
    if (!$kid) {
        alarm 20;
        $! = 0;
        my $done = eval { $code->() };
        my $why = $@ || ($! ? "$!" : 'nothing');
        syswrite $out, $done ? 'done' : $why =~ s/\n.*//sr;
        POSIX::_exit(0);
    }
    close $out;
    my $text = <$in> // 'ended';
    waitpid $kid, 0;
    print "try $name: $text\n";
    # a process that was attached to stops
    kill 'CONT', $pid;
}
print "tmp $tmp\nend of attempts\n";
