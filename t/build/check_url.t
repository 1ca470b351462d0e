# cgi-check URL says which file would run and whether it can, by httpd's own
# decision; --all finds every script; nothing runs.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use JSON::PP;
use CGITest::Files;
use CGITest::Server;
use RunScripts qw(request tree);

my $conf = <<'EOC';
AccessFileName .htaccess
Alias /other "@root@/other"
<Directory "@root@/htdocs">
    Options +RunScripts +FollowSymLinks
    AllowOverride All
</Directory>
<Directory "@root@/other">
    Require all granted
    RunScriptsSuffix .cgi
</Directory>
<Directory "@root@/cgi">
    Require all granted
</Directory>
<Location /secret>
    Require all denied
</Location>
<Location /inside>
    Require ip 192.0.2.7
</Location>
<Location /password>
    AuthType Basic
    AuthName x
    AuthUserFile "@root@/users"
    Require valid-user
</Location>
RewriteEngine On
RewriteRule ^/old$ /good [PT]
Redirect /gone-to http://www.example.com/
CGIRoute "^/cgi/([^/]+)" "\1" dir="@root@/cgi"
CGIRoute "^/py/(.+)" "\1.py" dir="@root@/cgi" exec="/bin/cat"
<CGIRoute "^/fixed" "fixed" dir="@root@/cgi">
    SetEnv COLOUR "red"
</CGIRoute>
CGIRoute "^/(a+)+$" "never" dir="@root@/cgi"
<VirtualHost *>
    ServerName named.example
    DocumentRoot "@root@/named"
    <Directory "@root@/named">
        Options RunScripts
        Require all granted
    </Directory>
</VirtualHost>
<VirtualHost *>
    ServerName 127.0.0.1
    DocumentRoot "@root@/htdocs"
    RewriteEngine On
    RewriteOptions Inherit
</VirtualHost>
EOC
my $ok = "#!/bin/sh\ntouch \"\$0.ran\"\necho\n";
my %files = (
    'good.doit' => $ok, 'dir/deep.nph' => $ok, 'a b.doit' => $ok,
    'sheet' => "<html>\n", 'sheet.doit' => $ok,
    'both.doit' => $ok, 'both.nph' => $ok,
    'crlf.doit' => "#!/bin/sh\r\necho\r\n", 'crlf2.doit' => "#!/bin/sh -e\r\n",
    'lost.doit' => "#!/no/such/perl\n", 'env.doit' => "#!/usr/bin/env no-such\n",
    'bom.doit' => "\xef\xbb\xbf#!/bin/sh\n", 'text.doit' => "echo\n",
    'plain.txt' => "text\n", 'secret.doit' => $ok, 'inside.doit' => $ok,
    'password.doit' => $ok, '.htaccess' =>
        "RewriteEngine On\nRewriteRule ^inner\$ /good [PT]\n",
    'off/x.doit' => $ok, 'off/.htaccess' => "Options -RunScripts\n",
    '../other/o.cgi' => $ok, '../other/p.doit' => $ok,
    '../cgi/fixed' => $ok, '../cgi/page.py' => "text\n",
    '../named/n.doit' => $ok,
);
# URL's path, options, result, file below the server's root, codes of problems.
my @cases = (
    ['/good', [], 'script', 'htdocs/good.doit'],
    ['/good/more?q', [], 'script', 'htdocs/good.doit'],
    ['/dir/deep', [], 'script', 'htdocs/dir/deep.nph'],
    ['/a%20b', [], 'script', 'htdocs/a b.doit'],
    ['/sheet', [], 'file', 'htdocs/sheet', 'file'],
    ['/sheet?x', [], 'script', 'htdocs/sheet.doit'],
    ['/sheet', ['--method=POST'], 'script', 'htdocs/sheet.doit'],
    ['/good.doit', [], 'refused', '', 'status'],
    ['/none', [], 'nothing', 'htdocs/none', 'nothing'],
    ['/plain.txt', [], 'file', 'htdocs/plain.txt', 'file'],
    ['/off/x.doit', [], 'file', 'htdocs/off/x.doit', 'shown'],
    ['/crlf', [], 'script', 'htdocs/crlf.doit', 'crlf'],
    ['/crlf2', [], 'script', 'htdocs/crlf2.doit', 'crlf'],
    ['/lost', [], 'script', 'htdocs/lost.doit', 'interpreter'],
    ['/env', [], 'script', 'htdocs/env.doit', 'interpreter'],
    ['/bom', [], 'script', 'htdocs/bom.doit', 'bom'],
    ['/text', [], 'script', 'htdocs/text.doit', 'first-line'],
    ['/mode', [], 'script', 'htdocs/mode.doit', 'not-executable'],
    ['/unread', [], 'script', 'htdocs/unread.doit', 'unreadable'],
    ['/secret', [], 'refused', 'htdocs/secret.doit', 'status'],
    ['/inside', [], 'refused', 'htdocs/inside.doit', 'status'],
    ['/inside', ['--from=192.0.2.7'], 'script', 'htdocs/inside.doit'],
    ['/password', [], 'script', 'htdocs/password.doit'],
    ['/old', [], 'script', 'htdocs/good.doit'],
    ['/inner', [], 'script', 'htdocs/good.doit'],
    ['/gone-to', [], 'redirect', '', 'redirect'],
    ['/fixed/info', [], 'script', 'cgi/fixed'],
    ['/cgi/fixed', [], 'script', 'cgi/fixed'],
    ['/py/page', [], 'script', 'cgi/page.py'],
    ['/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', [], 'refused', '',
        'status'],
    ['/cgi-status-none', ['--to=127.0.0.2'], 'nothing',
        'htdocs/cgi-status-none', 'nothing'],
);
plan tests => 3 * @cases + 38;

