# CGIStderr and ScriptLog of a httpd that is started as root: its scripts
# write to a file that they could not open; ScriptLog is the workers' own.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(slurp wait_until);
use CGITest::Server;
use File::Temp ();

plan skip_all => 'not started as root' if $> != 0;

my $dir = File::Temp::tempdir('cgitest-XXXXXX', TMPDIR => 1, CLEANUP => 1);
mkdir "$dir/$_" or die $! for qw(closed open);
chmod 0755, $dir;
chmod 0700, "$dir/closed";
chown +(getpwnam 'nobody')[2, 3], "$dir/open";
my $s = CGITest::Server->start(conf => <<"END");
CGIStderr "$dir/closed/stderr"
ScriptLog "$dir/open/scripts"
<VirtualHost *>
    ServerName main
</VirtualHost>
<VirtualHost *>
    ServerName closed
    ScriptLog "$dir/closed/scripts"
</VirtualHost>
END
my $ask = sub {
    my ($host, $target) = @_;
    return CGITest::HTTP->once($s->where, 'GET', $target, host => $host);
};

is($ask->('main', '/engine/stderr?text=words')->status, 200, 'a script');
ok(wait_until(5, sub { slurp("$dir/closed/stderr") eq 'words' }),
    'writes to a file that only root can open');
is((stat "$dir/closed/stderr")[4], 0, 'which is root\'s');

is($ask->('main', '/engine/emit?')->status, 500, 'a failure');
ok(wait_until(5, sub { slurp("$dir/open/scripts") =~ /^%% 500 /m }),
    'is in ScriptLog');
is((stat "$dir/open/scripts")[4], (getpwnam 'nobody')[2],
    'which is the workers\'');
my $mark = $s->mark;
is($ask->('closed', '/engine/emit?')->status, 500, 'another failure');
ok($s->log_until($mark, qr/can't write to ScriptLog \Q$dir\E\/closed/),
    'is not where only root can write');
ok(!-e "$dir/closed/scripts", 'at all');
done_testing;
