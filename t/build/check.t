# cgi-check finds the lines under which scripts are shown as texts, and says
# nothing of others.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use CGITest::Files;
use CGITest::Server;
use RunScripts 'tree';

my @without_cgi = (without => [qw(cgi cgid)]);
my @without_all = (without => [qw(cgi cgid runscripts)]);
my $section = "<Directory \"\@root\@/htdocs\">\n%s\n</Directory>\n";
my $on = sprintf $section, 'Options +RunScripts';
my $not_loaded = 'Options has RunScripts, but mod_runscripts is not loaded';
my $shown = 'served as a text';
my $ignored = 'Options has RunScripts, but httpd ignores it: AllowOverride';
my $none = 'neither mod_cgid nor mod_cgi is loaded';

# Name, options of CGITest::Server, its lines, files below htdocs, and what is
# found: "LINE TEXT" for a line of the configuration (its own first line is
# 1), "FILE:LINE TEXT" for a .htaccess file.
my @cases = (
    ['nothing', [], $on, {}],
    ['module gone', [@without_all], $on, {}, ["2 $not_loaded: .*$shown"]],
    ['switched off', [@without_all],
        sprintf($section, "Options -RunScripts\n# Options RunScripts"), {}],
    ['in IfModule', [@without_all],
        "<IfModule mod_runscripts.c>\n$on</IfModule>\n"
        . "<IfModule !runscripts_module>\nOptions None\n</IfModule>\n", {}],
    ['in a wrapped line', [@without_all],
        sprintf($section, "Options \\\n  Indexes \\\n  RunScripts"), {},
        ["4 $not_loaded"]],
    ['in IfDefine', [@without_all], "Define YES\n<IfDefine YES>\n$on"
        . "</IfDefine>\n<IfDefine NO>\n$on</IfDefine>\n", {},
        ["4 $not_loaded"]],
    ['in a virtual host', [@without_all],
        "<VirtualHost *>\n<Location /x>\nOptions RunScripts Indexes\n"
        . "</Location>\n</VirtualHost>\n", {}, ["3 $not_loaded"]],
    ['in .htaccess, module gone', [@without_all],
        sprintf($section, 'AllowOverride All'),
        {'a/.htaccess' => "\nOptions +RunScripts\n"},
        ["a/.htaccess:2 $not_loaded"]],
    ['guarded', [@without_all], "Include \@root\@/runscripts-guard.conf\n$on",
        {'../runscripts-guard.conf' => "# guard\n"},
        ["3 $not_loaded: .*denied by runscripts-guard"]],
    ['an included file', [@without_all], "Define WHERE \@root\@\n"
        . "Include \"\${WHERE}/more/*.conf\"\nIncludeOptional \@root\@/none*\n",
        {'../more/a.conf' => "Options +RunScripts\n", '../more/b.txt' => $on},
        ["../more/a.conf:1 $not_loaded"]],

    ['an included file, by envvars', [@without_all],
        "<IfDefine CHECK_DIR>\n$on</IfDefine>\n"
        . "IncludeOptional \${CHECK_DIR}/../more/*.conf\n",
        {'../envvars' => "export CHECK_DIR=\@root\@/htdocs\n",
         '../more/a.conf' => "Options +RunScripts\n"},
        ["../more/a.conf:1 $not_loaded"]],

    ['ScriptAlias', [@without_cgi], "ScriptAlias /cgi \"\@root\@/cgi\"\n"
        . "ScriptAliasMatch ^/x(.*) \@root\@/x\$1\n", {},
        ["1 ScriptAlias for \\S+/cgi, but $none", "2 ScriptAlias for .*$none"]],
    ['handlers', [@without_cgi], "AddHandler cgi-script .cgi .py\n"
        . sprintf($section, "SetHandler cgi-script") . "AddHandler x .y\n", {},
        ["1 AddHandler cgi-script, but $none", "3 SetHandler cgi-script"]],
    ['handlers in .htaccess', [@without_cgi],
        sprintf($section, 'AllowOverride All'),
        {'.htaccess' => "AddHandler cgi-script .cgi\n"},
        [".htaccess:1 AddHandler cgi-script, but $none"]],
    ['with mod_cgid', [], "ScriptAlias /cgi \@root\@/cgi\n"
        . "AddHandler cgi-script .cgi\n", {}],

    ['AllowOverride None', [], '', {'a/b/.htaccess' => "Options +RunScripts\n"},
        ["a/b/.htaccess:1 $ignored None \\(\\S+httpd.conf:\\d+\\).*$shown"]],
    ['allowed', [], sprintf($section, 'AllowOverride Options=RunScripts'),
        {'a/.htaccess' => "Options +RunScripts\n"}],
    ['allowed by a list', [], sprintf($section, 'AllowOverrideList Options'),
        {'a/.htaccess' => "Options +RunScripts\n"}],
    ['denied with a sentence', [], sprintf($section, 'AllowOverride FileInfo'),
        {'a/.htaccess' => "Options +RunScripts\n"}],
    ['denied without', [],
        sprintf($section, 'AllowOverride FileInfo Nonfatal=Override'),
        {'a/.htaccess' => "Options +RunScripts\n"},
        ["a/.htaccess:1 $ignored FileInfo Nonfatal=Override \\(\\S+:2\\)"]],
    ['the deeper section', [], sprintf($section, 'AllowOverride All')
        . "<Directory \"\@root\@/ht*/a\">\nAllowOverride None\n</Directory>\n",
        {'a/.htaccess' => "Options RunScripts\n",
         'b/.htaccess' => "Options RunScripts\n"},
        ["a/.htaccess:1 $ignored None \\(\\S+:5\\)"]],
    ['one host of two', [], sprintf($section, 'AllowOverride All')
        . "<VirtualHost *>\n" . sprintf($section, 'AllowOverride None')
        . "</VirtualHost>\n", {'a/.htaccess' => "Options RunScripts\n"},
        ["a/.htaccess:1 $ignored None \\(\\S+:6\\)"]],
    ['below an Alias', [], "Alias /x \"\@root\@/else where\"\n",
        {'../else where/.htaccess' => "Options RunScripts\n"},
        ["../else where/.htaccess:1 $ignored None"]],
    ['another name', [], "AccessFileName .rules\n",
        {'.rules' => "Options RunScripts\n", '.htaccess' => "Options None\n"},
        [".rules:1 $ignored None"]],
);
plan tests => 3 * @cases + 8;

