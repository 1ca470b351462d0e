# mpm: all
# CGILimit: N scripts at once over all processes, a queue in order, 503.
use strict;
use warnings;
use IO::Select;
use POSIX ();
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(processes_with fds_of slurp wait_until);
use CGITest::Server;
use Time::HiRes qw(sleep time);

# A request that is sent and not waited for: {c, tag}.
sub ask {
    my ($server, $target, $tag) = @_;
    my $c = CGITest::HTTP->new(%{$server->where});
    $tag ||= tag_of();
    $c->send($c->format_request('GET',
        $target . ($target =~ /\?/ ? '&' : '?') . $tag, close => 1));
    return {c => $c, tag => $tag};
}

# A script that runs until release() ends it: the place is taken.
sub hold {
    my ($server, $path, $query) = @_;
    my $h = ask($server, "$path/slow?head=60" . ($query || ''));
    runs($h->{tag}) or diag "$path/slow does not start";
    return $h;
}

sub release {
    for (@_) {
        end_scripts($_->{tag});
        $_->{c}->response;
    }
}

# A request that waits in the queue.
sub wait_in_line {
    my ($server, $target, $tag) = @_;
    my $mark = $server->mark;
    my $w = ask($server, $target, $tag);
    $server->log_until($mark, qr/waits for a place/)
        or diag "$target does not wait";
    return $w;
}

sub status_of_request {
    my ($server, $target) = @_;
    return CGITest::HTTP->once($server->where, 'GET', $target)->status;
}

my $shared = server();

# ---- 503 at once

{
    my $held = hold($shared, '/engine-limitone');
    my $mark = $shared->mark;
    my $res;
    ok(within(10, sub { get('/engine-limitone/hello') }, \$res),
        'limit, no queue: an answer at once');
    is($res->status, 503, 'limit: 503') or diag text_of($res);
    like($res->header('Retry-After'), qr/^([1-9]|[1-9]\d|1[01]\d|120)\z/,
        'limit: Retry-After in seconds');
    unlike($res->body, qr{/t/}, 'limit: the page names no file (C17)');
    like($shared->log_since($mark),
        qr/CGILimit of \S*limit\.conf:\d+: all places are taken/,
        'limit: the log names the directive');

    is(get('/engine-limitone/args')->status, 200,
        'scope: none inside lifts the limit');
    is(get('/engine-limittwo/hello')->status, 200,
        'scope: another limit is another counter');
    is(get('/engine/hello')->status, 200, 'scope: no limit outside');

    release($held);
    is(get('/engine-limitone/hello')->status, 200, 'limit: free again');
    my $many = grep { get('/engine-limitone/hello')->status != 200 } 1 .. 50;
    is($many, 0, 'limit: one after the other is never too many');
}

# The body of a request that can't be admitted is not asked for.
{
    my $held = hold($shared, '/engine-limitone');
    my $inner = ask($shared, '/engine-limitone/count?');
    is($inner->{c}->response->status, 200, 'scope: the innermost counts');
    my $c = CGITest::HTTP->new(%{where()});
    $c->send($c->format_request('POST', '/engine-limitone/hello',
        headers => ['Content-Length' => 1000, Expect => '100-continue']));
    is($c->response(interim => 1)->status, 503,
        'limit: no 100 Continue before the 503');
    release($held);
}

# Two processes of one script each, the same page twice: never more than N.
{
    my $tag = tag_of();
    my $most = 0;
    my @asked = map { ask($shared, '/engine-limittwo/slow?head=0.8', $tag) }
        1 .. 5;
    my $select = IO::Select->new(map { $_->{c}->sock } @asked);
    wait_until(30, sub {
        my $now = grep { slurp("/proc/$_/cmdline") =~ /slow\.doit/ }
            processes_with($tag);
        $most = $now if $now > $most;
        my @done = $select->can_read(0);
        return @done == @asked;
    });
    is($most, 2, 'limit 2: two at once, never more');
    is_deeply([map { $_->{c}->response->status } @asked], [(200) x 5],
        'limit 2 queue=3: all five are served');
}

# ---- the queue

