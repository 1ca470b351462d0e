# Rule C3: paths that are encoded, doubled or climbing, under each setting of
# AllowEncodedSlashes and MergeSlashes, for both modules. Nothing outside of
# the script's directory is run or read, and what a script is told is what the
# URL said.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(slurp);
use CGITest::Server;

my @hosts = map {
    my $slashes = $_;
    map { [lc "$slashes-$_.example", $slashes, $_] } 'On', 'Off';
} 'Off', 'On', 'NoDecode';

my $own = CGITest::Server->start(
    prepare => sub {
        my ($server) = @_;
        my $say = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n";
        my $show = slurp("$CGITest::Server::t/htdocs/engine/show.doit");
        $server->file('s/show.doit', $show, 0755);
        $server->file('s/hello.doit', "${say}echo hello", 0755);
        $server->file('s/sub/in.doit', "${say}echo in", 0755);
        # What must not be reached: beside, above, and by name.
        $server->file('secret.doit', "${say}echo SECRET", 0755);
        $server->file('secret', "SECRET\n");
        $server->file('other/secret.doit', "${say}echo SECRET", 0755);
        $server->file('htdocs/secret.txt', "public\n");
    },
    conf => <<'END' . join '', map { <<"END" } @hosts);
<Directory "@root@/s">
    Options +RunScripts
    Require all granted
</Directory>
Alias /s "@root@/s"
# The widest capture that a route can have.
CGIRoute "^/r/([^?]*?[a-z]+)(?=/|$)" "\1.doit" "dir=@root@/s" names=any
CGIRoute "^/n/([A-Za-z0-9]+)" "\1.doit" "dir=@root@/s"
END
<VirtualHost *>
    ServerName $_->[0]
    AllowEncodedSlashes $_->[1]
    MergeSlashes $_->[2]
</VirtualHost>
END

my $root = $own->root;
my @dots = ('..', '.%2e', '%2e.', '%2e%2e', '%2E%2e', '%252e%252e',
    '%%32%65%%32%65', '..%00', '..%2f..', '%2e%2e%2f', '.%2e%5c', '..;',
    '%c0%ae%c0%ae', '.%0a.', '..%0a', '%uff0e%uff0e');

for (@hosts) {
    my ($host, $slashes, $merge) = @$_;
    # Which httpd has from then on.
    $merge = 'Off' if !CGITest::Server->since(2, 4, 39);
    my $what = "C3 AllowEncodedSlashes $slashes, MergeSlashes $merge";
    my $c = CGITest::HTTP->new(%{$own->where});
    my ($asked, @bad, @broken) = (0);
    for my $base ('/s', '/s/show', '/r', '/r/sub/in', '/n/show') {
        for my $dots (@dots) {
            for my $rest ("$dots/secret", "$dots/$dots/other/secret",
                "$dots%2fsecret.doit", "/$dots//$dots/secret",
                "x/$dots/$dots/$dots/etc/passwd") {
                my $url = "$base/$rest";
                # One connection; a new one where httpd has closed it.
                my $res;
                for my $try (1, 2) {
                    $res = eval {
                        $c->send($c->format_request('GET', $url,
                            host => $host));
                        $c->response;
                    };
                    last if $res && !$res->error;
                    $c = CGITest::HTTP->new(%{$own->where});
                }
                $asked++;
                if (!$res || $res->error) {
                    push @broken, $url;
                    next;
                }
                push @bad, $url
                    if $res->body =~ /^(SECRET|root:)/m
                    || $res->status == 500;
                if ($res->status == 200 && $res->body =~ /^end=show$/m) {
                    my $env = show($res)->{env};
                    push @bad, "$url ran $env->{SCRIPT_FILENAME}"
                        if $env->{SCRIPT_FILENAME} ne "$root/s/show.doit";
                    push @bad, "$url has $env->{PATH_INFO}"
                        if ($env->{PATH_INFO} // '') =~ m{(^|/)\.\.(/|$)};
                }
            }
        }
    }
    is(scalar @broken, 0, "$what: $asked requests were answered")
        or diag explain \@broken;
    is_deeply(\@bad, [], "$what: none led elsewhere") or diag explain \@bad;

    my $ask = sub {
        my ($url) = @_;
        my $res = CGITest::HTTP->once($own->where, 'GET', $url,
            host => $host);
        return $res->status if $res->status != 200;
        return $res->body if $res->body !~ /^end=show$/m;
        my $env = show($res)->{env};
        return join ' ', $env->{SCRIPT_NAME}, $env->{PATH_INFO} // '-',
            $env->{QUERY_STRING};
    };
    for my $way ('/s', '/r', '/n') {
        is($ask->("$way/show/.%2e/hello"), "hello\n",
            "$what: $way, a climb inside is an ordinary URL");
        like($ask->("$way/show/%%32%65"), qr/^40[04]$/,
            "$what: $way, an escape that is none");
        is($ask->("$way/show/%252e%252e/x"), "$way/show /%2e%2e/x ",
            "$what: $way, decoded once");
        is($ask->("$way/show/a%3fb"), "$way/show /a?b ",
            "$what: $way, %3f begins no query");
        is($ask->("$way/show/a%0ab"), "$way/show /a\nb ",
            "$what: $way, %0a is a byte of the path");
        like($ask->("$way/show/a%00b"), qr/^40[04]$/,
            "$what: $way, %00 is refused");
        like($ask->("$way/show%00/a"), qr/^40[04]$/,
            "$what: $way, %00 in the name is refused");
        is($ask->("$way/show/a%2fb"), $slashes eq 'Off' ? 404
                : $slashes eq 'On' ? "$way/show /a/b "
                : "$way/show /a%2fb ", "$what: $way, %2f in the path");
        my $doubled = $ask->("$way/show//a//b");
        # Where a file is looked for httpd merges them in any case.
        is($doubled, $merge eq 'On' || $way eq '/s' ? "$way/show /a/b "
                : "$way/show //a//b ", "$what: $way, // in the path");
    }
    like($ask->('/s/show%2fa'), $slashes eq 'On' ? qr{^/s/show /a }
            : qr/^404$/, "$what: %2f after the script's name");
    like($ask->('/s//show/a'), qr{^/s/+show /a },
        "$what: // before the script's name");
}

$own->stop;
done_testing();
