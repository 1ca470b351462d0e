# R1: what .htaccess files may do under each AllowOverride, in core's words; a
# line that core refuses is still refused in the same words; and mod_info and
# DUMP_CONFIG show what was written. CONFORMANCE C7.
use strict;
use warnings;
use Apache::Test;
use CGITest::Server;
use RunScripts;

# AllowOverride lines; the line in .htaccess; what comes of it: 1 or 0
# (RunScripts is on, or off), or the error's text.
my $no = 'Option %s not allowed here';
my @cases = (
    ['AllowOverride None', 'Options +RunScripts', 0],
    ['AllowOverride All', 'Options +RunScripts', 1],
    ['AllowOverride All', 'Options RunScripts', 1],
    ['AllowOverride All', 'Options All', 1],
    ['AllowOverride All', 'Options None', 0],
    ['AllowOverride Options', 'Options +RunScripts', 1],
    ['AllowOverride Options', 'Options All', 1],
    ['AllowOverride Options', 'Options +MultiViews', 'MultiViews'],
    ['AllowOverride Options=RunScripts', 'Options +RunScripts', 1],
    ['AllowOverride Options=RunScripts', 'Options RunScripts', 1],
    ['AllowOverride Options=RunScripts', 'Options -RunScripts', 0],
    ['AllowOverride options=runscripts', 'Options +runscripts', 1],
    ['AllowOverride "Options=RunScripts"', 'Options "+RunScripts"', 1],
    ['AllowOverride Options=RunScripts', 'Options +ExecCGI', 'ExecCGI'],
    ['AllowOverride Options=RunScripts', 'Options +MultiViews', 'MultiViews'],
    ['AllowOverride Options=RunScripts', 'Options +RunScripts +ExecCGI',
        'ExecCGI'],
    ['AllowOverride Options=RunScripts', 'Options All', 'All'],
    ['AllowOverride Options=RunScripts', 'Options None', 0],
    ['AllowOverride Options=RunScripts,Indexes', 'Options RunScripts Indexes',
        1],
    ['AllowOverride Options=Indexes,RunScripts,FollowSymLinks',
        'Options RunScripts FollowSymLinks', 1],
    ['AllowOverride Options=Indexes,RunScripts', 'Options ExecCGI', 'ExecCGI'],
    ['AllowOverride Options=Indexes', 'Options +RunScripts', 'RunScripts'],
    ['AllowOverride Options=Indexes', 'Options -RunScripts', 'RunScripts'],
    ['AllowOverride Options=Indexes', 'Options RunScripts Indexes',
        'RunScripts'],
    ['AllowOverride Options=Indexes', 'Options Indexes', 0],
    ['AllowOverride Options=None', 'Options +RunScripts', 'RunScripts'],
    ['AllowOverride Options=ExecCGI', 'Options +RunScripts', 'RunScripts'],
    ['AllowOverride Options=ExecCGI,MultiViews', 'Options +RunScripts',
        'RunScripts'],
    ['AllowOverride Options=MultiViews,ExecCGI', 'Options MultiViews ExecCGI',
        0],
    # These are the bits of core's All, but not all.
    ['AllowOverride Options=Indexes,Includes,FollowSymLinks,ExecCGI',
        'Options +RunScripts', 'RunScripts'],
    ['AllowOverride Options=Indexes,Includes,FollowSymLinks,ExecCGI',
        'Options All', 'All'],
    ['AllowOverride Options=All', 'Options +RunScripts', 1],
    ['AllowOverride Options=All', 'Options All', 1],
    ['AllowOverride FileInfo', 'Options +RunScripts',
        'Options not allowed here'],
    ['AllowOverride FileInfo Nonfatal=Override', 'Options +RunScripts', 0],
    ['AllowOverride FileInfo Nonfatal=All', 'Options +RunScripts', 0],
    ['AllowOverride Options=Indexes Nonfatal=All', 'Options +RunScripts',
        'RunScripts'],
    ['AllowOverride FileInfo Options=RunScripts Indexes',
        "Options +RunScripts\nAddType a/b .c\nIndexOptions FancyIndexing", 1],
    ["AllowOverride None\nAllowOverrideList Options", 'Options +RunScripts',
        1],
    ["AllowOverride None\nAllowOverrideList AddType", 'Options +RunScripts',
        'Options not allowed here'],
    # The last line of a section holds, except that it must say Options.
    ["AllowOverride Options=Indexes\nAllowOverride Options=RunScripts",
        'Options +RunScripts', 1],
    ["AllowOverride Options=RunScripts\nAllowOverride Options=Indexes",
        'Options +RunScripts', 'RunScripts'],
    ["AllowOverride Options=Indexes\nAllowOverride All", 'Options +RunScripts',
        'RunScripts'],
    # In sections of the file
    ['AllowOverride Options=RunScripts FileInfo',
        "<Files \"s*\">\nOptions +RunScripts\n</Files>", 1],
    ['AllowOverride Options=Indexes FileInfo',
        "<Files \"s*\">\nOptions +RunScripts\n</Files>", 'RunScripts'],
    ['AllowOverride Options=RunScripts',
        "<If \"true\">\nOptions +RunScripts\n</If>", 1],
    ['AllowOverride Options=Indexes',
        "<If \"true\">\nOptions +RunScripts\n</If>", 'RunScripts'],
    # Lines that core refuses
    ['AllowOverride All', 'Options Indexes +RunScripts', 'Either all Options'],
    ['AllowOverride All', 'Options RunScripts None',
        "'Options None' must be the first"],
    ['AllowOverride All', 'Options +RunScripts Indexes', 'Either all Options'],
    # Of these core would say that RunScripts is not allowed.
    (map { ['AllowOverride Options=RunScripts,Indexes', "Options $_",
        'Either all Options must start with + or -, or no Option may.'] }
        'RunScripts +Indexes', '+RunScripts Indexes', 'Indexes +RunScripts'),
    ['AllowOverride All', 'Options RunScript',
        'Illegal option RunScript, must be RunScripts'],
);
my $conf = '';
for my $i (0 .. $#cases) {
    $conf .= "<Directory \"\@root\@/htdocs/$i\">\n$cases[$i][0]\n</Directory>\n";
}
# A section below that says again, and one that turns the list off.
$conf .= <<'EOC';
<Directory "@root@/htdocs/x">
    AllowOverride Options=Indexes
