# CGIReadAhead: large bodies in large pieces, or as httpd's filter has them.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(slurp);
use CGITest::Server;

my $s = CGITest::Server->start(conf => <<'END');
<Location "/engine">
    CGIReadAhead Off
</Location>
Alias /fast "@engine@"
Alias /again "@engine@"
<Directory "@engine@">
    Options +RunScripts
    Require all granted
</Directory>
<VirtualHost *>
    ServerName off
    CGIReadAhead Off
    Alias /engine "@engine@"
    <Location "/engine">
        CGIReadAhead On
    </Location>
    Alias /slow "@engine@"
</VirtualHost>
<VirtualHost *>
    ServerName on
    Alias /fast "@engine@"
    <Location "/again">
        CGIArgs Off
        CGIReadAhead Off
    </Location>
    Alias /again "@engine@"
</VirtualHost>
END

# How often the workers call read(), which the filter reads a socket with.
sub reads {
    my $sum = 0;
    for ($s->workers) {
        my ($n) = slurp("/proc/$_/io") =~ /^syscr: (\d+)/m or return;
        $sum += $n;
    }
    return $sum;
}

my $length = 20_000_000;
SKIP: {
    skip 'no /proc/PID/io', 1 unless defined reads();
    skip 'this httpd can\'t read ahead', 1
        if $s->lacks('reading large bodies ahead');
    for (['off', '/slow', 0], ['off', '/engine', 1], ['on', '/fast', 1],
        ['on', '/again', 0]) {
        my ($host, $dir, $is_fast) = @$_;
        my $before = reads();
        my $res = CGITest::HTTP->once($s->where, 'POST', "$dir/show",
            host => $host, body => 'x' x $length);
        my $reads = reads() - $before;
        is(eval { show($res)->{stdin} }, $length, "$host $dir: the body");
        ok($is_fast ? $reads < 1000 : $reads > 2000,
            ($is_fast ? 'in large pieces' : 'piece by piece')
                . ": $reads reads");
    }
}
my ($text, $status) = do {
    my $path = $s->root . '/httpd.conf';
    my $conf = slurp($path);
    $s->_write($path, "${conf}CGIReadAhead maybe\n");
    $s->configtest;
};
isnt($status, 0, 'CGIReadAhead maybe');
like($text, qr/CGIReadAhead must be On or Off/, 'says why');
done_testing;