{
    my $held = hold($shared, '/engine-limitqueue');
    my @waiting = map {
        wait_in_line($shared, '/engine-limitqueue/slow?head=0.2&times=1')
    } 1 .. 4;
    is(status_of_request($shared, '/engine-limitqueue/hello'), 503,
        'queue=4: the fifth is refused');
    release($held);
    my @done = map { $_->{c}->response } @waiting;
    is_deeply([map { $_->status } @done], [(200) x 4], 'queue: all are served');
    my @times = map { $_->body =~ /^from (\S+) to (\S+)$/m } @done;
    is("@times", join(' ', sort { $a <=> $b } @times),
        'queue: in order, one at a time');
}
{
    my $held = hold($shared, '/engine-limitwait');
    my $mark = $shared->mark;
    my $start = time;
    my $waiting = wait_in_line($shared, '/engine-limitwait/hello');
    my $res = $waiting->{c}->response;
    my $took = time - $start;
    is($res->status, 503, 'wait: 503 when it is over') or diag text_of($res);
    ok($took > 1.4 && $took < 15, 'wait: after that time')
        or diag "$took s";
    ok($res->header('Retry-After'), 'wait: Retry-After');
    like($shared->log_since($mark), qr/no place within its wait=/,
        'wait: in the log');
    is(status_of_request($shared, '/engine-limitwait/hello'), 503,
        'wait: the next waits, and in vain');
    release($held);
    is(status_of_request($shared, '/engine-limitwait/hello'), 200,
        'wait: free again');
}

# The times of CGITimeout begin with the script.
{
    my $held = ask($shared, '/engine-limitfirst/slow?body=60');
    runs($held->{tag});
    my $waiting = wait_in_line($shared, '/engine-limitfirst/slow?head=1');
    sleep 3.3;
    release($held);
    is($waiting->{c}->response->status, 200,
        'the wait is no part of first= and total=');
}

# A client that hangs up gives its place in the queue to another.
for my $how (qw(abort close)) {
    my $held = hold($shared, '/engine-limitline');
    my $mark = $shared->mark;
    my $gone = wait_in_line($shared, '/engine-limitline/slow?head=5');
    $gone->{c}->$how;
    ok($shared->log_until($mark, qr/the client has gone while it waited/),
        "queue, $how: a client that leaves is noticed");
    my $next = wait_in_line($shared, '/engine-limitline/hello');
    release($held);
    is($next->{c}->response->status, 200, "queue, $how: another waits then");
    ok(!processes_with($gone->{tag}), "queue, $how: its script never runs");
}

# One that closes its sending side only waits on.
{
    my $held = hold($shared, '/engine-limitline');
    my $waiting = wait_in_line($shared, '/engine-limitline/hello');
    $waiting->{c}->finish;
    sleep 0.8;
    release($held);
    is($waiting->{c}->response->status, 200, 'queue: half-closed, answered');
}

# A place is free when the script has ended, not when its client has gone.
{
    my $held = hold($shared, '/engine-limitone', '&trap=1');
    $held->{c}->abort;
    my ($refused, $over, $status) = (0, 0);
    wait_until(30, sub {
        $status = status_of_request($shared, '/engine-limitone/hello');
        $refused++ if $status == 503;
        $over++ if $status == 200 && processes_with($held->{tag});
        return $status == 200;
    });
    is($status, 200, 'a script that traps TERM: free after kill=');
    ok($refused > 0, 'a script that traps TERM: not before');
    is($over, 0, 'a script that traps TERM: never two');
}

# A script that fails leaves nothing behind either.
{
    my @bad = map { get("/engine-limitone/$_")->status }
        ('crash?at=header', 'emit?x', 'crash?at=header', 'emit?x');
    is_deeply(\@bad, [(500) x 4], 'limit: scripts that fail');
    is(get('/engine-limitone/hello')->status, 200, 'limit: give up their place');
}

# What one request runs after or inside another counts once.
{
    my $res = emit("Location: /engine-limitone/hello\n\n",
        path => '/engine-limitone/emit');
    is(text_of($res), '200 hello\x0a',
        'a local redirect within the limit has its place');
    $res = get('/engine-limitpage/include');
    is(text_of($res), '200 hello\x0aand more',
        'an included script within the limit has its place');
    is(get('/engine-limitpage/hello')->status, 200, 'and nothing is left');
}

