# mpm: all, with ALL=1
# The meta-variables of RFC 3875, 4.1: rules A1 to A9, and C2, what a client
# or a SetEnv must not be able to make of them.
use strict;
use warnings;
use Test::More;
use CGITest;

my @ways = ('/engine/show', '/engineroute/show');

# A1: the URL made of what the script was told leads to the script again.
for my $way (@ways) {
    for my $rest ('', '?', '?a=1&b=%20', '/x', '/x/y?q', '/',
        '/a%20b%25c?%41', '/q%3fm=1', '/semi%3Bcolon,x', '/%C3%A9%FF',
        '/dots/..%2e/x', '/plus+minus', '/a%23b?%23') {
        my $res = get("$way$rest");
        my $name = "A1 $way$rest";
        is($res->status, 200, "$name runs") or next;
        my $env = show($res)->{env};
        my ($script, $info, $query) =
            map { defined $_ ? $_ : '' }
            @$env{qw(SCRIPT_NAME PATH_INFO QUERY_STRING)};
        is($script, $way, "$name SCRIPT_NAME");
        my $url = join '/', map { escape($_) } split m{/}, $script . $info, -1;
        my $again = show(get(length $query ? "$url?$query" : $url))->{env};
        is_deeply([map { defined $_ ? $_ : '' }
                @$again{qw(SCRIPT_NAME PATH_INFO QUERY_STRING)}],
            [$script, $info, $query], "$name rebuilt: $url");
    }
}

# A2: CONTENT_LENGTH if and only if there is a body.
for my $way (@ways) {
    my $env = show(get("$way"))->{env};
    ok(!exists $env->{CONTENT_LENGTH}, "A2 $way GET: no CONTENT_LENGTH");
    ok(!exists $env->{CONTENT_TYPE}, "A3 $way GET: no CONTENT_TYPE");
    my $r = show(once('POST', $way, body => ''));
    is($r->{env}{CONTENT_LENGTH}, '0', "A2 $way POST of 0 bytes");
    ok(!exists $r->{env}{CONTENT_TYPE}, "A3 $way POST: not invented");
    $r = show(once('POST', $way, body => 'x' x 1234,
            headers => ['Content-Type' => 'text/odd; Q="A b"']));
    is($r->{env}{CONTENT_LENGTH}, '1234', "A2 $way POST of 1234 bytes");
    is($r->{stdin}, 1234, "A2 $way and they arrive");
    is($r->{env}{CONTENT_TYPE}, 'text/odd; Q="A b"', "A3 $way as sent");
    $r = show(once('GET', $way, body => 'abc'));
    is($r->{env}{CONTENT_LENGTH}, '3', "A2 $way GET with a body");
    is($r->{stdin}, 3, "A2 $way and it arrives");
}

# A4, A5: PATH_INFO is decoded, once; the rest of them.
my $info = sub { show(get("/engine/show$_[0]"))->{env} };
ok(!exists $info->('')->{PATH_INFO}, 'A4 no PATH_INFO when empty');
ok(!exists $info->('')->{PATH_TRANSLATED}, 'A4 nor PATH_TRANSLATED');
ok(!exists $info->('?q')->{PATH_INFO}, 'A4 nor with a query only');
is($info->('/')->{PATH_INFO}, '/', 'A4 one void segment');
for (
    ['/this%2eis%2epath%3binfo', '/this.is.path;info'],
    ['/this.is.path;info', '/this.is.path;info'],
    ['/CaSe/kEPT', '/CaSe/kEPT'],
    ['/once%2541', '/once%41'],
    ['/a%20b+c', '/a b+c'],
    ['/x/', '/x/'],
    ['/%ff%01', "/\xff\x01"],
) {
    my ($path, $want) = @$_;
    my $env = $info->($path);
    is($env->{PATH_INFO}, $want, "A4 $path");
    like($env->{PATH_TRANSLATED}, qr{/htdocs\Q$want\E$},
        "A4 $path translated, though nothing is there");
    is($env->{SCRIPT_NAME}, '/engine/show', "A5 $path SCRIPT_NAME");
}
for (
    ['', ''], ['?', ''], ['?a=b', 'a=b'], ['?%41%2B+%zz', '%41%2B+%zz'],
    ['?a?b=1', 'a?b=1'], ['/x?;&\'"`$(id)', ';&\'"`$(id)'],
) {
    my ($path, $want) = @$_;
    is($info->($path)->{QUERY_STRING}, $want, "A5 query of '$path'");
}
my $spaced = get('/engine/sp%61ce%20d/x')->status == 200
    && show(get('/engine/sp%61ce%20d/x'))->{env};
is($spaced && $spaced->{SCRIPT_NAME}, '/engine/space d',
    'A5 SCRIPT_NAME is decoded');

# A6
for my $method (qw(GET POST PUT DELETE PATCH OPTIONS FOO get M-SEARCH)) {
    for my $way (@ways) {
        my $res = once($method, "$way?a=1");
        is(eval { show($res)->{env}{REQUEST_METHOD} }, $method,
            "A6 $way $method") or diag text_of($res);
    }
}

