# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# What /proc tells about the processes of a test: scripts are found by a word
# in their environment, which every process that they start inherits too.
package CGITest::Proc;

use strict;
use warnings;
use Exporter 'import';
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(processes_with alive state status_of children_of
                    descendants_of fds_of memory_kb wait_until slurp
                    can_look);

# The content of a file, '' if it can't be read.
sub slurp {
    my ($path) = @_;
    open my $fh, '<', $path or return '';
    binmode $fh;
    local $/;
    my $text = <$fh>;
    return defined $text ? $text : '';
}

sub pids {
    opendir my $dir, '/proc' or die "/proc: $!";
    return grep { /^\d+$/ } readdir $dir;
}

# Ids of live processes whose environment contains the text.
sub processes_with {
    my ($text) = @_;
    my @found =
        grep { $_ != $$ && index(slurp("/proc/$_/environ"), $text) >= 0 }
        pids();
    return @found;
}

# May this process see the environment and the descriptors of another user's?
# In a container, root often has no CAP_SYS_PTRACE.
sub can_look {
    my %st = status_of($$);
    return hex(substr $st{CapEff} || 0, -8) >> 19 & 1;
}

# Fields of /proc/PID/status as a hash; empty if there is no such process.
sub status_of {
    my ($pid) = @_;
    return map { /^(\w+):\s*(.*)$/ ? ($1, $2) : () }
        split /\n/, slurp("/proc/$pid/status");
}

# One letter: R, S, D, T, Z (a zombie), '' for none.
sub state {
    my %s = status_of($_[0]);
    return substr $s{State} || '', 0, 1;
}

# There, and not a zombie.
sub alive {
    my $s = state($_[0]);
    return $s ne '' && $s ne 'Z';
}

# The kernel keeps a list for each thread, if it was built with it.
sub children_of {
    my ($parent) = @_;
    if (-e "/proc/$$/task/$$/children") {
        return map { split ' ', slurp($_) } glob "/proc/$parent/task/*/children";
    }
    my @found;
    for my $pid (pids()) {
        # The command's name, in brackets, may hold anything.
        my $stat = slurp("/proc/$pid/stat");
        push @found, $pid if $stat =~ /^.*\) \S (\d+)/s && $1 == $parent;
    }
    return @found;
}

sub descendants_of {
    my @all = map { ($_, descendants_of($_)) } children_of($_[0]);
    return @all;
}

# Open descriptors: number => what it is.
sub fds_of {
    my ($pid) = @_;
    opendir my $dir, "/proc/$pid/fd" or return;
    return map { my $l = readlink "/proc/$pid/fd/$_"; defined $l ? ($_, $l)
                                                                 : () }
        grep { /^\d+$/ } readdir $dir;
}

# Resident memory without shared file pages, in KiB.
sub memory_kb {
    my ($pid) = @_;
    my %s = status_of($pid);
    my ($kb) = ($s{RssAnon} || '0') =~ /(\d+)/;
    return $kb;
}

# Try until the sub returns true or the seconds are over; what it returned.
sub wait_until {
    my ($seconds, $test) = @_;
    my $end = time + $seconds;
    while (1) {
        my $r = $test->();
        return $r if $r || time > $end;
        sleep 0.02;
    }
}

1;
