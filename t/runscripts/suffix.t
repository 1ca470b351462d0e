# R12: RunScriptsSuffix and RunScriptsNPHSuffix: which names are scripts, what
# is hidden then, how sections merge, and what is refused at start-up.
use strict;
use warnings;
use Apache::Test;
use CGITest::Server;
use RunScripts;

# Lines that are refused, and the sentence.
my @refused = (
    ['RunScriptsSuffix doit', 'RunScriptsSuffix: suffix "doit" must be a dot '
        . 'and at least one more character'],
    ['RunScriptsSuffix .', 'suffix "." must be a dot and at least one more'],
    ['RunScriptsSuffix ""', 'suffix "" must be a dot and at least one more'],
    ['RunScriptsSuffix .a ""', 'suffix "" must be a dot and'],
    ['RunScriptsSuffix', 'RunScriptsSuffix: needs at least one suffix'],
    ['RunScriptsSuffix .a/b', 'suffix ".a/b" must not contain a slash'],
    ['RunScriptsSuffix ./', 'suffix "./" must not contain a slash'],
    ['RunScriptsSuffix .cgi .py .cgi',
        'suffix ".cgi" must be given once only'],
    ['RunScriptsNPHSuffix nph', 'RunScriptsNPHSuffix: suffix "nph" must be'],
    ["RunScriptsSuffix .x .y\nRunScriptsNPHSuffix .n .y",
        'RunScriptsNPHSuffix: suffix ".y" must not stand for plain and NPH'],
    ["RunScriptsNPHSuffix .y\nRunScriptsSuffix .y",
        'RunScriptsSuffix: suffix ".y" must not stand for plain and NPH'],
);

my $httpd = CGITest::Server->plain(conf => <<'EOC');
AddType text/plain .txt .pl
RunScriptsSuffix .doit .srv
<Directory "@root@/htdocs">
    Options RunScripts FollowSymLinks
    AllowOverride All
</Directory>
<Directory "@root@/htdocs/lang">
    RunScriptsSuffix .cgi .py .pl
    Options +Indexes
</Directory>
<Directory "@root@/htdocs/lang/nph">
    RunScriptsNPHSuffix .raw
</Directory>
<Directory "@root@/htdocs/swap">
    RunScriptsSuffix .nph
    RunScriptsNPHSuffix .doit
</Directory>
<Directory "@root@/htdocs/both">
    RunScriptsSuffix .x .nph
</Directory>
<Directory "@root@/htdocs/long">
    RunScriptsSuffix .tar.do .do
</Directory>
<Location "/located">
    RunScriptsSuffix .loc
</Location>
EOC
my $root = $httpd->root . '/htdocs';
sub ask { return request($httpd->port, @_) }

plan tests => 2 * @refused + 2 + 37;

for my $case (@refused) {
    my ($line, $text) = @$case;
    for my $conf ($line, "<Directory />\n$line\n</Directory>") {
        my ($ok, $output) = CGITest::Server->check("$conf\n");
        my $right = !$ok
            && $output =~ /Syntax error on line \d+.*:\s+.*\Q$text/s;
        print "# $line: $output\n" unless $right;
        ok($right);
    }
}
# A virtual host may have its own; a .htaccess file may not.
my ($ok) = CGITest::Server->check("<VirtualHost *>\nRunScriptsSuffix .a .B .b\n"
    . "RunScriptsNPHSuffix .c\n</VirtualHost>\n");
ok($ok);
tree("$root/ht", '.htaccess' => "RunScriptsSuffix .txt\n",
    'a.txt' => script());
ok(ask('GET', '/ht/a')->{status} == 500
        && $httpd->error_log =~ /RunScriptsSuffix not allowed here/);

# The server's list holds for all directories that have none.
tree("$root/srv", 'a.doit' => script(), 'b.srv' => script(),
    'c.nph' => nph_script(), 'd.cgi' => script());
