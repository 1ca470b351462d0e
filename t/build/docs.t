# Every directive is in the README, in the pages and in the configuration
# files; what the README names exists; its links lead somewhere.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use PrivateHttpd;

plan tests => 6;
chdir Apache::Test::vars('top_dir') or die;
sub text { return join '', map { PrivateHttpd::slurp($_) } @_ }

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

# A file, and with "#" a section of it.
@missing = grep {
    my ($file, $section) = split /#/;
    !-e $file || defined $section && !grep {
        my $name = lc;
        $name =~ s/[^\w -]//g;
        $name =~ tr/ /-/;
        $name eq $section;
    } text($file) =~ /^##+ (.*)$/mg;
} $readme =~ /\]\(([^):]+)\)/g;
ok t_cmp("@missing", '', 'links of README.md');
