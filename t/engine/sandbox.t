# CGISandbox: what a script may do, and that it may do nothing else; its
# temporary directory and its limits; where the directive holds; kernels that
# lack something. The recipes of doc/sandbox.md: sandbox_recipes.t.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::Attempts;
use CGITest::HTTP;
use CGITest::Proc qw(slurp wait_until);
use CGITest::Server;

plan skip_all => 'this kernel lacks Landlock of version 6 (Linux 6.12)'
    if landlock() < 6;

my $prey;
my $s = CGITest::Server->start(prepare => \&prepare, conf => <<'END');
<Directory @root@/htdocs/site>
    Options +RunScripts
    CGITimeout kill=1s
</Directory>
AliasMatch "^/(free|box|plain|state|file|port|exec|limits|notmp|route)(/.*)?$" \
    "@root@/htdocs/site$2"
<LocationMatch "^/(box|host)/">
    CGISandbox on net=none
</LocationMatch>
<Location "/plain">
    CGISandbox on
</Location>
<Location "/state">
    CGISandbox on write=@root@/state
</Location>
<Location "/file">
    CGISandbox on write=@root@/state/file read=/etc/passwd,@root@/read
</Location>
<Location "/port">
    CGISandbox on net=@port2@,@port3@
</Location>
<Location "/exec">
    CGISandbox on exec=@root@/tools
</Location>
<Location "/limits">
    CGISandbox on procs=8000 mem=600M files=20
    RLimitMEM 500000000 700000000
</Location>
<Location "/notmp">
    CGISandbox on tmp=none
</Location>
<IfModule mod_cgiroute.c>
    CGIRoute "^/sandboxroute/(run|attempts)" "\1.doit" dir=@root@/htdocs/site
    CGIRoute "^/sandboxexec/(plain)" "\1.pl" dir=@root@/htdocs/site \
        exec=@root@/tools/perl
    <LocationMatch "^/sandbox(route|exec)/">
        CGISandbox on net=none
    </LocationMatch>
</IfModule>
<VirtualHost *>
    ServerName main
</VirtualHost>
<VirtualHost *>
    ServerName boxed
    CGISandbox on
    AliasMatch "^/(host|free)(/.*)?$" "@root@/htdocs/site$2"
    <Location "/free">
        CGISandbox off
    </Location>
</VirtualHost>
END
my $root = $s->root;
my $run = slurp("$root/htdocs/site/run.doit");

sub prepare {
    my ($s) = @_;
    my $root = $s->root;
    $prey = prey("$root/prey");
    my $site = 'htdocs/site';
    $s->file("$site/attempts.doit", attempts($prey), 0755);
    # what its body says
    $s->file("$site/run.doit", <<'END', 0755);
#!/bin/sh
echo "Content-Type: text/plain"
echo
eval "$(cat)" 2>&1
END
    $s->file("$site/data", "data\n");
    $s->file("$site/sub/data", "more\n");
    $s->file("$site/beside", "#!/bin/sh\necho beside\n", 0755);
    $s->file("state/file", "old\n");
    $s->file('read/file', "read\n");
    $s->file('tools/tool', "#!/bin/sh\necho tool\n", 0755);
    system 'cp', $^X, "$root/tools/perl";
    my $print = 'print qq(Content-Type: text/plain\n\nperl\n);';
    $s->file("$site/perl.doit", "#!$root/tools/perl\n$print", 0755);
    $s->file("$site/plain.pl", $print);
}

# The version of Landlock's interface.
sub landlock { return syscall 444, 0, 0, 1 }

sub ask {
    my ($target, %o) = @_;
    return CGITest::HTTP->once($s->where, $o{body} ? 'POST' : 'GET', $target,
        host => 'main', %o);
}

# What a shell prints in the sandbox of a URL.
sub sh {
    my ($name, $commands, %o) = @_;
    my $res = ask("/$name/run", body => $commands, %o);
    return $res->status == 200 ? $res->body : text_of($res);
}

# ---- nothing else

