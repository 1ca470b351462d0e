# Each file of conf/examples loads as it is, with its own values replaced by
# Define lines before it, and does what it says: the five kinds of set-up that
# users bring, and those that outgrow them.
use strict;
use warnings;
use Apache::Test;
use CGITest::Files;
use CGITest::Server;
use Program 'need_shm';
use File::Temp ();
use POSIX ();
use Time::HiRes ();
use Route;

my $examples = Apache::Test::vars('top_dir') . '/conf/examples';
my @all = map { m{([^/]+)\.conf$} } glob "$examples/*.conf";
my ($php) = grep { -x } '/usr/bin/php-cgi';
my ($fpm) = grep { -x } glob '/usr/sbin/php-fpm*';
my ($fcgiwrap) = grep { -x } '/usr/sbin/fcgiwrap', '/usr/bin/fcgiwrap';
my ($fossil) = grep { -x } '/usr/bin/fossil';
my ($git) = grep { -x } '/usr/bin/git';

my $page = "<?php header('Content-Type: text/plain'); echo 'PAGE ';"
    . " echo \$_SERVER['SCRIPT_NAME'], ' ', \$_SERVER['PATH_INFO'] ?? '';";
my %files = (
    'cgi/env' => show_script('env'),
    'cgi/app' => show_script('app'),
    'cgi/darcsweb.cgi' => show_script('darcsweb'),
    'cgi/trac.cgi' => show_script('trac'),
    'site/index.php' => $page,
    'site/a/x.php' => $page,
    'site/a/index.php' => $page,
    'site/plain/index.html' => "plain index\n",
    'site/plain/x.txt' => "plain\n",
    'site/b c.php' => $page,
    'site/.d.php' => $page,
    'ext/prog' => show_script('prog'),
    'ext/page.html' => "page\n",
    'ext/prog~data' => "DATA\n",
    'ext/fail' => "#!/bin/sh\nexit 1\n",
    'ext/.hidden' => "DATA\n",
    'ext/-x' => "DATA\n",
    'fossil/fossil.cgi' => '',
    passwords => "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n",
    'notes/index.md' => "# Home\n",
    'notes/a/b.md' => "# A b\n\n<script>x</script>\n",
    'notes/.b.md' => "# Hidden\n",
    'git/' => '',
);
my %done;

# An httpd with that example; its values come first.
sub example {
    my ($name, $values, $more) = @_;
    $done{$name} = 1;
    my $conf = join '', map { qq(Define $_ "$values->{$_}"\n) } sort keys %$values;
    return routes(qq($conf\nInclude "$examples/$name.conf"\n) . ($more || ''),
                  \%files);
}

my @children;
my $me = $$;

sub start {
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        setpgrp;
        open $_, '>', '/dev/null' for *STDOUT, *STDERR;
        { exec @_ }
        POSIX::_exit(1);
    }
    push @children, $pid;
}
END {
    if ($me && $$ == $me) {
        local $?;
        kill 'KILL', -$_, $_ for @children;
        waitpid $_, 0 for @children;
    }
}
sub wait_for { -S $_[0] and return 1 or Time::HiRes::sleep(0.1) for 1 .. 50 }

plan tests => 97, \&need_shm;

# A cgi-bin directory
my $httpd = example('cgi-bin', {CGI_BIN => '@TREE@/cgi'});
my $got = show($httpd, '/cgi-bin/env/a/b?c');
ok($got->{SHOW_NAME} eq 'env');
ok($got->{SCRIPT_NAME} eq '/cgi-bin/env' && $got->{PATH_INFO} eq '/a/b');
ok(show($httpd, '/cgi-bin/none')->{STATUS} == 404);
ok(show($httpd, '/cgi-bin/')->{STATUS} == 404);

# A script by regular expression
$httpd = example('darcsweb', {DARCSWEB => '@TREE@/cgi'});
ok(show($httpd, '/darcsweb')->{SHOW_NAME} eq 'darcsweb');
ok(show($httpd, '/darcsweb/x')->{PATH_INFO} eq '/x');
ok(show($httpd, '/darcsweb2')->{STATUS} == 404);

# A route with variables
$httpd = example('trac', {TRAC_CGI => '@TREE@/cgi',
                          TRAC_PROJECTS => '/srv/trac'});
$got = show($httpd, '/trac/my-project/wiki/Start');
ok($got->{SHOW_NAME} eq 'trac');
ok($got->{TRAC_ENV} eq '/srv/trac/my-project');
ok($got->{SCRIPT_NAME} eq '/trac/my-project');
ok($got->{PATH_INFO} eq '/wiki/Start');
ok(show($httpd, '/trac/..%2fx')->{STATUS} == 404);