# Both modules know the directive; it is one counter.
SKIP: {
    skip 'no mod_cgiroute', 4
        unless -e CGITest::Server->build_dir . '/mod_cgiroute.so';
    my $held = hold($shared, '/engine-limitboth');
    is(status_of_request($shared, '/enginelimitroute/hello'), 503,
        'both modules: one counter, RunScripts first');
    release($held);
    $held = hold($shared, '/enginelimitroute');
    is(status_of_request($shared, '/engine-limitboth/hello'), 503,
        'both modules: one counter, the route first');
    release($held);
    $held = hold($shared, '/enginelimitsection');
    is(status_of_request($shared, '/enginelimitsection/hello'), 503,
        'a limit in the section of a route');
    release($held);
    is(status_of_request($shared, '/enginelimitsection/hello'), 200,
        'a limit in the section of a route: free again');
}

# ---- servers of their own

# The worker that serves a connection.
sub worker_of {
    my ($server, $h) = @_;
    my $pair = sprintf '%04X 0100007F:%04X', $server->port,
        $h->{c}->sock->sockport;
    my ($inode) = slurp('/proc/net/tcp')
        =~ /^ *\d+: 0100007F:$pair (?:\S+ +){6}(\d+)/m
        or return 0;
    for my $pid ($server->workers) {
        my %fds = fds_of($pid);
        return $pid if grep { $_ eq "socket:[$inode]" } values %fds;
    }
    return 0;
}

# A request that waits in another worker than this.
sub wait_apart {
    my ($server, $target, $worker) = @_;
    for (1 .. 50) {
        my $w = wait_in_line($server, $target);
        return $w if worker_of($server, $w) != $worker;
        $w->{c}->abort;
        sleep 0.1;
    }
    die 'all requests are served by the same worker';
}

sub kill_workers {
    ok(!(grep { !$_ } @_), 'kill: the worker is known') or return;
    kill 'KILL', @_;
}

{
    my $own = CGITest::Server->start(conf => <<'END');
StartServers 4
<IfModule !prefork.c>
    ServerLimit 4
    ThreadsPerChild 8
    MaxRequestWorkers 32
</IfModule>
<Location "/engine-limitown">
    CGILimit 3 queue=3 wait=60
    CGITimeout kill=1s
</Location>
<Location "/engine-limitgraceful">
    CGILimit 1 queue=3 wait=60
</Location>
END
    # Killed with all that it holds.
    my @held = map { hold($own, '/engine-limitown') } 1 .. 3;
    my %worker = map { $_->{tag} => worker_of($own, $_) } @held;
    my $victim = $worker{$held[0]{tag}};
    my $mine = grep { $_ == $victim } values %worker;
    my @kept = grep { $worker{$_->{tag}} != $victim } @held;
    kill_workers($victim);
    ok(gone($held[0]{tag}, 30), 'kill: its script ends');
    my @new = map { ask($own, '/engine-limitown/slow?head=60') } 1 .. $mine;
    is((grep { runs($_->{tag}) } @new), $mine,
        "kill: $mine places of 3 come free");
    my $mark = $own->mark;
    my $extra = ask($own, '/engine-limitown/hello');
    ok($own->log_until($mark, qr/waits for a place/),
        'kill: and no more than that');
    release(@new, @kept);
    is($extra->{c}->response->status, 200, 'kill: who waited is served');

    # Its script outlives it: the place is free when that has ended.
    my @stubborn = map { hold($own, '/engine-limitown', '&trap=1') } 1 .. 3;
    my $first = worker_of($own, $stubborn[0]);
    my @waiting = map {
        wait_apart($own, '/engine-limitown/slow?head=0.5', $first)
    } 1 .. 2;
    my %wait = map { worker_of($own, $_), 1 } @waiting;
    my %kill = map { $_->{tag} => worker_of($own, $_) } @stubborn;
    my @killed = grep { !$wait{$kill{$_->{tag}}} } @stubborn;
    kill_workers(map { $kill{$_->{tag}} } @killed);
    # The latest first: an older one that is seen was there before, too.
    my @tags = map { $_->{tag} } reverse(@waiting), @stubborn;
    my $select = IO::Select->new(map { $_->{c}->sock } @waiting);
    my $over = 0;
    wait_until(30, sub {
        my $n = grep { processes_with($_) } @tags;
        $over = $n if $n > $over;
        my @done = $select->can_read(0);
        return @done == @waiting;
    });
    is($over, 3, 'kill: never more than three run');
    is_deeply([map { $_->{c}->response->status } @waiting], [200, 200],
        'kill: who waited is served, when scripts had to be killed');
    end_scripts($_->{tag}) for @stubborn;
    $_->{c}->close for @stubborn, @waiting;

    # One that waits is killed: the next in the queue does not wait for it.
    my $held = hold($own, '/engine-limitgraceful');
    $first = wait_apart($own, '/engine-limitgraceful/hello',
        worker_of($own, $held));
    my $second = wait_apart($own, '/engine-limitgraceful/hello',
        worker_of($own, $first));
    kill_workers(worker_of($own, $first));
    release($held);
    my $res;
    ok(within(30, sub { $second->{c}->response(seconds => 40) }, \$res)
            && $res->status == 200,
        'kill: a dead one at the head of the queue is passed over');

    # Restart: running and waiting requests come to their end, new ones have
    # counters of their own.
    my $go = $own->root . '/go';
    my $old = ask($own, "/engine-limitgraceful/slow?until=$go");
    runs($old->{tag});
    my $line = wait_in_line($own, '/engine-limitgraceful/hello');
    ok($own->graceful, 'graceful: restarted');
    # An old worker may accept one more: then the next will do.
    ok(wait_until(30, sub {
        my $new = ask($own, '/engine-limitgraceful/hello');
        my $res = $new->{c}->response(seconds => 1);
        $new->{c}->abort;
        return !$res->error && $res->status == 200;
    }), 'graceful: the new generation counts from nothing');
    ok(scalar processes_with($old->{tag}), 'graceful: while the old one runs');
    $own->file('go', '');
    is($old->{c}->response->status, 200, 'graceful: to its end');
    is($line->{c}->response->status, 200, 'graceful: who waited is served');
    is_deeply([$own->stop], [], 'nothing is left after the end');
}

