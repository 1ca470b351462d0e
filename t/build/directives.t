# Each field of the engine's configuration has all of its places: the value
# "unset", the merge, a directive that writes it, that directive's section in
# doc/directives.md, and a test that names the directive. Reads the sources.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';

chdir Apache::Test::vars('top_dir') or die;

sub text {
    local ($/, @ARGV) = (undef, @_);
    return join '', <>;
}

# The body of what begins so, to the first line that begins with "}".
sub body { return $_[0] =~ /$_[1].*?\{\n(.*?)^\}/ms ? $1 : '' }

my $header = text('cgi/cgi_exec.h');
my $source = text(glob 'cgi/*.c');
my %setter = $source =~ /^const char \*(cgi_exec_cmd_\w+)\(.*?\{\n(.*?)^\}/gms;
my ($table) = $header =~ /#define CGI_EXEC_COMMANDS(.*?[^\\])\n\n/s;
my %directive = reverse $table =~ /AP_INIT_\w+\("(\w+)",\s*(\w+)/g;
my $pages = text('doc/directives.md');
my $tests = text(glob 't/*/*.t t/conf/*.in');

plan tests => 6;
my (@fields, %missing);
for (['dir', qr/^void cgi_exec_dir_init\(/m, qr/^void cgi_exec_dir_merge\(/m],
    ['server', qr/^void cgi_exec_server_init\(/m,
        qr/^void cgi_exec_server_merge\(/m]) {
    my ($what, $init, $merge) = @$_;
    my $members = body($header, "struct cgi_exec_${what}_t");
    $members =~ s{/\*.*?\*/}{}gs;
    for my $field ($members =~ /(\w+);/g) {
        next if $field =~ /^(?:is_set|lines|outer|inner)$/;    # of itself
        push @fields, $field;
        push @{$missing{'unset value'}}, $field
            if body($source, $init) !~ /->$field = /;
        push @{$missing{merge}}, $field
            if body($source, $merge) !~ /MERGE\($field,/;
        push @{$missing{directive}}, $field
            unless grep { $directive{$_} && $setter{$_} =~ /->$field\b/ }
            keys %setter;
    }
}
for my $name (sort values %directive) {
    push @{$missing{section}}, $name if $pages !~ /^## $name Directive$/m;
    push @{$missing{test}}, $name if $tests !~ /\b$name\b/;
}
ok(@fields >= 13);
ok t_cmp("@{$missing{$_} || []}", '', "each has its $_")
    for 'unset value', 'merge', 'directive', 'section', 'test';
