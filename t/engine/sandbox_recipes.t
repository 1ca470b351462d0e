# The recipes of doc/sandbox.md as they stand there, with /srv another
# directory: each does its work, and from within each a script tries to break
# out: the form itself, a page of PHP, a hook of git.
use strict;
use warnings;
use File::Path qw(make_path);
use Test::More;
use CGITest;
use CGITest::Attempts;
use CGITest::HTTP;
use CGITest::Proc qw(slurp);
use CGITest::Server;

plan skip_all => 'this kernel lacks Landlock of version 6 (Linux 6.12)'
    if syscall(444, 0, 0, 1) < 6;
plan skip_all => 'no mod_cgiroute'
    if !-e CGITest::Server->build_dir . '/mod_cgiroute.so';

my $top = "$CGITest::Server::t/..";
my ($section) = slurp("$top/doc/sandbox.md") =~ /^## Recipes\n(.*?)^## /ms;
my %recipe = map {
    my ($name) = /^(.*)\n/;
    ($name => join '', /^    (.*\n)/mg);
} split /^### /m, $section =~ s/\A.*?^### //msr;
is(scalar keys %recipe, 3, 'recipes');
my $conf = join '', map { $recipe{$_} } sort keys %recipe;
$conf =~ s{/srv/}{\@root\@/}g;
# what this machine has otherwise: not of the sandbox
my ($php) = grep { -x } '/usr/bin/php-cgi';
my $git = -x '/usr/lib/git-core/git-http-backend';
for ([$php, qr{/usr/bin/php-cgi}], [$git, qr{/usr/lib/git-core}],
    [-d '/etc/php', qr{/etc/php,?}]) {
    my ($there, $what) = @$_;
    $conf =~ s/^<CGIRoute (?:(?!^<\/).)*$what.*?^<\/CGIRoute>\n//ms
        unless $there;
}

my $prey;
my $s = CGITest::Server->start(prepare => \&prepare, conf => <<"END");
Alias /form \@root\@/www/form
<Directory \@root\@/www>
    Require all granted
</Directory>
$conf
# hooks that may run
<If "%{REQUEST_URI} =~ m#^/git/hook#">
    CGISandbox on write=\@root\@/git net=none exec=\@root\@/git
</If>
END
my $root = $s->root;

sub prepare {
    my ($s) = @_;
    my $root = $s->root;
    $prey = prey("$root/prey");
    $s->file('www/form/attempts.doit', attempts($prey), 0755);
    $s->file('www/form/form.doit', <<'END', 0755);
#!/bin/sh
printf 'Content-Type: text/plain\n\n'
{ cat; echo; } >>"$ANSWERS" && echo thanks
END
    make_path("$root/git", "$root/work");
    $s->file('form/answers', "first\n");
    $s->file('shop/data/x', '');
    $s->file('shop/htdocs/attempts.pl', attempts($prey));
    $s->file('shop/htdocs/page.php', <<'END');
<?php
session_start();
$_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
$up = $_FILES['file']['tmp_name'] ?? '';
echo 'n=', $_SESSION['n'], ' upload=', $up ? file_get_contents($up) : '',
    ' at=', $up && str_starts_with($up, getenv('TMPDIR') . '/') ? 'tmp' : '-',
    "\n";
END
    $s->file('shop/htdocs/out.php', <<'END');
<?php
header('Content-Type: text/plain');
passthru('perl attempts.pl 2>&1');
foreach (['PREY/secret', '/etc/passwd', 'PREY/../httpd.conf'] as $name)
    echo "php $name: ", @file_get_contents($name) === false ? 'no' : 'yes', "\n";
echo 'php own page: ', @file_put_contents(__FILE__, 'x') === false ? 'no'
    : 'yes', "\n";
echo 'php link: ', @symlink('PREY/secret', getenv('TMPDIR') . '/l')
    && @file_get_contents(getenv('TMPDIR') . '/l') !== false ? 'yes' : 'no', "\n";
END
    my $page = "$root/shop/htdocs/out.php";
    my $text = slurp($page) =~ s/PREY/$root\/prey/gr;
    $s->file('shop/htdocs/out.php', $text);
}

sub ask { return CGITest::HTTP->once($s->where, @_, timeout => 120) }

