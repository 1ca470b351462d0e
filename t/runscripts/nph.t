# mpm: all
# R5: which names make a script NPH, and that it has the connection to itself:
# HTTP/1.0, keep-alive, TLS, filters, a directory's index; and what becomes of
# its response on HTTP/2 (h2c and h2) and in an include.
use strict;
use warnings;
use Apache::Test;
use CGITest::Files;
use CGITest::Server;
use RunScripts;
use Time::HiRes ();

my $h2 = '';    # mod_http2 does not run on prefork
for my $module (split /\n/, read_file(
        Apache::Test::vars()->{httpd_conf})) {
    $h2 = 1 if $module =~ /mpm_(event|worker)_module/;
}
my $tls = eval { require IO::Socket::SSL; 1 }
    && system('openssl version >/dev/null 2>&1') == 0;
my $curl = `curl --version 2>/dev/null` =~ /HTTP2/;

my $tls_port = CGITest::Server->free_port;
my $private = CGITest::Server->new(plain => 1);    # only for its directory
my $pem = $private->root . '/key.pem';
if ($tls) {
    system "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
        . " -nodes -days 2 -subj /CN=localhost"
        . " -keyout $pem -out $pem.crt >/dev/null 2>&1";
    $tls = -s "$pem.crt";
}
my $conf = <<'EOC';
AddType text/html .shtml
Protocols h2c http/1.1
<Directory "@root@/htdocs">
    Options RunScripts FollowSymLinks Includes
    AddOutputFilter INCLUDES .shtml
    DirectoryIndex index
    ErrorDocument 404 /missing
</Directory>
<Directory "@root@/htdocs/filtered">
    SetOutputFilter DEFLATE;INCLUDES
    Header always set X-Added yes
</Directory>
EOC
$conf .= <<"EOC" if $tls;
Listen 127.0.0.1:$tls_port https
<VirtualHost 127.0.0.1:$tls_port>
    Protocols h2 http/1.1
    SSLEngine on
    SSLCertificateFile "$pem.crt"
    SSLCertificateKeyFile "$pem"
</VirtualHost>
EOC
my $httpd = CGITest::Server->plain(conf => $conf);
my $root = $httpd->root . '/htdocs';
my $port = $httpd->port;

# Bytes that httpd would never send by itself.
my $bytes = "HTTP/1.1 299 My own way\nX-Odd:  two  spaces \nSet-Cookie: a\n"
    . "Set-Cookie: b\n\nbody\0\xff\nwithout end";
