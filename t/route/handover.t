# C9: SetHandler in the section hands the route to FastCGI, SCGI, uwsgi, or a
# cluster. The same variables reach the backend as a program that runs here:
# one list of requests, one list of variables, each way. A member of a cluster
# may die under load.
use strict;
use warnings;
use Apache::Test;
use CGITest::Server;
use Program 'need_shm';
use File::Temp ();
use IO::Socket::INET ();
use POSIX ':sys_wait_h';
use Time::HiRes ();
use Route;

my ($fcgiwrap) = grep { -x } '/usr/sbin/fcgiwrap', '/usr/bin/fcgiwrap';
my ($fpm) = grep { -x } glob '/usr/sbin/php-fpm*';
my ($php) = grep { -x } '/usr/bin/php-cgi';

my $sockets = File::Temp->newdir('ho-XXXXXX', TMPDIR => 1);
my %ports = map { $_ => CGITest::Server->free_port } qw(scgi uwsgi);
my $php_vars = <<'EOS';
<?php header('Content-Type: text/plain');
foreach ($_SERVER as $name => $value)
    if (is_string($value)) echo "$name=", str_replace('%7E', '~',
        str_replace('+', '%20', urlencode($value))), "\n";
echo "SHOW_ARGS=\nSHOW_NAME=show\n";
EOS
my %files = (
    'cgi/show' => show_script('show'),
    'cgi/sub/show' => show_script('sub'),
    'php/show' => $php_vars,
    'php/sub/show' => $php_vars =~ s/=show/=sub/r,
);

# The ways: each a section with the same REGEX, SCRIPT and SetEnv lines.
my %ways = (
    local => '',
    fcgi => qq(SetHandler "proxy:unix:$sockets/1|fcgi://localhost"\n)
        . 'ProxyFCGIBackendType GENERIC',
    cluster => qq(SetHandler "proxy:balancer://wrappers"\n)
        . 'ProxyFCGIBackendType GENERIC',
    scgi => qq(SetHandler "proxy:scgi://127.0.0.1:$ports{scgi}"),
    uwsgi => qq(SetHandler "proxy:uwsgi://127.0.0.1:$ports{uwsgi}"),
    php => '',
    phpcluster => qq(SetHandler "proxy:balancer://fpm"),
    fpm => qq(SetHandler "proxy:unix:$sockets/fpm|fcgi://localhost"),
);
my %tree = (php => 'php', fpm => 'php', phpcluster => 'php');
my $conf = <<"EOC";
<Proxy "balancer://wrappers">
    BalancerMember "unix:$sockets/1|fcgi://one" retry=1
    BalancerMember "unix:$sockets/2|fcgi://two" retry=1
</Proxy>
<Proxy "balancer://fpm">
    BalancerMember "unix:$sockets/fpm|fcgi://fpm"
</Proxy>
EOC
for my $way (sort keys %ways) {
    my $tree = $tree{$way} || 'cgi';
    my $exec = $way eq 'php' && $php ? "exec=$php" : '';
    $conf .= <<"EOC";
<CGIRoute "^/$way/(\\w+)/((?:sub/)?show)" "\\2" dir="\@TREE\@/$tree" $exec>
    SetEnv DATA "/srv/\\1"
    SetEnv HTTP_X_ROUTE "route \\1"
    SetEnv REMOTE_USER "nobody at all"
    SetEnv DOCUMENT_ROOT "/srv/root/\\1"
    $ways{$way}
</CGIRoute>
EOC
}
my @names = qw(SHOW_NAME SCRIPT_FILENAME SCRIPT_NAME PATH_INFO PATH_TRANSLATED
               QUERY_STRING REQUEST_METHOD DATA HTTP_X_ROUTE HTTP_X_OTHER
               REMOTE_USER CONTENT_LENGTH CONTENT_TYPE SERVER_NAME
               SERVER_PORT SERVER_PROTOCOL REQUEST_URI DOCUMENT_ROOT
               CONTEXT_DOCUMENT_ROOT CONTEXT_PREFIX);
