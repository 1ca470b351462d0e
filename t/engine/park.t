# Requests that wait hold no thread: twelve threads, more that wait, and a
# static file meanwhile. Where a request is parked and where it is not, what
# the client gets is the same. With CGITEST_LARGE=1 the mixed part has 10,000
# requests.
use strict;
use warnings;
use Digest::MD5;
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(fds_of processes_with slurp wait_until);
use CGITest::Server;

plan skip_all => 'only the event MPM waits without a thread'
    if CGITest::Server->default_mpm ne 'event';
my $ssl = eval { require IO::Socket::SSL; 1 };

my %scripts = (
    # a file to wait for, text
    held => "printf 'Content-Type: text/plain\\n\\n'\n"
        . "until [ -e \"\$1\" ]; do sleep 0.1; done\necho \"\$2\"\n",
    # seconds, text
    wait => "printf 'Content-Type: text/plain\\n\\n'\nsleep \$1\necho \"\$2\"\n",
    late => "sleep \$1\nprintf 'Content-Type: text/plain\\n\\n%s\\n' \"\$2\"\n",
    fails => "sleep \$1\necho no header\n",
    goes => "sleep \$1\nprintf 'Location: /plain/s.txt\\n\\n'\n",
    'nph-raw' => "sleep \$1\nprintf 'HTTP/1.0 200 OK\\r\\n\\r\\nraw\\n'\n",
    # how many, how often; each says when
    events => "printf 'Content-Type: text/event-stream\\n\\n'\n"
        . "exec perl -MTime::HiRes=sleep,time -e '\$| = 1; for (1 .. \$ARGV[0]) "
        . "{ print time, qq(\\ndata: \$_\\n); sleep \$ARGV[1] }' \$1 \$2\n",
    # how many, one each 8 ms
    lively => "printf 'Content-Type: text/event-stream\\n\\n'\n"
        . "exec perl -e '\$| = 1; for (1 .. \$ARGV[0]) "
        . "{ print qq(data: \$_\\n); select undef, undef, undef, .008 }' \$1\n",
    seq => "printf 'Content-Type: text/plain\\n\\n'\nexec seq 1 \$1\n",
    count => "printf 'Content-Type: text/plain\\n\\n'\nexec wc -c\n",
    quick => "printf 'Content-Type: text/plain\\n\\n%s\\n' \"\$1\"\n",
);

my $threads = "StartServers 1\nServerLimit 4\nThreadsPerChild 12\n"
    . "ThreadLimit 12\nMaxRequestWorkers 12\nMinSpareThreads 1\n"
    . "MaxSpareThreads 12\nAsyncRequestWorkerFactor 200\nListenBacklog 500\n";
my $tls;
my $conf = <<'END';
Timeout 10
MaxKeepAliveRequests 0
KeepAliveTimeout 20
CGITimeout idle=30s
LogFormat "%U %s %B %D %X" short
CustomLog "@root@/access_log" short
Alias /plain "@root@/scripts"
Alias /stay "@root@/scripts"
Alias /total "@root@/scripts"
Alias /idle "@root@/scripts"
Alias /lively "@root@/scripts"
Alias /one "@root@/scripts"
<Directory "@root@/scripts">
    Require all granted
    Options +RunScripts
</Directory>
<Location /stay>
    CGIPark off
</Location>
<Location /total>
    CGITimeout total=3s
</Location>
<Location /idle>
    CGITimeout idle=3s
</Location>
<Location /lively>
    CGIPark 300ms
</Location>
<Location /one>
    CGILimit 1 queue=30 wait=60s
</Location>
<Location /status>
    SetHandler server-status
    Require all granted
</Location>
END

sub start {
    my (%o) = @_;
    my $size = $o{threads} ? $threads =~ s/12/$o{threads}/gr : $threads;
    return CGITest::Server->start(
        modules => ['status', $ssl ? 'ssl' : ()], %o,
        prepare => sub {
            my ($self) = @_;
            $tls = $ssl && $self->make_certificate;
            $self->file("scripts/$_.doit", "#!/bin/sh\n"
                . "IFS=+; set -- \$QUERY_STRING; unset IFS\n$scripts{$_}", 0755)
                for keys %scripts;
            $self->file('scripts/s.txt', "static\n");
        },
        conf => $size . $conf . ($o{more} || '') . ($ssl ? <<'END' : ''));
Listen 127.0.0.1:@port2@
<VirtualHost *:@port2@>
    SSLEngine On
    SSLCertificateFile "@root@/tls.pem"
</VirtualHost>
END
}

