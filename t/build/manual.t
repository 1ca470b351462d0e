# The first page of the manual: httpd takes each of its examples, and the list of
# pages has all of them. CHANGES.md names every directive.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use CGITest::Files;
use CGITest::Server;
use Program 'need_program';
use RunScripts 'tree';

my $top = Apache::Test::vars('top_dir');
my $page = read_file("$top/doc/README.md");
my ($how) = $page =~ /^## How to$(.*?)^## /ms;
my %example = $how =~ /^### ([^\n]+)\n(.*?)(?=^### |\z)/gms;
for (values %example) {
    $_ = join "\n", map { s/^ {4}//r } grep { /^ {4}/ } split /\n/;
}
plan tests => 4 + keys %example, sub { need_program('perl') };
ok(keys %example >= 10);

# Directories and programs that they name, below the server's root.
my %files = ((map { ("srv/$_/" => '') } qw(www/tools www/form www/shop
    app/htdocs app/data mail form/answers shop/sold)),
    'srv/www/site.skin' => "<main>\$<content></main>\n");
for my $name (sort keys %example) {
    my $conf = $example{$name};
    # Only root's httpd takes it, and php-cgi may be missing.
    $conf =~ s/ user=mail\b//;
    $conf =~ s{/usr/bin/php-cgi}{/bin/cat};
    $conf =~ s{(?<=["= ])/(?:srv|usr/lib/cgi-bin|var/www/html)\b}
        {$& eq '/srv' ? '@root@/srv' : '@root@'}ge;
    my ($ok, $said) = CGITest::Server->check({conf => "$conf\n",
        prepare => sub { tree($_[0]->root, %files) }});
    ok($ok) or print "# $name\n", map { "# $_\n" } split /\n/, $said;
}

my @missing = grep { index($page, "($_)") < 0 }
    map { m{([^/]+)$} } grep { !/README/ } glob "$top/doc/*.md";
ok t_cmp("@missing", '', 'pages that the manual lists');

my $changes = read_file("$top/CHANGES.md");
my @directives = map { /^## <?(\w+)>? (?:Directive|Section)$/mg }
    map { read_file("$top/doc/$_.md") } qw(directives mod_runscripts mod_cgiroute);
ok(@directives >= 20);
@missing = grep { $changes !~ /\b$_\b/ } @directives;
ok t_cmp("@missing", '', 'directives in CHANGES.md');
