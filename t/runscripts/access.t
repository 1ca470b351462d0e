# mpm: all, with ALL=1
# R8, R9, CONFORMANCE C6: the file that runs passes the same checks as if it had
# been asked for by name, and what can't run gives httpd's status and a line in
# the log that says why.
use strict;
use warnings;
use Apache::Test;
use Digest::SHA ();
use MIME::Base64 ();
use POSIX ();
use CGITest::Files;
use CGITest::Server;
use RunScripts;

my $httpd = CGITest::Server->plain(conf => <<'EOC');
AddType text/html .shtml
<Directory "@root@/htdocs">
    Options RunScripts FollowSymLinks
    AllowOverride All
    SetEnv WHERE directory
    <Files "denied.doit">
        Require all denied
    </Files>
    <FilesMatch "^(?:no|never)\.(?:doit|nph)$">
        Require all denied
    </FilesMatch>
    <Files "named">
        Require all denied
    </Files>
    <Files "file.doit">
        SetEnv WHERE file
        Header set X-File yes
    </Files>
    <Files "secret.doit">
        AuthType Basic
        AuthName x
        AuthUserFile "@root@/users"
        Require valid-user
    </Files>
    <Files "posted.doit">
        <Limit POST>
            Require all denied
        </Limit>
    </Files>
    <Files "off.doit">
        Options -RunScripts
    </Files>
    <If "%{REQUEST_FILENAME} =~ m#/cond\.doit$#">
        Require all denied
    </If>
    <Files "suffix.doit">
        RunScriptsSuffix .other
    </Files>
</Directory>
<Location "/located">
    Require all denied
</Location>
<Directory "@root@/htdocs/nolinks">
    Options -FollowSymLinks
</Directory>
<Directory "@root@/htdocs/owner">
    Options -FollowSymLinks +SymLinksIfOwnerMatch
</Directory>
<Directory "@root@/htdocs/ssi">
    Options +Includes
    AddOutputFilter INCLUDES .shtml
</Directory>
<Directory "@root@/htdocs/noexec">
    Options +IncludesNOEXEC
    AddOutputFilter INCLUDES .shtml
    ForceType text/html
</Directory>
<Directory "@root@/htdocs/index">
    DirectoryIndex denied other
</Directory>
EOC
my $root = $httpd->root . '/htdocs';
write_file($httpd->root . '/users',
    'me:{SHA}' . MIME::Base64::encode(Digest::SHA::sha1('it')) . "\n");
my @me = (Authorization => 'Basic ' . MIME::Base64::encode('me:it', ''));

sub ask { return request($httpd->port, @_) }

# A script that is not run: the status, and words of the log since.
sub refused {
    my ($url, $status, $words, @more) = @_;
    my $seen = length $httpd->error_log;
    my $response = ask('GET', $url, @more);
    my $log = substr $httpd->error_log, $seen;
    my $ok = $response->{status} == $status && ran($response) eq ''
        && $response->{raw} !~ /SECRET/ && $log =~ /$words/
        && $response->{raw} !~ /htdocs/;
    print "# $url: $response->{status}, $log\n" unless $ok;
    return $ok;
}

plan tests => 54;

# --- sections that name the file ---
tree($root, map { ("$_.doit" => script(
        'echo "X-Where: $WHERE"; echo "X-User: $REMOTE_USER"')) }
    qw(plain denied no named file secret posted off cond suffix));
tree($root, 'never.nph' => nph_script(), 'denied' => "cover\n",
    'located/foo.doit' => script());
ok(ran(ask('GET', '/plain')) ne '');
ok(refused('/denied?x', 403, 'client denied'));
ok(refused('/denied/x', 403, 'client denied'));
ok(ask('GET', '/denied')->{body} eq "cover\n");
ok(refused('/no', 403, 'client denied'));
ok(refused('/never', 403, 'client denied'));
ok(refused('/located/foo', 403, 'client denied'));
ok(refused('/cond', 403, 'client denied'));
# It is the file's name that counts, as everywhere in httpd.
ok(ran(ask('GET', '/named')) ne '');
my $file = ask('GET', '/file');
ok($file->{header}{'x-where'} eq 'file' && $file->{header}{'x-file'} eq 'yes');
ok(ask('GET', '/plain')->{header}{'x-where'} eq 'directory');
ok(refused('/secret', 401, ''));
ok(ask('GET', '/secret')->{header}{'www-authenticate'} =~ /^Basic/);
ok(refused('/secret', 401, 'not found', Authorization => 'Basic eDp5'));
my $secret = ask('GET', '/secret', @me);
ok(ran($secret) ne '' && $secret->{header}{'x-user'} eq 'me');
ok(ask('POST', '/secret', body => '')->{status} == 401);
ok(ran(ask('GET', '/posted')) ne '');
ok(ask('POST', '/posted', body => 'x')->{status} == 403);
ok(refused('/off', 403, 'off\.doit: Options RunScripts is off for this file'));
ok(refused('/suffix', 403, 'suffix\.doit: Options RunScripts is off'));
ok(ask('GET', '/off.doit')->{status} == 404);

