# A httpd without mod_cgi and mod_cgid runs both modules, and a broken line
# stops it: what the other tests build on.
use strict;
use warnings;
use Test::More;
use CGITest::Proc qw(alive);
use CGITest::Server;

my ($ok, $said) = CGITest::Server->check("DocumentRoot \"\@root\@\"\n",
    '-D', 'DUMP_MODULES');
ok($ok, 'a configuration is accepted');
like($said, qr/\b${_}_module/, "with mod_$_") for qw(runscripts cgiroute);
($ok, $said) = CGITest::Server->check("NoSuchDirective On\n");
ok(!$ok, 'a wrong line is refused');
like($said, qr/Syntax error on line \d+ .*NoSuchDirective/s, 'with its number');

my $own = CGITest::Server->plain(without => [qw(cgi cgid)]);
my ($pid, $root) = ($own->pid, $own->root);
ok(alive($pid), 'it runs');
ok($own->log_until(0, qr/resuming normal operations/), 'and says so');
is_deeply([$own->stop], [], 'it stops, and nothing is left of it');
ok(!alive($pid), 'neither is the parent');

$own = CGITest::Server->plain(without => [qw(cgi cgid)]);
($pid, $root) = ($own->pid, $own->root);
undef $own;
ok(!alive($pid) && !-e $root, 'it ends with its object');
done_testing;
