# mpm: all, with ALL=1
# R1: Options RunScripts is merged as core merges its own options, which stay
# as they are. A model of core's rules says for three levels of directories
# (two sections and a .htaccess file) which options are on; each is then looked
# for with a request. Then: the other kinds of section, and graceful restarts.
use strict;
use warnings;
use Apache::Test;
use CGITest::Server;
use RunScripts;

# Lines that a level can have; a level may have two of them.
my @lines = (
    '', 'RunScripts', '+RunScripts', '-RunScripts', 'None', 'All', 'Indexes',
    '+Indexes', '-Indexes +RunScripts', 'Indexes RunScripts ExecCGI',
    'None RunScripts', 'None +RunScripts', 'All -RunScripts',
    'MultiViews RunScripts', '+MultiViews -RunScripts',
    '+RunScripts -RunScripts', 'runscripts', 'FollowSymLinks MultiViews',
    "+RunScripts\n+ExecCGI", "Indexes\n+RunScripts", "+RunScripts\nNone",
    "RunScripts\n-RunScripts", "+RunScripts\nIndexes", "-RunScripts\nAll",
);
my %all = map { $_ => 1 } qw(Indexes FollowSymLinks ExecCGI RunScripts);

# One level for one option, as core keeps it.
sub level {
    my ($option, $lines) = @_;
    my %is = (unset => 1, on => 0, add => 0, remove => 0);
    for my $line (split /\n/, $lines) {
        my $first = 1;
        for my $word (split ' ', $line) {
            my ($sign, $name) = $word =~ /^([+-]?)(.*)/;
            @is{qw(unset on)} = (0, 0) if $first && !$sign;
            $first = 0;
            next unless lc $name eq lc $option
                or $name eq 'All' && $all{$option};
            if ($sign eq '-') { @is{qw(on add remove)} = (0, 0, 1) }
            elsif ($sign eq '+') { @is{qw(on add remove)} = (1, 1, 0) }
            else { $is{on} = 1 }
        }
    }
    return \%is;
}

sub merged {
    my ($base, $new) = @_;
    return $new unless $new->{unset};
    my %is = (unset => $base->{unset});
    $is{add} = $base->{add} && !$new->{remove} || $new->{add};
    $is{remove} = $base->{remove} && !$new->{add} || $new->{remove};
    $is{on} = $base->{on} && !$is{remove} || $is{add};
    return \%is;
}

# What is asked for in a directory to see whether an option is on there.
my %files = (
    's.doit'    => script(),
    'e.cgi'     => "#!/bin/sh\nprintf 'X-Ran: cgi\\n\\n'\n",
    'm.txt'     => "variant\n",
    'target'    => "target\n",
    'link'      => \'target',
);
my %is_on = (
    RunScripts     => sub { ran(get("$_[0]/s")) =~ /^s\.doit/ },
    ExecCGI        => sub { get("$_[0]/e.cgi")->{status} == 200 },
    MultiViews     => sub { get("$_[0]/m")->{body} eq "variant\n" },
    Indexes        => sub { get("$_[0]/")->{body} =~ /m\.txt/ },
    FollowSymLinks => sub { get("$_[0]/link")->{body} eq "target\n" },
);

# Every line at level 1 with every line at level 2; level 3 goes round.
my (@cases, $conf);
for my $one (@lines) {
    for my $two (@lines) {
        push @cases, [$one, $two, $lines[(@cases * 7 + 1) % @lines]];
    }
}
sub section {
    my ($path, $lines) = @_;
    return join '', "<Directory \"\@root\@/htdocs/$path\">\nAllowOverride All\n",
        (map { "Options $_\n" } split /\n/, $lines), "</Directory>\n";
}
$conf = <<'EOC';
Options FollowSymLinks
<Directory "@root@/htdocs">
    AddHandler cgi-script .cgi
    AddType text/plain .txt
</Directory>
EOC
for my $i (0 .. $#cases) {
    $conf .= section($i, $cases[$i][0]) . section("$i/a", $cases[$i][1]);
}

