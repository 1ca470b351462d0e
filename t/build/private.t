# A httpd without mod_cgi and mod_cgid runs both modules, and a broken line
# stops it: what the other tests build on.
use strict;
use warnings;
use Apache::Test;
use PrivateHttpd;
use Time::HiRes ();

plan tests => 7;

my ($ok, $output) = PrivateHttpd->check("DocumentRoot \"\@DIR\@\"\n",
    '-D', 'DUMP_MODULES');
ok($ok);
ok(2 == grep { $output =~ /\b${_}_module/ } qw(runscripts cgiroute));
($ok, $output) = PrivateHttpd->check("NoSuchDirective On\n");
ok(!$ok && $output =~ /Syntax error on line \d+ .*NoSuchDirective/s);

my $httpd = PrivateHttpd->start(without => [qw(cgi cgid)]);
my $pid = $httpd->pid;
ok($pid && grep { $_ == $pid } $httpd->processes);
for (1 .. 50) {    # it accepts connections before it says so
    last if $httpd->error_log =~ /resuming normal operations/;
    Time::HiRes::sleep(0.1);
}
ok($httpd->error_log =~ /resuming normal operations/);
ok($httpd->stop && !$httpd->pid);
for (1 .. 50) {
    last unless $httpd->processes;
    Time::HiRes::sleep(0.1);
}
ok(!$httpd->processes);
