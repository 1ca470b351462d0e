# The status page in a browser, where there is one (Chromium, without a
# window): it refreshes itself without losing the place, sorts, and ends a
# script. With CGITEST_SHOTS=DIR, pictures of it are left there.
use strict;
use warnings;
use Cwd qw(getcwd);
use IO::Select;
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use POSIX ();
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(wait_until);
use CGITest::Server;
use Time::HiRes qw(sleep time);

my ($chromium) = grep { -x } map { "/usr/bin/$_" } qw(chromium chromium-browser);
plan skip_all => 'chromium is not installed' if !$chromium;

my $own = CGITest::Server->start(conf => <<'END');
<Location "/cgi-status">
    SetHandler cgi-status
    Require all granted
</Location>
<Location "/cgi-status/end">
    CGIStatusEnd On
</Location>
CGIRoute "^/routed/([a-z]+)" "\1.doit" "dir=@engine@"
END

# ---- the browser, by its protocol over two pipes

my ($pid, $to, $from, $session, @events);
my $buffer = '';
my $number = 0;
my $json = JSON::PP->new->utf8;

sub start_browser {
    pipe my $their_in, $to or die "pipe: $!";
    pipe $from, my $their_out or die "pipe: $!";
    $pid = fork // die "fork: $!";
    if (!$pid) {
        my @fds = map { POSIX::dup(fileno $_) } $their_in, $their_out;
        POSIX::dup2($fds[0], 3);
        POSIX::dup2($fds[1], 4);
        $^F = 10;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $own->root . '/browser.log';
        open STDERR, '>&', \*STDOUT;
        $ENV{HOME} = $own->root;
        $ENV{XDG_CONFIG_HOME} = $ENV{XDG_CACHE_HOME} = $own->root;
        exec $chromium, '--headless', '--no-sandbox', '--disable-gpu',
            '--remote-debugging-pipe', '--no-first-run',
            '--disable-dev-shm-usage', '--disable-background-networking',
            '--user-data-dir=' . $own->root . '/browser', 'about:blank'
            or POSIX::_exit(127);
    }
    binmode $to;
    $to->autoflush(1);
}

# The next message, or undef after so many seconds.
sub message {
    my ($seconds) = @_;
    my $end = time + $seconds;
    while ($buffer !~ /\0/) {
        my $left = $end - time;
        return if $left <= 0 || !IO::Select->new($from)->can_read($left);
        sysread $from, $buffer, 65536, length $buffer or return;
    }
    $buffer =~ s/^(.*?)\0//s;
    return $json->decode($1);
}

sub call {
    my ($method, $params) = @_;
    my $id = ++$number;
    local $SIG{PIPE} = 'IGNORE';
    print $to $json->encode({id => $id, method => $method,
        params => $params || {}, $session ? (sessionId => $session) : ()}),
        "\0";
    while (my $m = message(30)) {
        push @events, $m if !$m->{id};
        return $m->{result} || {} if ($m->{id} || 0) == $id;
    }
    die "no answer to $method\n";
}

# The value of an expression in the page.
sub js {
    my ($text) = @_;
    return call('Runtime.evaluate', {expression => $text,
        returnByValue => JSON::PP::true()})->{result}{value};
}

sub shot {
    my ($name) = @_;
    return if !$ENV{CGITEST_SHOTS};
    my $data = call('Page.captureScreenshot', {format => 'png'})->{data};
    open my $fh, '>', "$ENV{CGITEST_SHOTS}/$name.png" or return;
    binmode $fh;
    print $fh decode_base64($data);
    close $fh;
}

sub size {
    my ($width, $height, $phone) = @_;
    call('Emulation.setDeviceMetricsOverride', {width => $width,
        height => $height, deviceScaleFactor => 1,
        mobile => $phone ? JSON::PP::true() : JSON::PP::false()});
}

# ---- what runs

my @asked = map {
    my $c = CGITest::HTTP->new(%{$own->where});
    $c->send($c->format_request('GET', $_, close => 1));
    $c;
} '/engine/slow/first?head=90', '/routed/slow?body=90', '/engine/slow/x%3Cb%3E?head=90';
CGITest::HTTP->once($own->where, 'GET', '/engine/hello') for 1 .. 3;
CGITest::HTTP->once($own->where, 'GET', '/engine/no');

