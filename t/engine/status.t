# mpm: all
# SetHandler cgi-status: what it shows, in which forms, and who may end a
# script from it (CGIStatusEnd).
use strict;
use warnings;
use JSON::PP ();
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(processes_with alive slurp wait_until);
use CGITest::Server;
use Time::HiRes qw(sleep time);

my $conf = <<'END';
<Location "/cgi-status">
    SetHandler cgi-status
    Require all granted
</Location>
<Location "/cgi-status/end">
    CGIStatusEnd On
</Location>
<Location "/look">
    SetHandler cgi-status
    Require all granted
</Location>
<Location "/guarded">
    SetHandler cgi-status
    Require all granted
</Location>
<Location "/guarded/end">
    CGIStatusEnd On
    Require all denied
</Location>
<Location "/server-status">
    SetHandler server-status
    Require all granted
</Location>
CGIRoute "^/routed/([a-z]+)" "\1.doit" "dir=@engine@"
<Location "/first">
    CGIRoute "^/([a-z]+)" "\1.doit" "dir=@engine@"
    CGITimeout first=3s kill=1s
</Location>
<Location "/spooled">
    CGIRoute "^/([a-z]+)" "\1.doit" "dir=@engine@"
    CGIRequestBody spool
</Location>
<Location "/limited">
    CGIRoute "^/([a-z]+)" "\1.doit" "dir=@engine@"
    CGILimit 1 queue=1 wait=60
</Location>
END
my $own = CGITest::Server->start(modules => ['status'], conf => $conf);

