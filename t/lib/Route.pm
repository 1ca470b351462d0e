# What the tests of mod_cgiroute share: a httpd with routes and the files that
# they lead to, and a script that reports what it was started with.
package Route;
use strict;
use warnings;
use File::Temp ();
use base 'Exporter';
use CGITest::Files qw(tree);
use CGITest::Server ();
use RunScripts qw(request);
our @EXPORT = qw(routes refused show show_script vars request tree escape
                 log_of is);

my @kept;    # directories that live as long as the test

# A new directory with these files, as tree() has them.
sub files {
    my %files = @_;
    my $dir = File::Temp->newdir('route-XXXXXX', TMPDIR => 1);
    push @kept, $dir;
    chmod 0755, "$dir";
    tree("$dir", '.keep' => '', %files);
    return "$dir";
}

# routes(CONF, FILES, [option of CGITest::Server => value ...]): httpd with
# that configuration. "@TREE@" in it is the directory of the files.
sub routes {
    my ($conf, $files, %arg) = @_;
    my $tree = files(%$files);
    $conf =~ s/\@TREE\@/$tree/g;
    my $httpd = CGITest::Server->plain(conf => $conf, %arg);
    $httpd->{tree} = $tree;
    return $httpd;
}

# One check, which says what it got; undef is "none".
sub is {
    my ($got, $expected, $name) = @_;
    $got = defined $got ? $got : 'none';
    print "# $name: $got, not $expected\n" if $got ne $expected;
    Apache::Test::ok($got eq $expected);
}

# What httpd says when it refuses that configuration, '' when it accepts it; and
# in a list, the CGITest::Server that has it.
sub refused {
    my ($conf, $files) = @_;
    my $tree = files(%{$files || {}});
    $conf =~ s/\@TREE\@/$tree/g;
    my $own = CGITest::Server->new(plain => 1, conf => $conf);
    my $said = $own->run('-t');
    $said = '' unless $?;
    return wantarray ? ($said, $own) : $said;
}

# A script that reports its environment, arguments and directory.
sub show_script {
    my $name = shift // '';
    return <<"EOS";
#!/usr/bin/perl
use Cwd;
\$ENV{SHOW_NAME} = '$name';
\$ENV{SHOW_ARGS} = join '', map { "[\$_]" } \@ARGV;
\$ENV{SHOW_CWD} = getcwd;
\$ENV{SHOW_BODY} = join '', <STDIN>;
print "Content-Type: text/plain\\n\\n";
for my \$name (sort keys %ENV) {
    (my \$value = \$ENV{\$name}) =~ s/([^ -~]|%)/sprintf '%%%02x', ord \$1/ge;
    print "\$name=\$value\\n";
}
EOS
}

# The variables in a response of such a script; {} if it is none.
sub vars {
    my $response = shift;
    my %vars;
    return {} unless $response->{body} =~ /^SHOW_ARGS=/m;
    for (split /\n/, $response->{body}) {
        my ($name, $value) = split /=/, $_, 2;
        $value =~ s/%([0-9a-fA-F]{2})/chr hex $1/ge;
        $vars{$name} = $value;
    }
    return \%vars;
}

# show(HTTPD, PATH, [as request]): the variables that a GET of it reports,
# with STATUS, the response's own.
sub show {
    my ($httpd, $path, @more) = @_;
    my $response = request($httpd->port, 'GET', $path, @more);
    return {STATUS => $response->{status} // 0, %{vars($response)}};
}

# All but the unreserved characters and "/" as %XX.
sub escape {
    my $text = shift;
    $text =~ s{([^A-Za-z0-9._~/-])}{sprintf '%%%02X', ord $1}ge;
    return $text;
}

# What CODE makes httpd write to its log.
sub log_of {
    my ($httpd, $code) = @_;
    my $before = length $httpd->error_log;
    $code->();
    select undef, undef, undef, 0.05;
    return substr $httpd->error_log, $before;
}

1;