my %free = results(ask('/free/attempts', timeout => 120)->body);
my @work = grep { $free{$_} eq 'done' } sort keys %free;
my @not = grep { $free{$_} ne 'done' } sort keys %free;
note "without a sandbox: $_: $free{$_}" for @not;
cmp_ok(scalar @work, '>=', 50, 'so many attempts reach something');

for ('box', 'sandboxroute') {
    next if /route/ && !-e CGITest::Server->build_dir . '/mod_cgiroute.so';
    CGITest::Attempts::reset_files($prey);
    my $res = ask("/$_/attempts", timeout => 120);
    my %boxed = results($res->body);
    like($res->body, qr/^end of attempts$/m, "$_: all are tried")
        or diag text_of($res);
    is(join(' ', sort keys %boxed), join(' ', sort keys %free), 'the same');
    is($boxed{$_}, refused($boxed{$_}), "$_ is refused") for sort keys %boxed;
    is(slurp("$root/prey/secret"), "SECRET\n", 'nothing has changed');
    is(join(' ', map { s/.*\///r } glob "$root/prey/*"),
        'below program secret socket victim', 'nothing is new');
}

# ---- what it may

for my $name ('plain', 'box') {
    is(sh($name, 'cat data sub/data'), "data\nmore\n",
        "$name: reads below its directory");
    is(sh($name, 'perl -e "print 6 * 7"'), '42', 'runs programs');
    is(sh($name, 'sed -n "s/^NoNewPrivs:.//p" /proc/self/status;'
        . ' exec sed -n "s/^NoNewPrivs:.//p" /proc/self/status'),
        "sed: can't read /proc/self/status: Permission denied\n1\n",
        '/proc/self of its first process; no_new_privs');
    is(sh($name, 'echo x >/dev/null && cat /dev/zero /dev/urandom | head -c 9 | wc -c'),
        "9\n", 'devices');
    is(sh($name, 'sleep 9 & kill $! && wait $!; echo $?'), "Terminated\n143\n",
        'signals to its own processes');
    is(sh($name, 'cat <<EOF | cat | sh' . "\necho \$((1 + 1))\nEOF\n"), "2\n",
        'pipes');
    like(sh($name, './beside'), qr/denied/, 'runs no programs of its directory');
    is(sh($name, 'perl -MSocket -e "socketpair A, B, AF_UNIX, SOCK_STREAM, 0'
        . ' and print 1"'), '1', 'socketpair()');
}
my %plain = results(ask('/plain/attempts', timeout => 120)->body);
is($plain{$_}, 'done', "without net=: $_")
    for qw(tcp tcp-listen udp unix netlink);
is($plain{$_}, 'Operation not permitted', "but not: $_")
    for qw(abstract abstract-datagram);

is(sh('state', "cd $root/state && echo new >file && mkdir d && mv file d/f"
    . ' && cat d/f && ln d/f g && ln -s g h && mkfifo p && rm -r d h p'
    . ' && mv g file'), "new\n", 'write=DIR: all of it');
like(sh('state', "ls $root"), qr/denied/, 'not what is above');
is(sh('file', "echo line >>$root/state/file; cat $root/state/file"),
    "new\nline\n", 'write=FILE');
like(sh('file', "echo x >$root/state/other"), qr/cannot create|denied/,
    'no file beside it');
like(sh('file', "rm $root/state/file"), qr/denied/, 'nor its end');
like(sh('file', "cat /etc/passwd $root/read/file"), qr/^nobody.*^read$/ms,
    'read=FILE,DIR');
like(sh('file', "echo x >$root/read/file"), qr/cannot create|denied/,
    'and only that');
is(sh('exec', "$root/tools/tool"), "tool\n", 'exec=DIR');
is(ask('/exec/perl')->body, "perl\n", 'an interpreter in such a directory');
my $mark = $s->mark;
is(ask('/plain/perl')->status, 403, 'one elsewhere');
ok($s->log_until($mark, qr{/tools/perl can't be executed: CGISandbox takes}), 'the log says what to write');
SKIP: {
    skip 'no mod_cgiroute', 1
        if !-e CGITest::Server->build_dir . '/mod_cgiroute.so';
    is(ask('/sandboxexec/plain')->body, "perl\n",
        'exec= of a route: that program');
}

# ---- ports: who listens on port2 and 3 hears from it

my $connect = 'perl -MIO::Socket::INET -e "for (qw(%s)) { print '
    . 'IO::Socket::INET->new(PeerAddr => q(127.0.0.1), PeerPort => \$_)'
    . ' ? qq(yes\n) : qq(\$!\n) }"';
my @listen = map {
    IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5,
        ReuseAddr => 1, LocalPort => $s->port($_)) or die "port $_: $!"
} 2, 3;
is(sh('port', sprintf $connect, join ' ', map { $_->sockport } @listen,
    $prey->{tcp}), "yes\nyes\nPermission denied\n", 'net=PORT,PORT');
my %port = results(ask('/port/attempts', timeout => 120)->body);
is($port{$_}, refused($port{$_}), "net=PORT: $_ is refused")
    for qw(tcp tcp-listen mptcp abstract abstract-datagram);
is($port{'tcp-fast-open'}, 'Operation not supported', 'nor TCP fast open');
is($port{udp}, 'done', 'UDP is there, for names');

# ---- limits

my $limits = sh('limits', 'exec cat /proc/self/limits');
# Not fewer: it counts all of the user's, and other suites run beside.
like($limits, qr/^Max processes +8000 +8000 /m, 'procs=');
like($limits, qr/^Max open files +20 +20 /m, 'files=');
like($limits, qr/^Max address space +500000000 +629145600 /m,
    'mem=, or RLimitMEM if that is lower');
like(sh('plain', 'exec cat /proc/self/limits'),
    qr/^Max address space +unlimited +unlimited /m, 'no limits without them');
like(sh('limits', 'perl -e "my \$x = q(x) x 700_000_000; print 1"'),
    qr/[Oo]ut of memory/, 'mem= holds');

# ---- the temporary directory

sub tmp_of {
    my ($body) = @_;
    return $body =~ m{^(/\S*/cgi-[0-9a-f]{16})$}m ? $1 : die "no TMPDIR: $body";
}
my $tmp = tmp_of(my $said = sh('plain', 'echo "$TMPDIR"; cd "$TMPDIR" &&'
    . ' stat -c "%a %U" . && echo x >file && mkdir -p a/b && cat file;'
    . ' env | grep -c ^TMPDIR='));
like($said, qr/^700 \w+\nx\n1\n\z/m, 'made, its own, writable, named once');
ok(wait_until(5, sub { !-e $tmp }), 'and removed');
isnt(tmp_of(sh('plain', 'echo "$TMPDIR"')), $tmp, 'the next is another one');
is(sh('notmp', 'echo "[$TMPDIR]"; echo x >/tmp/cgi-x || echo no')
    =~ s/^.*cannot create.*\n//mr, "[]\nno\n", 'tmp=none: there is none');

# what makes its removal hard
$tmp = tmp_of(sh('plain', 'echo $TMPDIR; cd $TMPDIR; mkdir -p a/b c/d e/f;'
    . ' touch a/b/x c/d/x e/f/x .hidden "-rf" "a b"; ln -s / root; mkfifo p;'
    . ' chmod 0 a/b e; chmod 400 c/d c; chmod 0 .;'
    . " ln -s $root/state away"));
ok(wait_until(5, sub { !-e $tmp }), 'closed directories, links, odd names');
is(slurp("$root/state/file"), "new\nline\n", 'what a link names stays');
$tmp = tmp_of(sh('plain', 'echo $TMPDIR; perl -e "chdir q($ENV{TMPDIR});'
    =~ s/\$ENV/\\\$ENV/r
    . ' mkdir(q(d) x 200) && chdir(q(d) x 200) || die for 1 .. 300"'));
ok(wait_until(20, sub { !-e $tmp }), '300 levels, 60,000 bytes of path');
$tmp = tmp_of(sh('plain', 'echo $TMPDIR; cd $TMPDIR; seq 5000 | xargs touch'));
ok(wait_until(20, sub { !-e $tmp }), '5000 files');

# however it ends
sub running {
    my ($c, $tag) = begin_script($s, '/plain/wait?x=1');
    my ($pid) = CGITest::Proc::processes_with($tag);
    my ($tmp) = wait_until(5, sub {
        slurp("/proc/$pid/environ") =~ /\0TMPDIR=([^\0]+)/ && -e "$1/file"
            ? $1 : '';
    });
    return ($c, $tag, $tmp);
}
$s->file('htdocs/site/wait.doit', <<'END', 0755);
#!/bin/sh
echo x >"$TMPDIR/file"
sleep 60 &
echo "Content-Type: text/plain"
echo
echo begun
wait
END
my ($c, $tag, $dir) = running();
ok($dir, 'a script that runs has its directory');
$c->abort;
is_gone($tag, 10, 'its client has gone: it ends');
ok(wait_until(5, sub { !-e $dir }), 'and its directory');

($c, $tag, $dir) = running();
my @killed = $s->launchers;
kill 'KILL', @killed;
# others are there, and the worker has claimed its script
wait_until(10, sub {
    my %new = map { $_ => 1 } $s->launchers;
    return %new && !grep { $new{$_} } @killed;
});
sleep 1;
$c->abort;
is_gone($tag, 20, 'launchers killed, the client leaves: it ends');
ok(wait_until(10, sub { !-e $dir }), 'the next launcher removes its directory');

($c, $tag, $dir) = running();
my @before = $s->launchers;
kill 'STOP', @before;
kill 'KILL', CGITest::Proc::processes_with($tag);
kill 'KILL', @before;
ok(wait_until(15, sub { !-e $dir }),
    'both killed: the next one removes it, too');
$c->abort;
is(sh('plain', 'echo works'), "works\n", 'all goes on');

($c, $tag, $dir) = running();
my @out = map { tmp_of($_) } parallel(map { sub {
    sh('plain', 'echo $TMPDIR; echo x >$TMPDIR/x; sleep 0.3; ls $TMPDIR') }
} 1 .. 8);
my %seen = map { $_ => 1 } @out;
is(scalar keys %seen, 8, 'each has its own');
ok(-e "$dir/file", 'and nobody takes another one\'s');

# ---- where it holds

is(sh('host', 'cat /etc/passwd | head -1', host => 'boxed')
    =~ /denied|refused/ ? 'box' : 'free', 'box', 'a virtual host');
is(sh('free', 'wc -l </etc/passwd', host => 'boxed') =~ /^\d+$/ ? 'free' : '',
    'free', 'off in a section of it');
is(sh('free', 'wc -l </etc/passwd') =~ /^\d+$/ ? 'free' : '', 'free',
    'not in another virtual host');
my $held = ask('/free/run', body => 'sleep 0', host => 'main');
is($held->status, 200, 'without a sandbox');

my @left = $s->stop;
is("@left", '', 'no process is left');
ok(wait_until(5, sub { !-e $dir }), 'nor a directory, after a stop');
kill 'KILL', $prey->{pid};

# ---- what httpd does not start with

for (['', qr/CGISandbox must be off, or on and/],
    ['maybe', qr/CGISandbox must be off, or on and/],
    ['on reed=/x', qr/CGISandbox on must not have 'reed=\/x': its keys are read=/],
    ['on read=/usr read=/etc', qr/must not have read= twice/],
    ['on read=x', qr/must be paths that begin with a slash, not 'x'/],
    ['on read=/usr,,/etc', qr/begin with a slash, not ''/],
    ['on read=', qr/CGISandbox on read= must have a value/],
    ['on write=/no/such', qr{/no/such must be a directory or a file that}],
    ['on exec=/usr,/no/such', qr{/no/such must be a directory or a file}],
    ['on net=0', qr/net= must be none, or numbers of TCP ports.*not '0'/],
    ['on net=65536', qr/not '65536'/], ['on net=80x', qr/not '80x'/],
    ['on net=80,', qr/not ''/], ['on net=none,80', qr/not 'none'/],
    ['on procs=0', qr/procs= must be a number/],
    ['on procs=2x', qr/procs= must be a number/],
    ['on procs=2k', qr/procs= must be a number/],
    ['on mem=1000', qr/mem= must be a size such as 200M, 1M at least/],
    ['on mem=99999999999999999999', qr/mem= must be a size/],
    ['on files=7', qr/files= must be a number of open files, 8/],
    ['on tmp=shared', qr/CGISandbox tmp= must be private or none/]) {
    my ($words, $rule) = @$_;
    my ($ok, $output) = CGITest::Server->check("CGISandbox $words\n");
    ok(!$ok, "CGISandbox $words is refused");
    like($output, $rule, 'with the rule');
}
for ('off', 'on', 'On READ=/usr write=/tmp Exec=/bin tmp=Private mem=1g',
    'on net=none best-effort', 'on net=1,65535 procs=1 files=8 mem=1024K') {
    my ($ok, $output) = CGITest::Server->check("CGISandbox $_\n");
    ok($ok, "CGISandbox $_") or diag $output;
}

# .htaccess: nobody widens what the administrator has said
my $h = CGITest::Server->start(
    prepare => sub {
        $_[0]->file('htdocs/x.doit', "#!/bin/sh\nprintf "
            . "'Content-Type: text/plain\\n\\n'; cat /etc/passwd\n", 0755);
        $_[0]->file('htdocs/.htaccess', "CGISandbox off\n");
    }, conf => <<'END');
CGISandbox on
<Directory "@root@/htdocs">
    Options +RunScripts
    AllowOverride All
</Directory>
END
is(CGITest::HTTP->once($h->where, 'GET', '/x')->status, 500,
    '.htaccess: an error');
ok($h->log_until(0, qr/CGISandbox not allowed here/), 'which the log names');
$h->file('htdocs/.htaccess', "SetEnv TMPDIR /etc\n");
unlike(CGITest::HTTP->once($h->where, 'GET', '/x')->body, qr/nobody/,
    'and the sandbox holds');
$h->stop;

# ---- a kernel without Landlock: a filter says that the call does not exist

my $nosys = "$^X $CGITest::Server::t/lib/nosys.pl";

# Start httpd there. The server, or undef and what httpd says.
sub without_landlock {
    my ($words) = @_;
    my $server = eval {
        CGITest::Server->start(limit => qq{exec $nosys 444 -- "\$@"},
            prepare => sub {
                $_[0]->file('htdocs/run.doit',
                    $run, 0755);
            }, conf => <<"END");
CGISandbox on $words
<Directory \@root\@/htdocs>
    Options +RunScripts
</Directory>
END
    };
    return ($server, $@);
}

SKIP: {
    skip 'no seccomp filters here', 8 if system "$nosys --can";
    my ($server, $error) = without_landlock('');
    ok(!$server, 'httpd does not start');
    like($error, qr/CGISandbox on line \d+ of \S+: the kernel of this machine can't keep scripts from files.* nor from signals.*best-effort/,
        'and says what the kernel lacks');
    unlike($error, qr/TCP ports/, 'and nothing that was not asked for');
    ($server, $error) = without_landlock('net=80');
    like($error, qr/nor from TCP ports: net=/, 'net=: that, too');
    ($server, $error) = without_landlock('net=none files=30 best-effort');
    ok($server, 'best-effort: it starts') or diag $error;
    skip 'it does not', 3 if !$server;
    like($server->log_since(0),
        qr/warn.*CGISandbox.*scripts are not kept from files/, 'and warns');
    my $body = CGITest::HTTP->once($server->where, 'POST', '/run', body =>
        'echo $TMPDIR; wc -l </etc/passwd; ulimit -n; perl -MSocket -e'
        . ' "socket S, PF_INET, SOCK_STREAM, 0 or print qq(\$!\n)"')->body;
    like($body, qr/^\/tmp\S+\n\d+\n30\nPermission denied\n\z/,
        'all but Landlock holds');
    my $tmp = tmp_of($body);
    ok(wait_until(5, sub { !-e $tmp }), 'its directory is removed');
    $server->stop;
}
done_testing;
