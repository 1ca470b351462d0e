# git http-backend by a route: clone of 50 MB, push of more than git sends
# in one piece (its request is chunked then), fetch.
use strict;
use warnings;
use Apache::Test;
use Apache::TestRequest 'GET';
use Program qw(run base_url scratch need_program);

plan tests => 9, sub {
    need_program('git')
        && (-x '/usr/lib/git-core/git-http-backend'
            || Apache::Test::skip_reason('no git-http-backend'));
};

my $scratch = scratch('git');
my $served = Apache::Test::vars('top_dir') . '/tmp/git';
$ENV{HOME} = $scratch;
delete @ENV{grep { /^GIT_/ } keys %ENV};

sub git {
    return run('git', '-c', 'user.name=Test', '-c', 'user.email=test@localhost',
        '-c', 'core.compression=0', '-c', 'init.defaultBranch=main', @_);
}

# Bytes that no compression makes fewer, the same in each run.
sub random_file {
    my ($name, $megabytes) = @_;
    my $key = '0' x 31 . $megabytes % 10;
    my $iv = '0' x 32;
    open my $in, '-|', 'openssl enc -aes-128-ctr -nosalt -in /dev/zero '
        . "-K $key -iv $iv 2>/dev/null" or die "openssl: $!";
    open my $out, '>', $name or die "$name: $!";
    for (1 .. $megabytes * 16) {
        read $in, my $piece, 65536;
        print $out $piece;
    }
    close $out or die "$name: $!";
}

mkdir $served or die "$served: $!";
mkdir "$scratch/origin" or die;
git('init', '-q', "$scratch/origin");
random_file("$scratch/origin/large", 50);
git('-C', "$scratch/origin", 'add', 'large');
git('-C', "$scratch/origin", 'commit', '-q', '-m', 'Large');
git('clone', '-q', '--bare', "$scratch/origin", "$served/large.git");
die 'no repository' if $?;
git('-C', "$served/large.git", 'config', 'http.receivepack', 'true');
my $head = git('-C', "$scratch/origin", 'rev-parse', 'HEAD');

my $response = GET('/git/large.git/info/refs?service=git-upload-pack');
ok($response->code == 200 && $response->header('Content-Type') eq
    'application/x-git-upload-pack-advertisement');
ok(GET('/git/none.git/info/refs?service=git-upload-pack')->code == 404);

git('clone', '-q', base_url() . '/git/large.git', "$scratch/clone");
ok($? == 0);
ok(git('-C', "$scratch/clone", 'rev-parse', 'HEAD') eq $head);
run('cmp', "$scratch/origin/large", "$scratch/clone/large");
ok($? == 0);

# http.postBuffer is 1 MB: these 5 MB are sent chunked.
random_file("$scratch/clone/more", 5);
git('-C', "$scratch/clone", 'add', 'more');
git('-C', "$scratch/clone", 'commit', '-q', '-m', 'More');
git('-C', "$scratch/clone", 'push', '-q', 'origin', 'main');
ok($? == 0);
my $pushed = git('-C', "$scratch/clone", 'rev-parse', 'HEAD');
ok(git('-C', "$served/large.git", 'rev-parse', 'main') eq $pushed);

git('-C', "$scratch/origin", 'pull', '-q', base_url() . '/git/large.git',
    'main');
ok($? == 0);
run('cmp', "$scratch/origin/more", "$scratch/clone/more");
ok($? == 0);
