# mpm: all
# What ends by a signal after its header is no whole response, and the log
# says so, however small the response is: rule C12.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(wait_until);
use CGITest::Server;

my $head = "Content-Type: text/plain\\n";
my %script = (
    half => "printf '$head\\nhalf'\nulimit -c 0; kill -SEGV \$\$\n",
    empty => "printf '$head\\n'\nulimit -c 0; kill -SEGV \$\$\n",
    whole => "printf '${head}Content-Length: 4\\n\\ntext'\nulimit -c 0; kill -SEGV \$\$\n",
    short => "printf '${head}Content-Length: 9\\n\\ntext'\nulimit -c 0; kill -SEGV \$\$\n",
    redirect => "printf 'Location: /s/good\\n\\n'\nulimit -c 0; kill -SEGV \$\$\n",
    exit3 => "printf '$head\\ntext'\nexit 3\n",
    good => "printf '$head\\ntext'\n",
    # closes its output and works on
    runson => "printf '$head\\ntext'\nexec >&-\nsleep 3\n",
    runson2 => "printf '$head\\ntext'\nexec >&- 2>&-\nsleep 3\n",
);
my $own = CGITest::Server->start(prepare => sub {
    my ($server) = @_;
    $server->file("s/$_.doit", "#!/bin/sh\n$script{$_}", 0755)
        for keys %script;
}, conf => <<'END');
<Directory "@root@/s">
    Options +RunScripts
    Require all granted
</Directory>
Alias /s "@root@/s"
END

my $killed = qr/killed by signal 11/;
my $n = 30;
# name, whole, body, what the log says, how often (once for each request)
for (['half', 0, undef, qr/:error\].*half\.doit: .*$killed/],
    ['empty', 0, undef, qr/:error\].*empty\.doit: .*$killed/],
    ['short', 0, undef, qr/:error\].*short\.doit: .*$killed/],
    ['whole', 1, 'text', qr/:error\].*whole\.doit: .*$killed/],
    ['redirect', 1, 'text', qr/:error\].*redirect\.doit: .*$killed/],
    ['exit3', 1, 'text', qr/:info\].*exit3\.doit: its exit status was 3/],
    ['good', 1, 'text', qr/good\.doit: .*(?:signal|status)/, 0]) {
    my ($name, $whole, $body, $log, $times) = @$_;
    $times //= $n;
    my $mark = $own->mark;
    my ($right, @wrong) = (0);
    for (1 .. $n) {
        my $res = CGITest::HTTP->once($own->where, 'GET', "/s/$name");
        my $is_whole = $res->status == 200 && $res->error eq '';
        if ($is_whole == $whole && (!$whole || $res->body eq $body)) {
            $right++;
        }
        else {
            push @wrong, text_of($res);
        }
    }
    is($right, $n, "C12 $name: " . ($whole ? 'whole' : 'seen not to be whole'))
        or diag explain \@wrong;
    my @lines;
    wait_until(2, sub {
        @lines = lines_like($own->log_since($mark), $log);
        return @lines >= $times;
    });
    is(scalar @lines, $times, "C12 $name: what the log says");
}
for my $name ('runson', 'runson2') {
    my $res;
    ok(within(2, sub {
        CGITest::HTTP->once($own->where, 'GET', "/s/$name");
    }, \$res), "C12 $name: a script that works on is not waited for");
    is(text_of($res), '200 text', "C12 $name: its response");
}

$own->stop;
done_testing();
