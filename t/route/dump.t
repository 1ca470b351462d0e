# C10: the dump marks a route that never answers, since an earlier one has all
# of its URLs; and no other.
use strict;
use warnings;
use Apache::Test;
use CGITest::Server;
use Route;

my %files = ('cgi/show' => show_script('show'), 'cgi/other' => '#!/bin/sh',
             'cgi/dir/' => '');

# Routes in their order; the number of the route that hides the last one, or
# 0. D is dir="@TREE@/cgi".
my @cases = (
    # the file is there: nothing comes after
    ['^/wiki show D', '^/wiki/(x) \1 D', 1],
    ['^/wiki show D', '^/wiki other D', 1],
    ['^/wiki show D', '^/wiki$ other D', 1],
    ['^/wiki show D', '^/wiki/$ other D', 1],
    ['^/wiki show D', '^/wiki/(.*)$ other D pathinfo=\1', 1],
    ['^/wiki show D', '^/wiki$ other D pathinfo=/', 1],
    ['^/wiki\.x show D', '^/wiki\.x/ other D', 1],
    ['"" show D', '^/wiki other D', 1],
    ['"" show D', '(x)$ \1 D', 1],
    ['^ show D', '"" other D', 1],
    ['^/no show D', '^/w show D', '^/w/(x) other D', 2],
    ['^/w show D', '^/w other D', '^/w/(x) other D', 1],
    # not for certain
    ['^/wiki show D', '^/wikis other D', 0],
    ['^/wiki show D', '^/wiki(s|/) other D', 0],
    ['^/wiki show D', '^/wiki(s)? other D', 0],
    ['^/wiki show D', '^/wik other D', 0],
    ['^/wiki show D', '^/wiki other D pathinfo=/x', 0],
    ['^/wiki/ show D', '^/wiki other D', 0],
    ['^/wiki/ show D', '^/wiki/x other D', 0],
    ['^/ show D', '^/x other D', 0],
    ['^/wiki$ show D', '^/wiki other D', 0],
    ['^/wiki$ show D', '^/wiki$ other D', 1],
    ['/wiki show D', '^/wiki other D', 0],
    ['/wiki show D', '/wiki other D', 1],
    ['^/wiki(?!/x) show D', '^/wiki/y other D', 0],
    ['^/wiki|^/x show D', '^/wiki other D', 0],
    ['^/Wiki show D', '^/wiki other D', 0],
    ['^wiki show D', '^wiki/x other D', 0],
    # no file, or nobody knows which
    ['^/wiki none D', '^/wiki/x other D', 0],
    ['^/wiki dir D', '^/wiki/x other D', 0],
    ['^/(.*) \1 D', '^/(x) \1 D', 0],
    ['^/w(.*)$ %{host} D', '^/w(.*)$ show D', 0],
    # the same file, there or not
    ['^/(\w+) \1 D', '^/(\w+) \1 D exec=/bin/sh', 1],
    ['^/(\w+) \1 D', '^/(\w+) \1 D static=on', 0],
    ['^/(\w+) \1 D', '^/(\w+) \1 dir=/bin', 0],
    ['^/(\w+) \1 D', '^/(\w+) \1x D', 0],
    ['^/(\w+) \1 D', '^/(\w+) \1 D pathinfo=/', 0],
    ['^/(\w+) \1 D pathinfo=/', '^/(\w+) \1 D', 1],
    ['^/x none D', '^/x/y none D', 1],
    # static=on answers whatever its expression has
    ['^/ext/(.*)$ \1 D static=on', '^/ext/(.*)$ other D', 1],
    ['^/ext/(.*)$ \1 D static=on', '^/ext/x other D', 0],
    ['^/ext none D static=on', '^/ext/x other D', 1],
    # in a <Location>
    ['^/base show D', '/base|^/x other D', 1],
    ['^/base show D', '/base|"" other D', 1],
    ['^/base show D', '/bases|"" other D', 0],
    ['/base|"" show D', '^/base other D', 1],
    ['/base|"" show D', '^/base/x other D', 1],
    ['/base|"" show D', '^/bases other D', 0],
    ['/base|"" show D', '/base|^/x other D', 1],
    ['/base|^/x show D', '^/base/x/y other D', 1],
    ['/base|^s show D', '^/bases other D', 0],
    ['/base|"" show D', '"" other D', 0],
);

plan tests => @cases + 7;

sub line {
    my $line = shift;
    my $in = $line =~ s/^(\/\w+)\|// && $1;
    $line =~ s/^(\S+) (\S+)/qq("@{[$1 eq '""' ? '' : $1]}" "$2")/e;
    $line =~ s/\bD\b/dir="\@TREE\@\/cgi"/;
    return $in ? "<Location $in>\nCGIRoute $line\n</Location>\n"
               : "CGIRoute $line\n";
}

# The numbers that the dump has behind each route, of each server.
sub marks {
    my $conf = join '', @_;
    my $tree = Route::files(%files);
    $conf =~ s/\@TREE\@/$tree/g;
    my ($ok, $said) = CGITest::Server->check($conf, '-D', 'DUMP_CGIROUTES');
    print "# $said\n" unless $ok;
    my @servers = split /^(?=main server|virtual host)/m, $said;
    return map {
        join ' ', map { /: never answers, since (\d+) comes first$/ ? $1 : 0 }
            /^( +\d+  .*)/mg
    } @servers[1 .. $#servers];
}

for my $case (@cases) {
    my ($expected, @routes) = (pop @$case, @$case);
    my ($main) = marks(map { line($_) } @routes);
    my ($got) = $main =~ /(\d+)$/;
    print "# @routes: $got, not $expected\n" if $got != $expected;
    ok($got == $expected);
}

# A virtual host's routes come before the main server's.
my @servers = marks(line('^/one show D'), line('^/two show D'),
    "<VirtualHost *:1>\n", line('^/two other D'), line('^/one/x show D'),
    "</VirtualHost>\n<VirtualHost *:2>\n</VirtualHost>\n");
print "# $_\n" for @servers;
ok(@servers == 3);
ok($servers[0] eq '0 0');
ok($servers[1] eq '0 0 0 1');
ok($servers[2] eq '0 0');

# What is marked does not answer; what is not, may.
my $httpd = routes(line('^/wiki show D') . line('^/wiki/x other D')
    . line('^/wikis other D') . line('^/none none D')
    . line('^/none/x show D'), \%files);
ok(show($httpd, '/wiki/x')->{SHOW_NAME} eq 'show');
ok(show($httpd, '/wikis')->{STATUS} != 404);
ok(show($httpd, '/none/x')->{SHOW_NAME} eq 'show');
