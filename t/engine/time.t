# mpm: all
# CGITimeout first=, idle=, total=, kill=, CGIScriptTimeout, and the scripts
# that make them needed: rules B7, C12, E3, E4, E6. The cases run at the same
# time; each has limits wide enough for a busy machine.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(processes_with wait_until slurp);

# One request: what came, after how many seconds, and when its script had
# ended, in seconds after the response. after => sub, run as soon as the
# response is there.
sub timed {
    my ($target, %o) = @_;
    my $tag = 'tag=' . $$ . 'x' . int(rand 1e9) . 'z';
    my $start = time;
    my $c = CGITest::HTTP->new(%{$o{where} || where()});
    $c->send($c->format_request($o{method} || 'GET', "$target&$tag",
        body => $o{body}));
    my $res = $c->response;
    my $took = time - $start;
    my $alive = processes_with($tag);
    my $gone = gone($tag, $o{gone} || 10) ? time - $start - $took : -1;
    CGITest::end_scripts($tag);
    return {status => $res->status, error => $res->error, took => $took,
        body => $res->body, alive => $alive, gone => $gone};
}

# name => [request, options, then what must hold of the result]
my @cases = (
    ['first= alone: a script without a header',
        '/engine-first/slow?head=30', {},
        {status => 504, after => 2.9, before => 15, gone => 10}],
    ['first= with a script that traps TERM',
        '/engine-first/slow?head=30&trap=1', {},
        {status => 504, after => 2.9, before => 15, gone => 10, alive => 1}],
    ['first= is over with the header',
        '/engine-first/slow?body=4.5', {},
        {status => 200, body => "first\nlast\n", after => 4.4}],
    ['first= is not put off by pieces of a header',
        '/engine-first/late?n=20&ms=300', {},
        {status => 504, after => 2.9, before => 15, gone => 10}],
    ['first= is not put off by stderr',
        '/engine-first/late?n=20&ms=300&err=1', {},
        {status => 504, after => 2.9, before => 15, gone => 10}],
    ['idle= alone: silent in the body',
        '/engine-idle/slow?body=30', {},
        {status => 200, body => "first\n", error => 'closed early',
            after => 2.9, before => 15, gone => 10}],
    ['idle= with a script that traps TERM',
        '/engine-idle/slow?body=30&trap=1', {},
        {status => 200, error => 'closed early', before => 15, gone => 10,
            alive => 1}],
    ['idle= does not count while there is output',
        '/engine-idle/drip?n=10&ms=450', {},
        {status => 200, body => join('', map { "line $_\n" } 1 .. 10),
            after => 4}],
    ['total= before the header',
        '/engine-total/slow?head=30', {},
        {status => 504, after => 3.9, before => 15, gone => 10}],
    ['total= ends a script that keeps talking',
        '/engine-total/drip?n=100&ms=100', {},
        {status => 200, error => 'closed early', after => 3.9, before => 15,
            gone => 10}],
    ['total= leaves a quick one alone',
        '/engine-total/drip?n=3&ms=100', {},
        {status => 200, body => "line 1\nline 2\nline 3\n"}],
    ['total= ends a raw response too',
        '/engine-total/rawdrip?n=100&ms=100', {},
        {status => 200, after => 3.9, before => 15, gone => 10}],
    ['kill=2s: a script that traps TERM has so long',
        '/engine-kill/slow?head=30&trap=1', {},
        {status => 504, after => 2.9, before => 15, gone => 10, alive => 1,
            outlives => 1}],
    ['CGIScriptTimeout is idle=',
        '/engine-script/slow?body=30', {},
        {status => 200, error => 'closed early', after => 2.9, before => 15,
            gone => 10}],
    ['CGIScriptTimeout counts before the header, as in mod_cgi',
        '/engine-script/slow?head=30', {},
        {status => 504, after => 2.9, before => 15, gone => 10}],
    ['all 0: no limit',
        '/engine-none/slow?head=4.5', {},
        {status => 200, body => "first\nlast\n", after => 4.4}],
    ['C12 1 byte at a time: total= ends it',
        '/engine-total/drip?n=1000&ms=20', {},
        {status => 200, error => 'closed early', before => 15, gone => 10}],
    ['C12 a script that closes stdout and sleeps',
        '/engine/slow?body=30&out=1', {},
        {status => 200, body => "first\n", before => 15, gone => 10}],
    ['C12 a script that closes stdout without a header and sleeps',
        '/engine/slow?body=30&out=0', {}, {status => 500, before => 15,
            gone => 10}],
    ['C12 it does so and traps TERM',
        '/engine/slow?body=30&out=1&trap=1', {},
        {status => 200, body => "first\n", before => 15, gone => 10}],
    ['E4 a daemon child holds stdout',
        '/engine/daemon?holds=stdout', {gone => 0.1},
        {status => 200, body => "started\n", before => 15}],
    ['E4 a daemon child holds stderr',
        '/engine/daemon?holds=stderr', {gone => 0.1},
        {status => 200, body => "started\n", before => 15}],
    ['C12 ended by a signal in the header',
        '/engine/crash?at=header', {}, {status => 500, before => 15}],
    ['C12 ended by a signal in the body, after a part was sent',
        '/engine/crash?at=later', {},
        {status => 200, body => 'half', error => 'closed early',
            before => 15}],
    ['C10 ends by itself before its Content-Length is reached',
        '/engine/crash?at=short', {},
        {status => 200, body => 'half', error => 'closed early',
            before => 15}],
    ['C12 ended by a signal, without a Content-Length',
        '/engine/crash?at=nolength', {},
        {status => 200, body => 'half', error => 'closed early',
            before => 15}],
);

