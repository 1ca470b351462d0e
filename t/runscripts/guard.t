# When mod_runscripts is taken away, Options RunScripts is no error, for core
# knows the word too: the guard that stays denies what was never served. With
# the module, it changes nothing.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use CGITest::Files;
use CGITest::Server;
use RunScripts;

my $guard = read_file(
    Apache::Test::vars('top_dir') . '/conf/runscripts-guard.conf');
my $conf = <<'EOC';
<Directory "@root@/htdocs">
    Options RunScripts
</Directory>
EOC
my %files = ('s.doit' => script(), 'n.nph' => nph_script(), 's.doit~' => 'x',
    '#s.doit#' => 'x', 'S2.DOIT' => script(), 'page' => 'page',
    'doit' => 'page', 'sub/a.doit.txt' => 'page');
my @hidden = qw(s.doit n.nph s.doit~ %23s.doit%23 S2.DOIT s.doit/path);
my @served = qw(page doit sub/a.doit.txt);
plan tests => 3 * (@hidden + @served) + 1;

for my $case (['without', '', 1], ['guarded', $guard, 1], ['with', $guard, 0]) {
    my ($name, $lines, $gone) = @$case;
    my $httpd = CGITest::Server->plain(conf => $lines . $conf,
        without => $gone ? [qw(runscripts cgi cgid)] : []);
    tree($httpd->root . '/htdocs', %files);
    my $want = $name eq 'guarded' ? 403 : $name eq 'with' ? 404 : '(200|404)';
    ok t_cmp("$_: " . request($httpd->port, 'GET', "/$_")->{status},
        qr/: $want$/, $name) for @hidden;
    ok t_cmp(request($httpd->port, 'GET', "/$_")->{body}, 'page', $name)
        for @served;
    # The mistake itself, so that nobody thinks the guard is for nothing.
    ok t_cmp(request($httpd->port, 'GET', '/s.doit')->{body}, qr/SECRET/)
        if $name eq 'without';
}
