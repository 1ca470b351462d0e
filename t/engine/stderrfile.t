# mpm: prefork
# CGIStderr: to the error log, into a file, to a program.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(slurp wait_until fds_of);
use CGITest::Server;

my $tee;
for (qw(/usr/bin/tee /bin/tee)) { $tee ||= $_ if -x }

my $s = CGITest::Server->start(conf => <<"END");
CGIStderr stderr_all
<Location "/engine-log">
    CGIStderr log
</Location>
<Location "/engine-other">
    CGIStderr "other file"
</Location>
<Location "/engine-program">
    CGIStderr "|$tee -a program_all"
</Location>
<Location "/own">
    Options +RunScripts
    CGITimeout first=3s idle=3s
</Location>
<VirtualHost *>
    ServerName main
</VirtualHost>
<VirtualHost *>
    ServerName other
    CGIStderr stderr_other
</VirtualHost>
END
my $root = $s->root;

sub ask {
    my ($target, %o) = @_;
    return CGITest::HTTP->once($s->where, 'GET', $target, host => 'main', %o);
}

# Does the file come to hold the text?
sub holds {
    my ($file, $text) = @_;
    my $found = wait_until(5, sub {
        return index(slurp("$root/$file"), $text) >= 0;
    });
    diag "$file: ", substr slurp("$root/$file"), -200 if !$found;
    return $found;
}

my $mark = $s->mark;
is(ask('/engine/stderr?text=one%0Atwo%01')->body, "said\n", 'a script');
ok(holds('stderr_all', "one\ntwo\x01"), 'its stderr is in the file, as it is');
ask('/engine/stderr?text=three%0A');
is(slurp("$root/stderr_all"), "one\ntwo\x01three\n", 'what follows, behind it');
none_like($s->log_since($mark), qr/stderr from/, 'not in the error log');

ok(ask('/engine/stderr?text=1234567%0A&times=100000')->status == 200, 'flood');
ok(holds('stderr_all', "1234567\n" x 100_000), 'nothing of it is lost');

ask('/engine-log/stderr?text=to+the+log');
ok($s->log_until($mark, qr/stderr from \S+: to\+the\+log/),
    'log in a section: the error log');
ask('/engine-other/stderr?text=elsewhere');
is(slurp("$root/other file"), 'elsewhere', 'another file in a section');
ask('/engine/stderr?text=vhost', host => 'other');
is(slurp("$root/stderr_other"), 'vhost', 'another file in a virtual host');
unlike(slurp("$root/stderr_all"), qr/elsewhere|vhost|log/, 'and only there');

SKIP: {
    skip 'no mod_cgiroute', 1
        if !-e CGITest::Server->build_dir . '/mod_cgiroute.so';
    ask('/engineroute/stderr?text=routed');
    ok(holds('stderr_all', 'routed'), 'a route');
}

# The script has it as its own; nobody relays, and nobody else gets it.
my $show = show(ask('/engine/show'));
is($show->{fd}{2}, "$root/stderr_all", 'stderr is the file');
is(join(' ', sort keys %{$show->{fd}}), '0 1 2', 'no other descriptor');
for my $pid ($s->workers) {
    my %fd = fds_of($pid);
    my @numbers = grep { $fd{$_} eq "$root/stderr_all" } keys %fd;
    is(scalar @numbers, 1, 'a worker has it open once');
    my ($flags) = slurp("/proc/$pid/fdinfo/$numbers[0]") =~ /^flags:\s*(\d+)/m;
    ok(oct($flags) & 02000000, 'close-on-exec');
}
ok(scalar(my @launchers = $s->launchers), "launchers");
for my $pid (@launchers) {
    my %fd = fds_of($pid);
    is((grep { $_ eq "$root/stderr_all" } values %fd), 0, 'a launcher has not');
}

# Last words after the end of stdout
$s->file('htdocs/own/last.doit', <<'END', 0755);
#!/bin/sh
echo "Content-Type: text/plain"
echo
exec >&-
sleep 0.7
echo "last words" >&2
END
is(ask('/own/last')->status, 200, 'a script that closes stdout first');
ok(holds('stderr_all', "last words\n"), 'may go on for a moment');

# Failures of the script are told in the error log as ever.
$mark = $s->mark;
is(ask('/engine/emit?')->status, 500, 'a script without output');
ok($s->log_until($mark, qr/it has printed nothing/), 'the error log says it');

# A program
SKIP: {
    skip 'no tee', 4 unless $tee;
    ask('/engine-program/stderr?text=first%0A');
    ok(holds('program_all', "first\n"), 'a program gets it');
    my $program = sub {
        grep { slurp("/proc/$_/cmdline") =~ /program_all/ }
            CGITest::Proc::children_of($s->pid);
    };
    my @before = $program->();
    is(scalar @before, 1, 'it runs once, though two modules use it');
    kill 'KILL', @before;
    my $after = wait_until(10, sub {
        my @now = $program->();
        return @now && $now[0] != $before[0];
    });
    ok($after, 'it is started again');
    ask('/engine-program/stderr?text=second%0A');
    ok(holds('program_all', "second\n"), 'and gets what follows');
}

# Rotation: after a graceful restart the name is a new file.
rename "$root/stderr_all", "$root/stderr_old" or die $!;
ask('/engine/stderr?text=behind');
ok(holds('stderr_old', 'behind'), 'moved away, it is still written to');
ok($s->graceful, 'graceful restart');
wait_until(5, sub {
    ask('/engine/stderr?text=fresh');
    return -s "$root/stderr_all";
});
like(slurp("$root/stderr_all"), qr/^(?:fresh)+\z/, 'then the new file is');
my @left = $s->stop;
is("@left", '', 'no process is left');

# What can't be opened
for (['no/such/directory/file', qr/CGIStderr must name a file.*no\/such/],
    ['htdocs', qr/CGIStderr must name a file.*htdocs/],
    ['"|/no/such/program -x"', qr/CGIStderr must name a program.*no\/such/]) {
    my ($arg, $rule) = @$_;
    my $httpd = CGITest::Server->new(plain => 1, conf => "CGIStderr $arg\n");
    my $output = $httpd->run('-k', 'start');
    isnt($?, 0, "CGIStderr $arg: httpd does not start");
    like($output, $rule, 'and says so to whom started it');
    ok(!-s $httpd->root . '/httpd.pid', 'nothing runs');
}
for ('""', '"|"', '') {
    my ($ok, $output) = CGITest::Server->check("CGIStderr $_\n");
    ok(!$ok, "CGIStderr $_ is refused");
    like($output, qr/CGIStderr (?:must be log|takes one)/, 'with the rule');
}
done_testing;
