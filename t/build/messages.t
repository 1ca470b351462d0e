# Each message of level warning or above has an entry in
# doc/troubleshooting.md, and each entry is of a message. Reads the sources.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use CGITest::Files;

chdir Apache::Test::vars('top_dir') or die;

# What logs: the name of a function, what comes before the text in the log, and
# which of its arguments, from 0, are the text.
my %logs = (
    'ap_log_error' => ['', 4], 'ap_log_rerror' => ['', 4],
    'ap_log_perror' => ['', 4], 'ap_log_cerror' => ['', 4],
    'cgi_fail' => ['', 3], 'cgi_overload' => ["can't be started: ", 2],
    'launcher_die' => ['cgi-launcher: ', 0], 'fprintf' => ['', 1],
);
# Functions of one file that do.
my %logs_of = (
    'mod_runscripts.c' => {fail => ['%s: ', 3]},
    'mod_cgiroute.c' => {fail => ['%s: ', 2]},
    'cgiroute/choose.c' => {fail => ['route %s (%s:%d): ', 2],
        refuse => ['%s: ', 2]},
    'cgi/sandbox.c' => {refuse => ['...', 3, 4]},
    'cgi/status_handler.c' => {refuse => ['status page: ', 2]},
    'cgi/park.c' => {complain => ['requests that wait keep their threads now: ', 2]},
    'launcher/confine.c' => {complain => ['cgi-launcher: sandbox: ', 0]},
);
# Formats of functions that log what others tell them: those are above, or say
# the text that the format is a part of.
my %wraps = map { $_ => 1 } '%s: %s', '%s: %s%s', '%s; %s',
    'route %s (%s:%d): %s', 'CGIRoute at %s:%d %s', "can't be started: %s",
    'CGISandbox on line %d of %s: %s%s', 'cgi-launcher: %s: %s',
    'status page: %s', 'requests that wait keep their threads now: %s';
# Functions that return texts for such formats, and what comes before these.
my @return = (['cgi/script.c', 'cgi_script_how_ended', ''],
    ['cgiroute/user.c', 'cgiroute_add_identity', 'CGIRoute at %s:%d ']);

sub quiet { return $_[0] =~ /^\s*(?:APLOG_(?:INFO|NOTICE|DEBUG|TRACE\d)|[^,]*\?\s*APLOG_TRACE\d\s*:\s*APLOG_DEBUG)/ }

# The arguments of a call, from behind its parenthesis.
sub arguments {
    my ($text) = @_;
    my ($depth, @args) = (0, '');
    while ($text =~ /\G("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|.)/gs) {
        my $piece = $1;
        if ($piece =~ /^[(\[{]$/) { $depth++ }
        elsif ($piece =~ /^[)\]}]$/) { last unless $depth-- }
        elsif ($piece eq ',' && !$depth) { push @args, ''; next }
        $args[-1] .= $piece;
    }
    return @args;
}

# The texts of an argument: literals in a row are one, "?" and ":" lie between
# two.
sub literals {
    my ($arg, $macros) = @_;
    my @texts;
    $arg =~ s/\b([A-Z][A-Z_]+)\b/$macros->{$1} ? $macros->{$1} : $1/ge;
    $arg =~ s/"\s*APR_\w+_FMT\s*"/d/g;
    while ($arg =~ /((?:"(?:\\.|[^"\\])*"\s*)+)/g) {
        my $text = join '', $1 =~ /"((?:\\.|[^"\\])*)"/g;
        $text =~ s/\\"/"/g;
        $text =~ s/\\n$//;
        push @texts, $text if $wraps{$text} || $text =~ /\w{2}.*\w{2}/s;
    }
    return @texts;
}

my @files = glob '*.c {cgi,runscripts,cgiroute,launcher,base,warm}/*.[ch]';
my %macros;
for my $file (@files) {
    my $text = read_file($file) =~ s/\\\n/ /gr;
    $macros{$1} = $2
        while $text =~ /^#define ([A-Z_]+)\s+((?:"(?:\\.|[^"\\])*"\s*)+)$/mg;
}
my (%messages, @unknown);
for my $file (@files) {
    my $text = read_file($file);
    $text =~ s{/\*.*?\*/}{}gs;
    my %known = (%logs, %{$logs_of{$file} || {}});
    my $names = join '|', map { quotemeta } sort keys %known;
    while ($text =~ /\b($names)\s*\(/g) {
        my ($name, $end) = ($1, pos $text);
        my ($before, @which) = @{$known{$name}};
        my @args = arguments(substr $text, $end);
        next if $args[0] =~ /^\s*(?:const |struct |request_rec \*|attempt_t)/;
        next if $name eq 'fprintf' && $args[0] !~ /stderr/;
        next if $name =~ /^ap_log/ && quiet($args[1]);
        next if $name eq 'refuse' && ($args[1] // '') =~ /NOT_FOUND/;
        my @texts = map { literals($args[$_] // '', \%macros) } @which;
        # What a format puts together may be in the same call.
        push @texts, map { literals($_, \%macros) } @args[$which[-1] + 1 .. $#args]
            if @texts == 1 && $wraps{$texts[0]} && $name !~ /^fprintf/;
        $messages{"$before$_"} //= $file for grep { !$wraps{$_} } @texts;
        push @unknown, "$file: $name(@args)"
            if !@texts && $name =~ /^(?:ap_log|cgi_)/ && $args[1] =~ /\w/
            && $args[-1] !~ /^\s*(?:\.\.\.|const char \*\w+)$/;
    }
    for (grep { $_->[0] eq $file } @return) {
        my ($body) = $text =~ /^const char \*$_->[1]\(.*?\{\n(.*?)^\}/ms;
        for my $literal (literals($body, \%macros)) {
            $messages{"$_->[2]$literal"} //= $file;
        }
    }
}

# The entries: a list's item begins with one message or more.
my $page = read_file('doc/troubleshooting.md');
my @entries;
for my $item ($page =~ /^- (`.*?)(?=^- |^$|\z)/gms) {
    my ($head) = $item =~ /^((?:`[^`]+`,?\s*)+)/ or next;
    push @entries, map { s/\s+/ /gr } $head =~ /`([^`]+)`/g;
}

# Where a message ends or begins by a piece of its own, more may follow there.
sub pattern {
    my ($format) = @_;
    my $left = $format =~ s/^\.\.\.// ? '' : '^';
    my $right = $left eq '' || $format =~ /[ :]$/ ? '' : '$';
    my $text = join '.*', map { quotemeta }
        split /%(?:\.\*|\.\d+)?[-\w]{0,2}?[sducxp]/, $format =~ s/ $//r, -1;
    $text =~ s/(?:\\ )+/ /g;
    # A launcher's errors end in the system's.
    $right = '(?:: ERROR)?$' if $format =~ /^cgi-launcher: / && $right;
    return qr/$left$text$right/;
}
my %pattern = map { $_ => pattern($_) } keys %messages;
my @missing = grep {
    my $regex = $pattern{$_};
    !grep { $_ =~ $regex } @entries;
} sort keys %messages;
my @idle = grep {
    my $entry = $_;
    !grep { $entry =~ $_ } values %pattern;
} @entries;

plan tests => 5;
ok(keys %messages >= 120) or print '# ', scalar keys %messages, "\n";
ok t_cmp(join("\n", map { "$messages{$_}: $_" } @missing), '',
    'messages without an entry');
ok t_cmp(join("\n", @idle), '', 'entries without a message');
ok t_cmp(join("\n", @unknown), '', 'calls whose text is not known');
# This test sees what is new.
ok(!grep { 'a message that nobody has written' =~ $_ } values %pattern);
