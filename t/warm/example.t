# sanitize: no
# The example of a plug-in, built as its page says: Lua scripts can't tell
# whether they run in an interpreter that was there before them.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(wait_until slurp);
use CGITest::Server;
use Warm 'on_and_off';

my $build = CGITest::Server::build_dir();
plan skip_all => 'lua5.4 or its headers are missing'
    unless -x '/usr/bin/lua5.4' && -e '/usr/include/lua5.4/lua.h';

my $top = "$CGITest::Server::t/..";
my ($cc) = slurp("$top/doc/warm-plugins.md") =~ /^    (cc -shared.*\\\n.*)$/m
    or die 'the page has no command';
my $head = 'io.write("Content-Type: text/plain\n\n")';
my %script = (
    args => 'for i = -1, #arg do print(i, arg[i]) end print(...)',
    env => 'print(os.getenv("QUERY_STRING"), os.getenv("SCRIPT_NAME"), os.getenv("LUA_NOT"))',
    fails => 'local function f(x) return x.y end print("before") f(nil)',
    syntax => 'x = = 1',
    exits => 'print("x") os.exit(3)',
    globals => 'local t = {} for k in pairs(_G) do t[#t + 1] = k end table.sort(t) print(table.concat(t, " "), _VERSION)',
    body => 'print(io.read("a"))',
    variable => 'print(LUA_STARTED)',
    random => 'local f = io.open("seen", "a+") f:write(math.random(1 << 60), "\n") f:close()'
        . ' local seen = {} for l in io.lines("seen") do if seen[l] then print("again") end seen[l] = true end',
    how => 'local f = io.open("/proc/self/cmdline") print(f:read("a"):gsub("\0", "|"))'
        . ' for l in io.lines("/proc/self/maps") do if l:find("cgi%-warm$") then print("warm") break end end',
);
my $s = CGITest::Server->start(prepare => sub {
    my ($server) = @_;
    my $root = $server->root;
    $server->file("htdocs/s/$_.doit", "#!/usr/bin/lua5.4\n"
        . ($_ eq 'syntax' ? '' : "$head\n") . "$script{$_}\n", 0755) for keys %script;
    mkdir "$root/bin";
    symlink "$build/$_", "$root/bin/$_" or die $! for 'cgi-launcher', 'cgi-warm';
    is(system("cd '$top' && " . ($cc =~ s/-o /-o $root\/bin\//r)), 0, 'the example is built');
}, conf => "CGILauncher \@root\@/bin/cgi-launcher\nCGIWarm lua5.4\nLogLevel runscripts:trace1\n" . on_and_off() . <<'END');
<LocationMatch "/variable$">
    SetEnv LUA_INIT "LUA_STARTED = 'by LUA_INIT'"
</LocationMatch>
END

sub answer {
    my ($path, $mark) = ($_[0], $s->mark);
    my $res = CGITest::HTTP->once($s->where, 'POST', $path, body => 'sent');
    my $body = $res->body =~ s{/off/}{/s/}r;
    wait_until(2, sub { $s->log_since($mark) =~ /its exit status/ })
        if $path =~ /fails|syntax|exits/;
    return join "\n", $res->status, $body, map { s/.*(?=stderr from|exit status)//r }
        grep { /stderr from|its exit status/ } split /\n/, $s->log_since($mark);
}
ok(wait_until(60, sub { answer('/s/how') =~ /warm/ }), 'Lua runs warm') or diag $s->error_log;
unlike(answer('/off/how'), qr/warm/, 'or not');
for (sort grep { !/how/ } keys %script) {
    is(answer("/s/$_?a+b"), answer("/off/$_?a+b"), "$_: warm and cold");
}
unlike(answer('/s/random') . answer('/s/random'), qr/again/, 'random numbers differ');
like($s->error_log, qr/variable\.doit: not run warm: its environment has a variable/,
    'what the plug-in refuses is executed');
unlike($s->error_log, qr/(?<!variable)\.doit: not run warm: (?!no launcher)/, 'nothing else');
done_testing();
