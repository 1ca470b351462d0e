# A Fossil repository, served by a script of two lines and the same by a
# route: pages, clone, and a sync that pushes.
use strict;
use warnings;
use Apache::Test;
use Apache::TestRequest 'GET';
use Apache::TestUtil 't_write_file';
use Program qw(program run base_url scratch need_program);

my @pages = qw(home timeline dir login wiki?name=Tested style.css);
plan tests => 2 * (@pages + 7), sub { need_program('fossil') };

my $dir = Apache::Test::vars('documentroot') . '/programs/fossil';
my $scratch = scratch('fossil');
my $repository = "$dir/server.fossil";
$ENV{FOSSIL_HOME} = $ENV{HOME} = $scratch;
$ENV{USER} = 'demo';

sub fossil { return run('fossil', @_) }

fossil('new', '--admin-user', 'demo', '--project-name', 'Tested',
    $repository);
die 'fossil new failed' if $?;
# No process of Fossil's own that would go on after the response.
fossil('settings', 'backoffice-disable', 'on', '-R', $repository);
fossil('user', 'password', 'demo', 'secret', '-R', $repository);
t_write_file("$dir/page.md", "# A page of the wiki\n");
fossil(qw(wiki create Tested), "$dir/page.md", '-R', $repository, '-M',
    'markdown');
t_write_file("$dir/project.doit",
    '#!' . program('fossil') . "\nrepository: $repository\n");
chmod 0755, "$dir/project.doit";

for my $place ('/programs/fossil/project', '/fossil-by-route') {
    (my $name = $place) =~ tr{/}{-};
    for my $page (@pages) {
        my $response = GET("$place/$page");
        my $wanted = $page =~ /css/ ? qr/body/ : qr/Tested/;
        ok($response->code == 200 && $response->content =~ $wanted);
    }

    # What Fossil writes into a page leads back to the same place.
    ok(GET("$place/home")->content =~ m{href=['"]\Q$place\E/timeline});

    my $url = base_url('demo:secret') . $place;
    fossil('clone', $url, "$scratch/clone$name.fossil");
    ok($? == 0);

    mkdir "$scratch/work$name" or die "mkdir: $!";
    chdir "$scratch/work$name" or die "chdir: $!";
    fossil('open', '--nosync', "$scratch/clone$name.fossil");
    fossil('settings', 'autosync', 'off');
    # Large enough not to fit into any pipe or buffer on its way.
    t_write_file("new$name.txt",
        map { "line $_ " . crypt($_, 'ab') . "\n" } 1 .. 20000);
    fossil('add', "new$name.txt");
    fossil('commit', '-m', "From $place");
    ok($? == 0);
    my $output = fossil('sync', $url, '--once');
    ok($? == 0 && $output =~ /sent: [1-9]/i);

    # The server has it, and so has a second clone.
    my $response = GET("$place/doc/tip/new$name.txt");
    ok($response->code == 200
        && $response->content =~ /^line 1 .*^line 20000 \S+$/ms);
    fossil('clone', base_url() . $place, "$scratch/second$name.fossil");
    ok($? == 0);
    ok(fossil('timeline', '-R', "$scratch/second$name.fossil", '-n', 5)
        =~ /From \Q$place\E/);
    chdir Apache::Test::vars('top_dir');
}
