# sanitize: no
# `make run`: every page of the demo, a taken port, and an end that leaves
# nothing behind.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use Digest::SHA 'sha256_hex';
use LWP::UserAgent ();
use CGITest::Files;
use CGITest::Server;
use Program qw(program run scratch need_program);
use Time::HiRes qw(sleep time);

my @optional = grep { program($_) } qw(git fossil php-cgi);
plan tests => 43 + @optional + grep({ $_ eq 'php-cgi' } @optional), sub { need_program('perl') };

my $port = CGITest::Server->free_port;
my $url = "http://127.0.0.1:$port";
my $scratch = scratch('demo');
my $browser = LWP::UserAgent->new(max_redirect => 3, timeout => 30);
sub page { return $browser->get("$url$_[0]") }

# Starts a command in a process group of its own, as a terminal has it, and
# waits until it serves the demo. Returns its process, and what it said.
sub start {
    my ($out, @command) = @_;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        setpgrp;
        $SIG{INT} = 'DEFAULT'; # what runs in the background has it ignored
        open STDOUT, '>', $out or die;
        open STDERR, '>&', \*STDOUT or die;
        $ENV{PORT} = $port;
        exec @command or die "@command: $!";
    }
    my $said = '';
    for (1 .. 900) {
        $said = read_file($out) if -e $out;
        last if $said =~ /^Log: /m;
        sleep 0.1;
    }
    return ($pid, $said);
}

# Has the process ended within a minute? If not, it is killed.
sub ended {
    my $pid = shift;
    for (1 .. 600) {
        return 1 if waitpid($pid, 1) == $pid;
        sleep 0.1;
    }
    kill 'KILL', -$pid;
    return 0;
}

# Processes that belong to the demo whose files are in this directory.
sub left {
    my $state = shift;
    return grep {
        my $p = $_;
        my $line = eval { read_file("$p/cmdline") } // '';
        my $cwd = readlink("$p/cwd") // '';
        "$line $cwd" =~ m{\Q$state\E|/demo/site};
    } glob '/proc/[0-9]*';
}

my ($pid, $said) = start("$scratch/out", 'scripts/run');
ok t_cmp($said, qr{served at \Q$url\E/});
my ($state) = $said =~ m{^Log: (.*)/error_log$}m;

# Everything that the start page links to is there, save what it says is not.
my $start = page('/')->content;
ok t_cmp($start, qr/Options RunScripts/);
my %links = map { s/&amp;/&/gr => 1 } $start =~ /href="(\/[^"]*)"/g;
my (@bad, @narrow);
for my $link (sort grep { !m{^/(?:slow|clock)$} } keys %links) {
    my $page = page($link);
    my $code = $page->code;
    push @narrow, $link if $code == 200 && $page->content_type eq 'text/html'
        && $page->decoded_content !~ /<meta name="viewport"/;
    my $wanted = $link eq '/files/hello.doit' ? 404 : 200;
    push @bad, "$link: $code" if $code != $wanted;
}
ok(keys %links > 20);
ok t_cmp("@bad", '');
ok t_cmp("@narrow", '', 'pages that a phone would shrink');
@bad = grep { $_ ne '/slow' && page($_)->code != 200 } $said =~ m{^\s+\Q$url\E(/\S*)}mg;
ok t_cmp("@bad", '');

# A mixed directory: scripts and backups are neither listed nor served.
my $listing = page('/files/')->content;
ok t_cmp($listing, qr/README\.txt.*notes\.txt.*picture\.svg/s);
ok($listing !~ /\.doit|~/);
ok t_cmp(page('/files/notes.txt~')->code, 404);
ok t_cmp(page('/files/hello')->content, qr{^Hello from hello\.doit});

my $variables = page('/files/variables/a%20b/c?d=%3Ce%3E')->content;
ok t_cmp($variables, qr{SCRIPT_NAME<td><mark>/files/variables<});
ok t_cmp($variables, qr{PATH_INFO<td><mark>/a b/c<});
ok t_cmp($variables, qr{QUERY_STRING<td><mark>d=%3Ce%3E<});

my $clock = page('/look/clock');
my ($nonce) = $clock->content =~ /<script nonce="([^"]+)">/;
ok t_cmp($clock->content, qr{<h1>The time in your browser</h1>.*<code>\Q$nonce\E<}s);
ok t_cmp($clock->header('Content-Security-Policy'), qr/'nonce-\Q$nonce\E'/);
ok t_cmp(page('/look/disk')->content, qr{^<title>Free space</title>.*<pre>\nFilesystem}ms);

