# mpm: all
# What scripts print to stderr, in the error log: rule C16.
use strict;
use warnings;
use List::Util qw(sum);
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc 'wait_until';

# The log lines about stderr that one request brings, without their time.
sub said {
    my ($text, %o) = @_;
    my $server = $o{server} || server();
    my $mark = $server->mark;
    my $times = $o{times} || 1;
    my $path = $o{path} || '/engine/stderr';
    my $res = CGITest::HTTP->once($server->where, 'GET',
        "$path?times=$times&text=" . escape($text));
    die text_of($res) unless $res->body eq "said\n";
    # The last line may be written after the response.
    $server->log_until($mark, $o{until} || qr/stderr from .*\n/, 5);
    return $server->log_since($mark);
}

sub lines_of { return grep { /stderr from / } split /\n/, $_[0] }

for my $path ('/engine/stderr', '/engineroute/stderr') {
    my $module = $path =~ /route/ ? 'cgiroute' : 'runscripts';
    my @lines = lines_of(said("a plain line\n", path => $path));
    is(scalar @lines, 1, "C16 $path: one line");
    like($lines[0], qr/\[$module:error\]/, "C16 $path: level and module");
    like($lines[0], qr/\[client 127\.0\.0\.1:\d+\]/, "C16 $path: client");
    like($lines[0], qr{stderr from \S*/engine/stderr\.doit: a plain line$},
        "C16 $path: script and text");
}

is(scalar lines_of(said("one\ntwo\nthree\n", until => qr/three/)), 3,
    'C16 three lines');
like(said('no line end'), qr/: no line end$/m, 'C16 a line without its end');
like(said("with CRLF\r\nnext\r\n", until => qr/next/), qr/: with CRLF$/m,
    'C16 CRLF ends a line');
like(said("\n\nempty ones\n", until => qr/empty/), qr/: empty ones$/m,
    'C16 after empty lines');

# What could forge lines, or speak to a terminal that shows the log.
{
    my $log = said("\e[31mred\a\b \x0bVT \x7fDEL\x01\n");
    like($log, qr/red.*VT.*DEL/, 'C16 control characters: the text is there');
    is((() = $log =~ /[\x01-\x09\x0b-\x1f\x7f]/g), 0,
        'C16 control characters: none of them raw');
    like($log, qr/\\x1b\[31mred/, 'C16 control characters: but escaped');
    $log = said("before\rafter\n");
    unlike($log, qr/\r/, 'C16 CR in a line is escaped');
    like($log, qr/before\S+after/, 'C16 and does not end it');
    $log = said("nul\0nul\n");
    like($log, qr/nul.+nul$/m, 'C16 NUL does not end a line');
    unlike($log, qr/\0/, 'C16 and is not there raw');
    $log = said("latin \xe9 broken \xc3\x28 \xff\xfe end\n");
    like($log, qr/latin .* broken .* end$/m, 'C16 invalid UTF-8: the text');
    unlike($log, qr/[\x80-\xff]/, 'C16 invalid UTF-8: escaped');
    $log = said("fake\n[Sat Nov 21 10:00:00 2026] [core:crit] forged\n",
        until => qr/forged/);
    is(scalar(grep { /forged/ && !/stderr from/ } split /\n/, $log), 0,
        'C16 no line can be forged');
}

# 1 MB without a line end: cut, and the next line is there again.
{
    my $mark = server()->mark;
    my $log = said('L' x 1000, times => 1000);
    cmp_ok(length $log, '<', 20_000, 'C16 a line of 1 MB is cut');
    like($log, qr/LLLL/, 'C16 and its beginning logged');
    $log = said(('M' x 7000) . "\nthe next\n", until => qr/the next/);
    like($log, qr/: the next$/m, 'C16 the next line is whole');
}

# A flood: some lines, and how many were dropped.
{
    my $many = 20_000;
    my $mark = server()->mark;
    said("flooded\n", times => $many, until => qr/dropped/);
    my (@lines, $dropped);
    # A slow one takes longer than the time of one count.
    wait_until(10, sub {
        my $log = server()->log_since($mark);
        @lines = grep { /: flooded$/ } lines_of($log);
        $dropped = sum(0,
            $log =~ /\b(\d+) (?:more )?lines? (?:\w+ )*dropped/g);
        return @lines + $dropped >= $many;
    });
    cmp_ok(scalar @lines, '<', 2000, 'C16 a flood is limited');
    cmp_ok(scalar @lines, '>=', 10, 'C16 but its beginning is there');
    is(@lines + $dropped, $many, 'C16 and each line is logged or counted')
        or diag scalar(@lines), " logged, $dropped counted";
}

# A virtual host's log, and the fields of its format.
{
    my $own = CGITest::Server->start(conf => <<'END');
<VirtualHost *>
    ServerName one.example
    ErrorLog one_log
    ErrorLogFormat "host=%v client=%a level=%l module=%m uri=%{Host}i|%M"
</VirtualHost>
<VirtualHost *>
    ServerName two.example
    ErrorLog two_log
</VirtualHost>
END
    for my $host ('one', 'two') {
        my $res = CGITest::HTTP->once($own->where, 'GET',
            '/engine/stderr?text=hello%20there%0A', host => "$host.example");
        is($res->status, 200, "C16 virtual host $host");
    }
    my %log = map {
        my $name = $_;
        $name => CGITest::Proc::wait_until(5, sub {
            my $text = CGITest::Proc::slurp($own->root . "/${name}_log");
            return $text =~ /stderr from/ ? $text : '';
        }) || ''
    } 'one', 'two';
    like($log{one}, qr{^host=one\.example\ client=127\.0\.0\.1:\d+\ level=error
        \ module=runscripts
        \ uri=one\.example\|.*stderr\ from\ \S*stderr\.doit:\ hello\ there}mx,
        'C16 ErrorLogFormat knows virtual host, client, module and request');
    is((() = $log{two} =~ /stderr from \S*stderr\.doit: hello there/g), 1,
        'C16 the other host has its own log');
    $own->stop;
}

# Whatever is said after the response.
{
    my $mark = server()->mark;
    my $res = get('/engine/finish?n=10&after=1');
    is(length $res->body, 10, 'C16 a script that speaks at its end');
    like(server()->log_until($mark, qr/finished n=10/) || '',
        qr/finished n=10/, 'C16 its last words are logged');
}

done_testing();