ok(ran(ask('GET', '/srv/a')) eq 'a.doit|/srv/a||GET');
ok(ran(ask('GET', '/srv/b/x')) eq 'b.srv|/srv/b|/x|GET');
ok(ran(ask('GET', '/srv/c')) eq 'c.nph|/srv/c||GET');
ok(ask('GET', '/srv/d')->{status} == 404);
ok(ask('GET', '/srv/d.cgi')->{body} =~ /SECRET/);
ok(ask('GET', "/srv/$_")->{status} == 404) for qw(a.doit b.srv c.nph b.SRV);

# A site's scripts without their suffixes in the URL.
tree("$root/lang", 'sh.cgi' => script(), 'py.py' => script(),
    'pl.pl' => script(), 'old.doit' => "text\n", 'n.nph' => nph_script(),
    'two.py' => script(), 'two.cgi' => script(), 'page.pl.txt' => "page\n",
    'nph-raw.cgi' => nph_script());
ok(ran(ask('GET', '/lang/sh')) eq 'sh.cgi|/lang/sh||GET');
ok(ran(ask('GET', '/lang/py/x')) eq 'py.py|/lang/py|/x|GET');
ok(ran(ask('POST', '/lang/pl', body => 'x')) eq 'pl.pl|/lang/pl||POST');
ok(ran(ask('GET', '/lang/n')) eq 'n.nph|/lang/n||GET');
# The first suffix of the list wins.
ok(ran(ask('GET', '/lang/two')) =~ /^two\.cgi/);
ok(ask('GET', '/lang/nph-raw')->{reason} eq 'Fine');
# What is hidden follows; .doit is ordinary here.
ok(ask('GET', "/lang/$_")->{status} == 404) for qw(sh.cgi py.py pl.pl n.nph
    py.PY py.py/x py.py?x);
ok(ask('GET', '/lang/old.doit')->{body} eq "text\n");
ok(ask('GET', '/lang/old')->{status} == 404);
# Only the end of a name counts: "page.pl.txt" may be a page in Polish.
ok(ask('GET', '/lang/page.pl.txt')->{body} eq "page\n");
my $list = ask('GET', '/lang/');
ok($list->{body} =~ /old\.doit/ && $list->{body} =~ /page\.pl\.txt/
        && $list->{body} !~ /sh\.cgi|py\.py|pl\.pl"|n\.nph/);

# Each list is inherited by itself.
tree("$root/lang/nph", 'a.py' => script(), 'b.raw' => nph_script(),
    'c.nph' => "text\n");
ok(ran(ask('GET', '/lang/nph/a')) =~ /^a\.py/);
ok(ask('GET', '/lang/nph/b')->{reason} eq 'Fine');
ok(ask('GET', '/lang/nph/c.nph')->{body} eq "text\n");

# Kinds exchanged; a suffix that came into both lists by merging is plain.
tree("$root/swap", 'a.nph' => script(), 'b.doit' => nph_script());
ok(ask('GET', '/swap/a')->{reason} eq 'OK');
ok(ask('GET', '/swap/b')->{reason} eq 'Fine');
tree("$root/both", 'a.nph' => script());
ok(ask('GET', '/both/a')->{reason} eq 'OK');
tree("$root/long", 'a.tar.do' => script(), 'b.do' => script());
ok(ran(ask('GET', '/long/a')) eq 'a.tar.do|/long/a||GET');
ok(ran(ask('GET', '/long/a.tar')) eq 'a.tar.do|/long/a.tar||GET');
ok(ran(ask('GET', '/long/b')) eq 'b.do|/long/b||GET');

# A <Location> says it, too.
tree("$root/located", 'a.loc' => script(), 'b.doit' => "text\n");
ok(ran(ask('GET', '/located/a')) eq 'a.loc|/located/a||GET');
ok(ask('GET', '/located/a.loc')->{status} == 404);
