# mpm: prefork
# ScriptLog, rule B8: the blocks that mod_cgi and mod_cgid write, their order,
# the limits, and that a script that does nothing wrong leaves no trace.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(slurp wait_until);
use CGITest::Server;

my $engine = CGITest::Server->shared->htdocs . '/engine';
my $theirs = CGITest::Server->default_mpm eq 'prefork' ? 'cgi' : 'cgid';
my $s = CGITest::Server->start(modules => [$theirs, 'alias'], conf => <<"END");
ScriptLog script_log
ScriptLogBuffer 10
ScriptAlias /theirs/ "$engine/"
<Directory "$engine">
    Options +ExecCGI
</Directory>
<Location "/own">
    Options +RunScripts
    CGITimeout first=3s
</Location>
<VirtualHost *>
    ServerName main
</VirtualHost>
<VirtualHost *>
    ServerName short
    ScriptLog short_log
    ScriptLogLength 0
</VirtualHost>
<VirtualHost *>
    ServerName inherits
    ScriptLogLength 1000000
</VirtualHost>
<VirtualHost *>
    ServerName unwritable
    ScriptLog no/such/directory/log
</VirtualHost>
END
my $log = $s->root . '/script_log';

sub ask {
    my ($host, $method, $target, %o) = @_;
    return CGITest::HTTP->once($s->where, $method, $target, host => $host, %o);
}

# What a request adds to the log, once it is there; after $seconds what is.
sub added {
    my ($code, $file, $seconds) = @_;
    $file ||= $log;
    my $before = length slurp($file);
    $code->();
    wait_until($seconds || 5, sub { length slurp($file) > $before });
    return substr slurp($file), $before;
}

# Without what differs from request to request.
sub plain {
    my ($text) = @_;
    $text =~ s/^%% \[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\] /%% [TIME] /mg;
    $text =~ s{ /(?:theirs|engine)/(\w+)(?:\.doit)?([? ])}{ /$1$2}g;
    return $text;
}

is(ask('main', 'GET', '/engine/hello')->status, 200, 'a script without fault');
ok(!-e $log, 'leaves no log');

# The same script and request by theirs and by ours: the same block.
my $bad = "X-Good: 1\nX-Fine: 2\nthis is no field\nmore\n\nand more\n";
my @cases = (
    ['a bad header', 'GET', 'emit?' . escape($bad), {}],
    ['a header without end', 'GET', 'emit?' . escape("only a line"), {}],
    ['nothing printed', 'GET', 'emit?', {}],
    ['with a body', 'POST', 'emit?' . escape($bad),
        {body => '0123456789abcdef'}],
    ['with a short body', 'POST', 'emit?', {body => 'abc'}],
    ['stderr of a script that answers', 'GET',
        'stderr?text=one%0Atwo%20words%0A', {}],
);
for (@cases) {
    my ($name, $method, $target, $o) = @$_;
    my ($script, $query) = split /\?/, $target, 2;
    # mod_cgid leaves stderr to the error log.
    next if $theirs eq 'cgid' && $script eq 'stderr';
    my @blocks = map {
        my $url = $_;
        plain(added(sub {
            ask('main', $method, "$url?$query", %$o, headers =>
                ['X-Asked' => 'for']);
        }));
    } "/theirs/$script.doit", "/engine/$script";
    # Theirs forgets the fields before the bad one.
    $blocks[1] =~ s/^X-Good: 1\nX-Fine: 2\n//m if index($query, 'X-Good') == 0;
    isnt($blocks[0], '', "$name: theirs writes");
    is($blocks[1], $blocks[0], "$name: ours writes the same");
}

my $block = plain(added(sub {
    ask('main', 'GET', '/engine/stderr?text=one%0Atwo%20words%0A');
}));
my $head = '%% [TIME] GET /stderr?text=one%0Atwo%20words%0A HTTP/1.1'
    . "\n%% 200 $engine/stderr.doit\n";
is($block, "$head%error\none\n$head%error\ntwo words\n",
    'each line of stderr is a block');

$block = plain(added(sub {
    ask('main', 'POST', '/engine-spool/emit?' . escape($bad),
        body => 'abcdefghijklmnop');
}));
like($block, qr/\n\nabcdefghij\n%response\n/,
    'ScriptLogBuffer bytes of a spooled body');
like($block, qr/^%response\nX-Good: 1\nX-Fine: 2\nthis is no field\n%stdout\nmore\n\nand more\n\n\z/m,
    'header, bad line and output');

# A file that can't be executed has no request and response to tell of.
$s->file('htdocs/own/no.doit', "#!/bin/sh\n", 0644);
$block = plain(added(sub { ask('main', 'GET', '/own/no') }));
like($block, qr/^%% \[TIME\] GET \/own\/no HTTP\/1.1\n%% 403 \S+\/no\.doit\n%error\n[^\n]*not executable[^\n]*\n\z/,
    'a file that is not executable: one %error');

$s->file('htdocs/own/hang.doit', <<'END', 0755);
#!/bin/sh
echo X-Begun: 1
echo first words >&2
echo last words >&2
sleep 20
END
my $res;
$block = plain(added(sub { $res = ask('main', 'GET', '/own/hang') }));
is($res->status, 504, 'timeout');
like($block, qr/^%% 504 .*\n%request\n(?s:.*)^%response\nX-Begun: 1\n%stderr\nfirst words\nlast words\n\n\z/m,
    'timeout: what came so far, and stderr in the same block');
unlike($block, qr/%error/, 'and nowhere else');

# What a client writes can't look like a line of the log.
$block = added(sub { ask('main', 'GET', '/engine/emit/%0a%25error%0ax?x') });
unlike($block, qr/^x /m, 'a newline in the URL is escaped');
like($block, qr{GET /engine/emit/\\n%error\\nx\?x HTTP/1.1\n}, 'as \n');

# ScriptLogLength: a file that is larger grows no more.
my $short = $s->root . '/short_log';
added(sub { ask('short', 'GET', '/engine/emit?one') }, $short);
my $size = -s $short;
ok($size, 'the first failure is written, whatever its size');
is(added(sub { ask('short', 'GET', '/engine/emit?two') }, $short, 0.5), '',
    'then the log is too long');
like(slurp($short), qr/emit\?one/, 'a virtual host has a log of its own');
unlike(slurp($log), qr/emit\?one/, 'that is not the main log');
like(added(sub { ask('inherits', 'GET', '/engine/emit?three') }),
    qr/emit\?three/, 'a virtual host without ScriptLog inherits it');

my $mark = $s->mark;
is(ask('unwritable', 'GET', '/engine/stderr?text=x')->status, 200,
    'a log that can not be written harms nobody');
ok($s->log_until($mark, qr/can't write to ScriptLog .*no\/such/),
    'but is noted');

for (['ScriptLogLength 10M', 'ScriptLogLength must be a number of bytes'],
    ['ScriptLogLength -1', 'ScriptLogLength must be a number of bytes'],
    ['ScriptLogBuffer many', 'ScriptLogBuffer must be a number of bytes'],
    ['ScriptLogBuffer 999999999', 'up to 16777216']) {
    my ($line, $rule) = @$_;
    my ($ok, $output) = CGITest::Server->check("$line\n");
    ok(!$ok, "$line is refused");
    like($output, qr/\Q$rule\E/, 'with the rule');
}
done_testing;