# A7
{
    my $port = server()->port;
    my $env = show(get('/engine/show'))->{env};
    is($env->{SERVER_NAME}, '127.0.0.1', 'A7 SERVER_NAME');
    is($env->{SERVER_PORT}, $port, 'A7 SERVER_PORT');
    is($env->{SERVER_PROTOCOL}, 'HTTP/1.1', 'A7 HTTP/1.1');
    is($env->{GATEWAY_INTERFACE}, 'CGI/1.1', 'GATEWAY_INTERFACE');
    is($env->{REMOTE_ADDR}, '127.0.0.1', 'REMOTE_ADDR');
    my $old = show(get('/engine/show', version => '1.0', host => undef));
    is($old->{env}{SERVER_PROTOCOL}, 'HTTP/1.0', 'A7 HTTP/1.0');
    ok(defined $old->{env}{SERVER_NAME}, 'A7 SERVER_NAME without a Host');
    is($old->{env}{SERVER_PORT}, $port, 'A7 SERVER_PORT without a Host');
}

# A8: only httpd's own authentication counts.
{
    my @forged = (Authorization => 'Basic Zm9vOmJhcg==',
        'Proxy-Authorization' => 'Basic Zm9vOmJhcg==',
        'Remote-User' => 'root', 'Auth-Type' => 'Basic',
        'REMOTE_USER' => 'root', 'AUTH_TYPE' => 'Basic');
    my $env = show(get('/engine/show', headers => \@forged))->{env};
    ok(!exists $env->{$_}, "A8 client makes no $_")
        for qw(REMOTE_USER AUTH_TYPE);
    ok(!exists $env->{$_}, "A9 no $_ without CGIPassAuth")
        for qw(HTTP_AUTHORIZATION HTTP_PROXY_AUTHORIZATION);
    is((grep { /Zm9vOmJhcg/ } %$env), 0, 'A9 no password in any variable');
    $env = show(get('/engine-vars/show', headers => \@forged))->{env};
    is($env->{HTTP_AUTHORIZATION}, 'Basic Zm9vOmJhcg==',
        'A9 CGIPassAuth On: Authorization');
    is($env->{HTTP_PROXY_AUTHORIZATION}, 'Basic Zm9vOmJhcg==',
        'A9 CGIPassAuth On: Proxy-Authorization');
    ok(!exists $env->{$_}, "A8 still no $_") for qw(REMOTE_USER AUTH_TYPE);

    my $denied = get('/engine-auth/show');
    is($denied->status, 401, 'A8 authentication is asked for');
    my $in = get('/engine-auth/show',
        headers => [Authorization => 'Basic anVzZXI6c2VjcmV0']);
    is($in->status, 200, 'A8 and given') or diag text_of($in);
    $env = eval { show($in)->{env} } || {};
    is($env->{REMOTE_USER}, 'juser', 'A8 REMOTE_USER');
    is($env->{AUTH_TYPE}, 'Basic', 'A8 AUTH_TYPE');
    ok(!exists $env->{HTTP_AUTHORIZATION}, 'A8 the password is not passed');
}

# A9
{
    my $r = show(get('/engine/show', headers => ['X-Many' => 'one',
                'X-Many' => 'two', 'x-many' => 'three', 'X-Single' => '1']));
    is($r->{env}{HTTP_X_MANY}, 'one, two, three', 'A9 one value of three');
    is($r->{env}{HTTP_X_SINGLE}, '1', 'A9 another header');
    my %count;
    $count{$_}++ for @{$r->{names}};
    is(join(' ', grep { $count{$_} > 1 } keys %count), '',
        'A9 names are unique');
}

# C2
{
    my $r = show(once('POST', '/engine/show', body => 'abcd', headers => [
                Proxy => 'http://evil.example/', proXY => 'x',
                'X_Real-IP' => '1.1.1.1', 'Content_Length' => '99',
                'Content-Length-' => '98', 'Content_Type' => 'evil',
                'Content-Type' => 'text/plain', 'X.Dot' => '1',
                'Request_Method' => 'EVIL', 'X-Real-Ip' => '2.2.2.2']));
    my $env = $r->{env};
    ok(!exists $env->{HTTP_PROXY}, 'C2 no HTTP_PROXY');
    is($env->{HTTP_X_REAL_IP}, '2.2.2.2', 'C2 X_Real-IP makes no variable');
    is($env->{CONTENT_LENGTH}, '4', 'C2 CONTENT_LENGTH not shadowed');
    is($env->{CONTENT_TYPE}, 'text/plain', 'C2 CONTENT_TYPE not shadowed');
    is((grep { /evil/i } values %$env), 0, 'C2 none of these values')
        or diag explain $env;
    ok(!exists $env->{HTTP_X_DOT}, 'C2 a dot makes no variable');
    my %count;
    $count{$_}++ for @{$r->{names}};
    is(join(' ', grep { $count{$_} > 1 } keys %count), '',
        'C2 names are unique');

    $r = show(get('/engine-setenv/show', headers => ['X-Mine' => 'client']));
    $env = $r->{env};
    is($env->{ORDINARY}, 'a value', 'C2 SetEnv of another name');
    is($env->{REQUEST_METHOD}, 'GET', 'C2 SetEnv REQUEST-METHOD');
    is($env->{SCRIPT_NAME}, '/engine-setenv/show', 'C2 SetEnv SCRIPT.NAME');
    is(join(' ', grep { $env->{$_} eq 'forged' } sort keys %$env), '',
        'C2 SetEnv makes no other name of these');
    is($env->{QUERY_STRING}, '', 'C2 SetEnv query_string');
    %count = ();
    $count{$_}++ for @{$r->{names}};
    is(join(' ', grep { $count{$_} > 1 } keys %count), '',
        'C2 names are unique after SetEnv');
}

# A21, and what stdin is without a body.
{
    my $r = show(get('/engine/show'));
    like($r->{cwd}, qr{/htdocs/engine$}, 'A21 working directory');
    is($r->{stdin}, 0, 'A10 an empty stdin without a body');
}

done_testing();
