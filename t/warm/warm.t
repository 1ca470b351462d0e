# sanitize: no
# CGIWarm around the scripts: wrong lines, interpreters that can't be loaded,
# launchers that are killed, what is left of an earlier request.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(wait_until slurp alive);
use CGITest::Server;
use Warm 'on_and_off';

my $build = CGITest::Server::build_dir();
plan skip_all => 'built without libpython'
    unless -e "$build/cgi-warm-python.so";

# ---- wrong lines

for (['CGIWarm', qr/CGIWarm must name an interpreter, such as python3/],
    ['CGIWarm nothing-of-this-name', qr/there is no program 'nothing-of/],
    ['CGIWarm /etc/passwd', qr{there is no program '/etc/passwd'}],
    ['CGIWarm python3 -m json', qr/must have names of modules, watch=on or user=, not '-m'/],
    ['CGIWarm sh', qr/CGIWarm sh needs the plug-in \S+cgi-warm-sh\.so/],
    ["<VirtualHost *>\nCGIWarm python3\n</VirtualHost>", qr/CGIWarm/],
    ['CGIWarmScripts maybe', qr/CGIWarmScripts must be On or Off/]) {
    my ($ok, $said) = CGITest::Server->check("$_->[0]\n");
    ok(!$ok, "$_->[0] keeps httpd from starting");
    like($said, $_->[1], 'and httpd says why');
}

# ---- a server with scripts below /s/ and modules for PYTHONPATH's place

my $head = "#!/usr/bin/python3\nprint('Content-Type: text/plain\\n', flush=True)\n";
my %script = (
    how => "import os\nprint(os.readlink('/proc/self/exe').split('/')[-1])\n",
    slow => "import os, time\ntime.sleep(3)\nprint('end')\n",
    secret => "import os\nprint(len(os.environ['HTTP_X_SECRET']))\n",
    look => python_counts() . <<'END');
n = counts([word(os.environ['QUERY_STRING']), pattern(b'GATEWAY_INTERFACE=CGI')])
print(n[0], n[1] > 0, [x for x in os.environ if 'SECRET' in x])
END

sub begin {
    my ($conf) = @_;
    return CGITest::Server->start(prepare => sub {
        my ($server) = @_;
        $server->file("htdocs/s/$_.doit", $head . $script{$_}, 0755)
            for keys %script;
    }, conf => "$conf\nLogLevel runscripts:trace1 cgiroute:trace1\n" . on_and_off() . <<'END');
CGIRoute "^/route/(\w+)$" "\1.doit" "dir=@root@/htdocs/s" "exec=/usr/bin/python3 -u"
<Location "/route">
    CGIWarmScripts On
</Location>
<VirtualHost *>
    ServerName main
</VirtualHost>
END
}

sub ask {
    my ($s, $target, @more) = @_;
    return CGITest::HTTP->once($s->where, 'GET', $target, @more);
}
sub how { return ask(@_)->body }

{
    my $s = begin('CGIWarm python3 json');
    ok(wait_until(60, sub { how($s, '/s/how') eq "cgi-warm\n" }),
        'a script runs in the interpreter');
    unlike(how($s, '/off/how'), qr/warm/, 'not where CGIWarmScripts is Off');
    is(how($s, '/route/how'), "cgi-warm\n", 'a route with exec= does');
    unlike($s->error_log, qr/not run warm: (?!no launcher has loaded)/,
        'nothing else is logged');

    # What one request brings is not there for the next, by either launcher.
    my $word = join '', map { chr(97 + int rand 26) } 1 .. 40;
    for (1 .. 6) {
        is(ask($s, '/s/secret', headers => ['X-Secret' => "$word$word"])->body,
            "80\n", 'a request with a secret');
        is(how($s, '/s/look?' . unpack('H*', scalar reverse "$word$word")),
            "0 True []\n", 'which the next does not find');
    }

    # A launcher that is killed takes no request along, and none is lost.
    my ($c) = begin_script($s, '/s/slow?x');
    my @warm = grep { slurp("/proc/$_/comm") eq "cgi-warm\n" }
        CGITest::Proc::children_of($s->pid);
    cmp_ok(scalar(@warm), '>=', 1, 'launchers with an interpreter');
    kill 'KILL', @warm;
    my @answers = map { ask($s, '/s/how') } 1 .. 10;
    is(scalar(grep { $_->status == 200 } @answers), 10,
        'requests after the kill are answered');
    like($c->response->body, qr/^end$/m, 'a script that runs goes on');
    ok(wait_until(30, sub { how($s, '/s/how') eq "cgi-warm\n" }),
        'another launcher has the interpreter');

    # A restart.
    $s->graceful;
    ok(wait_until(60, sub { how($s, '/s/how') eq "cgi-warm\n" }),
        'and after a graceful restart');
}

# ---- interpreters that can't be used: a line in the log, and cold scripts

for (['no_such_module', qr/can't be loaded: ModuleNotFoundError: No module named 'no_such_module'/],
    ['json xml.none', qr/can't be loaded: ModuleNotFoundError: No module named 'xml.none'/]) {
    my ($names, $line) = @$_;
    my $s = begin("CGIWarm python3 $names");
    ok(wait_until(60, sub { $s->error_log =~ $line }), "$names: the log says so");
    my $res = ask($s, '/s/how');
    is($res->status, 200, 'and scripts run');
    unlike($res->body, qr/warm/, 'without the interpreter');
    my @lines = grep { /CGIWarm/ } split /\n/, $s->error_log;
    my %seen = map { s/.*CGIWarm//r => 1 } @lines;
    is(scalar(keys %seen), 1, 'by one sentence') or diag @lines;
}

# ---- a virtual environment has modules of our own, good and bad

{
    my %bad = (
        keeps => ["kept = open('/etc/passwd')\n", qr/keeps a file open/],
        thread => ["import threading, time\n"
            . "threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n",
            qr/started a thread/],
        ends => ["import os\nos._exit(7)\n",
            qr/its launcher ended, or took too long/],
        leaves => ["import sys\nsys.exit(4)\n", qr/can't be loaded: SystemExit/],
    );
    for my $name (sort keys %bad) {
        my ($text, $line) = @{$bad{$name}};
        my $s = CGITest::Server->start(prepare => sub {
            my ($server) = @_;
            my $root = $server->root;
            # what python3 -m venv makes, without a copy of pip
            $server->file('v/pyvenv.cfg', "home = /usr/bin\n"
                . "include-system-site-packages = false\nversion = 3\n");
            $server->file("v/lib/$_/site-packages/$name.py", $text)
                for map { s{.*/}{}r } glob '/usr/lib/python3.*';
            mkdir "$root/v/bin";
            symlink '/usr/bin/python3', "$root/v/bin/python3";
            $server->file('htdocs/s/how.doit', "#!$root/v/bin/python3\n"
                . ($head =~ s/.*\n//r) . $script{how} . "import sys; print(sys.prefix)\n", 0755);
        }, conf => "CGIWarm \@root\@/v/bin/python3 $name\n"
            . "<Directory \"\@root\@/htdocs/s\">\nOptions +RunScripts\n"
            . "CGIWarmScripts On\n</Directory>\n");
        ok(wait_until(60, sub { $s->error_log =~ $line }),
            "a module that $name: the log says so") or diag $s->error_log;
        my $res = ask($s, '/s/how');
        is($res->status, 200, 'and scripts run');
        unlike($res->body, qr/^cgi-warm/, 'without the interpreter');
        like($res->body, qr{^\S+/v$}m, 'in their environment');
    }
}

done_testing();
