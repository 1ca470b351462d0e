# sanitize: no
# Modules that CGIWarm can't load, or leaves to scripts; modules that are watched.
# The interpreters of Perl are programs that search a directory of the test's.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(wait_until);
use CGITest::Server;

my $build = CGITest::Server::build_dir();
plan skip_all => 'built without libperl' unless -e "$build/cgi-warm-perl.so";

my %module = (
    Dies => "package Dies; die qq(in the module\\n);",
    Ends => "package Ends; exit 3;",
    Keeps => "package Keeps; open our \$f, '<', '/etc/passwd'; 1;",
    Handler => "package Handler; \$SIG{__DIE__} = sub { print 'handled: ', \@_ }; 1;",
    Finds => "package Finds; use lib '/nonexistent'; 1;",
    Prints => "package Prints; print qq(printed\\n); 1;",
    Warns => "package Warns; warn qq(old\\n); 1;",
    Watched => "package Watched; sub value { 1 } 1;",
    Noisy => "package Noisy; sub name { 1 } sub name { 'noisy' } 1;",
);
my @loaded = (['dies', 'Dies'], ['ends', 'Ends'],
    ['name', 'no/name'], ['watch', 'Watched watch=on'],
    ['left', 'Handler Finds Keeps Prints Warns Noisy']);
my $how = q(print "Content-Type: text/plain\n\n", readlink '/proc/self/exe';);

my $conf = "LogLevel runscripts:trace1\n"
    . "<Directory \"\@root\@/htdocs/s\">\nOptions +RunScripts\nCGIWarmScripts On\n</Directory>\n";
$conf .= "CGIWarm \@root\@/$_->[0]/perl $_->[1]\n" for @loaded;
my %changes = (wrapper => 'sys.stdout', handler => 'the handler of a signal',
    setter => 'os.environ');
$conf .= "CGIWarm \@root\@/v/bin/python3 watched hooked watch=on @{[sort keys %changes]}\n"
    if -e "$build/cgi-warm-python.so";
# modules of Python of which not even one can be loaded
my %refused = (
    keeps => ["f = open('/etc/passwd')\n", qr/a module keeps a file open/],
    shares => ["import mmap\nm = mmap.mmap(-1, 100)\n", qr/a module has made memory, or a lock,/],
);
$conf .= join '', map { "CGIWarm \@root\@/$_/bin/python3 $_\n" } sort keys %refused
    if -e "$build/cgi-warm-python.so";