my $own = start();
if ($own->lacks('CGIPark')) {
    $own->stop;
    plan skip_all => 'before 2.4.63 httpd waits in a thread';
}
my $fds_before = keys %{{fds_of($own->workers)}};

# A connection; secure: TLS.
sub client {
    my ($server, $secure, %o) = @_;
    my $c = CGITest::HTTP->new(%{$server->where}, %o,
        $secure ? (port => $server->port(2)) : ());
    if ($secure) {
        $c->{sock}->blocking(1);
        IO::Socket::SSL->start_SSL($c->{sock}, SSL_verify_mode => 0)
            or die "TLS: " . IO::Socket::SSL::errstr();
        $c->{sock}->blocking(0);
    }
    return $c;
}

sub ask {
    my ($c, $target, %o) = @_;
    $c->send($c->format_request($o{method} || 'GET', $target, %o));
    return $c;
}

# Requests under way: each on a connection of its own, or on those of on =>.
sub begin {
    my ($server, $n, $target, %o) = @_;
    my @c = map { ask($o{on} ? $o{on}[$_ - 1] : client($server, $o{secure}),
        $target =~ s/%n/$_/r, %o) } 1 .. $n;
    return \@c;
}

# What came of them: "STATUS body" of each, in one line of different ones.
sub answers {
    my ($list, %o) = @_;
    return join ' | ', map {
        my $res = $_->response(%o);
        $res->status . ($res->error && " ($res->{error})") . ' ' . $res->body
            =~ s/\n\z//r;
    } @$list;
}

sub expected {
    my ($n, $text) = @_;
    return join ' | ', map { '200 ' . $text =~ s/%n/$_/r } 1 .. $n;
}

# A static file, and how long it took; -1: more than so many seconds.
sub static_in {
    my ($server, $seconds) = @_;
    my $start = time;
    my $c = ask(client($server), '/plain/s.txt', close => 1);
    my $res = eval { $c->response(seconds => $seconds) };
    return $res && $res->body eq "static\n" ? time - $start : -1;
}

# Requests that have left their thread: each has an epoll set.
sub waiting {
    my ($server) = @_;
    my @sets = map { grep { (readlink || '') =~ /eventpoll/ } glob "/proc/$_/fd/*" }
        $server->workers;
    return @sets - $server->workers;    # less the MPM's own
}

# What waits for this name goes on.
sub release {
    my ($server, $name) = @_;
    $server->file("scripts/$name", '');
}

sub is_parked {
    my ($server, $n, $name) = @_;
    my $seen;
    ok(wait_until(60, sub { ($seen = waiting($server)) >= $n }),
        "$name: $n wait without a thread") or diag "seen: $seen";
}

# ---- many that wait

for my $secure ($ssl && $tls ? (0, 1) : 0) {
    my $how = $secure ? 'TLS' : 'plain';
    my $c = begin($own, 30, "/plain/held?a$secure+n%n", secure => $secure);
    is_parked($own, 30, $how);
    cmp_ok(static_in($own, 10), '>=', 0, "$how: a static file meanwhile");
    release($own, "a$secure");
    is(answers($c), expected(30, 'n%n'), "$how: each has its own answer");
    # Kept connections. httpd closes idle ones when all its threads are busy:
    # with those that are closed now, for instance.
    undef $c;
    sleep 1;
    $c = begin($own, 8, '/plain/s.txt', secure => $secure);
    is(answers($c), expected(8, 'static'), "$how: a file");
    begin($own, 8, "/plain/held?b$secure+m%n", on => $c);
    is_parked($own, 8, "$how, kept alive");
    release($own, "b$secure");
    is(answers($c), expected(8, 'm%n'), "$how: once more on each");
    begin($own, 8, '/plain/s.txt', on => $c);
    is(answers($c), expected(8, 'static'), "$how: and a file");
}
{
    my $c = begin($own, 12, '/stay/wait?3+n%n');
    sleep 0.5;
    my $start = time;
    my $static = ask(client($own), '/plain/s.txt');
    is(answers($c), expected(12, 'n%n'), 'CGIPark off: the same answers');
    is($static->response->body, "static\n", 'a file after them');
    cmp_ok(time - $start, '>', 2, 'CGIPark off: they held all threads');
}

