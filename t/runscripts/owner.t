# R1: what the owner of a .htaccess file may turn on, in sections of all kinds
# and orders, beside sections of the administrator, against a small model: the
# option is refused wherever it stands, if AllowOverride does not name it.
# CONFORMANCE C7.
use strict;
use warnings;
use Apache::Test;
use CGITest::Server;
use RunScripts;

my $on = "Options +RunScripts\n";
my $engine = "CGIArgs On\n";

sub files  { return qq(<Files "s*">\n$_[0]</Files>\n) }
sub always { return qq(<If "true">\n$_[0]</If>\n) }

# One thing in a .htaccess file.
my %part = (
    plain => $on,
    files => files($on),
    if    => always($on),
    both  => files($on . $engine),
    eboth => always($engine . $on),
    deep  => files(always($on)),
    args  => files($engine),
    eargs => always($engine),
    none  => files("Options +Indexes\n"),
    # The script's name, not the URL's: refused like the others, but where it
    # is allowed, no request for "s" is for a script by this alone.
    late  => qq(<Files "s.doit">\n$on$engine</Files>\n),
);
my %turns_on = map { $_ => scalar($part{$_} =~ /RunScripts/) } keys %part;
# What the administrator has for the same directory.
my @admin = ('', files($engine), always($engine),
             files("CGITimeout idle=60s\n") . always($engine));

# [what AllowOverride says, the administrator's sections, parts]
my @cases;
my @names = sort keys %part;
for my $allowed (0, 1) {
    for my $first (@names) {
        for my $second ('', @names) {
            # in turn, so that each pair meets one, and each one many
            push @cases, [$allowed, $admin[@cases % @admin],
                          [grep { $_ } $first, $second]];
        }
    }
    push @cases, [$allowed, $_, ['files', 'args', 'files']],
        [$allowed, $_, ['eargs', 'if', 'args', 'if']] for @admin;
}

my $conf = '';
for my $i (0 .. $#cases) {
    my $list = $cases[$i][0] ? 'Indexes,RunScripts' : 'Indexes';
    $conf .= "<Directory \"\@root\@/htdocs/$i\">\n"
        . "AllowOverride Options=$list\n$cases[$i][1]</Directory>\n";
}
# Each .htaccess file is asked what its own directory allows.
$conf .= <<'EOC';
<Directory "@root@/htdocs/up">
    AllowOverride Options=RunScripts
</Directory>
<Directory "@root@/htdocs/up/down">
    AllowOverride Options=Indexes
</Directory>
<Directory "@root@/htdocs/no">
    AllowOverride Options=Indexes
</Directory>
<Directory "@root@/htdocs/no/yes">
    AllowOverride Options=RunScripts
</Directory>
EOC

plan tests => scalar(@cases) + 5;

my $httpd = CGITest::Server->plain(conf => $conf);
my $root = $httpd->root . '/htdocs';
my $refused = 'Option RunScripts not allowed here';
for my $i (0 .. $#cases) {
    my ($allowed, $admin, $parts) = @{$cases[$i]};
    my $wanted = grep { $turns_on{$_} } @$parts;
    tree("$root/$i", 's.doit' => script(),
         '.htaccess' => join '', map { $part{$_} } @$parts);
    my $seen = length $httpd->error_log;
    my $response = request($httpd->port, 'GET', "/$i/s");
    my $log = substr $httpd->error_log, $seen;
    my $chosen = grep { $turns_on{$_} && $_ ne 'late' } @$parts;
    my $status = $wanted && !$allowed ? 500 : $chosen ? 200 : 404;
    my $ok = ($response->{status} // 0) == $status
        && (ran($response) ne '') == ($status == 200)
        && ($log =~ m{/$i/\.htaccess: $refused}) == ($status == 500);
    print "# $i: @$parts, allowed $allowed, $admin: $response->{status}\n# $log\n"
        unless $ok;
    ok($ok);
}

tree("$root/up", 'down/s.doit' => script(), '.htaccess' => files($on));
ok(ran(request($httpd->port, 'GET', '/up/down/s')) ne '');
tree("$root/up/down", '.htaccess' => always($engine));
ok(ran(request($httpd->port, 'GET', '/up/down/s')) ne '');
tree("$root/up/down", '.htaccess' => files($on));
ok(request($httpd->port, 'GET', '/up/down/s')->{status} == 500);
tree("$root/no", 'yes/s.doit' => script(), '.htaccess' => files($on));
ok(request($httpd->port, 'GET', '/no/yes/s')->{status} == 500);
tree("$root/no", '.htaccess' => '');
tree("$root/no/yes", '.htaccess' => files($on) . always($engine));
ok(ran(request($httpd->port, 'GET', '/no/yes/s')) ne '');