# Method, URL behind the way's own part, headers
my @requests = (
    ['GET', '/a/show'],
    ['GET', '/a/sub/show'],
    ['GET', '/b/show/'],
    ['GET', '/b/show/info/more'],
    ['GET', '/b/sub/show/info/more?x=1&y=%20'],
    ['GET', '/c/show/sp%20ace/%c3%a4%2b?q', 'X-Route' => 'evil'],
    ['GET', '/c/show?word', 'X-Other' => 'mine'],
    ['POST', '/d/show/x', body => 'a=b',
     'Content-Type' => 'application/x-www-form-urlencoded'],
);

# Backends; children of this test, ended with it.
my @children;
my $me = $$;

sub start {
    my $code = shift;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        setpgrp;
        # the harness waits for whoever has its pipes
        open $_, '>', '/dev/null' for *STDOUT, *STDERR;
        $code->();
        POSIX::_exit(1);
    }
    push @children, $pid;
    return $pid;
}
sub end {
    my $pid = shift;
    kill 'KILL', -$pid, $pid;
    waitpid $pid, 0;
    @children = grep { $_ != $pid } @children;
}
END { if ($me && $$ == $me) { local $?; end($_) for my @all = @children } }

sub wrapper {
    my $number = shift;
    unlink "$sockets/$number";
    return start(sub {
        exec $fcgiwrap, '-c', 4, '-s', "unix:$sockets/$number";
    });
}

# A server that reads the variables of a request with $read, and answers with
# what a CGI program says behind $status.
sub server {
    my ($port, $status, $read) = @_;
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $port, Listen => 20, ReuseAddr => 1) or die "listen: $!";
    start(sub {
        $SIG{CHLD} = 'IGNORE';
        while (my $client = $listen->accept) {
            next if fork;
            my %env = $read->($client);
            # What is left unread would end the connection with a reset.
            take($client, $env{CONTENT_LENGTH} || 0);
            syswrite $client, $status;
            open STDIN, '<', '/dev/null';
            open STDOUT, '>&', $client;
            %ENV = %env;
            exec $env{SCRIPT_FILENAME} or POSIX::_exit(1);
        }
    });
}

sub take {
    my ($from, $n) = @_;
    my $text = '';
    while (length $text < $n) {
        sysread $from, $text, $n - length $text, length $text or last;
    }
    return $text;
}

server($ports{scgi}, "Status: 200 OK\r\n", sub {
    my $client = shift;
    my $length = '';
    while ((my $c = take($client, 1)) ne ':') { $length .= $c }
    my $text = take($client, $length + 1);
    chop $text;
    return split /\0/, $text, -1;
});
server($ports{uwsgi}, "HTTP/1.1 200 OK\r\n", sub {
    my $client = shift;
    my (undef, $length) = unpack 'CvC', take($client, 4);
    return map { substr $_, 0 } unpack '(v/a)*', take($client, $length);
});
my %wrapper = $fcgiwrap ? map { $_ => wrapper($_) } (1, 2) : ();
if ($fpm) {
    open my $file, '>', "$sockets/fpm.conf" or die $!;
    print $file <<"EOC";
[global]
error_log = $sockets/fpm.log
daemonize = no
[www]
listen = $sockets/fpm
pm = static
security.limit_extensions =
pm.max_children = 2
EOC
    close $file;
    start(sub {
        open STDERR, '>', "$sockets/fpm.err";
        exec $fpm, '-y', "$sockets/fpm.conf", '-F';
    });
}

my @cgi = ('scgi', 'uwsgi', $fcgiwrap ? ('fcgi', 'cluster') : ());
my @php = $fpm && $php ? ('fpm', 'phpcluster') : ();
plan tests => @requests * 6 * 2 + 8, \&need_shm;

my $httpd = routes($conf, \%files);
my ($port, $tree) = ($httpd->port, $httpd->{tree});
for (1 .. 100) {
    last if !$fcgiwrap || -S "$sockets/1" && -S "$sockets/2"
        and !$fpm || -S "$sockets/fpm";
    Time::HiRes::sleep(0.1);
}