# HTTP/2: a stream that waits is closed, with its connection or alone.
SKIP: {
    my $curl = `curl -V 2>/dev/null` =~ /\bHTTP2\b/;
    skip 'no curl with HTTP/2, or a MPM without', 4
        if !$curl || $shared->mpm eq 'prefork';
    my $own = CGITest::Server->start(modules => ['http2'], conf => <<'END');
Protocols h2c http/1.1
<Location "/engine-limitown">
    CGILimit 1 queue=1 wait=60
</Location>
END
    my $held = hold($own, '/engine-limitown');
    my $mark = $own->mark;
    my $url = 'http://127.0.0.1:' . $own->port . '/engine-limitown/hello';
    my $pid = fork;
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        exec 'curl', '-s', '--http2-prior-knowledge', $url
            or POSIX::_exit(1);
    }
    ok($own->log_until($mark, qr/waits for a place/), 'HTTP/2: waits');
    kill 'KILL', $pid;
    waitpid $pid, 0;
    ok($own->log_until($mark, qr/client has gone while it waited/),
        'HTTP/2: a client that has gone is noticed');
    $mark = $own->mark;
    open my $waits, '-|', 'curl', '-s', '--http2-prior-knowledge', $url
        or die "curl: $!";
    ok($own->log_until($mark, qr/waits for a place/), 'HTTP/2: another waits');
    release($held);
    is(join('', <$waits>), "hello\n", 'HTTP/2: another has its turn');
    $own->stop;
}

# Inheritance: each line is a counter, for all to whom it applies.
{
    my @port = map { CGITest::Server->free_port } 1 .. 3;
    my @vhost = map { "<VirtualHost 127.0.0.1:$_>" } @port;
    my $conf = <<"END";
CGILimit 1
Listen 127.0.0.1:$port[0]
Listen 127.0.0.1:$port[1]
Listen 127.0.0.1:$port[2]
<Macro Limited \$path>
    <Location "\$path">
        CGILimit 1
    </Location>
</Macro>
Use Limited "/engine-limita"
Use Limited "/engine-limitb"
$vhost[0]
</VirtualHost>
$vhost[1]
    CGILimit 1
</VirtualHost>
$vhost[2]
    CGILimit 0
</VirtualHost>
END
    my $own = CGITest::Server->start(modules => ['macro'], conf => $conf);
    my $hello = sub {
        my ($port, $path) = @_;
        return CGITest::HTTP->once({host => '127.0.0.1', port => $port},
            'GET', ($path || '/engine') . '/hello')->status;
    };
    my $main = $own->port;
    my $held = hold($own, '/engine');
    is($hello->($main), 503, 'server: its limit');
    is($hello->($port[0]), 503, 'vhost: inherits the counter');
    is($hello->($port[1]), 200, 'vhost: its own counter');
    is($hello->($port[2]), 200, 'vhost: CGILimit 0 is none');
    is($hello->($main, '/engine-limita'), 200,
        'location: its counter counts alone');
    my $a = hold($own, '/engine-limita');
    is($hello->($main, '/engine-limita'), 503, 'location: its limit');
    is($hello->($port[0], '/engine-limita'), 503, 'location: in vhosts too');
    is($hello->($main, '/engine-limitb'), 200,
        'the same line used twice is two counters');
    release($held, $a);
    $own->stop;
}