my $mark = server()->mark;
my @results = parallel(map {
    my ($name, $target, $o) = @$_;
    sub { timed($target, %$o) };
} @cases);
for my $case (@cases) {
    my ($name, $target, $o, $want) = @$case;
    my $r = shift @results or next;
    $name .= ' (issue 5)' unless $name =~ /^[A-Z]\d/;
    is($r->{status}, $want->{status}, "$name: $want->{status}")
        or diag "$r->{error} $r->{body}";
    is($r->{error}, $want->{error} || '', "$name: "
        . ($want->{error} ? 'the client sees the truncation' : 'complete'))
        unless $target =~ /raw/;
    is($r->{body}, $want->{body}, "$name: body") if defined $want->{body};
    cmp_ok($r->{took}, '>=', $want->{after}, "$name: not before its time")
        if $want->{after};
    cmp_ok($r->{took}, '<', $want->{before}, "$name: answered in time")
        if $want->{before};
    ok($r->{alive}, "$name: the worker does not wait for the script's end")
        if $want->{alive};
    cmp_ok($r->{gone}, '>=', $want->{outlives}, "$name: not killed at once")
        if $want->{outlives};
    ok($r->{gone} >= 0 && $r->{gone} < $want->{gone},
        "$name: the script is ended") or diag "gone: $r->{gone}"
        if $want->{gone};
}
{
    # At once: depends on whether the first half has left already.
    my $r = timed('/engine/crash?at=body');
    like("$r->{status} $r->{error}", qr/^(502 |200 closed early)$/,
        'C12 ended by a signal in the body: the client can tell');
    my $log = server()->log_since($mark);
    for my $word ('first', 'idle', 'total') {
        like($log, qr/:error\].*(slow|drip)\.doit.*CGITimeout $word=/,
            "CGITimeout $word=: the log says which limit it was");
    }
    like($log, qr/:error\].*crash\.doit.*signal 9/,
        'C12 the log says by which signal');
}

# E3, E6: the client leaves; whatever the script is doing then, it is ended.
{
    my @left = (
        ['silent before its header', '/engine/slow?head=30', 0],
        ['silent in its body', '/engine/slow?body=30', 'first'],
        ['silent, and traps TERM', '/engine-kill/slow?head=30&trap=1', 0],
        ['talking', '/engine/drip?n=1000&ms=50', 'line 2'],
        ['an NPH script', '/engine/rawdrip?n=1000&ms=50', 'line 2'],
        ['silent, by a route', '/engineroute/slow?head=30', 0],
        ['with children', '/engine/children?wait=1', 'started'],
        ['no limits at all', '/engine-none/slow?head=30', 0],
        ['sending more than is read', '/engine/produce?n=900000000', 'HTTP'],
    );
    my @all = map { my $how = $_; map { [$how, @$_] } @left }
        'abort', 'close';
    # Half-closed looks the same, and is answered: where nothing can be sent,
    # the client's kernel is asked, every 5 s.
    $_->[0] eq 'close' && $_->[1] =~ /^(?:silent in its body|with children)/
        and $_->[0] = 'vanish' for @all;
    my @gone = parallel(map {
        my ($how, undef, $target, $until) = @$_;
        sub {
            my $tag = 'tag=' . $$ . 'y';
            my $c = CGITest::HTTP->new(%{where()});
            $c->send($c->format_request('GET', "$target&$tag"));
            $c->read_until($until) if $until;
            runs($tag) or die "no script for $target\n";
            my $start = time;
            $c->$how;
            my $gone = gone($tag, 14) ? time - $start : -1;
            CGITest::end_scripts($tag);
            return $gone;
        }
    } @all);
    for (@all) {
        my ($how, $name, $target) = @$_;
        my $gone = shift @gone;
        # Issue 5: within a second, and kill= when TERM is trapped. A busy
        # machine is given three more.
        my $most = $how eq 'vanish' ? 9 : $target =~ /trap/ ? 8 : 4;
        ok(defined $gone && $gone >= 0 && $gone < $most,
            "E6 client gone ($how), script $name: ended")
            or diag "after $gone s";
    }
}