# The variables, with the way's own name as "WAY"
sub variables {
    my ($way, $as, $method, $url, @more) = @_;
    my $response = request($port, $method, "/$way$url", @more);
    my $vars = vars($response);
    my $text = "status=$response->{status}\n";
    for my $name (@names) {
        my $value = $vars->{$name} // next;
        # mod_proxy_uwsgi has its own idea of these
        next if $as eq 'uwsgi' and $name =~ /^(?:SCRIPT_NAME|PATH_)/;
        # SCGI has its own two words for these
        next if $as eq 'scgi' and "$name=$value" eq 'CONTENT_LENGTH=0';
        # php-cgi and php-fpm have an empty variable where httpd has none
        next if $tree{$way} and $value eq '';
        $value =~ s{^/$way/}{/WAY/};
        $text .= "$name=$value\n";
    }
    return $text;
}

for my $compare (['local', @cgi], ['php', @php]) {
    my ($reference, @others) = @$compare;
    for my $request (@requests) {
        my ($method, $url, @more) = @$request;
        for my $way (@others) {
            my $here = variables($reference, $way, $method, $url, @more);
            my $there = variables($way, $way, $method, $url, @more);
            print "# $way $method $url\n# here:\n", $here =~ s/^/#   /mgr,
                "# there:\n", $there =~ s/^/#   /mgr if $here ne $there;
            ok($here =~ /^status=200\n.*^SHOW_NAME=/ms);
            ok($here eq $there);
        }
    }
}
my $missing = 6 - @cgi - @php;
skip('fcgiwrap or php-fpm and php-cgi are not installed')
    for 1 .. $missing * @requests * 2;

# What else the section says holds too: nothing of the client's is believed
my $got = show($httpd, '/scgi/a/show', 'X-Route' => 'evil');
ok($got->{HTTP_X_ROUTE} eq 'route a');
ok(!exists $got->{REMOTE_USER});
ok($got->{SCRIPT_FILENAME} eq "$tree/cgi/show");
# No such file: not handed over at all
ok(show($httpd, '/scgi/a/other')->{STATUS} == 404);

# A member is killed under load: requests that it had may fail, no other.
if ($fcgiwrap) {
    my $clients = 4;
    my @pipes;
    for my $client (1 .. $clients) {
        pipe my $read, my $write;
        start(sub {
            close $read;
            my ($good, $after, @bad) = (0, 0);
            my $until = Time::HiRes::time() + 60;
            while ($after < 15 && Time::HiRes::time() < $until) {
                $after++ if !-e "$sockets/1";
                my $r = request($port, 'GET', "/cluster/l$client/show/$good");
                if (vars($r)->{DATA}) { $good++ }
                else { push @bad, ($r->{status} // 'none') . '@'
                           . sprintf '%.1f', $until - Time::HiRes::time() }
            }
            print $write "$good @bad\n";
            close $write;
            POSIX::_exit(0);
        });
        close $write;
        push @pipes, $read;
    }
    Time::HiRes::sleep(1);
    end($wrapper{1});
    unlink "$sockets/1";
    my ($good, $bad) = (0, 0);
    for my $pipe (@pipes) {
        my ($n, @failed) = split ' ', scalar <$pipe>;
        $good += $n;
        $bad += @failed;
        print "# $n good; failed: @failed\n";
    }
    ok($good > 40);
    ok($bad <= $clients);
    # the dead one is out, and back when it is there again
    my @after = grep { !show($httpd, '/cluster/x/show')->{DATA} } 1 .. 20;
    ok(!@after);
    $wrapper{1} = wrapper(1);
    end($wrapper{2});
    my $back = 0;
    for (1 .. 60) {
        last if $back = show($httpd, '/cluster/x/show')->{DATA};
        Time::HiRes::sleep(0.1);
    }
    ok($back);
}
else {
    skip('fcgiwrap is not installed') for 1 .. 4;
}
