# mpm: prefork
# Scripts that can't be started, and what the client is told: rules E5, C8 and
# C17.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Server;

# Scripts that are broken in one way each; made here, since some of them are
# no files for a repository.
my $say = "printf 'Content-Type: text/plain\\n\\nran\\n'\n";
my %script = (
    good => ["#!/bin/sh\n$say", 0755],
    mode => ["#!/bin/sh\n$say", 0644],
    unreadable => ["#!/bin/sh\n$say", 0000],
    nointerpreter => ["#!/no/such/interpreter\n$say", 0755],
    interpreterdir => ["#!/usr\n$say", 0755],
    interpretermode => ["#!/etc/passwd\n$say", 0755],
    carriage => ["#!/bin/sh\r\n$say", 0755],
    nofirst => [$say, 0755],
    empty => ['', 0755],
    binary => ["\x7fELF" . "\1\1\1" x 30, 0755],
);
sub prepare {
    my ($server) = @_;
    my $root = $server->root;
    $server->file("bad/$_.doit", @{$script{$_}}) for keys %script;
    mkdir "$root/bad/directory.doit";
    chmod 0, "$root/bad/unreadable.doit";
    symlink "$root/bad/nowhere", "$root/bad/dangling.doit";
    symlink "$root/bad/loop2.doit", "$root/bad/loop1.doit";
    symlink "$root/bad/loop1.doit", "$root/bad/loop2.doit";
    $server->file('bad/closed/inside.doit', "#!/bin/sh\n$say", 0755);
}

my $own = CGITest::Server->start(prepare => \&prepare, conf => <<'END');
LimitRequestFields 400
LimitRequestLine 20000
LimitRequestFieldSize 600000
<Directory "@root@/bad">
    Options +RunScripts
    Require all granted
</Directory>
<Directory "@root@/bad/denied">
    Require all denied
</Directory>
Alias /bad "@root@/bad"
CGIRoute "^/badroute/([a-z0-9]+)" "\1.doit" "dir=@root@/bad"
CGIRoute "^/badexec/([a-z0-9]+)" "\1.doit" "dir=@root@/bad" exec=/bin/sh
END
my $root = $own->root;

sub ask {
    my ($method, $target, %o) = @_;
    return CGITest::HTTP->once($own->where, $method, $target, %o);
}

