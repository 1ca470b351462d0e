# Rule B1: a script finds the same environment, arguments, working directory,
# umask and body as with httpd's own CGI modules: mod_cgi on prefork, mod_cgid
# on event. Ours on prefork, worker and event; over HTTP/1, TLS and HTTP/2.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(slurp);
use CGITest::Server;

my ($curl) = grep { -x } qw(/usr/bin/curl /bin/curl);
my $tls = 0;
my $v6 = eval {
    require IO::Socket::IP;
    IO::Socket::IP->new(LocalHost => '::1', Listen => 1);
};

# ---- the servers: all but how the script is run is the same

my $conf = <<'END';
UseCanonicalName Off
Listen [::1]:@port4@
ErrorDocument 404 /s/show/page?for=404
<Directory "@root@/htdocs">
    Options +Includes
    AddOutputFilter INCLUDES .shtml
    AddType text/html .shtml
    AddHandler my-handler .my
</Directory>
Action my-handler /s/show
<Location "/s">
    SetEnv ORDINARY "two words"
    SetEnv "odd-name" "v"
    SetEnvIf User-Agent "(\w+)" AGENT=$1
    PassEnv TZ
</Location>
Alias /auth "@root@/htdocs/s"
<Location "/auth">
    AuthType Basic
    AuthName "b1"
    AuthBasicProvider file
    AuthUserFile "@engine@/users"
    Require valid-user
</Location>
Alias /pass "@root@/htdocs/s"
<Location "/pass">
    CGIPassAuth On
</Location>
DirectoryIndex nothing.html /s/show
RewriteEngine On
RewriteRule "^/rw/(.*)$" "/s/show/$1" [PT,E=FROM_RW:got-$1]
Protocols h2c http/1.1
<IfModule ssl_module>
    Listen 127.0.0.1:@port2@
    <VirtualHost *:@port2@>
        ServerName tls.example:@port2@
        SSLEngine On
        SSLCertificateFile "@root@/tls.pem"
        SSLOptions +StdEnvVars
        Protocols h2 http/1.1
    </VirtualHost>
</IfModule>
<VirtualHost *:@port@ *:@port4@>
    ServerName main.example
    RewriteEngine On
    RewriteOptions Inherit
</VirtualHost>
<VirtualHost *:@port@>
    ServerName named.example
    ServerAdmin named@example.com
    DocumentRoot "@root@/htdocs"
</VirtualHost>
END

my %how = (
    cgi => "<Directory \"\@root\@/htdocs/s\">\nOptions +ExecCGI\n"
        . "SetHandler cgi-script\n</Directory>\n"
        . "ScriptAlias /alias/ \"\@root\@/htdocs/s/\"\n",
    ours => "<Directory \"\@root\@/htdocs/s\">\nOptions +RunScripts\n"
        . "</Directory>\n"
        . "CGIRoute ^/alias/(\\w+) \\1.doit dir=\@root\@/htdocs/s\n",
);