my $check = Apache::Test::vars('top_dir') . '/scripts/cgi-check';
my $program = CGITest::Server::program();
my $httpd = CGITest::Server->new(plain => 1, conf => $conf);
my $root = $httpd->root;
tree("$root/htdocs", %files);
for (grep { !/\.txt$|\.ht|sheet$|\.py$/ } keys %files) {
    chmod 0755, "$root/htdocs/$_" or die "$_: $!";
}
write_file("$root/htdocs/mode.doit", $ok);
chmod 0644, "$root/htdocs/mode.doit";
write_file("$root/htdocs/unread.doit", $ok);
chmod 0311, "$root/htdocs/unread.doit";
write_file("$root/users", '');
my @command = ($program, '-d', $root, '-f', "$root/httpd.conf");
my $port = $httpd->port;

sub output {
    my @words = @_;
    open my $pipe, '-|', 'sh', '-c', 'exec 2>&1 "$@"', 'sh', $check, @words
        or die;
    local $/;
    my $said = <$pipe> // '';
    close $pipe;
    return $said;
}

sub objects { return map { decode_json($_) } split /\n/, output('--json', @_) }

# All that have the same options at once.
my %groups;
push @{$groups{"@{$_->[1]}"}}, $_ for @cases;
for my $group (map { $groups{$_} } sort keys %groups) {
    my @objects = objects(@{$group->[0][1]},
        (map { "http://127.0.0.1:$port$_->[0]" } @$group), @command);
    for my $i (0 .. $#$group) {
        my ($url, undef, $result, $file, @codes) = @{$group->[$i]};
        my $o = $objects[$i] || {};
        ok t_cmp($o->{result}, $result, $url);
        ok t_cmp($o->{file} // '', $file && "$root/$file", $url);
        my @found = map { $_->{code} } @{$o->{problems}};
        ok t_cmp("@found", "@codes", $url)
            && (@codes ? !$o->{ok} : $o->{ok})
            or print map { "# $_->{text}\n" } @{$o->{problems}};
    }
}

# Members and variables.
my ($o) = objects("http://127.0.0.1:$port/good/a%20b?q=1", @command);
ok t_cmp($o->{module}, 'mod_runscripts');
ok t_cmp($o->{interpreter}, '/bin/sh');
ok t_cmp($o->{variables}{SCRIPT_NAME}, '/good');
ok t_cmp($o->{variables}{PATH_INFO}, '/a b');
ok t_cmp($o->{variables}{QUERY_STRING}, 'q=1');
ok t_cmp($o->{variables}{SERVER_PORT}, $port);
ok t_cmp("@{$o->{allow_override}}", 'AuthConfig FileInfo Indexes Limit Options');
ok(grep { $_ eq 'FollowSymLinks' } @{$o->{options}});
ok(!grep { $_ eq 'ExecCGI' } @{$o->{options}});
ok($o->{runscripts});
ok t_cmp($o->{user}, scalar getpwuid $>);
($o) = objects("http://127.0.0.1:$port/fixed/x", @command);
ok t_cmp($o->{module}, 'mod_cgiroute');
ok t_cmp($o->{route}, '^/fixed');
ok t_cmp($o->{route_at}, qr{^\Q$root\E/httpd\.conf:\d+$});
ok t_cmp($o->{variables}{COLOUR}, 'red');
($o) = objects("http://named.example:$port/n", @command);
ok t_cmp("$o->{result} $o->{file}", "script $root/named/n.doit");
ok t_cmp($o->{server}, 'named.example');
# The reason is httpd's own word.
($o) = objects("http://127.0.0.1:$port/secret", @command);
ok t_cmp("@{$o->{log}}", qr/client denied by server configuration/);
($o) = objects("http://127.0.0.1:$port/cgi/.fixed", @command);
ok t_cmp("@{$o->{log}}", qr/passed over: /);

# The manual page has all members, and all codes of problems.
my $top = Apache::Test::vars('top_dir');
my $manual = read_file("$top/doc/cgi-check.1") =~ s/^\.SH EXIT.*//msr
    =~ s/^.*?\.SH JSON//sr;
my %documented = map { $_ => 1 } $manual =~ /([a-z][a-z_-]+)/g;
my @keys = grep { !$documented{$_} } sort keys %$o;
ok t_cmp("@keys", '');
my $program_text = read_file($check);
my %codes = map { $_ => 1 } $program_text =~ /\['([a-z-]+)',\s/g,
    $program_text =~ /code => '([a-z-]+)'/g;
ok t_cmp(keys %codes > 12 ? join ' ', grep { !$documented{$_} } sort keys %codes
    : 'no codes', '');

# Sentences and exit status.
my $said = output("http://127.0.0.1:$port/good", @command);
ok t_cmp($? >> 8, 0);
ok t_cmp($said, qr{^http://127\.0\.0\.1:$port/good: runs \Q$root\E/htdocs/good\.doit as \S+ \(mod_runscripts\), with /bin/sh\n$});
$said = output('--variables', "http://127.0.0.1:$port/lost", @command);
ok t_cmp($? >> 8, 1);
ok t_cmp($said, qr{^    The first line of \S+/lost\.doit names /no/such/perl, which does not exist\.$}m);
ok t_cmp($said, qr{^    SCRIPT_NAME=/lost$}m);

# Every script, each once.
my @all = objects('--all', @command);
ok t_cmp($? >> 8, 1);
my @wanted = sort map { "$root/htdocs/$_.doit" } grep { !/^off/ }
    ("a b", qw(good sheet both crlf crlf2 lost env bom text secret inside
       password mode unread));
# Both hosts have the main server's routes, two for each of these files.
push @wanted, "$root/htdocs/dir/deep.nph", ("$root/cgi/fixed") x 4,
    ("$root/cgi/page.py") x 4, "$root/named/n.doit";
my @got = sort map { $_->{file} } grep {
    !grep { $_->{code} eq 'shadowed' } @{$_->{problems}} } @all;
ok t_cmp(join("\n", @got), join("\n", sort @wanted));
my @shadowed = map { map { $_->{text} } grep { $_->{code} eq 'shadowed' }
    @{$_->{problems}} } @all;
ok t_cmp("@shadowed", "This URL does not run $root/htdocs/both.nph.");
ok t_cmp(join(' ', sort map { $_->{url} =~ s{.*:\d+}{}r }
    grep { $_->{file} =~ m{/cgi/} } @all), join ' ', map { ($_, $_) }
    qw(/cgi/fixed /cgi/page.py /fixed /py/page));

# A httpd that runs with this configuration notices nothing: its sockets, shared
# memory and pid file are still its own.
my $running = CGITest::Server->plain(prepare => sub {
    tree($_[0]->root, 'cgi/one' =>
        "#!/bin/sh\necho Content-Type: text/plain; echo; echo one\n");
}, conf => <<'EOC');
ScriptAlias /cgi/ "@root@/cgi/"
CGIRoute "^/route" "one" dir="@root@/cgi"
CGILimit 5 queue=5
<Directory "@root@/cgi">
    Require all granted
</Directory>
<Location /cgi-status>
    SetHandler cgi-status
</Location>
EOC

sub state_of {
    my ($httpd) = @_;
    my $files = join ' ', sort grep { !/log$/ } split /\n/,
        `find @{[$httpd->root]} ! -type d`;
    return join "\n", $files, read_file($httpd->root . '/httpd.pid'),
        "@{[sort $httpd->launchers]}";
}
my $before = state_of($running);
($o) = objects('http://127.0.0.1:' . $running->port . '/route', $program, '-d',
    $running->root, '-f', $running->root . '/httpd.conf');
ok t_cmp($o->{file}, $running->root . '/cgi/one');
ok t_cmp(state_of($running), $before);
ok t_cmp(request($running->port, 'GET', $_)->{body}, "one\n")
    for '/cgi/one', '/route';

# Nothing has run, and the configuration's own faults are told.
ok t_cmp(join(' ', glob "$root/*/*.ran"), '');
$said = output('ftp://127.0.0.1/', @command);
ok t_cmp($? >> 8, 2);
$said = output('--all', "http://127.0.0.1:$port/", @command);
ok t_cmp($said, qr/^usage: /);
my $without = CGITest::Server->new(plain => 1,
    without => [qw(runscripts cgiroute)]);
$said = output('--all', $program, '-d', $without->root, '-f',
    $without->root . '/httpd.conf');
ok t_cmp("$said $?", qr/is mod_runscripts or mod_cgiroute loaded.* 512$/s);