# ---- times

{
    my $start = time;
    my $long = begin($own, 6, '/plain/wait?12+n%n');
    my $total = begin($own, 6, '/total/late?30+n%n');
    my $idle = begin($own, 6, '/idle/late?30+n%n');
    is(join(' ', map { $_->response->status } @$total),
        '504 504 504 504 504 504', 'total= is over');
    cmp_ok(time - $start, '<', 8, '... in time');
    is(join(' ', map { $_->response->status } @$idle),
        '504 504 504 504 504 504', 'idle= is over');
    cmp_ok(time - $start, '<', 10, '... in time');
    is(answers($long), expected(6, 'n%n'), "longer than httpd's Timeout");
}

# ---- streams

{
    my $c = begin($own, 16, '/plain/events?8+0.6');
    sleep 1;
    cmp_ok(static_in($own, 5), '>=', 0, 'a static file beside 16 streams');
    my $late = 0;
    for my $i (1 .. 8) {
        for my $client (@$c) {
            # From when the script says it: a busy machine starts scripts late.
            my ($said) = $client->read_until("data: $i\n") =~ /([\d.]+)\ndata/
                or die 'an event without a time';
            my $delay = time - $said;
            $late = $delay if $delay > $late;
        }
    }
    cmp_ok($late, '<', 4, 'each event when it happens');
    $_->read_until("0\r\n\r\n") for @$c;
}

{
    # Only a stream whose events came in time, here, tells anything: a busy
    # machine holds them up. Once parked, a request is seen to the end.
    my ($calm, $stayed, $until) = (0, 0, time + 30);
    while (!$stayed && $calm < 10 && time < $until) {
        my $c = ask(client($own), '/lively/lively?60');
        my ($gap, $last) = (0);
        for my $i (1 .. 55) {
            $c->read_until("data: $i\n");
            my $now = time;
            $gap = $now - $last if $last && $now - $last > $gap;
            $last = $now;
        }
        $stayed = waiting($own) == 0;
        $calm++ if $gap < 0.014;
        $c->read_until("0\r\n\r\n");
    }
    SKIP: {
        skip 'too busy a machine', 1 if !$stayed && $calm < 10;
        ok($stayed, 'a lively stream keeps its thread');
    }
    my $c = begin($own, 12, '/plain/lively?500');
    $_->read_until("data: 20\n") for @$c;
    cmp_ok(static_in($own, 3), '>=', 0, 'twelve do not keep twelve threads');
    $_->abort for @$c;
}

# ---- clients that are slow, or gone