# The other kinds of section, each with what it does to "off" and to "on".
my @sections = (
    ['<Directory "@root@/htdocs/NAME">', '</Directory>'],
    ['<Directory "@root@/htdocs/NAM[E]">', '</Directory>'],
    ['<Directory ~ "/htdocs/NAME/">', '</Directory>'],
    ['<DirectoryMatch "/htdocs/NAME/">', '</DirectoryMatch>'],
    ['<Location "/NAME">', '</Location>'],
    ['<LocationMatch "^/NAME/">', '</LocationMatch>'],
    ['<FilesMatch "^NAME(\.doit)?$">', '</FilesMatch>'],
    ["<Directory \"\@root\@/htdocs/NAME\">\n<Files \"NAME*\">",
        "</Files>\n</Directory>"],
    ['<If "%{REQUEST_URI} =~ m#^/NAME/#">', '</If>'],
    ["<Directory \"\@root\@/htdocs/NAME\">\n<If \"true\">",
        "</If>\n</Directory>"],
    ["<Directory \"\@root\@/htdocs/NAME\">\n<IfModule mod_runscripts.c>",
        "</IfModule>\n</Directory>"],
    ["<Macro mNAME>\n<Directory \"\@root\@/htdocs/NAME\">",
        "</Directory>\n</Macro>\nUse mNAME"],
);
for my $i (0 .. $#sections) {
    my ($start, $end) = @{$sections[$i]};
    for my $case (["plus$i", '+RunScripts', ''], ["set$i", 'RunScripts', ''],
        ["minus$i", '-RunScripts', '+RunScripts'],
        ["other$i", 'Indexes', 'RunScripts'],
        ["more$i", '+Indexes', 'RunScripts']) {
        my ($name, $options, $before) = @$case;
        $conf .= section($name, $before);
        # <Files> and <If> come after <Directory> and .htaccess.
        (my $text = "$start\nOptions $options\n$end\n") =~
            s/NAME|NAM\[E\]/$name/g;
        $conf .= $text;
    }
}

# Servers: the main one, and a virtual host that says otherwise.
$conf .= <<'EOC';
<Directory "@root@/htdocs/inherits">
</Directory>
<VirtualHost 127.0.0.1:@port@>
    ServerName off.example
    DocumentRoot "@root@/htdocs"
</VirtualHost>
<VirtualHost 127.0.0.1:@port@>
    ServerName on.example
    DocumentRoot "@root@/htdocs"
    Options +RunScripts
</VirtualHost>
<VirtualHost 127.0.0.1:@port@>
    ServerName section.example
    DocumentRoot "@root@/htdocs"
    <Directory "@root@/htdocs/inherits">
        Options +RunScripts
    </Directory>
</VirtualHost>
EOC

plan tests => @cases * keys(%is_on) + 5 * @sections + 3 + 3;

my $httpd = CGITest::Server->plain(conf => $conf, directory => '');
my $root = $httpd->root . '/htdocs';
sub get { return request($httpd->port, 'GET', $_[0]) }

my $first = level('FollowSymLinks', 'FollowSymLinks');
for my $i (0 .. $#cases) {
    my @levels = @{$cases[$i]};
    tree("$root/$i/a/b", %files);
    tree("$root/$i/a/b", '.htaccess' =>
            join '', map { "Options $_\n" } split /\n/, $levels[2]);
    for my $option (sort keys %is_on) {
        my $state = level($option, 'FollowSymLinks');
        $state = merged($state, level($option, $_)) for @levels;
        my $want = $state->{on} ? 1 : 0;
        my $got = $is_on{$option}->("/$i/a/b") ? 1 : 0;
        print "# $option is $got, not $want: ",
            join(' | ', map { s/\n/;/gr } @levels), "\n" if $got != $want;
        ok($got == $want);
    }
}

for my $i (0 .. $#sections) {
    for my $case (["plus$i", 1], ["set$i", 1], ["minus$i", 0],
        ["other$i", 0], ["more$i", 1]) {
        my ($name, $want) = @$case;
        tree("$root/$name", "$name.doit" => script());
        my $ran = ran(get("/$name/$name")) ne '';
        print "# $sections[$i][0] $name\n" if $ran != $want;
        ok($ran == $want);
    }
}

tree("$root/inherits", 's.doit' => script());
for my $case (['off.example', 0], ['on.example', 1], ['section.example', 1]) {
    my ($host, $want) = @$case;
    my $response = request($httpd->port, 'GET', '/inherits/s', Host => $host);
    ok((ran($response) ne '') == $want);
}

# The configuration is read again, our setter called again, five times.
$httpd->graceful or die for 1 .. 5;
ok(ran(get('/plus0/plus0')) ne '');
ok(ran(get('/minus0/minus0')) eq '');
ok(get('/plus0/plus0.doit')->{status} == 404);