my $print = "#!/bin/sh\nprintf '" . join('', map { sprintf '\\%03o', ord }
    split //, $bytes) . "'\n";
my $bad = "#!/bin/sh\nprintf 'GARBAGE 200 OK\\n\\nx'\n";
my $early = "HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n"
    . "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\n\r\nafter\n";
(my $quoted = $early) =~ s/([\r\n])/$1 eq "\r" ? '\\r' : '\\n'/ge;
tree($root, 'raw.nph' => $print, 'nph-raw.doit' => $print,
    'nph-two.nph' => $print, 'bad.nph' => $bad,
    'early.nph' => "#!/bin/sh\nprintf '$quoted'\n",
    'nph-not' => "text\n", 'my-nph-x.doit' => script(),
    'index.nph' => $print, 'filtered/raw.nph' => $print,
    'missing.nph' => $print, 'page.shtml' =>
        "<!--#include virtual=\"raw\" -->|<!--#include virtual=\"nph-raw\" -->|\n",
    'slow.nph' => <<'EOS', 'other.doit' => script());
#!/bin/sh
printf 'HTTP/1.1 200 OK\r\n\r\n'
for i in 1 2 3; do echo $i; sleep 1; done
EOS

plan tests => 29;

# --- names ---
sub bytes_of {
    my ($path, $version, @lines) = @_;
    return RunScripts::raw($port, join "\r\n", "GET $path HTTP/$version",
        'Host: x', @lines, '', '')->{raw};
}
ok(bytes_of($_, '1.1') eq $bytes) for qw(/raw /raw/x?y /nph-raw /nph-two);
ok(bytes_of('/nph-not', '1.1', 'Connection: close') =~ /^HTTP\/1\.1 200 OK/);
ok(ran(request($port, 'GET', '/my-nph-x')) =~ /^my-nph-x/);
# A HEAD request, too, is the script's own business.
ok(RunScripts::raw($port, "HEAD /raw HTTP/1.1\r\nHost: x\r\n\r\n")->{raw}
        eq $bytes);

# --- the connection ---
ok(bytes_of('/raw', '1.0') eq $bytes);
ok(bytes_of('/raw', '1.0', 'Connection: keep-alive') eq $bytes);
ok(bytes_of('/raw', '1.1', 'Connection: keep-alive') eq $bytes);
# It closes, although another request was sent along.
ok(RunScripts::raw($port, "GET /raw HTTP/1.1\r\nHost: x\r\n\r\n"
            . "GET /other HTTP/1.1\r\nHost: x\r\n\r\n")->{raw} eq $bytes);
# After other requests on the same connection
my $after = RunScripts::raw($port, "GET /other HTTP/1.1\r\nHost: x\r\n\r\n"
        . "GET /raw HTTP/1.1\r\nHost: x\r\n\r\n")->{raw};
ok($after =~ /^HTTP\/1\.1 200 OK.*output of other/s
        && substr($after, -length $bytes) eq $bytes);
ok(bytes_of('/filtered/raw', '1.1', 'Accept-Encoding: gzip') eq $bytes);
ok(bytes_of('/', '1.1') eq $bytes);
ok(bytes_of('/none', '1.1') eq $bytes);    # ErrorDocument
ok(bytes_of('/bad', '1.1') eq "GARBAGE 200 OK\n\nx");
ok(bytes_of('/early', '1.1') eq $early);

# --- in an include: refused ---
my $page = request($port, 'GET', '/page.shtml');
my $errors = () = $page->{body} =~ /an error occurred/g;
ok($page->{status} == 200 && $errors == 2 && $page->{body} !~ /body/);

# --- line by line ---
my $slow = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or die;
print $slow "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
my %at;
while (my $line = <$slow>) {
    $at{$1} = Time::HiRes::time() if $line =~ /^([123])$/;
}
ok($at{2} - $at{1} > 0.5 && $at{3} - $at{2} > 0.5);

# --- TLS ---
sub over_tls {
    my $path = shift;
    my $socket = IO::Socket::SSL->new(PeerAddr => '127.0.0.1',
        PeerPort => $tls_port, SSL_verify_mode => 0) or return "$@ $!";
    print $socket "GET $path HTTP/1.1\r\nHost: x\r\n\r\n";
    local $/;
    return <$socket> // '';
}
for my $path ('/raw', '/filtered/raw') {
    skip(!$tls, sub { over_tls($path) eq $bytes });
}

# --- HTTP/2: parsed and framed anew ---
sub curl {
    my ($tls_too, $path) = @_;
    my $url = $tls_too ? "https://127.0.0.1:$tls_port" : "http://127.0.0.1:$port";
    my $how = $tls_too ? '-k --http2' : '--http2-prior-knowledge';
    return `curl -s -i -m 10 $how '$url$path'`;
}
for my $tls_too (0, 1) {
    my $no = !$h2 || !$curl || $tls_too && !$tls;
    my $got = $no ? '' : curl($tls_too, '/raw');
    skip($no, sub { $got =~ /^HTTP\/2 299/ && $got =~ /^x-odd: two  spaces/mi });
    skip($no, sub { $got =~ /^set-cookie: a\r\nset-cookie: b\r$/mi
            && $got =~ /\r\n\r\nbody\0\xff\nwithout end$/s });
    # What is no response can't be framed.
    skip($no, sub { curl($tls_too, '/bad') =~ /^HTTP\/2 50[02]/ });
    skip($no, sub { curl($tls_too, '/early') =~ /HTTP\/2 200.*after\n$/s });
}
