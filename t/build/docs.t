# Every directive is in the README, in the pages and in the configuration
# files, those of the engine in doc/directives.md and only there; what the README
# names exists; links lead somewhere.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use File::Basename 'dirname';
use CGITest::Files;

chdir Apache::Test::vars('top_dir') or die;
my @pages = glob 'README.md CONTRIBUTING.md doc/*.md';
plan tests => 10 + @pages;
sub text { return join '', map { read_file($_) } @_ }

my $source = text(glob('*.c cgi/*.[ch] cgiroute/*.c runscripts/*.c'));
# As httpd's are: Options and AllowOverride are core's.
my %directive = map { $_ => 1 } grep { !/^(?:Options|AllowOverride|SetEnv)$/ }
    $source =~ /AP_INIT_\w+\(\s*"<?(\w+)"/g;
ok(keys %directive >= 14);

my $readme = text('README.md');
my @missing = grep { $readme !~ /`<?$_\b/ } sort keys %directive;
ok t_cmp("@missing", '', 'README.md');
my $pages = text(glob 'doc/*.md');
@missing = grep { $pages !~ /^##+ <?$_>? Directive/mi } sort keys %directive;
ok t_cmp("@missing", '', 'doc/*.md');
my $conf = text('conf/runscripts.conf', 'conf/cgiroute.conf');
# CGIScriptTimeout is a second name for a part of CGITimeout.
@missing = grep { $_ ne 'CGIScriptTimeout' && $conf !~ /^#\s*<?$_\b/m }
    sort keys %directive;
ok t_cmp("@missing", '', 'conf/*.conf');

# Names in the tables of directives that no module has.
my ($tables) = $readme =~ /^## Directives$(.*?)^httpd's own/ms;
my @unknown = grep { !$directive{$_} && $_ ne 'Options' }
    $tables =~ /^\| `<?(\w+)/mg;
ok t_cmp("@unknown", '');

# What an administrator must know of each directive of the engine, once.
my ($engine) = text('cgi/cgi_exec.h') =~ /#define CGI_EXEC_COMMANDS(.*?[^\\])\n\n/s;
my @engine = $engine =~ /AP_INIT_\w+\("(\w+)"/g;
ok(@engine >= 11);
my %section = map { split /\n/, $_, 2 }
    split /^## (?=\w+ Directive$)/m, text('doc/directives.md');
my $others = text(grep { $_ ne 'doc/directives.md' } glob 'doc/*.md');
@missing = grep {
    my $section = $section{"$_ Directive"} // '';
    $others =~ /^## $_ Directive$/m
        || grep { $section !~ /^\| \*\*$_\*\* \| \S.*\|$/m }
        qw(Description Syntax Default Context Module);
} @engine;
ok t_cmp("@missing", '', 'doc/directives.md');

# SECURITY.md names tests, and all of them exist.
my @named = text('doc/SECURITY.md') =~ m{`((?:t|fuzz)/[\w./]+)`}g;
ok(@named >= 30);
@missing = grep { !-f } @named;
ok t_cmp("@missing", '', 'tests in doc/SECURITY.md');

# What PROGRAMS.md calls tested is what scripts/programs runs.
my ($programs) = text('doc/PROGRAMS.md') =~ /^\| program .*?\n\|---.*?\n(.*?)^$/ms;
my @rows = sort map { /`([\w-]+)`/g } $programs =~ /^\| (`[^|]*)\|/mg;
my @run = sort { $a cmp $b } text('t/programs/list.pl') =~ /\{name => '([\w-]+)'/g;
ok t_cmp("@rows", "@run", 'doc/PROGRAMS.md');

# A link leads to a file, and with "#" to a section of it.
sub anchor {
    my $name = lc shift;
    $name =~ s/&\w+;|[^\w -]//g;
    $name =~ tr/ /-/;
    return $name;
}
for my $page (@pages) {
    @missing = grep {
        my ($file, $section) = split /#/;
        $file = $file eq '' ? $page : dirname($page) . "/$file";
        !-e $file || defined $section && !grep { anchor($_) eq $section }
            text($file) =~ /^##+ (.*)$/mg;
    } text($page) =~ /\]\(([^):]+)\)/g;
    ok t_cmp("@missing", '', "links of $page");
}