sub one { return CGITest::HTTP->once($own->where, @_) }
sub page { return one('GET', '/cgi-status' . (shift // '')) }
sub data { return JSON::PP->new->utf8->decode(page('?json')->body) }

# The requests that run, of that tag or path.
sub running {
    my ($what) = @_;
    return grep { index($_->{uri}, $what) >= 0 } @{data()->{requests}};
}

# The only one, when it is in that state.
sub in_state {
    my ($what, $state) = @_;
    my $found;
    wait_until(20, sub {
        my @r = running($what);
        $found = @r == 1 && $r[0]{state} eq $state ? $r[0] : undef;
    }) or diag "$what: ", explain running($what);
    return $found;
}

# The tag is in the path info: the query is not shown.
my $count = 0;
sub ask {
    my ($path, $query, %o) = @_;
    my $tag = 'path-' . $$ . '-' . ++$count . 'z';
    my $c = CGITest::HTTP->new(%{$own->where});
    $c->send($o{raw} ? sprintf $o{raw}, "$path/$tag?$query"
        : $c->format_request('GET', "$path/$tag?$query", close => 1));
    return ($c, $tag);
}

sub script_of {
    my ($file, $route) = @_;
    my @found = grep {
        $_->{script} =~ m{/\Q$file\E\.doit\z} && $_->{route} eq ($route // '')
    } @{data()->{scripts}};
    return @found == 1 ? $found[0] : {};
}

# ---- nothing yet

like(page()->body, qr/No script runs\./, 'at first: no script');
is(data()->{all}{since_start}{requests}, 0, 'and none has run');

# ---- states

{
    my ($c, $tag) = ask('/engine/slow', 'head=60');
    my $r = in_state($tag, 'waiting');
    ok($r, 'a script before its header: waiting');
    is($r->{uri}, "/engine/slow/$tag", 'without its query');
    is($r->{module}, 'runscripts', 'the module');
    like($r->{script}, qr{/engine/slow\.doit$}, 'the script');
    is($r->{route}, '', 'no route');
    is($r->{client}, '127.0.0.1', 'the client');
    is($r->{method}, 'GET', 'the method');
    ok(wait_until(20, sub { (running($tag))[0]{pid} }), 'the process');
    my $pid = (running($tag))[0]{pid};
    like(slurp("/proc/$pid/cmdline"), qr/slow\.doit/, 'is that of the script');
    ok((grep { $_ == $r->{worker} } $own->workers), 'the worker is one');
    my ($age) = map { $_->{age_ms} } running($tag);
    sleep 0.2;
    cmp_ok((running($tag))[0]{age_ms}, '>=', $age + 190, 'the age grows');
    ok(defined((running($tag))[0]{cpu_ms}), 'the processor time');
    my $first = $r->{id};
    $c->abort;
    ok(wait_until(20, sub { !running($tag) }), 'the client goes: it is gone');
    is(script_of('slow')->{since_start}{results}{left}, 1, 'counted as left');
}
{
    my ($c, $tag) = ask('/routed/slow', 'body=60');
    my $r = in_state($tag, 'sending');
    ok($r, 'a script after its header: sending');
    is($r->{route}, '^/routed/([a-z]+)', 'its route');
    is($r->{module}, 'cgiroute', 'the other module, on the same page');
    ok(wait_until(20, sub { (running($tag))[0]{bytes_out} == 6 }),
        'bytes of its output');
    is(script_of('slow', '^/routed/([a-z]+)')->{running}, 1,
        'counted as running, for its route');
    $c->abort;
    wait_until(20, sub { !running($tag) });
}
{
    my ($c, $tag) = ask('/spooled/count', '', raw =>
        "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf of it");
    my $r = in_state($tag, 'reading');
    ok($r, 'a body that is spooled: reading');
    ok(wait_until(20, sub { (running($tag))[0]{bytes_in} == 10 }),
        'bytes of the body');
    $c->send('z' x 90);
    is($c->response->status, 200, 'it goes on');
    is(script_of('count', '/spooled ^/([a-z]+)')->{since_start}{bytes_in}, 100,
        'all are counted');
}
{
    my ($c, $tag) = ask('/limited/slow', 'head=60');
    in_state($tag, 'waiting');
    my ($waiting, $second) = ask('/limited/hello', '');
    ok(in_state($second, 'queued'), 'no place by CGILimit: queued');
    my ($limit) = @{data()->{limits}};
    is_deeply([@$limit{qw(max running queue waiting)}], [1, 1, 1, 1],
        'the limit: places and queue');
    like($limit->{where}, qr/httpd\.conf:\d+$/, 'and where it stands');
    is(one('GET', '/limited/hello')->status, 503, 'one more is refused');
    is(script_of('hello', '/limited ^/([a-z]+)')->{since_start}{results}{limit},
        1, 'counted as limit');
    like(page()->body, qr{1 of 1</td>}, 'the limit is on the page');
    ok(runs($tag), 'its process can be told by its environment');
    end_scripts($tag);
    is($waiting->response->status, 200, 'the one that waits has its turn');
}

# ---- what became of them

{
    my %asked = (
        ok => ['/engine/hello', 200], exec => ['/engine/no', 403],
        header => ['/engine/emit?nonsense', 500],
        timeout => ['/first/slow?head=60', 504],
        killed => ['/engine/crash?at=header', 500]);
    my %before = %{data()->{all}{since_start}{results}};
    my $errors = data()->{all}{since_start}{errors};
    for (sort keys %asked) {
        my $status = one('GET', $asked{$_}[0])->status;
        is($status, $asked{$_}[1], "$_: $asked{$_}[1]");
    }
    my $all = data()->{all};
    is($all->{since_start}{results}{$_}, $before{$_} + 1, "counted as $_")
        for sort keys %asked;
    is($all->{since_start}{errors}, $errors + 4, 'four of them are errors');
    is_deeply($all->{minute}{results}, $all->{since_start}{results},
        'all of that was in the last minute');
    my $timeout = script_of('slow', '/first ^/([a-z]+)')->{since_start};
    ok($timeout->{total_ms}{p50} > 800 && $timeout->{total_ms}{p50} < 5000,
        'the time of one that took a second')
        or diag explain $timeout;
    is($timeout->{first_byte_ms}{p50}, undef, 'which has no first byte');
    my $hello = script_of('hello')->{since_start};
    ok($hello->{first_byte_ms}{p50} > 0
            && $hello->{first_byte_ms}{p50} <= $hello->{total_ms}{p99} * 1.3,
        'a quick one has both') or diag explain $hello;
    is($hello->{bytes_out}, 6, 'and its bytes');
}

# ---- forms

{
    my $text = page('?auto');
    like($text->header('Content-Type'), qr{^text/plain}, 'auto: a text');
    like($text->body, qr/^CGIRunning: 0$/m, 'auto: none runs');
    is((grep { !/^CGI\w+: \d+\z/ } split /\n/, $text->body), 0,
        'auto: lines of name and value');
    SKIP: {
        skip 'no mod_status', 3 if !CGITest::Server::has_module('status');
        my $status = one('GET', '/server-status')->body;
        is(() = $status =~ /CGI scripts/g, 1,
            'mod_status has one section, of two modules');
        like($status, qr/0 running/, 'which says what runs');
        is(() = one('GET', '/server-status?auto')->body =~ /^CGIRunning/mg, 1,
            'and its lines once');
    }
    my $page = page();
    is($page->header('Content-Type'), 'text/html; charset=utf-8', 'HTML');
    is($page->header('Cache-Control'), 'no-store', 'never cached');
    my ($nonce) = $page->header('Content-Security-Policy')
        =~ /script-src 'nonce-([\w+\/=]+)'/;
    ok($nonce, 'a nonce');
    is(() = $page->body =~ /<(?:script|style) nonce="\Q$nonce\E">/g, 2,
        'one script and one style, with the nonce');
    unlike($page->body, qr/ style=| on\w+=|<link|src=|https?:/,
        'nothing inline without it, nothing from elsewhere');
    isnt(page()->header('Content-Security-Policy'),
        $page->header('Content-Security-Policy'), 'the next has another');
    is(one('HEAD', '/cgi-status')->status, 200, 'HEAD');
    is(one('PUT', '/cgi-status')->status, 405, 'PUT: 405');
    like(page('?json')->header('Content-Type'), qr{^application/json},
        'JSON');
    like(page('?metrics')->header('Content-Type'),
        qr{^text/plain; version=0\.0\.4}, 'metrics');
    my @order = page('?sort=script&window=all')->body
        =~ m{<strong>(\w+)\.doit</strong>}g;
    is("@order", "@{[sort @order]}", 'sorted by name');
    is_deeply([page('?sort=-script&window=all')->body
            =~ m{<strong>(\w+)\.doit</strong>}g], [reverse @order],
        'and the other way round');
}

# A parser of Prometheus's own, where there is one.
SKIP: {
    my $python = '/usr/bin/python3';
    skip 'python3-prometheus-client is not installed', 3
        if !-x $python || system "$python -c 'import prometheus_client'"
            . ' 2>/dev/null';
    my $file = $own->file('metrics', page('?metrics')->body);
    my $program = $own->file('parse.py', <<'END');
import sys
from prometheus_client.parser import text_string_to_metric_families as parse
for family in parse(open(sys.argv[1]).read()):
    for s in family.samples:
        print(family.type, s.name, s.labels.get("result", ""),
              s.labels.get("le", ""), s.value, s.labels.get("route", ""),
              s.labels.get("script", "").split("/")[-1])
END
    my @samples = map { [split / /] } split /\n/, `$python $program $file`;
    my @hello = grep { @$_ == 7 && $_->[6] eq 'hello.doit' && $_->[5] eq '' }
        @samples;
    my %value = map { ("$_->[1] $_->[2]$_->[3]" => $_->[4]) } @hello;
    cmp_ok($value{'cgi_requests_total ok'}, '==', 1, 'metrics: a counter');
    cmp_ok($value{'cgi_request_seconds_bucket +Inf'}, '==', 1, 'metrics: a histogram');
    my @buckets = map { $_->[4] }
        grep { $_->[1] eq 'cgi_request_seconds_bucket' } @hello;
    is("@buckets", "@{[sort { $a <=> $b } @buckets]}",
        'metrics: its buckets only grow');
}

# ---- all that comes from outside is escaped

{
    my $odd = '<b>&"\'\\' . "\xff\xe2\x80\xae\t";
    my ($c, $tag) = ask('/engine/slow/' . escape($odd), 'body=60');
    my $r = in_state($tag, 'sending');
    is($r->{uri}, "/engine/slow/<b>&\"'\\????\?/$tag",
        'JSON: as it is, without control characters and bad bytes');
    my $html = page()->body;
    like($html, qr{/engine/slow/&lt;b&gt;&amp;&quot;('|&\#39;)\\}, 'HTML');
    unlike($html, qr/<b>&/, 'HTML: nothing comes through');
    $c->abort;
    wait_until(20, sub { !running($tag) });
    my $long = 'y' x 3000;
    ($c, $tag) = ask('/engine/slow', "body=60&$long");
    ok(in_state($tag, 'sending'), 'a long query is no matter');
    $c->abort;
    my $more = CGITest::HTTP->new(%{$own->where});
    $more->send("GET /engine/slow/$long?body=60 HTTP/1.1\r\nHost: x\r\n\r\n");
    ok(wait_until(20, sub { running('yyy') }), 'a long path');
    is(length((running('yyy'))[0]{uri}), 127, 'is cut');
    $more->abort;
    wait_until(20, sub { !running('yyy') });
}

# ---- ending a script

sub post {
    my ($path, $id, @headers) = @_;
    my $body = "id=$id";
    return one('POST', $path, headers => [
        'Content-Type' => 'application/x-www-form-urlencoded', @headers],
        body => $body);
}

{
    my @origin = (Origin => 'http://127.0.0.1:' . $own->port);
    my ($c, $tag) = ask('/engine/slow', 'head=60');
    my ($other, $other_tag) = ask('/engine/slow', 'body=60');
    my $id = in_state($tag, 'waiting')->{id};
    my $other_id = in_state($other_tag, 'sending')->{id};

    is(post('/cgi-status', $id, @origin)->status, 405, 'POST to the page: 405');
    is(post('/look/end', $id, @origin)->status, 405, 'CGIStatusEnd Off: 405');
    is(post('/guarded/end', $id, @origin)->status, 403,
        'no right to that URL: 403');
    is(post('/cgi-status/end', $id)->status, 403, 'without Origin: 403');
    is(post('/cgi-status/end', $id, Origin => 'http://evil.example')->status,
        403, 'from another site: 403');
    is(post('/cgi-status/end', $id, Origin => 'null')->status, 403,
        'from nowhere: 403');
    is(post('/cgi-status/end', $id, @origin,
            'Sec-Fetch-Site' => 'cross-site')->status,
        403, 'as the browser says, from another site: 403');
    is(post('/cgi-status/end', $_, @origin)->status, 400, "id=$_: 400")
        for '', '1', 'x-1', '1-', '1-2x', '-1-2', '1 -2';
    is(post('/cgi-status/end', '1' x 200, @origin)->status, 413,
        'a long one: 413');
    is(one('GET', "/cgi-status/end?id=$id")->status, 200,
        'GET shows the page');
    (my $wrong = $id) =~ s/-(\d+)$/'-' . ($1 + 1000)/e;
    is(post('/cgi-status/end', $wrong, @origin)->status, 303,
        'one that has ended: as if it was done');
    is(post('/cgi-status/end', "999999-1", @origin)->status, 303,
        'a slot that there is not: as well');
    sleep 0.8;
    is(scalar running($tag), 1, 'by none of these has it ended');

    my $mark = $own->mark;
    my $answer = post('/cgi-status/end', $id, @origin);
    is($answer->status, 303, 'who may: 303');
    is($answer->header('Location') =~ m{(/[^/]*)$} && $1, '/cgi-status',
        'to the page');
    is($c->response->status, 503, 'the client gets 503');
    is_gone($tag, 20, 'the script has ended');
    like($own->log_since($mark), qr/status page: request $id is ended, by/,
        'the log says who');
    like($own->log_since($mark), qr/slow\.doit: ended from the status page/,
        'and what');
    is(script_of('slow')->{since_start}{results}{ended}, 1,
        'counted as ended');
    is(scalar running($other_tag), 1, 'the other one runs on');

    is(post('/cgi-status/end', $other_id, 'Sec-Fetch-Site' => 'same-origin')
        ->status, 303, 'a browser from the page');
    ok($other->response->error, 'after the header: the response is cut');
    is_gone($other_tag, 20, 'its script has ended');
}
{
    my ($c, $tag) = ask('/engine/slow', 'head=60');
    in_state($tag, 'waiting');
    like(page()->body, qr{action="/cgi-status/end".*<button[^>]*>End</button>}s,
        'a button');
    unlike(one('GET', '/look')->body, qr/<button class="stop/,
        'none where CGIStatusEnd is Off');
    my $mark = $own->mark;
    like(one('GET', '/guarded')->body, qr{action="/guarded/end"},
        'who may is asked later');
    unlike($own->log_since($mark), qr/denied/, 'and nothing in the log of that');
    $c->abort;
    wait_until(20, sub { !running($tag) });
}

# ---- restarts, and deaths

{
    my $before = data()->{all}{since_start}{requests};
    my ($c, $tag) = ask('/engine/slow', 'body=60');
    in_state($tag, 'sending');
    my @launchers = map { $_->{pid} } @{data()->{launchers}};
    is("@{[sort @launchers]}", "@{[sort $own->launchers]}", 'all launchers');
    ok($own->graceful, 'a graceful restart');
    ok(wait_until(20, sub { one('GET', '/engine/hello')->status == 200 }),
        'httpd answers');
    cmp_ok(data()->{all}{since_start}{requests}, '>=', $before + 1,
        'counters go on');
    ok(in_state($tag, 'sending'), 'what ran before is listed');
    my @earlier = grep { $_->{earlier} } @{data()->{launchers}};
    is("@{[sort map { $_->{pid} } @earlier]}", "@{[sort @launchers]}",
        'with the launchers of before');

    my $killed = data()->{all}{since_start}{results}{killed};
    kill 'KILL', (running($tag))[0]{worker};
    ok(wait_until(20, sub { !running($tag) }), 'its worker is killed: gone');
    is(data()->{all}{since_start}{results}{killed}, $killed + 1,
        'counted as killed, once');
    is(data()->{all}{since_start}{results}{killed}, $killed + 1, 'and once');
    is_gone($tag, 20, 'its script has ended');
    $c->close;
    ok(!$own->ends_workers || wait_until(30, sub {
        !grep { $_->{earlier} } @{data()->{launchers}}
    }), 'the launchers of before have ended');

    my ($victim) = $own->launchers;
    kill 'KILL', $victim;
    ok(wait_until(20, sub {
        my @now = map { $_->{pid} } grep { !$_->{earlier} }
            @{data()->{launchers}};
        return @now == @launchers && !grep { $_ == $victim } @now;
    }), 'a launcher that dies makes room for the next');
}

# A restart with HUP too.
if ($own->ends_restart) {
    my $before = data()->{all}{since_start}{requests};
    my $mark = $own->mark;
    $own->signal('HUP');
    ok($own->log_until($mark, qr/resuming normal operations/), 'a restart');
    ok(wait_until(20, sub {
        (eval { data()->{all}{since_start}{requests} } // -1) >= $before;
    }), 'counters go on');
}
is_deeply([$own->stop], [], 'nothing is left');

# ---- the directive

{
    my ($ok, $said) = CGITest::Server->check("CGIStatusEnd maybe\n");
    ok(!$ok && $said =~ /CGIStatusEnd must be On or Off/,
        'CGIStatusEnd maybe: refused') or diag $said;
}
{
    # What a virtual host's <Directory> says holds there alone.
    my $two = CGITest::Server->start(mpm => $own->mpm, conf => <<'END');
<Location "/cgi-status">
    SetHandler cgi-status
    Require all granted
</Location>
CGIStatusEnd On
Listen 127.0.0.1:@port2@
<VirtualHost 127.0.0.1:@port2@>
    DocumentRoot "@root@/htdocs"
    <Directory "@root@/htdocs">
        CGIStatusEnd Off
    </Directory>
</VirtualHost>
END
    for (['', 303], [2, 405]) {
        my ($which, $status) = @$_;
        my $port = $two->port($which);
        is(CGITest::HTTP->once({host => '127.0.0.1', port => $port}, 'POST',
            '/cgi-status/end', headers => [Origin => "http://127.0.0.1:$port"],
            body => 'id=1-1')->status, $status,
            'the merge: ' . ($which ? 'Off in a <Directory>' : 'On'));
    }
    is_deeply([$two->stop], [], 'nothing is left of that');
}

done_testing();