# ... with a login: a user "me", whose password is "pw"
my $users = File::Temp->new;
print $users "me:{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM=\n";
close $users;
chmod 0644, "$users";
my @login = (Authorization => 'Basic bWU6cHc=');
$httpd = example('trac', {TRAC_CGI => '@TREE@/cgi', TRAC_USERS => "$users",
                          TRAC_PROJECTS => '/srv/trac'});
ok(show($httpd, '/trac/x/login')->{STATUS} == 401);
$got = show($httpd, '/trac/x/login', @login);
ok(($got->{REMOTE_USER} // '') eq 'me' && $got->{PATH_INFO} eq '/login');
ok($got->{SCRIPT_NAME} eq '/trac/x' && $got->{TRAC_ENV} eq '/srv/trac/x');
ok(show($httpd, '/trac/x/wiki')->{SHOW_NAME} eq 'trac');

# An extension directory
$httpd = example('extension-directory', {EXTENSIONS => '@TREE@/ext'});
ok(show($httpd, '/ext/prog/x')->{PATH_INFO} eq '/x');
ok(request($httpd->port, 'GET', '/ext/page.html')->{body} eq "page\n");
ok(request($httpd->port, 'GET', "/ext/$_")->{status} == 404)
    for qw(prog~data .hidden -x none);
ok(request($httpd->port, 'GET', '/ext/fail')->{status} == 500);
ok(join(' ', request($httpd->port, 'GET', '/ext/')->{body} =~ /href="(.*?)"/g)
    eq 'fail page.html prog');

# PHP, by program and by FPM: the same URLs have the same answers
sub php_pages {
    my ($name, $values) = @_;
    $httpd = example($name, {PHP_SITE => '@TREE@/site', %$values},
                     qq(DocumentRoot "\@TREE\@/site"\n)
                     . "DirectoryIndex index.html\n");
    for (['/', 'PAGE /index.php '], ['/a/', 'PAGE /a/index.php '],
         ['/a/?y=1', 'PAGE /a/index.php '],
         ['/a/x.php', 'PAGE /a/x.php '],
         ['/a/x.php/info', 'PAGE /a/x.php /info'],
         ['/a/x.php?y=/', 'PAGE /a/x.php '],
         ['/plain/', "plain index\n"], ['/plain/x.txt', "plain\n"]) {
        my ($url, $expected) = @$_;
        my $body = request($httpd->port, 'GET', $url)->{body};
        print "# $name $url: $body\n" if $body ne $expected;
        ok($body eq $expected);
    }
    # no source, whatever the name
    for my $url ('/b%20c.php', '/.d.php') {
        my $response = request($httpd->port, 'GET', $url);
        ok($response->{status} == 404 && $response->{body} !~ /PAGE|<\?/);
    }
}
if ($php) {
    php_pages('php', {});
}
else {
    skip('php-cgi is not installed') for 1 .. 10;
}
my $sockets = File::Temp->newdir('ex-XXXXXX', TMPDIR => 1);
if ($fpm) {
    write_file("$sockets/fpm.conf", "[global]\n"
        . "error_log = $sockets/fpm.log\ndaemonize = no\n[www]\n"
        . "listen = $sockets/fpm\npm = static\npm.max_children = 2\n");
    start($fpm, '-y', "$sockets/fpm.conf", '-F');
    wait_for("$sockets/fpm");
    php_pages('php-fpm', {PHP_SOCKET => "$sockets/fpm"});
}
else {
    skip('php-fpm is not installed') for 1 .. 10;
}

# A cluster of two
if ($fcgiwrap) {
    start($fcgiwrap, '-c', 2, '-s', "unix:$sockets/$_") for 1, 2;
    wait_for("$sockets/$_") for 1, 2;
    $httpd = example('cluster', {CLUSTER_CGI => '@TREE@/cgi',
        map { ("CLUSTER_" . ($_ == 1 ? 'ONE' : 'TWO')
               => "unix:$sockets/$_|fcgi://member$_") } 1, 2});
    $got = show($httpd, '/app/app/x/y');
    ok($got->{SHOW_NAME} eq 'app');
    ok($got->{APPLICATION} eq 'app');
    ok($got->{SCRIPT_NAME} eq '/app/app' && $got->{PATH_INFO} eq '/x/y');
    ok(show($httpd, '/app/none')->{STATUS} == 404);
}
else {
    skip('fcgiwrap is not installed') for 1 .. 4;
}

# git: clone through the route
if ($git && -x '/usr/lib/git-core/git-http-backend') {
    $httpd = example('git', {GIT_PROJECTS => '@TREE@/git'});
    my ($tree, $url) = ($httpd->{tree}, $httpd->url('/git/one.git'));
    local %ENV = (%ENV, HOME => "$tree", GIT_CONFIG_NOSYSTEM => 1,
                  map { ("GIT_${_}_NAME" => 'x', "GIT_${_}_EMAIL" => 'x@x') }
                  qw(AUTHOR COMMITTER));
    my $said = `exec 2>&1; cd $tree && git init -q work && cd work &&
        echo text >file && git add file && git commit -q -m one &&
        git clone -q --bare . ../git/one.git && git clone -q $url ../clone &&
        cat ../clone/file`;
    print map { "# $_\n" } split /\n/, $said;
    ok($said eq "text\n");
    # nobody has logged in: no push
    $said = `exec 2>&1; cd $tree/clone && echo more >>file &&
        git commit -q -a -m two && git push -q && echo pushed`;
    ok($said !~ /pushed/ && $said =~ /403/);

    # with a login, those who have one, also where the repository lets all push
    my $push = '/git/one.git/git-receive-pack';
    my $bare = "$tree/git/one.git";
    ok(system("git -C $bare config http.receivepack true") == 0);
    ok(request($httpd->port, 'POST', $push, body => '')->{status} == 403);
    $httpd = example('git', {GIT_PROJECTS => "$tree/git",
                             GIT_USERS => "$users"});
    for ($push, '/git/one.git/git%2dreceive-pack') {
        ok(request($httpd->port, 'POST', $_, body => '')->{status} == 401);
    }
    my $refs = '/git/one.git/info/refs?service=git-';
    ok(request($httpd->port, 'GET', "${refs}receive-pack")->{status} == 401);
    ok(request($httpd->port, 'GET', "${refs}upload-pack")->{status} == 200);
    my $with = $httpd->url('/git/one.git') =~ s{//}{//me:pw\@}r;
    $said = `exec 2>&1; cd $tree/clone && git push -q $with && echo pushed`;
    print map { "# $_\n" } split /\n/, $said;
    ok($said =~ /^pushed/m);
}
else {
    skip('git is not installed') for 1 .. 9;
}

# Fossil: each form of fossil.cgi that the comment has, and its commands
if ($fossil) {
    $httpd = example('fossil', {FOSSIL => '@TREE@/fossil'});
    my $tree = $httpd->{tree};
    local %ENV = (%ENV, HOME => "$tree", USER => 'tester');
    my $comment = join '', map { s/^# ?//r }
        grep { /^#/ } split /^/, read_file("$examples/fossil.conf");
    $comment =~ s{/srv/fossil}{$tree/fossil}g;
    $comment =~ s{/usr/bin/fossil}{$fossil}g;
    my @forms = map { s/^  //mgr } $comment =~ /^(  #!.*\n(?:  .*\n)+)/mg;
    my ($disable, $backoffice) = $comment =~ /^  (fossil .*)/mg;
    mkdir "$tree/fossil/$_" for qw(repositories ext);
    tree("$tree/fossil/ext", show => "#!/bin/sh\n"
         . "echo Content-Type: text/plain\necho\nenv\n", 'page.txt' => "PAGE\n");
    my $said = `exec 2>&1; cd $tree/fossil/repositories &&
        $fossil init -A tester project.fossil && $disable`;
    ok(@forms == 3 && $? == 0);
    for my $form (@forms) {
        # anew: one that runs can't be written to
        unlink "$tree/fossil/fossil.cgi";
        tree("$tree/fossil", 'fossil.cgi' => $form);
        my $home = $form =~ /^repository:/m ? '/fossil' : '/fossil/project';
        my $response = request($httpd->port, 'GET', "$home/timeline");
        print "# $form# $response->{head}\n";
        ok($response->{status} == 200 && $response->{body} =~ /Timeline/);
        my $url = $httpd->url($home);
        unlink "$tree/clone.fossil";
        $said = `exec 2>&1; cd $tree && $fossil clone $url clone.fossil`;
        print map { "# $_\n" } split /\n/, $said;
        ok($? == 0 && -s "$tree/clone.fossil");
    }
    $said = request($httpd->port, 'GET', '/fossil/ext/show/x')->{body};
    ok($said =~ m{^PATH_INFO=/x$}m && $said =~ m{^SCRIPT_NAME=/fossil/ext/show$}m);
    ok($said =~ /^FOSSIL_CAPABILITIES=\w/m);
    ok(request($httpd->port, 'GET', '/fossil/ext/page.txt')->{body} =~ /^PAGE$/m);
    tree("$tree/fossil", 'fossil.cgi' => $forms[0]);
    ok(request($httpd->port, 'GET', '/fossil/')->{body}
       =~ m{href=['"]/fossil/project/});
    $said = `exec 2>&1; cd $tree && $backoffice`;
    print "# $said\n";
    ok($? == 0);
}
else {
    skip('fossil is not installed') for 1 .. 12;
}

# Markdown: the filter of the comment
if (my ($cmark) = grep { -x } '/usr/bin/cmark') {
    my ($filter) = read_file("$examples/markdown.conf")
        =~ /^(#   #!.*\n(?:#   .*\n|#\n)+)/m;
    write_file("$sockets/filter", $filter =~ s/^#   //mgr);
    chmod 0755, "$sockets/filter";
    $httpd = example('markdown', {NOTES => '@TREE@/notes',
                                  NOTES_FILTER => "$sockets/filter"});
    for (['/notes/', 'Home'], ['/notes/a/b', 'A b']) {
        my $response = request($httpd->port, 'GET', $_->[0]);
        print "# $response->{head}\n# $response->{body}\n";
        ok($response->{body} =~ m{<h1>$_->[1]</h1>}
           && $response->{header}{'content-type'} eq 'text/html; charset=utf-8');
    }
    ok(request($httpd->port, 'GET', '/notes/a/b')->{body} !~ /<script/);
    ok(request($httpd->port, 'GET', "/notes/$_")->{status} == 404)
        for qw(none .b a/b.md);
}
else {
    skip('cmark is not installed') for 1 .. 6;
}

# The status page: who may see it is not asked for a password, who ends a script
# is. secret, as htpasswd -s writes it.
$httpd = example('status', {STATUS_PASSWORDS => '@TREE@/passwords'});
ok(request($httpd->port, 'GET', '/cgi-status')->{body} =~ /No script runs/);
my %form = (Origin => 'http://127.0.0.1:' . $httpd->port, body => 'id=0-1');
ok(request($httpd->port, 'POST', '/cgi-status/end', %form)->{status} == 401);
$form{Authorization} = 'Basic YWxpY2U6c2VjcmV0';
ok(request($httpd->port, 'POST', '/cgi-status/end', %form)->{status} == 303);

# A skin: the template and the script of the comment
my ($template, $script) = map { s/^#   ?//mgr }
    read_file("$examples/skin.conf") =~ /^(#   \S.*\n(?:#   .*\n)+)/mg;
write_file("$sockets/site.skin", $template);
mkdir "$sockets/tools";
write_file("$sockets/tools/space.doit", $script);
chmod 0755, "$sockets/tools/space.doit";
$httpd = example('skin', {SKIN => "$sockets/site.skin",
    SKIN_TOOLS => "$sockets/tools"}, qq(Alias "/tools" "$sockets/tools"\n));
my $response = request($httpd->port, 'GET', '/tools/space');
print "# $response->{body}\n";
ok($response->{body} =~ m{<title>Free space - Our tools</title>});
ok($response->{body} =~ m{<h1>Free space</h1>\n<div data-title='Free space'>}
   && $response->{body} =~ m{</div>\n\n</main></body></html>\n\z});
my ($nonce) = $response->{body} =~ /nonce="([^"]+)"/;
ok(index($response->{header}{'content-security-policy'}, "'nonce-$nonce'") > 0);
ok(request($httpd->port, 'GET', '/tools/space', 'Sec-Fetch-Dest' => 'empty')
    ->{body} =~ /\A<div/);

# chroot by host: httpd has to be root (t/root has it running)
mkdir "$sockets/host";
$done{'chroot-by-host'} = 1;
my ($ok, $said) = CGITest::Server->check(
    qq(Define JAIL "$sockets"\nDefine JAIL_USER nobody\n)
    . qq(Define JAIL_GROUP nogroup\n)
    . qq(Include "$examples/chroot-by-host.conf"\n));
print "# $said\n";
ok($> == 0 ? $ok : $said =~ /chroot= must have httpd started as root/);

# none is forgotten, and none needs a Define
my @forgotten = grep { !$done{$_}
    && !($_ eq 'php' && !$php || $_ eq 'php-fpm' && !$fpm
         || $_ eq 'cluster' && !$fcgiwrap || $_ eq 'git' && !$git
         || $_ eq 'fossil' && !$fossil
         || $_ eq 'markdown' && !-x '/usr/bin/cmark') } @all;
print "# not tested: @forgotten\n" if @forgotten;
ok(!@forgotten);
for my $name (@all) {
    my $said = refused(qq(Include "$examples/$name.conf"\n));
    print "# $name: $said\n";
    ok($said eq '' || $said =~ /must be a directory that exists/
       || $said =~ /exec= must name a program that exists/
       || $said =~ /CGISkin \S+: No such file/
       || $said =~ /must have httpd started as root/);
}