start_browser();
my $target = eval { call('Target.createTarget', {url => 'about:blank'}) };
if (!$target || !$target->{targetId}) {
    kill 'KILL', $pid;
    waitpid $pid, 0;
    plan skip_all => 'chromium does not start here';
}
$session = call('Target.attachToTarget', {targetId => $target->{targetId},
    flatten => JSON::PP::true()})->{sessionId};
call("$_.enable") for qw(Page Runtime Log);
size(1300, 500);
call('Page.navigate', {url => 'http://127.0.0.1:' . $own->port
    . '/cgi-status?refresh=1'});
ok(wait_until(30, sub { js(q(document.querySelectorAll('#requests tbody tr').length)) == 3 }),
    'the page lists what runs');
my $bold = js(q(document.querySelectorAll('td b').length));
is($bold, 0, 'no element comes from a URL');

# ---- it refreshes itself

js(q(window.mark = 1; scrollTo(0, 300)));
my $head = js(q(document.getElementById('head').textContent));
ok(wait_until(20, sub { js(q(document.getElementById('head').textContent)) ne $head }),
    'the page refreshes itself');
is(js('window.mark'), 1, 'without being loaded anew');
is(js('scrollY'), 300, 'and stays where it is');
CGITest::HTTP->once($own->where, 'GET', '/routed/hello');
ok(wait_until(20, sub { js(q(document.querySelector('#scripts').textContent)) =~ m{/routed/\S+} }),
    'a script that is new appears');

my $names = q([...document.querySelectorAll('#scripts td.name strong')].map(e => e.textContent).join());
js(q(document.querySelector('#scripts th a').click()));
ok(wait_until(20, sub { js($names) =~ /^hello\.doit,hello\.doit,no\.doit,slow\.doit/ }),
    'a click sorts') or diag js($names);
like(js('location.search'), qr/sort=script/, 'the URL says so');
is(js('window.mark'), 1, 'the page is the same');
my $again = js(q(document.getElementById('head').textContent));
wait_until(20, sub { js(q(document.getElementById('head').textContent)) ne $again });
like(js($names), qr/^hello\.doit,hello\.doit/, 'a refresh keeps that');

js(q(document.getElementById('pause').click()));
sleep 0.5;
$again = js(q(document.getElementById('head').textContent));
sleep 2.5;
is(js(q(document.getElementById('head').textContent)), $again,
    'no refresh after Pause');
js(q(document.getElementById('pause').click()));

# ---- a script is ended

js(q(window.confirm = text => { window.said = text; return true; };
     [...document.querySelectorAll('#requests tr')].find(
         e => e.textContent.includes('/first')).querySelector('button').click()));
is($asked[0]->response->status, 503, 'End: the client gets 503');
like(js('window.said'), qr{^End .*/slow\.doit\?$}, 'after a question');
ok(wait_until(20, sub { js(q(document.querySelectorAll('#requests tbody tr').length)) == 2 }),
    'it is gone from the page');
is(js('window.mark'), 1, 'the page is the same');
is(js(q(document.getElementById('note').textContent)), '', 'without an error');

# ---- as people see it

is(js('document.documentElement.scrollWidth <= innerWidth'), JSON::PP::true(),
    'a wide window: nothing hangs out');
size(1300, 1500);
shot('light');
call('Emulation.setEmulatedMedia', {features => [
    {name => 'prefers-color-scheme', value => 'dark'}]});
like(js('getComputedStyle(document.body).backgroundColor'),
    qr/^rgb\((?:[0-4]?\d, ){2}[0-4]?\d\)$/, 'dark');
shot('dark');
call('Emulation.setEmulatedMedia', {features => [
    {name => 'prefers-color-scheme', value => 'light'}]});
size(360, 800, 1);
is(js('document.documentElement.scrollWidth <= innerWidth'), JSON::PP::true(),
    'a phone: nothing hangs out') or diag js('document.documentElement.scrollWidth');
shot('phone');

my @said = map { $_->{params}{entry}{text} || $_->{params}{exceptionDetails}{text} }
    grep { $_->{method} =~ /^(?:Log\.entryAdded|Runtime\.exceptionThrown)$/ } @events;
is("@said", '', 'the browser has nothing to complain about');

$session = undef;
eval { call('Browser.close') };
wait_until(10, sub { waitpid($pid, POSIX::WNOHANG()) }) or kill 'KILL', $pid;
$_->abort for @asked;
is_deeply([$own->stop], [], 'nothing is left');
done_testing();