{
    my @slow = map {
        ask(client($own, 0, rcvbuf => 65536), '/plain/seq?800000',
            close => 1)
    } 1 .. 14;
    is_parked($own, 14, 'clients that do not read');
    cmp_ok(static_in($own, 5), '>=', 0, 'a static file meanwhile');
    # At the same time, so that none waits for longer than Timeout.
    my @sums = parallel(map { my $c = $_; sub {
        my $sum = Digest::MD5->new;
        my $res = $c->response(sink => sub { $sum->add($_[0]) });
        return $sum->hexdigest . $res->error;
    } } @slow);
    my ($right) = `seq 1 800000 | md5sum` =~ /^(\w+)/;
    is(join("\n", @sums), join("\n", ($right) x 14),
        'who comes back to reading gets all');
}
{
    my @slow = map { client($own) } 1 .. 14;
    $_->send($_->format_request('POST', '/plain/count',
        headers => ['Content-Length' => 300000])) for @slow;
    $_->send('x' x 100000) for @slow;
    is_parked($own, 14, 'clients that do not send');
    cmp_ok(static_in($own, 5), '>=', 0, 'a static file meanwhile');
    sleep 1;
    $_->send('x' x 100000) for @slow;
    sleep 1.5;
    $_->send('x' x 100000) for @slow;
    is(answers(\@slow), expected(14, 300000), 'the body is whole');
}
{
    my $tag = tag_of();
    my $mark = -s $own->root . '/access_log';
    my $c = begin($own, 8, "/plain/wait?30+$tag");
    is_parked($own, 8, 'clients that go');
    ok(processes_with($tag), 'their scripts run');
    $_ % 2 ? $c->[$_]->abort : $c->[$_]->vanish for 0 .. 7;
    # One that closes may still read: its kernel is asked every 5 seconds.
    ok(gone($tag, 20), 'their scripts are ended');
    is_parked($own, 0, 'nobody');
    ok(wait_until(5, sub {
        8 == grep { m{^/plain/wait 200 } } split /\n/,
            substr slurp($own->root . '/access_log'), $mark;
    }), 'each is in the access log');
}

# ---- a queue

{
    my $c = begin($own, 16, '/one/late?0.3+n%n');
    sleep 0.5;
    cmp_ok(static_in($own, 5), '>=', 0, 'a static file beside a queue');
    is(answers($c), expected(16, 'n%n'), 'CGILimit: one after the other');
}

# ---- other ends

{
    my $c = begin($own, 4, '/plain/fails?0.4');
    is(join(' ', map { $_->response->status } @$c), '500 500 500 500',
        'no header after a while');
    $c = begin($own, 4, '/plain/goes?0.4');
    is(answers($c), expected(4, 'static'), 'a local redirect after a while');
    begin($own, 4, '/plain/late?0.4+x', on => $c, method => 'HEAD');
    is(answers($c, method => 'HEAD'), expected(4, ''), 'HEAD');
    # Pipelined: both at once.
    $_->send($_->format_request('GET', '/plain/late?0.5+first')
        . $_->format_request('GET', '/plain/s.txt')) for @$c;
    is(answers($c), expected(4, 'first'), 'pipelined: the first');
    is(answers($c), expected(4, 'static'), 'pipelined: the second');
    my $raw = begin($own, 4, '/plain/nph-raw?0.4');
    is(join('|', map { $_->read_all } @$raw),
        join('|', ("HTTP/1.0 200 OK\r\n\r\nraw\n") x 4), 'raw output');
}
{
    my ($line) = grep { m{^/plain/wait 200 \d+ 12\d{6} } } split /\n/,
        slurp($own->root . '/access_log');
    ok($line, '%D is the time of the whole request');
}

# ---- all kinds, in any order