my $check = Apache::Test::vars('top_dir') . '/scripts/cgi-check';
my $program = CGITest::Server::program();
sub output {
    my @command = @_;
    open my $pipe, '-|', 'sh', '-c', 'exec 2>&1 "$@"', 'sh', @command or die;
    local $/;
    my $said = <$pipe> // '';
    close $pipe;
    return $said;
}

for my $case (@cases) {
    my ($name, $args, $conf, $files, $found) = @$case;
    my $httpd = CGITest::Server->new(plain => 1, @$args, conf => $conf);
    my $dir = $httpd->root;
    tree("$dir/htdocs", map { $_ => $files->{$_} =~ s/\@root\@/$dir/gr }
        keys %$files);
    my $text = read_file("$dir/httpd.conf");
    my $offset = () = substr($text, 0, index $text,
        $conf =~ s/\@root\@/$dir/gr) =~ /\n/g;
    # As apachectl does it.
    write_file("$dir/httpd", "#!/bin/sh\n[ ! -e $dir/envvars ] || "
        . ". $dir/envvars\nexec $program \"\$\@\"\n");
    chmod 0755, "$dir/httpd" or die;
    my $said = output($check, "$dir/httpd", '-d', $dir, '-f',
        "$dir/httpd.conf");
    ok t_cmp($? >> 8, $found ? 1 : 0, $name) or print map { "# $_\n" }
        split /\n/, $said;
    my @lines = split /\n/, $said;
    ok t_cmp(scalar @lines, $found ? scalar @$found : 1, $name);
    my $missing = '';
    for my $want ($found ? @$found : '') {
        if ($want eq '') {
            $missing = 'not: nothing found' if $said ne "Nothing found.\n";
            next;
        }
        my ($line, $sentence) = $want =~ /^(.*?(?:\d+)) (.*)/;
        # The lines of AllowOverride, too, are counted from ours.
        $sentence =~ s/(\\S\+:)(\d+)\\\)/'\\S+:' . ($2 + $offset) . '\\)'/e;
        my $place = $line =~ /:/ ? qr{\Q$dir\E/htdocs/\Q$line\E|\Q$dir/@{[
                $line =~ s{^\.\./}{}r]}\E}
            : qr{\Q$dir\E/httpd\.conf:${\ ($line + $offset)}};
        $missing = $want unless grep { /^$place: $sentence/ } @lines;
    }
    ok t_cmp($missing, '', $name);
}

# What it can't tell it says, with another status.
my $httpd = CGITest::Server->new(plain => 1, conf => "NoSuchDirective On\n");
my $said = output($check, $program, '-d', $httpd->root, '-f',
    $httpd->root . '/httpd.conf');
ok t_cmp($? >> 8, 2);
ok t_cmp($said, qr/httpd does not take its configuration:.*NoSuchDirective/s);
ok t_cmp(output($check, '/no/such/httpd'),
    qr{the command '/no/such/httpd' was not found});
ok t_cmp($? >> 8, 2);
ok t_cmp(output($check, '--help'), qr/^usage: cgi-check/);
ok t_cmp($? >> 8, 0);
ok t_cmp(output($check, '--no-such'), qr/^usage: cgi-check/);
ok t_cmp($? >> 8, 2);
