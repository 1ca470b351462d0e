# sanitize: no
# R13: what a request for a static file costs in a httpd that has the module,
# counted in instructions. t/runscripts/cost.py measures; the ratios it prints stay
# the same to about 0.003 whatever the machine does beside.
use strict;
use warnings;
use Apache::Test;
use CGITest::Server;

my $vars  = Apache::Test::vars();
my $tools = system('valgrind --version >/dev/null 2>&1') == 0
    && system('python3 --version >/dev/null 2>&1') == 0;
plan tests => 3, need({'valgrind and python3' => $tools});

my $port = CGITest::Server->free_port;
my $out = `python3 '$vars->{top_dir}/t/runscripts/cost.py' --port $port 2>&1`;
print "# $_\n" for split /\n/, $out;
my %ratio = $out =~ /^([a-z-]+) +\d+ +([\d.]+)$/mg;
ok(keys %ratio == 3);
ok(($ratio{'option-off'} // 0) >= 0.98);
# In a directory with the option, for a file that is no script: 0.982 when this
# was written, and as much as the measure wanders is left
ok(($ratio{'option-on'} // 0) >= 0.975);