</Directory>
<Directory "@root@/htdocs/x/y">
    AllowOverride Options=RunScripts
</Directory>
<Directory "@root@/htdocs/x/y/z">
    AllowOverride FileInfo
</Directory>
# Of no effect: core reads .htaccess files before it looks at such sections.
<DirectoryMatch "/htdocs/x/">
    AllowOverride Options=Indexes
</DirectoryMatch>
<Location /server-info>
    SetHandler server-info
</Location>
<Directory "@root@/htdocs/shown">
    Options   RunScripts   "Indexes"
    AllowOverride FileInfo Options=RunScripts,Indexes
    <Files "x">
        Options -RunScripts +ExecCGI
    </Files>
    <IfModule mod_runscripts.c>
        Options RunScripts
    </IfModule>
</Directory>
EOC

# Errors at start-up: lines for <Directory>, and what is said of them.
my @refused = (
    ['Options RunScript', 'Illegal option RunScript, must be RunScripts'],
    ['Options +runscript', 'Illegal option runscript, must be RunScripts'],
    ['Options RunScripts=on', 'Illegal option RunScripts=on, must be'],
    ['Options RunScripts Bogus', 'Illegal option Bogus'],
    ['Options Bogus RunScripts', 'Illegal option Bogus'],
    ['Options Indexes +RunScripts',
        'Either all Options must start with \+ or -, or no Option may'],
    ['Options +RunScripts Indexes',
        'Either all Options must start with \+ or -, or no Option may'],
    ['Options -RunScripts Indexes', 'Either all Options'],
    ['Options RunScripts None', "'Options None' must be the first Option"],
    ['Options RunScripts All', "'Options All' must be the first option"],
    ['Options RunScripts +None', 'Either all Options'],
    ['Options +RunScripts +All', "'Options All' must be the first option"],
    ['Options +None RunScripts', "You may not use 'Options \\+None'"],
    ['Options -All -RunScripts', "You may not use 'Options \\+All'"],
    ['Options None +Indexes RunScripts', 'Either all Options'],
    ['Options "+ RunScripts"', 'Illegal option  RunScripts'],
);
plan tests => @cases + 5 + 2 * @refused + 11;