my @sections;

# A second request behind one that is silent: neither lost nor taken for a
# sign that the client has left, and no reason to spin.
push @sections, sub {
    my $tag = tag_of();
    my $c = CGITest::HTTP->new(%{where()});
    my $ticks = sub {
        my $sum = 0;
        for (server()->workers) {
            my ($user, $system) =
                (split ' ', (split /\) /, slurp("/proc/$_/stat"))[-1])[11, 12];
            $sum += $user + $system;
        }
        return $sum;
    };
    $c->send($c->format_request('GET', "/engine/slow?head=2&$tag")
        . $c->format_request('GET', '/engine/hello'));
    runs($tag);
    my $before = $ticks->();
    sleep 1.2;
    my $used = $ticks->() - $before;
    cmp_ok($used, '<', 60, 'E6 pipelined request: no spinning')
        or diag "$used ticks of the processor";
    is($c->response->body, "first\nlast\n", 'E6 pipelined request: the first');
    is($c->response->body, "hello\n", 'E6 pipelined request: the second');
};

# Default of first= and idle=: Timeout. 0 is no limit, whatever Timeout says.
push @sections, sub {
    my $own = CGITest::Server->start(conf => 'Timeout 2');
    my ($first, $idle, $none, $set, $unread) = parallel(
        sub { timed('/engine/slow?head=30', where => $own->where) },
        sub { timed('/engine/slow?body=30', where => $own->where) },
        sub { timed('/engine-none/slow?head=3&body=3',
            where => $own->where) },
        sub { timed('/engine-first8/slow?head=3', where => $own->where) },
        sub {
            my $tag = "tag=$$-unread";
            my $c = CGITest::HTTP->new(%{$own->where}, rcvbuf => 4096);
            $c->send($c->format_request('GET',
                "/engine/produce?n=900000000&$tag"));
            runs($tag) or die "no script\n";
            my $gone = gone($tag, 15);
            CGITest::end_scripts($tag);
            return $gone;
        },
    );
    ok($unread, 'Timeout ends a response, and its script, that nobody reads');
    is($first->{status}, 504, 'Timeout is the default of first=');
    is($idle->{error}, 'closed early', 'Timeout is the default of idle=');
    is($none->{body}, "first\nlast\n", 'CGITimeout 0 is stronger');
    is($set->{body}, "first\nlast\n", 'CGITimeout first=8s is stronger');
    $own->stop;
};

# What is refused at start-up, with a sentence.
push @sections, sub {
    my $own = CGITest::Server->start;
    for (
        ['CGITimeout', qr/CGITimeout.*first=T/],
        ['CGITimeout 10', qr/CGITimeout must not have '10': .*first=/],
        ['CGITimeout first=1 First=2', qr/CGITimeout .*first= twice/],
        ['CGITimeout first=', qr/CGITimeout first=.*must/],
        ['CGITimeout first=x', qr/CGITimeout first=.*must.*'x'/],
        ['CGITimeout total=961h', qr/CGITimeout total= must.*40 days.*'961h'/],
        ['CGITimeout idle=-1', qr/CGITimeout idle=.*must.*'-1'/],
        ['CGITimeout last=1', qr/CGITimeout.*'last=1'/],
        ['CGIScriptTimeout soon', qr/CGIScriptTimeout.*must.*'soon'/],
        ['CGIRequestBody pipe', qr/CGIRequestBody must be stream/],
        ['CGIArgs maybe', qr/CGIArgs.*must be On or Off/i],
    ) {
        my ($line, $message) = @$_;
        open my $conf, '>>', $own->root . '/httpd.conf' or die $!;
        my $end = tell $conf;
        print $conf "$line\n";
        close $conf;
        my ($text, $status) = $own->configtest;
        isnt($status, 0, "'$line' is refused");
        like($text =~ s/\s+/ /gr, $message, "'$line': the message");
        like($text, qr/httpd\.conf/, "'$line': the place");
        truncate $own->root . '/httpd.conf', $end;
    }
    $own->stop;
};

sections(@sections);
done_testing();