# A queue that leaves no descriptors for requests is told at the start.
for ([1000, 1024, 0], [1000, 4096, 1], [300, 1024, 1]) {
    my ($queue, $descriptors, $starts) = @$_;
    my $own = eval {
        CGITest::Server->start(limit => "ulimit -n $descriptors",
            conf => "<Location /engine>\nCGILimit 5 queue=$queue\n"
                . "</Location>");
    };
    my $name = "queue=$queue with $descriptors descriptors:";
    if ($starts) {
        is($own && CGITest::HTTP->once($own->where, 'GET', '/engine/hello')
            ->status, 200, "$name serves") or diag $@;
        $own->stop if $own;
        next;
    }
    # Its port is open for a moment before it looks.
    ok(!$own || $own->wait_end(15), "$name does not start");
    like($own ? $own->log_since(0) : $@,
        qr/all queue= take 1000 descriptors.*it may have 1024: raise/,
        "$name says why");
}

# Without a limit there is nothing to pay for.
{
    my $own = CGITest::Server->start(
        conf => "<Location /engine>\nCGILimit none\n</Location>");
    my %fds = map { fds_of($_) } $own->workers;
    is((grep { /cgi-limits|eventfd.*limit/ } values %fds), 0,
        'no limit: no shared memory');
    $own->stop;
}

# ---- the directive's errors

my @errors = (
    ['CGILimit', qr/CGILimit must begin with the number of scripts/],
    ['CGILimit many', qr/must begin with the number.*, not many/],
    ['CGILimit -1', qr/must begin with the number.*, not -1/],
    ['CGILimit 10001', qr/1 to 10000.*, not 10001/],
    ['CGILimit 5x', qr/, not 5x/],
    ['CGILimit 99999999999999999999', qr/1 to 10000/],
    ['CGILimit queue=3', qr/must begin with the number/],
    ['CGILimit 5 queue=', qr/CGILimit queue= must have a value/],
    ['CGILimit 5 queue=x', qr/queue= must be the number of requests.* not x/],
    ['CGILimit 5 queue=1001', qr/0 to 1000, not 1001/],
    ['CGILimit 5 queue=3 wait=0', qr/wait= must be a time above 0/],
    ['CGILimit 5 queue=3 wait=961h', qr/wait= must be a time.*not 961h/],
    ['CGILimit 5 queue=3 wait=soon', qr/wait= must be a time.*not soon/],
    ['CGILimit 5 wait=3', qr/wait=T must come with queue=M/],
    ['CGILimit 5 3', qr/must not have '3': its keys are queue= and wait=/],
    ['CGILimit none queue=3', qr/none must stand alone/],
    ['CGITimeout total=soon', qr/total= must be a time such as .*'soon'/],
    ['CGIScriptTimeout soon', qr/CGIScriptTimeout must be a time such as /],
);
for (@errors) {
    my ($line, $regex) = @$_;
    my ($ok, $output) = CGITest::Server->check("$line\n");
    ok(!$ok, "$line: refused");
    like($output, qr/Syntax error on line \d+.*$regex/s, "$line: the rule");
}
for ('1', '10000 queue=1000 wait=2min', 'NONE', '0', '3 queue=0',
    '3 Queue=2 Wait=500ms', '2 wait=5s queue=1') {
    my ($ok, $output) = CGITest::Server->check("CGILimit $_\n");
    ok($ok, "CGILimit $_") or diag $output;
}

done_testing();