my $httpd = CGITest::Server->plain(conf => $conf);
my $root = $httpd->root . '/htdocs';
for my $i (0 .. $#cases) {
    my ($allow, $htaccess, $want) = @{$cases[$i]};
    tree("$root/$i", 's.doit' => script(), '.htaccess' => "$htaccess\n");
    my $seen = length $httpd->error_log;
    my $response = request($httpd->port, 'GET', "/$i/s");
    my $log = substr $httpd->error_log, $seen;
    my $ok;
    if ($want =~ /^[01]$/) {
        $ok = $response->{status} == ($want ? 200 : 404)
            && (ran($response) ne '') == $want;
    }
    else {
        $want = sprintf $no, $want if $want =~ /^\w+$/;
        $ok = $response->{status} == 500 && ran($response) eq ''
            && $log =~ m{\[core:alert\]|\[runscripts:alert\]}
            && $log =~ m{\Q$root\E/$i/\.htaccess: \Q$want};
    }
    print "# $allow, $htaccess: $response->{status}\n# $log\n" unless $ok;
    ok($ok);
}

tree("$root/x", 's.doit' => script(), 'y/s.doit' => script(),
    'y/z/s.doit' => script());
ok(request($httpd->port, 'GET', '/x/s')->{status} == 404);
tree("$root/x/y", '.htaccess' => "Options +RunScripts\n");
ok(ran(request($httpd->port, 'GET', '/x/y/s')) ne '');
ok(ran(request($httpd->port, 'GET', '/x/y/z/s')) ne '');
tree("$root/x", '.htaccess' => "Options +RunScripts\n");
ok(request($httpd->port, 'GET', '/x/s')->{status} == 500);
ok(request($httpd->port, 'GET', '/x/y/s')->{status} == 500);

for my $case (@refused) {
    my ($line, $text) = @$case;
    # With the line number, and by httpd -t; and each sets nothing.
    my ($ok, $output) = CGITest::Server->check(
        "<Directory \"\@root\@/htdocs\">\n$line\n</Directory>\n");
    print "# $line: $output\n" if $ok or $output !~ /$text/;
    ok(!$ok);
    ok($output =~ /Syntax error on line \d+ of \S+httpd\.conf:\s+$text/);
}

# What the administrator wrote, as it was.
my ($ok, $dump) = CGITest::Server->check($conf, '-D', 'DUMP_CONFIG');
ok($ok);
ok($dump =~ /^\s*Options RunScripts   "Indexes"$/m);
ok($dump =~ /^\s*AllowOverride FileInfo Options=RunScripts,Indexes$/m);
ok($dump =~ /^\s*Options -RunScripts \+ExecCGI$/m);
ok($dump =~ /^\s*Options RunScripts$/m);
my $info = request($httpd->port, 'GET', '/server-info')->{body};
ok($info =~ /Options <i>RunScripts   (?:"|&quot;)Indexes/);
ok($info =~ /AllowOverride <i>FileInfo Options=RunScripts,Indexes</);
ok($info =~ /Options <i>-RunScripts \+ExecCGI</);
ok($info !~ /Options <i>None/);
# AllowOverride itself stays where core allows it.
($ok, $dump) = CGITest::Server->check("AllowOverride Options=RunScripts\n");
ok(!$ok && $dump =~ /AllowOverride not allowed here/);
($ok, $dump) = CGITest::Server->check(
    "<Directory />\nAllowOverride Bogus Options=RunScripts\n</Directory>\n");
ok(!$ok && $dump =~ /Illegal override option Bogus/);