my $s = CGITest::Server->start(conf => $conf, prepare => sub {
    my ($server) = @_;
    my $root = $server->root;
    $server->file("lib/$_.pm", $module{$_}) for keys %module;
    for (map { $_->[0] } @loaded) {
        $server->file("$_/perl", qq(#!/bin/sh\nexec /usr/bin/perl -I$root/lib "\$@"\n), 0755);
        $server->file("htdocs/s/$_.doit", "#!$root/$_/perl\n$how\n", 0755);
    }
    for my $dir (map { s{/usr}{v}r . '/site-packages' } glob '/usr/lib/python3.*') {
        $server->file("$dir/watched.py", "value = 1\n");
        # as colorama does
        $server->file("$dir/wrapper.py", "import sys\nclass Wrapper:\n"
            . "    def __init__(self, stream): self.stream = stream\n"
            . "    def write(self, text): self.stream.write(text.upper())\n"
            . "    def __getattr__(self, name): return getattr(self.stream, name)\n"
            . "sys.stdout = Wrapper(sys.stdout)\n");
        $server->file("$dir/handler.py", "import signal\n"
            . "signal.signal(signal.SIGTERM, lambda *a: print('ended'))\n");
        # hooks of its own before and after those of logging
        $server->file("$dir/hooked.py", "import os\nfrom os import register_at_fork\nseen = []\n"
            . "def hook(word): return lambda: seen.append(word)\n"
            . "def register(n): register_at_fork(before=hook('b' + n), after_in_child=hook('c' + n),\n"
            . "    after_in_parent=hook('p' + n))\n"
            . "register('1')\nimport logging\nregister('2')\n");
        $server->file("$dir/setter.py", "import os\nos.environ['SET'] = 'yes'\n");
    }
    $server->file('htdocs/s/wrapped.doit', "#!$root/v/bin/python3\nimport os\n"
        . "print('Content-Type: text/plain\\n')\n"
        . "print(os.readlink('/proc/self/exe'), flush=True)\n"
        . "import handler, setter, signal, wrapper\n"
        . "signal.raise_signal(signal.SIGTERM)\n"
        . "os.system('echo \$SET'); print('end', end='')\n", 0755);
    $server->file('htdocs/s/hooked.doit', "#!$root/v/bin/python3\nimport hooked, logging, os\n"
        . "print('Content-Type: text/plain\\n')\n"
        . "print(os.readlink('/proc/self/exe'), *hooked.seen[-4:], flush=True)\n"
        . "hooked.register('3')\nhooked.seen.clear(); pid = os.fork()\n"
        . "if not pid: logging.warning('free'); print('child', *hooked.seen, flush=True); os._exit(0)\n"
        . "os.waitpid(pid, 0); print('parent', *hooked.seen, end='')\n", 0755);
    for my $name (keys %refused) {
        $server->file(s{/usr}{$name}r . "/site-packages/$name.py", $refused{$name}[0])
            for glob '/usr/lib/python3.*';
        $server->file("htdocs/s/$name.doit", "#!$root/$name/bin/python3\nimport $name, os\n"
            . "print('Content-Type: text/plain\\n')\nprint(os.readlink('/proc/self/exe'))\n", 0755);
    }
    # what python3 -m venv makes, without a copy of pip
    for my $name ('v', keys %refused) {
        $server->file("$name/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3\n");
        mkdir "$root/$name/bin";
        symlink '/usr/bin/python3', "$root/$name/bin/python3";
    }
    $server->file('htdocs/s/watchpy.doit', "#!$root/v/bin/python3\nimport os, watched\n"
        . "print('Content-Type: text/plain\\n')\n"
        . "print(os.readlink('/proc/self/exe'), watched.value, end='')\n", 0755);
    $server->file('htdocs/s/watch.doit', "#!$root/watch/perl\n$how\nuse Watched; print ' ', Watched::value();\n", 0755);
    $server->file('htdocs/s/w.doit', "#!$root/left/perl -w\n$how\n", 0755);
    $server->file('htdocs/s/uses.doit', "#!$root/left/perl\n$how\nuse Noisy; print Noisy::name();\n"
        . "use Handler; \$SIG{__WARN__} = sub { }; eval { die qq(x\\n) }; print \$INC[0];\n", 0755);
});
my $root = $s->root;
sub body { CGITest::HTTP->once($s->where, 'GET', "/s/$_[0]")->body }

for (['dies', qr/can't be loaded: Dies: in the module;/],
    ['ends', qr/can't be loaded: Ends: it ends the process;/],
    ['name', qr{no module has the name no/name;}]) {
    my ($name, $line) = @$_;
    my $program = quotemeta "$root/$name/perl";
    ok(wait_until(60, sub { $s->error_log =~ /CGIWarm $program: [^\n]*$line/ }),
        "$name: the log says why it is not loaded") or diag $s->error_log;
    like(body($name), qr{/perl$}, 'and scripts run without');
}
ok(wait_until(60, sub { body('left') =~ /cgi-warm$/ }), 'the others are loaded');
for (['Handler', 'changes %SIG'], ['Finds', 'changes @INC'],
    ['Keeps', 'keeps a file open'], ['Prints', 'prints'],
    ['Warns', 'warns']) {
    like($s->error_log, qr/cgi-warm: $_->[0] is left to the scripts that load it: it \Q$_->[1]\E$/m,
        "$_->[0] is left to scripts");
}
unlike($s->error_log, qr/Noisy is left/, 'but a good one');
is(body('uses'), body('left') . "noisyhandled: x\n$root/lib",
    'and a script has what it loads itself');
like(body('w'), qr{/perl$}, 'a script with -w is executed, if a module warns then');
like($s->error_log, qr/w\.doit: not run warm: it has -w, and a loaded module warns then/,
    'and the log says so');

my $python = -e "$build/cgi-warm-python.so";
if ($python) {
    for my $name (sort keys %refused) {
        my $program = quotemeta "$root/$name/bin/python3";
        ok(wait_until(60, sub { $s->error_log =~ /CGIWarm $program: [^\n]*$refused{$name}[1]/ }),
            "$name: the log says why it is not loaded") or diag $s->error_log;
        like(body($name), qr{/python[\d.]+$}, 'and scripts run without');
    }
    ok(wait_until(60, sub { body('wrapped') =~ /cgi-warm$/m }),
        'Python: modules that change what all scripts have') or diag $s->error_log;
    like($s->error_log, qr/cgi-warm: $_ is left to the scripts that load it: it changes $changes{$_}$/m,
        "$_ is left to scripts") for sort keys %changes;
    like(body('wrapped'), qr{cgi-warm\nyes\nENDED\nEND$}, 'and a script has what it loads');
    like(body('hooked'), qr{cgi-warm b2 b1 c1 c2\nchild b3 b2 b1 c1 c2 c3\nparent b3 b2 b1 p1 p2 p3$},
        'hooks at fork: once for a script, and for each fork of its own');
}

# ---- watch=on: an edit counts at the next request

for (['perl', 'watch', "$root/lib/Watched.pm", "package Watched; sub value { 2 } 1;"],
    $python ? ['python3', 'watchpy', (glob "$root/v/lib/python3*/site-packages")[0] . '/watched.py',
        "value = 2\n"] : ()) {
    my ($language, $script, $file, $text) = @$_;
    ok(wait_until(60, sub { body($script) =~ /cgi-warm 1$/ }), "$language: watched files");
    my $log = $s->mark;
    open my $f, '>', "$file.new" or die $!;
    print $f $text;
    close $f;
    rename "$file.new", $file or die $!;
    my %seen;
    $seen{body($script) =~ s/.* //sr}++ for 1 .. 10;
    is(join(' ', %seen), '2 10', 'the first request after an edit has it');
    ok(wait_until(60, sub { body($script) =~ /cgi-warm 2$/ }), 'and soon it is loaded');
    like($s->log_since($log), qr/not run warm: a file that is loaded has changed/, 'the log says so');
    like($s->log_since($log), qr/CGIWarm: a file that process \d+ had loaded has changed, starting another/,
        'twice');
    unlike($s->log_since($log), qr/ended unexpectedly|without/, 'as no failure');
}
done_testing();
