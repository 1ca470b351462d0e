# scripts/html makes a page of each text, and finds links that lead nowhere.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use CGITest::Files;
use Program qw(run scratch need_program);

plan tests => 9, sub { need_program('cmark-gfm') };
my $top = Apache::Test::vars('top_dir');
my $dir = scratch('html');
chdir $top or die;

ok t_cmp(run('scripts/html', "$dir/out"), '');
ok t_cmp($?, 0);
my @missing = grep { !-s "$dir/out/" . s/\.md$/.html/r }
    glob 'README.md doc/*.md';
ok t_cmp("@missing", '');
my $page = read_file("$dir/out/doc/directives.html");
ok t_cmp($page, qr{<h2 id="cgilimit-directive">CGILimit Directive</h2>});
ok t_cmp($page, qr{<td>.*CGILimit none.*</td>});
ok($page !~ /href="(?![a-z]+:)[^"]*\.md/);

# A tree of its own: one link that is good, two that are not.
tree("$dir/tree", 'doc/README.md' => "# A\n[b](b.md#c-d) [x](none.md)\n",
    'doc/b.md' => "# B\n## C d\n[up](../doc/README.md#none)\n",
    (map { ("doc/$_.md" => "# $_\n") } qw(mod_runscripts mod_cgiroute
        directives)), 'LICENSE' => "x\n");
chdir "$dir/tree" or die;
my $said = run("$top/scripts/html", "$dir/other");
ok t_cmp($? >> 8, 1);
ok t_cmp(join("\n", sort split /\n/, $said), join "\n",
    'doc/README.html: the link none.html leads nowhere',
    'doc/b.html: the link ../doc/README.html#none leads nowhere');
chdir $top or die;
ok(-s "$dir/other/doc/b.html");