{
    my ($n, $lanes, $all) = (300, 8, $own);
    # With more connections than threads, httpd may close any of them between
    # two requests.
    ($n, $lanes, $all) = (10000, 32, start(threads => 48))
        if $ENV{CGITEST_LARGE};
    my ($worker) = $all->workers;
    my $before = $ENV{CGITEST_LARGE} ? keys %{{fds_of($worker)}} : $fds_before;
    my $is_tls = sub { $ssl && $tls && $_[0] % 3 == 0 };
    my %lane = map { $_ => client($all, $is_tls->($_)) } 1 .. $lanes;
    my (%want, %did);
    my $wrong = '';
    my $seed = $ENV{SEED} || int rand 1e6;
    srand $seed;
    for my $i (1 .. $n) {
        my $lane = 1 + int rand $lanes;
        my $c = $lane{$lane};
        while (my $due = shift @{$want{$lane}}) {
            my $got = answers([$c]);
            $wrong ||= "$i, $due: $got" if $got !~ $due;
        }
        my $kind = int rand 7;
        my $text = "t$i";
        $did{$kind . ($is_tls->($lane) && ' over TLS')}++;
        if ($kind == 0) {
            ask($c, '/plain/s.txt');
            push @{$want{$lane}}, qr/^200 static$/;
        }
        elsif ($kind == 1) {
            ask($c, "/plain/quick?$text");
            push @{$want{$lane}}, qr/^200 $text$/;
        }
        elsif ($kind == 2) {
            ask($c, "/plain/late?0.1+$text");
            push @{$want{$lane}}, qr/^200 $text$/;
        }
        elsif ($kind == 3) { # a body that the script does not read
            ask($c, "/plain/wait?0.12+$text", method => 'POST',
                body => 'y' x int rand 20000);
            push @{$want{$lane}}, qr/^200 $text$/;
        }
        elsif ($kind == 4) {
            ask($c, '/plain/count', method => 'POST', body => 'z' x 5000);
            push @{$want{$lane}}, qr/^200 5000$/;
        }
        elsif ($kind == 5) {
            $c->send($c->format_request('GET', "/plain/wait?0.1+$text")
                . $c->format_request('GET', "/plain/quick?$text"));
            push @{$want{$lane}}, (qr/^200 $text$/) x 2;
        }
        else {
            ask($c, "/plain/wait?0.2+$text");
            sleep rand 0.1;
            ref $c->{sock} eq 'IO::Socket::SSL' ? $c->close : $c->abort;
            $lane{$lane} = client($all, $is_tls->($lane));
        }
    }
    for my $lane (1 .. $lanes) {
        for my $due (@{$want{$lane}}) {
            my $got = answers([$lane{$lane}]);
            $wrong ||= "end, $due: $got" if $got !~ $due;
        }
    }
    is($wrong, '', "$n requests of all kinds") or diag "SEED=$seed";
    note join ', ', map { "kind $_: $did{$_}" } sort keys %did;
    ok(wait_until(10, sub { waiting($all) == 0 }),
        'none waits for ever');
    %lane = ();
    my $fds;
    ok(wait_until(10, sub {
        ($fds = keys %{{fds_of($worker)}}) <= $before + 6;
    }), 'no descriptor is left') or diag "$before before, now $fds";
    $all->stop if $all != $own;
}

# ---- restarts and stops

{
    my $c = begin($own, 20, '/plain/held?c+n%n');
    is_parked($own, 20, 'before a graceful restart');
    ok($own->graceful, 'a graceful restart');
    cmp_ok(static_in($own, 10), '>=', 0, 'the new generation serves');
    release($own, 'c');
    is(answers($c), expected(20, 'n%n'), 'the old one answers all');
    $c = begin($own, 20, '/plain/held?d+n%n');
    is_parked($own, 20, 'before a graceful stop');
    $own->signal('WINCH');
    release($own, 'd');
    is(answers($c), expected(20, 'n%n'), 'all are answered');
    ok($own->wait_end(10), 'then httpd ends');
}
is(join("\n", slurp("$own->{log}") =~ /^.*(?:keep their threads|AH03\d+).*$/mg),
    '', 'nothing odd in the log');

# ---- few descriptors, and processes that end after some connections

{
    my $few = start(limit => 'ulimit -n 200');
    my $c = begin($few, 30, '/plain/late?2+n%n');
    is(answers($c), expected(30, 'n%n'), 'few descriptors: all are answered');
    my @lines = slurp("$few->{log}") =~ /(requests that wait keep .*)/g;
    is(scalar @lines, 1, 'few descriptors: one line');
    like($lines[0] || '', qr/three quarters of the descriptors/, '... why');
    $few->stop;
}
{
    my $short = start(more => "MaxConnectionsPerChild 10\n");
    my @c = map { @{begin($short, 5, "/plain/wait?1.5+n%n")} } 1 .. 6;
    is(answers(\@c), join(' | ', (expected(5, 'n%n')) x 6),
        'MaxConnectionsPerChild: all are answered');
    $short->stop;
}

# ---- the directive

for (['off', ''], ['0', ''], ['250ms', ''], ['-1', 'must be'], ['x', 'must be'],
    ['5 off', 'takes one argument']) {
    my ($value, $error) = @$_;
    my ($good, $text) = CGITest::Server->check("CGIPark $value\n");
    $error ? like($text, qr/CGIPark $error/, "CGIPark $value")
        : ok($good, "CGIPark $value");
}
done_testing;
