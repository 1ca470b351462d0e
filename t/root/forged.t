# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Rules C22, L3, L4: what a worker that somebody has taken over can make the
# privileged launcher do, or a user's that has an interpreter. The programs
# forged.c and forged_user.c are that worker.
use strict;
use warnings;
use File::Temp ();
use Test::More;
use CGITest::Server;

my $build = CGITest::Server->build_dir;
plan skip_all => 'not started as root' if $> != 0;
plan skip_all => 'no programs build/t/root/forged*'
    if grep { !-x "$build/t/root/$_" } 'forged', 'forged_user';

# What a worker says is not repeated in the log.
my $reason = qr/^(?:cgi-warm\ of\ user\ 54321:\ )?cgi-launcher:\ (?:
        refused,\ identity\ \d+:\ its\ (?:
            values\ are\ not\ what\ the\ route's\ references\ may\ be
            | variables\ are\ too\ many
            | values\ make\ no\ path
            | descriptors\ are\ not\ those\ of\ a\ script)
        | refused:\ no\ identity\ \d+
        | reading\ the\ identities:\ Invalid\ argument)$/x;

sub run_worker {
    my ($name, $least) = @_;

    # A directory whose path others may go along
    my $dir = File::Temp::tempdir('cgitest-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0755, $dir;
    open my $out, '-|', "$build/t/root/$name", "$build/cgi-launcher", $dir
        or die "$name: $!";
    my $checks = 0;
    while (my $line = <$out>) {
        if ($line =~ /^(not )?ok \d+ - (.*)/) {
            $checks++;
            ok(!$1, $2);
        }
        else {
            diag $line =~ s/^# ?//r if $line !~ /^1\.\./;
        }
    }
    close $out;
    ok($? == 0 || $? == 1 << 8, "$name came to its end") or diag $?;
    cmp_ok($checks, '>', $least, 'with all its checks');

    open my $log, '<', "$dir/log" or die "log: $!";
    my @strange = grep { !/$reason/ } <$log>;
    is("@strange", '', 'the log has the reasons, and nothing of the messages');
}

run_worker('forged', 135);
SKIP: {
    skip 'built without libpython', 1 if !-e "$build/cgi-warm-python.so";
    run_worker('forged_user', 35);
}
done_testing;
