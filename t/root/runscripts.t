# R8, R9 with files of other owners, which only root can make: a script that
# its owner alone may execute, and links to what belongs to somebody else.
use strict;
use warnings;
use Apache::Test;
use CGITest::Server;
use RunScripts;

plan tests => 8;

my $httpd = CGITest::Server->plain(conf => <<'EOC');
<Directory "@root@/htdocs">
    Options RunScripts SymLinksIfOwnerMatch
</Directory>
<Directory "@root@/htdocs/follow">
    Options RunScripts FollowSymLinks
</Directory>
EOC
my $root = $httpd->root . '/htdocs';
for my $dir ('.', 'follow') {
    tree("$root/$dir", 'own.doit' => script(), 'all.doit' => script(),
        'same.doit' => \'all.doit', 'other.doit' => \'all.doit',
        'own' => "cover\n");
    chmod 0700, "$root/$dir/own.doit";
    # The link becomes nobody's; its target stays root's.
    system('chown', '-h', 'nobody', "$root/$dir/other.doit") == 0 or die;
}
sub ask { return request($httpd->port, 'GET', @_) }

ok(ran(ask('/all')) ne '');
my $own = ask('/own?x');
ok($own->{status} == 403 && ran($own) eq ''
        && $httpd->error_log =~ /own\.doit.*(?i:permission|execut)/);
ok(ask('/own')->{body} eq "cover\n");
ok(ran(ask('/same')) ne '');
my $other = ask('/other');
ok($other->{status} == 403 && ran($other) eq '');
ok($httpd->error_log =~ /Symbolic link not allowed.*other\.doit/);
ok(ran(ask('/follow/other')) ne '');
ok(ask('/follow/own?x')->{status} == 403);
