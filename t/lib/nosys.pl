#!/usr/bin/perl
# Runs a command on a kernel that lacks system calls: a seccomp filter answers
# ENOSYS to them, for the command and all that it starts.
#
#   perl nosys.pl CALL... -- command [argument...]
#
# CALL is a number, "N-" for N and all that came later (from 424 on, Linux 5.1,
# numbers are the same everywhere and in the order in which calls came), or
# "peerpidfd" for the socket option, or "tmpfile" for a file system without
# O_TMPFILE. `perl nosys.pl --can` exits with 0 where
# there are such filters.
use strict;
use warnings;
use POSIX qw(uname);

my %numbers = (    # prctl, getsockopt, openat
    x86_64  => [157, 55,  257],
    aarch64 => [167, 209, 56],
);
my ($prctl, $getsockopt, $openat) = @{$numbers{(uname)[4]} || []}
    or die 'no numbers for ' . (uname)[4] . "\n";
my ($set_seccomp, $filter_mode, $no_new_privs) = (22, 2, 38);
my ($load, $jeq, $jge, $jset, $ret) = (0x20, 0x15, 0x35, 0x45, 0x06);
my ($allow, $errno, $enosys, $enoprotoopt, $eopnotsupp)
    = (0x7fff0000, 0x50000, 38, 92, 95);
my $tmpfile = 020_000_000;

sub op { return pack 'SCCL', @_ }    # code, jump if true, if false, value

sub install {
    my @calls = @_;
    my $code = op($load, 0, 0, 0);    # the call's number
    my %named = map { $_ => 1 } grep { /^(?:peerpidfd|tmpfile)$/ } @calls;
    for (grep { !$named{$_} } @calls) {
        /^(\d+)(-?)$/ or die "$_ is no call\n";
        $code .= op($2 ? $jge : $jeq, 0, 1, $1)
            . op($ret, 0, 0, $errno | $enosys);
    }
    $code .= op($jeq, 0, 3, $getsockopt) . op($load, 0, 0, 16 + 2 * 8)
        . op($jeq, 0, 1, 77) . op($ret, 0, 0, $errno | $enoprotoopt)
        if $named{peerpidfd};
    $code .= op($load, 0, 0, 0) . op($jeq, 0, 3, $openat)
        . op($load, 0, 0, 16 + 2 * 8) . op($jset, 0, 1, $tmpfile)
        . op($ret, 0, 0, $errno | $eopnotsupp)
        if $named{tmpfile};
    $code .= op($ret, 0, 0, $allow);
    my $program = pack 'Sx6P', length($code) / 8, $code;
    syscall($prctl, $no_new_privs, 1, 0, 0, 0) == 0 or die "prctl: $!\n";
    return syscall($prctl, $set_seccomp, $filter_mode, $program, 0, 0) == 0;
}

if ("@ARGV" eq '--can') {
    exit(install(424) ? 0 : 1);
}
my @calls;
push @calls, shift while @ARGV && $ARGV[0] ne '--';
shift;
die "usage: nosys.pl CALL... -- command [argument...]\n" unless @calls && @ARGV;
install(@calls) or die "seccomp: $!\n";
exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\n";