ok t_cmp(page('/files/hello?cgi-debug=1')->content, qr/hello\.doit.*Hello from/s);
ok t_cmp(page('/ext/')->content, qr{greeting</a></td><td>program<.*notes\.txt</a></td><td>file<}s);
ok t_cmp(page('/ext/no-such?cgi-debug=1')->content, qr/^CGIDebug: .*no such file/s);

ok t_cmp(page('/search')->content, qr/cover sheet/);
ok t_cmp(page('/search?launcher')->content, qr/>1 found.*starts scripts/s);
ok t_cmp(page('/search?word=path_+')->content, qr/>0 found/);

ok t_cmp(page('/form')->content, qr/<form /);
my $answer = $browser->post("$url/form",
    {name => "J\xc3\xbcrgen <b>", colour => 'red'});
ok t_cmp($answer->content, qr/<th>name<td>J\xc3\xbcrgen &#60;b&#62;/);

my $file = join '', map { chr($_ % 256) . "\r\n--x" } 1 .. 300_000;
$answer = $browser->post("$url/upload", Content_Type => 'form-data',
    Content => [file => [undef, 'data.bin', Content => $file]]);
ok t_cmp($answer->content, qr{<td>data\.bin.*<td>${\ length $file}\n}s);
ok t_cmp($answer->content, qr/${\ sha256_hex($file)}/);
$answer = $browser->put("$url/upload", Content => $file);
ok t_cmp($answer->content,
    length($file) . ' bytes, SHA-256 ' . sha256_hex($file) . "\n");

# The first line comes long before the last one is written.
my $begin = time;
my $first = LWP::UserAgent->new;
$first->add_handler(response_data => sub { die "enough\n" });
ok t_cmp($first->get("$url/slow")->header('X-Died'), qr/enough/);
ok(time - $begin < 5);
ok t_cmp($first->get("$url/clock")->header('Content-Type'),
    'text/event-stream');

ok t_cmp(page('/cgi-bin/arguments?one+two')->content, qr/^0 arguments/);
ok t_cmp(page('/perl/sum?numbers=3+4+5')->content, "3 + 4 + 5 = 12\n");
ok t_cmp(page('/projects/gemini/crew')->content,
    qr{PROJECT=gemini, SCRIPT_NAME=/projects/gemini<});
ok t_cmp(page('/projects/gemini/no')->code, 404);
@bad = grep { page("/source/$_")->code != 404 }
    qw(../LICENSE %2e%2e/LICENSE /etc/passwd site/.index.doit nothing);
ok t_cmp("@bad", '');

for my $program (@optional) {
    if ($program eq 'git') {
        run('git', 'clone', '-q', "$url/git/demo.git", "$scratch/clone");
        ok(-x "$scratch/clone/site/slow.doit");
    }
    elsif ($program eq 'fossil') {
        ok(page('/fossil/project')->content =~ /two lines/
            && page('/fossil-by-route')->content =~ /two lines/);
    }
    else {
        my $index = page('/php/')->content;
        ok t_cmp($index, qr/cgi-fcgi/);
        ok t_cmp($index, qr{SCRIPT_NAME is\s+<code>/php/index\.php<});
    }
}

# A taken port, and one that is none: said before anything starts.
sub refused {
    local $ENV{PORT} = shift;
    open my $pipe, '-|', 'scripts/run 2>&1' or die;
    local $/;
    my $output = <$pipe>;
    close $pipe;
    return $? >> 8 ? $output : 'started';
}
ok t_cmp(refused($port), qr/^Port $port can't be used: Address already in use/);
ok t_cmp(refused('http'), qr/^PORT must be a number from 1 to 65535/);
ok t_cmp(page('/files/hello')->code, 200);

# Ctrl-C while a script runs.
my $slow = fork // die "fork: $!";
if (!$slow) {
    LWP::UserAgent->new->get("$url/slow");
    require POSIX;
    POSIX::_exit(0);
}
sleep 1;
kill 'INT', -$pid;
ok(ended($pid));
waitpid $slow, 0;
ok t_cmp(join(' ', left($state)), '');

# TERM for make alone, as `kill` sends it, ends all the same. (All is built.)
($pid, $said) = start("$scratch/out2", 'make', '-f', 'Makefile.apxs',
    'MAKE=true', 'run');
ok t_cmp($said, qr{served at \Q$url\E/});
kill 'TERM', $pid;
ok(ended($pid));
($state) = $said =~ m{^Log: (.*)/error_log$}m;
$state //= $scratch;
ok t_cmp(join(' ', left($state)), '');