$conf =~ s/^Listen \[.*\n//m, $conf =~ s/ \*:\@port4\@//g unless $v6;

sub begin {
    my ($how, $mpm, @modules) = @_;
    my $prepare = sub {
        my ($server) = @_;
        my $suffix = $how eq 'ours' ? '.doit' : '';
        my $source = "$CGITest::Server::t/htdocs/engine";
        for my $name ('show', 'emit') {
            $server->file("htdocs/s/$name$suffix", slurp("$source/$name.doit"),
                0755);
        }
        mkdir $server->root . '/htdocs/s/dumps';
        chmod 0777, $server->root . '/htdocs/s/dumps';
        $server->file('htdocs/page.shtml',
            '<!--#include virtual="/s/show/x?y=1" -->');
        $server->file('htdocs/file.my', 'x');
        mkdir $server->root . '/htdocs/dir';
        $tls = $server->make_certificate;
    };
    # SSLOptions and the like need the module; without a certificate it is
    # left out everywhere.
    my @all = (qw(include actions rewrite auth_basic authn_core authn_file
            authz_user http2), @modules,
        (-e CGITest::Server::module_dir() . '/mod_ssl.so' ? 'ssl' : ()));
    return CGITest::Server->start(mpm => $mpm, prepare => $prepare,
        engine => $how eq 'ours', modules => \@all,
        conf => $how{$how} . $conf);
}

$ENV{TZ} = 'UTC+3';
my %server = (
    'mod_cgi on prefork' => begin('cgi', 'prefork', 'cgi'),
    'mod_cgid on event' => begin('cgi', 'event', 'cgid'),
    map { ("ours on $_" => begin('ours', $_)) } qw(prefork worker event),
);

# ---- the requests

my $form = 'a=1&b=%20&c=' . 'x' x 3000;
my @same = (headers => ['User-Agent' => 'Test/1.0']);

# name => [method, target, options], or a sub; "curl" options for what is no
# plain HTTP/1.
my @shapes = (
    ['GET', ['GET', '/s/show']],
    ['a query', ['GET', '/s/show?a=b&c=%20d']],
    ['an empty query', ['GET', '/s/show?']],
    ['path info', ['GET', '/s/show/x/Y%2Bz%20/?q=1']],
    ['a void segment', ['GET', '/s/show/']],
    ['odd bytes', ['GET', '/s/show/%ff%01;a,b/x?%41;%ff']],
    ['query words', ['GET', '/s/show?a+b%20c++%3bd']],
    ['POST of a form', ['POST', '/s/show?q=1', body => $form, headers =>
        ['Content-Type' => 'application/x-www-form-urlencoded']]],
    ['POST of nothing', ['POST', '/s/show/p?q=1', body => '']],
    ['PUT', ['PUT', '/s/show/file', body => 'content']],
    ['DELETE', ['DELETE', '/s/show/file?x=y']],
    ['OPTIONS', ['OPTIONS', '/s/show?x=y']],
    ['an extension method', ['FOO', '/s/show?x=y']],
    ['many headers', ['GET', '/s/show', headers => ['Cookie' => 'a=1',
            'Cookie' => 'b=2', 'X-One' => '1', 'x-one' => '2',
            'X_Under' => '3', 'X-Under' => '4', 'Proxy' => 'p',
            'Accept' => '*/*', 'Referer' => 'http://r.example/?a=b',
            'Authorization' => 'Basic eDp5', 'If-None-Match' => '"x"',
            'X-Empty' => '', '1-Digit' => 'd', 'X.Dot' => 'e']]],
    ['HTTP/1.0 without Host', ['GET', '/s/show?a=b', version => '1.0',
        host => undef]],
    ['a virtual host', ['GET', '/s/show?a=b', host => 'Named.Example:8080']],
    ['an IPv6 host', ['GET', '/s/show?a=b', host => '[2001:db8::1]:81']],
    ['a full URL', ['GET', 'http://named.example/s/show?a=b']],
    ['authentication', ['GET', '/auth/show?a=b', headers =>
        [Authorization => 'Basic anVzZXI6c2VjcmV0']]],
    ['CGIPassAuth', ['GET', '/pass/show?a=b', headers =>
        [Authorization => 'Basic anVzZXI6c2VjcmV0']]],
    ['ErrorDocument', ['GET', '/missing/x?q=1']],
    ['SSI', ['GET', '/page.shtml?page=1']],
    ['Action', ['POST', '/file.my?q=1', body => 'abc']],
    ['DirectoryIndex', ['GET', '/dir/?q=1']],
    ['RewriteRule', ['GET', '/rw/some%20thing?q=1']],
    ['local redirect', ['GET', '/s/emit?'
        . escape("Location: /s/show/to?r=1\n\n")]],
    ['an alias for a directory', ['GET', '/alias/show/x%20y?a=b']],
    ['HEAD', ['HEAD', '/s/show?dump=head&x=y']],
    ['IPv6', sub {
        my ($server) = @_;
        return CGITest::HTTP->once({host => '::1', port => $server->port(4),
                v6 => 1}, 'GET', '/s/show?a=b');
    }],
    ['TLS', {curl => ['-k', '--http1.1'], port => 2, path => '/s/show?a=b'}],
    ['TLS, POST', {curl => ['-k', '--http1.1', '-d', $form], port => 2,
        path => '/s/show/x?a=b'}],
    ['h2c', {curl => ['--http2-prior-knowledge'], path => '/s/show/x?a=b'}],
    ['h2c, POST', {curl => ['--http2-prior-knowledge', '-d', $form,
            '-H', 'Cookie: a=1', '-H', 'Cookie: b=2'],
        path => '/s/show/x?a=b'}],
    ['h2 over TLS', {curl => ['-k', '--http2'], port => 2,
        path => '/s/show/x?a=b'}],
    ['h2 over TLS, POST', {curl => ['-k', '--http2', '-d', $form], port => 2,
        path => '/s/show/x?a=b'}],
);

# ---- what differs, and why: shape => name => reason. The value under ours is
# checked where there is one.

my %differs = (
    # RFC 3875, 4.1.2 and DESIGN of the engine: the length of what can be read
    'POST in chunks' => {CONTENT_LENGTH => '8'},
    # mod_cgi passes query words with every method, RFC 3875, 4.4 with GET
    # and HEAD only.
    'POST with query words' => {ARGUMENTS => ''},
    # A page for an error, or the target of a local redirect, is a GET without
    # a body; httpd's modules leave these variables of the request before.
    'ErrorDocument after POST' => {CONTENT_LENGTH => undef,
        CONTENT_TYPE => undef},
    'local redirect after POST' => {CONTENT_TYPE => undef},
    # No URL is that of the route's directory: its scripts have a suffix.
    'an alias for a directory' => {CONTEXT_PREFIX => '/alias/show',
        CONTEXT_DOCUMENT_ROOT => 'ROOT/htdocs/s'},
);
push @shapes,
    ['POST in chunks', ['POST', '/s/show?q=1', body => undef, chunked => 1]],
    ['POST with query words', ['POST', '/s/show?a+b', body => 'x']],
    ['ErrorDocument after POST', ['POST', '/missing/x?q=1', body => 'abc',
        headers => ['Content-Type' => 'text/x']]],
    ['local redirect after POST', ['POST', '/s/emit?'
            . escape("Location: /s/show/to?r=1\n\n"), body => 'abc',
        headers => ['Content-Type' => 'text/x']]];

# ---- asking, and making what must differ the same

sub ask {
    my ($server, $shape) = @_;
    return $shape->($server) if ref $shape eq 'CODE';
    if (ref $shape eq 'HASH') {
        my $port = $server->port($shape->{port});
        my $scheme = $shape->{port} ? 'https' : 'http';
        open my $fh, '-|', $curl, '-s', '--max-time', 20, '-A', 'curl',
            @{$shape->{curl}}, "$scheme://127.0.0.1:$port$shape->{path}"
            or die "curl: $!";
        local $/;
        return CGITest::Response->wrap(scalar <$fh>);
    }
    my ($method, $target, %o) = @$shape;
    my $c = CGITest::HTTP->new(%{$server->where});
    my @more = (host => 'main.example', close => 1, %o);
    if (delete $o{chunked}) {
        push @more, headers => ['Transfer-Encoding' => 'chunked'];
        $c->send($c->format_request($method, $target, @more)
            . CGITest::HTTP::chunked('12345678', 3));
    }
    else {
        $c->send($c->format_request($method, $target, @more));
    }
    my $res = $c->response(method => $method);
    if ($method eq 'HEAD') {
        my ($name) = $target =~ /dump=(\w+)/;
        my $file = $server->root . "/htdocs/s/dumps/$name";
        $res->{body} = slurp($file);
        unlink $file;
    }
    return $res;
}

sub report {
    my ($server, $shape) = @_;
    my $r = eval { show(ask($server, $shape)) } or return {error => $@};
    my %report = (%{$r->{env}},
        ARGUMENTS => join('|', map { "'$_'" } @{$r->{args}}),
        DIRECTORY => $r->{cwd}, UMASK => $r->{umask},
        BODY => "$r->{stdin} $r->{md5}");
    my $root = $server->root;
    for my $value (values %report) {
        $value =~ s/\Q$root\E/ROOT/g;
        # The kind of script does not show, but in the file's name.
        $value =~ s/(\/(?:show|emit))\.doit\b/$1/g;
        for my $n ('', 2, 4) {
            my $port = $server->port($n);
            $value =~ s/\b$port\b/PORT$n/g if $port;
        }
    }
    for (grep { /^(REMOTE_PORT|REDIRECT_REMOTE_PORT|H2_STREAM_TAG|SSL_SESSION_ID|SSL_SERVER_|SSL_TLS_SNI|
                SSL_CIPHER|SSL_CLIENT_CERT_RFC)/x } keys %report) {
        $report{$_} = 'some';
    }
    return \%report;
}

# Names whose values are not the same, with both values.
sub compare {
    my ($theirs, $ours) = @_;
    my %names = map { $_ => 1 } keys %$theirs, keys %$ours;
    my %differ;
    for my $name (keys %names) {
        my ($a, $b) = ($theirs->{$name}, $ours->{$name});
        next if defined $a && defined $b && $a eq $b;
        $differ{$name} = [$a, $b];
    }
    return \%differ;
}

for (@shapes) {
    my ($name, $shape) = @$_;
    my $http2 = $name =~ /^h2/;
    SKIP: {
        skip "$name: curl is not installed", 3
            if ref $shape eq 'HASH' && !$curl;
        skip "$name: this machine has no ::1", 4 if $name eq 'IPv6' && !$v6;
        skip "$name: no certificate could be made", 3
            if $name =~ /TLS/ && !$tls;
        my $theirs = report($server{$http2 ? 'mod_cgid on event'
                                           : 'mod_cgi on prefork'}, $shape);
        ok(!$theirs->{error} && $theirs->{GATEWAY_INTERFACE},
            "B1 $name: a script of httpd's own") or diag $theirs->{error};
        for my $mpm ('prefork', 'worker', 'event') {
            # mod_http2 does not work with prefork.
            next if $http2 && $mpm eq 'prefork';
            my $ours = report($server{"ours on $mpm"}, $shape);
            my $differ = compare($theirs, $ours);
            my $known = $differs{$name} || {};
            for my $var (sort keys %$known) {
                ok(exists $differ->{$var}, "B1 $name on $mpm: $var differs");
                is($ours->{$var}, $known->{$var},
                    "B1 $name on $mpm: $var as documented");
                delete $differ->{$var};
            }
            is(join(', ', sort keys %$differ), '',
                "B1 $name on $mpm: the same") or diag explain $differ;
        }
    }
}

# httpd's own modules agree with each other, so that it does not matter which
# one was compared with.
for (grep { ref $_->[1] eq 'ARRAY' } @shapes) {
    my ($name, $shape) = @$_;
    my $differ = compare(map { report($server{$_}, $shape) }
            'mod_cgi on prefork', 'mod_cgid on event');
    is(join(', ', sort keys %$differ), '',
        "B1 $name: mod_cgi and mod_cgid agree") or diag explain $differ;
}

$_->stop for values %server;
done_testing();
