# mpm: prefork
# X-Sendfile and CGISendfile: the file takes the place of the script's body
# and is served as a static file is; nothing outside the directories is.
use strict;
use warnings;
use Digest::MD5 qw(md5_hex);
use POSIX ();
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Server;

my $htdocs = CGITest::Server->shared->htdocs;
my $public = "$htdocs/features/public";
my $letters = join('', 'a' .. 'z') . "\n";

# A script that sends this file.
sub sent {
    my ($path, %o) = @_;
    my $more = delete $o{more} // "Content-Type: text/x-own\n";
    return emit("X-Sendfile: $path\n$more\nthe script's own body\n",
        path => '/engine-sendfile/emit', %o);
}

sub put {
    my ($name, $text) = @_;
    open my $file, '>', $name or die "$name: $!";
    print $file $text;
    close $file or die "$name: $!";
    return $name;
}

my $more = <<'END';
Content-Type: text/x-own; charset=UTF-8
Content-Length: 3
Content-Disposition: attachment; filename="a b.txt"
Set-Cookie: a=1
Set-Cookie: b=2
END
my $res = sent("$public/letters.txt", more => $more);
is($res->status, 200, 'a file');
is($res->body, $letters, 'instead of the script\'s body');
is($res->header('Content-Length'), 27, 'with its length');
is($res->header('Content-Type'), 'text/x-own; charset=UTF-8', 'own type');
is($res->header('Content-Disposition'), 'attachment; filename="a b.txt"',
    'other headers stay');
is(join('|', $res->header('Set-Cookie')), 'a=1|b=2', 'cookies too');
is($res->header('X-Sendfile'), undef, 'X-Sendfile does not go out');
is($res->header('Accept-Ranges'), 'bytes', 'ranges are offered');
my ($etag, $date) = map { scalar $res->header($_) } qw(ETag Last-Modified);
like($etag, qr/^"[^"]+"$/, 'ETag');

# The same as httpd's own answer for the file.
my $static = get('/features/more/page.html');
$res = sent("$htdocs/features/more/page.html", more => '');
is($static->status, 200, 'a static file');
for (qw(Content-Type ETag Last-Modified Content-Length Accept-Ranges)) {
    isnt($static->header($_), undef, "$_ of the static file");
    is($res->header($_), $static->header($_), "$_ is the same");
}
is($res->body, $static->body, 'the same body');
is(get('/features/public/letters.txt')->status, 403,
    'what a script gives away can still be closed to all others');

# Conditions, ranges, HEAD
for my $status ('', "Status: 200 OK\n") {
    my %more = (more => "${status}Content-Type: text/plain\n");
    my $name = $status ? 'explicit 200: ' : '';
    $res = sent("$public/letters.txt", headers => ['If-None-Match' => $etag],
        %more);
    is($res->status . $res->body, '304', "${name}If-None-Match");
    is($res->header('ETag'), $etag, "${name}304 has the ETag");
    $res = sent("$public/letters.txt",
        headers => ['If-Modified-Since' => $date], %more);
    is($res->status, 304, "${name}If-Modified-Since");
    $res = sent("$public/letters.txt", headers => ['If-Match' => '"other"'],
        %more);
    is($res->status, 412, "${name}If-Match");
    $res = sent("$public/letters.txt", headers => [Range => 'bytes=2-5'],
        %more);
    is($res->status . ' ' . $res->body, '206 cdef', "${name}Range");
    is($res->header('Content-Range'), 'bytes 2-5/27', "${name}Content-Range");
}
$res = sent("$public/letters.txt", headers => [Range => 'bytes=0-1,25-']);
like($res->header('Content-Type'), qr/^multipart\/byteranges/, 'two ranges');
like($res->body, qr/\r\nab\r\n.*\r\nz\n\r\n/s, 'with their bytes');
$res = sent("$public/letters.txt", headers => [Range => 'bytes=99-']);
is($res->status, 416, 'a range behind the end');
$res = sent("$public/letters.txt", method => 'HEAD');
is($res->status . ' ' . $res->header('Content-Length') . $res->body, '200 27',
    'HEAD');
$res = sent("$public/letters.txt",
    more => "ETag: \"mine\"\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\n");