# All attempts of a text were refused, but these.
sub all_refused {
    my ($text, $where, %may) = @_;
    my %got = results($text);
    cmp_ok(scalar keys %got, '>=', 50, "$where: all are tried") or diag $text;
    for (sort keys %got) {
        is($got{$_}, $may{$_} || refused($got{$_}), "$where: $_");
    }
    is(slurp("$root/prey/secret"), "SECRET\n", "$where: nothing has changed");
}

# ---- a form
$s->file('www/form/form.doit', slurp("$root/www/form/form.doit")
    =~ s/\$ANSWERS/$root\/form\/answers/r, 0755);
is(ask('POST', '/form/form', body => 'a=b')->body, "thanks\n",
    'a form has its answer');
is(slurp("$root/form/answers"), "first\na=b\n", 'which is in the file');
all_refused(ask('GET', '/form/attempts')->body, 'form');

# ---- PHP
SKIP: {
    skip 'no php-cgi', 1 if !$php || !-d '/etc/php';
    my $boundary = 'b' x 20;
    my $res = ask('POST', '/page.php', headers => ['Content-Type' =>
        "multipart/form-data; boundary=$boundary"], body => "--$boundary\r\n"
        . "Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n"
        . "uploaded\r\n--$boundary--\r\n");
    is($res->body, "n=1 upload=uploaded at=tmp\n", 'PHP: an upload, a session')
        or diag grep { /error\]/ } split /^/, $s->log_since(0);
    my ($cookie) = ($res->header('Set-Cookie') || '') =~ /^([^;]+)/;
    is(ask('GET', '/page.php', headers => ['Cookie' => $cookie])->body,
        "n=2 upload= at=-\n", 'PHP: the session goes on');
    my $text = ask('GET', '/out.php')->body;
    # net=3306: see t/engine/sandbox.t for what that leaves
    all_refused($text, 'PHP', udp => 'done', unix => 'done', netlink => 'done',
        'tcp-fast-open' => 'Operation not supported');
    is(join(' ', $text =~ /^php .*: (\w+)$/mg), 'no no no no no',
        'PHP: its own functions neither');
}

# ---- git
SKIP: {
    skip 'no git-http-backend', 1 if !$git;
    my $command = sub {
        delete local @ENV{grep { /^GIT_/ } keys %ENV};
        local $ENV{HOME} = $root;
        open my $pipe, '-|', 'sh', '-c', 'exec 2>&1 </dev/null; exec "$@"',
            'sh', 'git', '-c', 'user.name=Test', '-c', 'user.email=t@localhost',
            @_ or die "git: $!";
        local $/;
        return scalar <$pipe>;
    };
    $command->('init', '-q', '--bare', "$root/git/one.git");
    $command->('-C', "$root/git/one.git", 'config', 'http.receivepack', 'true');
    my $url = 'http://127.0.0.1:' . $s->port . '/git/one.git';
    my $said = $command->('clone', '-q', $url, "$root/work/one");
    unlike($said, qr/fatal|error/, 'git: clone') or diag $said;
    $s->file('work/one/file', "text\n");
    $command->('-C', "$root/work/one", 'add', 'file');
    $command->('-C', "$root/work/one", 'commit', '-q', '-m', 'First');
    $s->file('git/one.git/hooks/post-receive', "#!/bin/sh\n"
        . "exec perl $root/git/attempts.pl >$root/git/out 2>&1\n", 0755);
    $s->file('git/attempts.pl', attempts($prey));
    $said = $command->('-C', "$root/work/one", 'push', '-q', 'origin',
        'HEAD:main');
    unlike($said, qr/fatal|error/, 'git: push') or diag $said;
    like($command->('-C', "$root/git/one.git", 'log', '--format=%s', 'main'),
        qr/^First$/, 'git: it has arrived');
    # No hook runs that is in no directory of exec=.
    ok(!-e "$root/git/out", 'git: a hook does not run');
    like($said, qr/hook|^$/, 'git: and the push goes on');
    # One that may
    rename "$root/git/one.git", "$root/git/hook.git" or die $!;
    $url =~ s/one/hook/;
    $s->file('work/one/file', "more\n");
    $command->('-C', "$root/work/one", 'commit', '-q', '-a', '-m', 'Second');
    $said = $command->('-C', "$root/work/one", 'push', '-q', $url,
        'HEAD:main');
    unlike($said, qr/fatal|error/, 'git: push to one with a hook') or diag $said;
    all_refused(slurp("$root/git/out"), 'hook of git');
}
my @left = $s->stop;
is("@left", '', 'no process is left');
kill 'KILL', $prey->{pid};
done_testing;
