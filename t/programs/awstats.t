# AWStats makes its links out of its file's name, which no client may ask for;
# WrapperScript is the name that they have.
use strict;
use warnings;
use Apache::Test;
use CGITest::Files;
use Program qw(need_program);
use Route;

my $awstats = '/usr/lib/cgi-bin/awstats.pl';
plan tests => 6, sub {
    need_program('perl') && (-e $awstats
        || Apache::Test::skip_reason('awstats is not installed'));
};

my $conf = <<'EOC';
LogFile="/dev/null"
LogFormat=1
SiteDomain="one.example"
DirData="@TREE@/data"
AllowFullYearView=3
EOC
my %files = ('data/' => '', 'stats/awstats.doit' => read_file($awstats),
             'route/awstats.pl' => read_file($awstats));
my $httpd = routes(<<'EOC', \%files);
Alias "/stats" "@TREE@/stats"
<Directory "@TREE@">
    Options +RunScripts
    Require all granted
</Directory>
CGIRoute "^/by-route/awstats" "awstats.pl" dir="@TREE@/route"
EOC
my $tree = $httpd->{tree};
$conf =~ s/\@TREE\@/$tree/g;
for my $dir ('stats', 'route') {
    write_file("$tree/$dir/awstats.plain.conf", $conf);
    write_file("$tree/$dir/awstats.named.conf",
        qq($conf\nWrapperScript="awstats"\n));
}

# The program's name in the links of a page, each once.
sub names {
    my $body = request($httpd->port, 'GET', shift)->{body};
    my %seen = map { $_ => 1 } $body =~ /(awstats[\w.]*)\?/g;
    return join ' ', sort keys %seen;
}
for my $case (['/stats/awstats?config=plain', 'awstats.doit'],
              ['/stats/awstats?config=named', 'awstats'],
              ['/by-route/awstats?config=plain', 'awstats.pl'],
              ['/by-route/awstats?config=named', 'awstats']) {
    my $got = names($case->[0]);
    print "# $case->[0]: $got\n";
    ok($got eq $case->[1]);
}
my $response = request($httpd->port, 'GET', '/stats/awstats.doit?config=named');
ok($response->{status} == 404);
$response = request($httpd->port, 'GET',
    '/stats/awstats?config=named&output=alldomains');
ok($response->{status} == 200 && $response->{body} =~ /one\.example/);