# status, and what the log has to say; by RunScripts, then by a route.
my @cases = (
    ['good', 200],
    ['mode', 403, qr/mode\.doit.*not executable/],
    ['unreadable', 403, qr/unreadable\.doit/],
    ['nointerpreter', 500,
        qr{nointerpreter\.doit.*/no/such/interpreter.*not exist}],
    ['interpreterdir', qr/^(403|500)$/, qr{interpreterdir\.doit.*/usr\b}],
    ['interpretermode', qr/^(403|500)$/,
        qr{interpretermode\.doit.*/etc/passwd}],
    ['carriage', 500, qr{carriage\.doit.*/bin/sh.*carriage return}],
    ['nofirst', 500, qr/nofirst\.doit.*#!/],
    ['empty', 500, qr/empty\.doit.*#!/],
    ['binary', 500, qr/binary\.doit/],
    ['directory', qr/^40[34]$/],
    ['dangling', qr/^40[34]$/],
    ['loop1', qr/^40[34]$/],
);
for my $way ('/bad', '/badroute') {
    for (@cases) {
        my ($name, $want, $log) = @$_;
        for my $method ('GET', 'POST') {
            my $mark = $own->mark;
            my $res = ask($method, "$way/$name/x?secret",
                $method eq 'POST' ? (body => 'x' x 1000) : ());
            my $what = "E5 $method $way/$name";
            like($res->status, ref $want ? $want : qr/^$want$/,
                "$what: its status") or diag text_of($res);
            unlike($res->body, qr/printf|#!/, "$what: no source");
            my $page = join '', $own->without_url(qr{\Q$way/$name\E}, $res->{head},
                $res->body);
            unlike($page, qr/\Q$root\E|\.doit|interpreter/,
                "C17 $what: no path, no reason on the page");
            like($own->log_until($mark, $log, 3)
                    || $own->log_since($mark), qr/:error\].*$log/,
                "$what: the log says why") if $log;
        }
    }
}
for (['good', 200], ['mode', 200], ['unreadable', 403], ['nofirst', 200]) {
    my ($name, $want) = @$_;
    is(ask('GET', "/badexec/$name")->status, $want,
        "E5 /badexec/$name: an interpreter wants to read only");
}

# The directory of the script can't be entered by the server.
{
    chmod 0, "$root/bad/closed";
    my $res = ask('GET', '/bad/closed/inside');
    like($res->status, qr/^40[34]$/, 'E5 a closed directory: 403 or 404');
    chmod 0755, "$root/bad/closed";
    is(ask('GET', '/bad/closed/inside')->status, 200, 'E5 opened again');
}

# C17: pages of errors that happen while the script runs.
for my $path ('/engine/emit?' . escape("broken header\n\n"),
    '/engine/emit?' . escape("Status: 999\n\n"), '/engine/emit?',
    '/engine/crash?at=header', '/engine-first/slow?head=20', '/engine/loop',
    '/engineroute/emit?' . escape("broken\n\n")) {
    my $res = ask('GET', $path);
    like($res->status, qr/^50\d$/, "C17 $path: an error");
    unlike($res->{head} . $res->body,
        qr{/htdocs|\.doit|\Q$CGITest::Server::t\E},
        "C17 $path: no path of the file system");
}

# C8: large, but possible.
{
    my @many = map { ("X-Many-$_" => 'v' x 50) } 1 .. 200;
    my $env = show(ask('GET', '/engine/show', headers => \@many))->{env};
    is((grep { /^HTTP_X_MANY_\d+$/ } keys %$env), 200, 'C8 200 headers');
    # httpd itself looks for a file of that name: no longer than PATH_MAX.
    my $path = ('/' . 'y' x 99) x 30;
    $env = show(ask('GET', "/engine/show$path?" . 'q' x 5000))->{env};
    is($env->{PATH_INFO}, $path, 'C8 a URI of 8 KB, its path');
    is(length $env->{QUERY_STRING}, 5000, 'C8 a URI of 8 KB, its query');
    $path x= 3;
    $env = show(ask('GET', "/engineroute/show$path"))->{env};
    is($env->{PATH_INFO}, $path, 'C8 a path of 9 KB, by a route');
    my $query = 'q=' . 'z' x 8000;
    $env = show(ask('GET', "/engine/show?$query"))->{env};
    is($env->{QUERY_STRING}, $query, 'C8 a query of 8 KB');
    $env = show(ask('GET', '/engine/show', headers => ['X-Long' => 'v'
                x 100_000]))->{env};
    is(length $env->{HTTP_X_LONG}, 100_000, 'C8 a value of 100 KB');
    # L5: 1.5 MB in all; the kernel allows a quarter of the stack's limit.
    my @large = map { ("X-Large-$_" => 'v' x 100_000) } 1 .. 15;
    my $res = ask('GET', '/engine/show', headers => \@large);
    is($res->status, 200, 'C8 L5 1.5 MB of environment');
    $env = eval { show($res)->{env} } || {};
    is((grep { /^HTTP_X_LARGE_\d+$/ && length $env->{$_} == 100_000 }
            keys %$env), 15, 'C8 L5 all of it arrives');
}
# C8: more than the kernel takes: one string over 128 KiB, or all together.
for (['one string', ['X-Long' => 'v' x 140_000]],
    ['all together', [map { ("X-Large-$_" => 'v' x 120_000) } 1 .. 60]],
    ['far too much', [map { ("X-Large-$_" => 'v' x 500_000) } 1 .. 100]]) {
    my ($name, $headers) = @$_;
    for my $way ('/engine', '/engineroute') {
        my $tag = tag_of();
        my $mark = $own->mark;
        my $c = CGITest::HTTP->new(%{$own->where}, timeout => 90);
        my $pid = $c->send_in_background(sub {
            $_[0]->send($_[0]->format_request('GET', "$way/show?$tag",
                headers => $headers));
        });
        my $res = $c->response;
        waitpid $pid, 0;
        like($res->status, qr/^(431|500)$/, "C8 $way, $name: refused")
            or diag text_of($res);
        like($own->log_since($mark),
            qr/:error\].*show\.doit.*environment is larger/,
            "C8 $way, $name: with a reason");
        is_gone($tag, 3, "C8 $way, $name: no process is left");
    }
}
is(ask('GET', '/engine/hello')->status, 200, 'C8 and the next is served');

$own->stop;
done_testing();