# --- .htaccess ---
tree("$root/ht", 'foo.doit' => script(), '.htaccess' => "Require all denied\n",
    'sub/foo.doit' => script(), 'sub/.htaccess' => "Require all granted\n",
    'sub/one.doit' => script());
ok(refused('/ht/foo', 403, 'client denied'));
ok(ran(ask('GET', '/ht/sub/foo')) ne '');
tree("$root/ht/sub", '.htaccess' => <<'EOT');
Require all granted
<Files "one.doit">
    Require all denied
</Files>
EOT
ok(refused('/ht/sub/one', 403, 'client denied'));
ok(ran(ask('GET', '/ht/sub/foo/x')) ne '');
tree("$root/ht/off", '.htaccess' => "Require all granted\nOptions None\n",
    'foo.doit' => "text\n");
ok(refused('/ht/off/foo', 404, 'File does not exist'));
tree("$root/ht/off/on", '.htaccess' => "Options +RunScripts\n",
    'foo.doit' => script());
ok(ran(ask('GET', '/ht/off/on/foo')) ne '');

# --- links ---
for my $dir (qw(links nolinks owner)) {
    tree("$root/$dir", 'there.doit' => script(), 'link.doit' => \'there.doit',
        'gone.doit' => \'nowhere', 'loop.doit' => \'loop.doit',
        'root.doit' => \'/bin/ls', 'dir.doit' => \'../plaindir',
        'text.doit' => \'text', 'text' => "SECRET\n");
}
tree($root, 'plaindir/in' => "SECRET\n", 'plaindir/in.doit' => script());
ok(ran(ask('GET', '/links/link')) eq 'link.doit|/links/link||GET');
ok(refused('/nolinks/link', 403, 'Symbolic link not allowed'));
ok(refused('/nolinks/link/x?y', 403, 'Symbolic link not allowed'));
ok(ran(ask('GET', '/nolinks/there')) ne '');
ok(ran(ask('GET', '/owner/link')) ne '');
# This link belongs to somebody else than its target.
skip($> == 0 ? 'as root, the link is its own' : 0,
    sub { refused('/owner/root', 403, 'Symbolic link not allowed') });
ok(refused("/$_/gone", 403, 'Symbolic link not allowed'))
    for qw(links nolinks owner);
ok(refused('/links/loop', 403, 'link'));
ok(refused('/links/dir', 403, 'dir\.doit: a script must be a regular file'));
ok(refused('/links/dir/in', 403, 'dir\.doit: a script must be a regular'));
ok(refused('/nolinks/dir', 403, 'Symbolic link not allowed'));
ok(refused('/links/text?x', 403, 'text\.doit.*(?i:permission|execut)'));

# --- what can't be executed ---
tree("$root/bad", 'mode.doit' => "SECRET\n", 'own.doit' => script(),
    'none.doit' => script(), 'dir.doit/in' => "SECRET\n",
    'other.doit' => script(), 'empty.doit' => '');
chmod 0700, "$root/bad/own.doit";
chmod 0000, "$root/bad/none.doit";
chmod 0644, "$root/bad/other.doit";
POSIX::mkfifo("$root/bad/fifo.doit", 0755) or die $!;
ok(ran(ask('GET', '/bad/own')) ne '');
ok(refused("/bad/$_", 403, "$_\\.doit.*(?i:permission|execut)"))
    for qw(mode none other empty);
ok(refused('/bad/dir', 403, "dir\\.doit: a directory can't be run"));
ok(refused('/bad/dir/in', 403, "dir\\.doit: a directory can't be run"));
ok(refused('/bad/fifo', 403, "fifo\\.doit"));
ok(ask('POST', '/bad/fifo', body => '')->{status} == 403);

# --- nobody gets in through another request's door ---
tree("$root/ssi", 'page.shtml' => "<!--#include virtual=\"denied\" -->end\n",
    'denied.doit' => script());
my $page = ask('GET', '/ssi/page.shtml');
ok($page->{body} =~ /an error occurred.*end/s && $page->{raw} !~ /output of/);
tree("$root/noexec", 'page.shtml' =>
        "<!--#include virtual=\"foo\" --><!--#include virtual=\"foo?x\" -->end\n",
    'foo.doit' => script());
$page = ask('GET', '/noexec/page.shtml');
ok($page->{body} =~ /an error occurred.*end/s && $page->{raw} !~ /output of/);
tree("$root/index", 'denied.doit' => script(), 'other.doit' => script());
ok(ran(ask('GET', '/index/')) =~ /^other\.doit/);
unlink "$root/index/other.doit";
ok(ask('GET', '/index/')->{status} == 403);