is($res->header('ETag'), '"mine"', 'the script\'s ETag wins');
is($res->header('Last-Modified'), 'Mon, 01 Jan 2024 00:00:00 GMT',
    'and its date');
$res = sent("$public/letters.txt", more => "Status: 404 Gone fishing\n");
is($res->status . ' ' . $res->{reason} . ' ' . $res->body,
    "404 Gone fishing $letters", 'a page for another status');

# A body that the script has not read does not harm the next request.
my $c = CGITest::HTTP->new(%{where()});
$c->send($c->format_request('POST', '/engine-sendfile/emit?'
    . escape("X-Sendfile: $public/letters.txt\n\n"), body => 'x' x 100_000));
is($c->response->body, $letters, 'answer to a POST');
ok($c->usable('/engine/hello'), 'then the connection is usable');
$c->close;

# More than any buffer
my $bytes = join '', map { pack 'N*', map { $_ * 2654435761 % 2**32 }
    $_ * 1000 .. $_ * 1000 + 999 } 1 .. 5000;
put("$public/big.bin", $bytes);
is(md5_hex(sent("$public/big.bin")->body), md5_hex($bytes), '20 MB');
$res = sent("$public/big.bin", headers => [Range => 'bytes=-10']);
is($res->body, substr($bytes, -10), 'the end of 20 MB');
put("$public/empty", '');
$res = sent("$public/empty");
is($res->status . $res->header('Content-Length') . $res->body, '2000',
    'an empty file');

# What is not below one of the directories, is no file, or can't be read
mkdir "$htdocs/features/public2" or die $!;
put("$htdocs/features/public2/near", 'secret');
mkdir "$public/sub" or die $!;
put("$public/sub/deep", 'deep');
put("$public/closed", 'closed');
chmod 0, "$public/closed";
symlink "$htdocs/features/public2/near", "$public/out" or die $!;
symlink "$htdocs/features/public2", "$public/outdir" or die $!;
symlink 'sub/deep', "$public/in" or die $!;
symlink $public, "$htdocs/features/public2/back" or die $!;
symlink 'loop', "$public/loop" or die $!;
symlink 'nothing', "$public/dangling" or die $!;
POSIX::mkfifo("$public/pipe", 0666) or die $!;
my @table = (
    ['/etc/passwd', 403],
    ["$public/../public2/near", 403],
    ["$public/sub/../../public2/near", 403],
    ["$htdocs/features/public2/near", 403],
    ["$public/out", 403],
    ["$public/outdir/near", 403],
    [$public, 403],
    ["$public/", 403],
    ["$public/sub", 403],
    ["$public/pipe", 403],
    ["$public/loop", 403],
    ['/no/such/file', 403],
    ["$public/none", 404],
    ["$public/dangling", 404],
    ["$public/letters.txt/x", 404],
    ["$public/none/../../public2/near", 403],
    ["$public/sub/deep", 200],
    ["$public/sub/../letters.txt", 200],
    ["$public/in", 200],
    ["$htdocs/features/public2/back/sub/deep", 200],
    ['../features/public/letters.txt', 200],
);
push @table, ["$public/closed", 403] if $> != 0;
for (@table) {
    my ($path, $status) = @$_;
    my $mark = server()->mark;
    $res = sent($path, more => "Set-Cookie: a=1\n");
    (my $name = $path) =~ s/^\Q$htdocs\E/.../;
    is($res->status, $status, "$status: $name");
    next if $status == 200;
    unlike($res->body, qr/secret|script|\Q$htdocs\E/, 'and no more is told');
    is($res->header('Set-Cookie'), undef, 'nor has the script a say');
    ok(server()->log_until($mark, qr/X-Sendfile: .*\n/), 'but the log has it');
}

