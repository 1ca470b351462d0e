# sanitize: no
# Perl modules that CGIWarm can't load, or leaves to scripts. The interpreters
# are programs that search a directory of the test's.
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
    Noisy => "package Noisy; sub name { 1 } sub name { 'noisy' } 1;",
);
my @loaded = (['dies', 'Dies'], ['ends', 'Ends'], ['keeps', 'Keeps'],
    ['none', 'No::Such::Module'], ['name', 'no/name'],
    ['left', 'Handler Finds Prints Warns Noisy']);
my $how = q(print "Content-Type: text/plain\n\n", readlink '/proc/self/exe';);

my $conf = "LogLevel runscripts:trace1\n"
    . "<Directory \"\@root\@/htdocs/s\">\nOptions +RunScripts\nCGIWarmScripts On\n</Directory>\n";
$conf .= "CGIWarm \@root\@/$_->[0]/perl $_->[1]\n" for @loaded;
my $s = CGITest::Server->start(conf => $conf, prepare => sub {
    my ($server) = @_;
    my $root = $server->root;
    $server->file("lib/$_.pm", $module{$_}) for keys %module;
    for (map { $_->[0] } @loaded) {
        $server->file("$_/perl", qq(#!/bin/sh\nexec /usr/bin/perl -I$root/lib "\$@"\n), 0755);
        $server->file("htdocs/s/$_.doit", "#!$root/$_/perl\n$how\n", 0755);
    }
    $server->file('htdocs/s/w.doit', "#!$root/left/perl -w\n$how\n", 0755);
    $server->file('htdocs/s/uses.doit', "#!$root/left/perl\n$how\nuse Noisy; print Noisy::name();\n"
        . "use Handler; \$SIG{__WARN__} = sub { }; eval { die qq(x\\n) }; print \$INC[0];\n", 0755);
});
my $root = $s->root;
sub body { CGITest::HTTP->once($s->where, 'GET', "/s/$_[0]")->body }

for (['dies', qr/can't be loaded: Dies: in the module;/],
    ['ends', qr/can't be loaded: Ends: it ends the process;/],
    ['keeps', qr/a module keeps a file open/],
    ['none', qr/can't be loaded: No::Such::Module: Can't locate/],
    ['name', qr{no module has the name no/name;}]) {
    my ($name, $line) = @$_;
    my $program = quotemeta "$root/$name/perl";
    ok(wait_until(60, sub { $s->error_log =~ /CGIWarm $program: [^\n]*$line/ }),
        "$name: the log says why it is not loaded") or diag $s->error_log;
    like(body($name), qr{/perl$}, 'and scripts run without');
}
ok(wait_until(60, sub { body('left') =~ /cgi-warm$/ }), 'the others are loaded');
for (['Handler', 'changes %SIG'], ['Finds', 'changes @INC'], ['Prints', 'prints'],
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
done_testing();