# While somebody exchanges a directory for a link to another, and a file for a
# newer one: the first is never followed, the second never an error.
mkdir "$public/swap" or die $!;
put("$public/swap/near", 'fine');
put("$public/fresh", 'fresh');
symlink "$htdocs/features/public2", "$public/evil" or die $!;
my $parent = $$;
my $swapper = fork // die "fork: $!";
if (!$swapper) {
    while (getppid == $parent) {
        rename "$public/swap", "$public/away";
        rename "$public/evil", "$public/swap";
        rename "$public/swap", "$public/evil";
        rename "$public/away", "$public/swap";
        put("$public/newer", 'fresh');
        rename "$public/newer", "$public/fresh";
    }
    POSIX::_exit(0);
}
my (%seen, %fresh);
for (1 .. 150) {
    $res = sent("$public/swap/near");
    $seen{$res->status == 200 ? $res->body : $res->status}++;
    $fresh{sent("$public/fresh")->body}++;
}
kill 'KILL', $swapper;
waitpid $swapper, 0;
is(join(' ', grep { !/^(?:fine|403|404)$/ } keys %seen), '',
    'a directory that is exchanged for a link') or diag explain \%seen;
is(join(' ', keys %fresh), 'fresh', 'a file that is replaced');

# Not allowed here: the header alone is dropped.
for (['/engine/emit', 'nowhere allowed'],
    ['/engine-sendfile/emit/none', 'CGISendfile none']) {
    my $mark = server()->mark;
    my ($path, $name) = @$_;
    $res = emit("X-Sendfile: $public/letters.txt\nX-Other: 1\n\nown body\n",
        path => $path);
    is($res->status . ' ' . $res->body, "200 own body\n", $name);
    is($res->header('X-Sendfile'), undef, "$name: the header is dropped");
    is($res->header('X-Other'), 1, "$name: no other is");
    ok(server()->log_until($mark, qr/X-Sendfile is ignored/), "$name: noted");
}

# With a redirect, or without a body
for (["Location: /engine/hello\n", 200], ["Location: http://a.example/\n", 302],
    ["Status: 204\n", 204], ["Status: 304\n", 304]) {
    my ($more, $status) = @$_;
    $res = sent("$public/letters.txt", more => $more);
    is($res->status, $status, $more);
    is($res->header('X-Sendfile'), undef, 'no X-Sendfile');
    unlike($res->body, qr/abcdef/, 'no file');
}

# The script goes on after its header: its end is waited for.
$res = get('/features/hang?' . escape("X-Sendfile: $public/letters.txt\n\n"));
is($res->status, 504, 'a script that does not end');
unlike($res->body, qr/abc/, 'without the file');
$res = get('/features/hang?' . escape("Location: /engine/hello\n\n"));
is($res->status, 504, 'the same with a local redirect');

# Output filters, and HTTP/2
SKIP: {
    chomp(my $curl = `command -v curl 2>/dev/null`);
    skip 'no curl', 3 unless $curl;
    skip 'no HTTP/2 with prefork', 3 if server()->mpm eq 'prefork';
    my $s = CGITest::Server->start(modules => [qw(http2 filter deflate)],
        conf => <<"END");
Protocols h2c http/1.1
<Location "/engine">
    CGISendfile "$public"
    AddOutputFilterByType DEFLATE text/plain
</Location>
END
    my $url = 'http://127.0.0.1:' . $s->port . '/engine/emit?'
        . escape("X-Sendfile: $public/big.bin\n\n");
    my @curl = ($curl, '-s', '-m', 30, '--http2-prior-knowledge');
    open my $in, '-|', @curl, '-w', '%{http_version}', $url or die $!;
    binmode $in;
    my $got = do { local $/; <$in> };
    close $in;
    is(md5_hex($got), md5_hex($bytes . 2), '20 MB over HTTP/2');
    put("$public/many.txt", $letters x 1000);
    $url =~ s/big\.bin%0A/many.txt%0AContent-Type%3A%20text\/plain%0A/;
    open $in, '-|', @curl, '-i', '--compressed', $url or die $!;
    $got = do { local $/; <$in> };
    close $in;
    like($got, qr/^content-encoding: gzip\r$/m, 'compressed');
    like($got, qr/\r\n\r\n(?:\Q$letters\E){1000}\z/, 'and whole');
}

for (['', 'must have at least one directory'],
    ['/no/such/dir', "which '/no/such/dir' does not"],
    ['/etc/passwd', "which '/etc/passwd' does not"],
    ['/etc none', "which 'none' does not"]) {
    my ($args, $rule) = @$_;
    my ($ok, $output) = CGITest::Server->check("CGISendfile $args\n");
    ok(!$ok, "CGISendfile $args");
    like($output, qr/\Q$rule\E/, 'says why');
}
unlink "$public/pipe", "$public/closed";
done_testing;
