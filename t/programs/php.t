# PHP by exec=: variables, forms, uploads, the index page of a directory.
use strict;
use warnings;
use Apache::Test;
use Apache::TestRequest qw(GET POST HEAD);
use Apache::TestUtil 't_cmp';
use Digest::SHA 'sha256_hex';
use JSON::PP;
use Program 'need_program';

plan tests => 28, sub { need_program('php-cgi') };

my $dir = Apache::Test::vars('documentroot') . '/programs/php';
Apache::TestRequest::user_agent(requests_redirectable => 0);

sub variables {
    my $response = GET(@_);
    return {$response->content =~ /^(\w+)=(.*)$/mg};
}

my $got = variables('/php/variables.php/a%20b/c?x=1&y=%41');
ok t_cmp($got->{SCRIPT_NAME}, '/php/variables.php');
ok t_cmp($got->{SCRIPT_FILENAME}, "$dir/variables.php");
ok t_cmp($got->{FILE}, "$dir/variables.php");
ok t_cmp($got->{PATH_INFO}, '/a b/c');
ok t_cmp($got->{QUERY_STRING}, 'x=1&y=%41');
ok t_cmp($got->{REQUEST_URI}, '/php/variables.php/a%20b/c?x=1&y=%41');
ok t_cmp($got->{PHP_SELF}, '/php/variables.php/a b/c');
ok t_cmp($got->{REQUEST_METHOD}, 'GET');
ok t_cmp($got->{REDIRECT_STATUS}, '200');
ok t_cmp($got->{CONTENT_LENGTH}, '(unset)');

# Words of a query never become options of php-cgi (CVE-2012-1823).
for my $query ('-s', '%2ds', '-d+allow_url_include%3d1', '-h') {
    $got = variables("/php/variables.php?$query");
    ok t_cmp($got->{QUERY_STRING}, $query);
}

my $body = GET('/php/form.php?a=1')->content;
ok t_cmp(decode_json($body)->{get}{a}, '1');
my $form = decode_json(POST('/php/form.php?q=2',
    content => 'name=J%C3%BCrgen&list%5B%5D=1&list%5B%5D=2')->content);
ok t_cmp($form->{post}{name}, "J\x{fc}rgen");
ok t_cmp("@{$form->{post}{list}}", '1 2');
ok t_cmp($form->{get}{q}, '2');

# A file with every byte, larger than any pipe.
my $file = join '', map { chr($_ * 7 % 256) x ($_ % 13) } 1 .. 500_000;
my $answer = POST('/php/form.php', Content_Type => 'form-data',
    Content => [name => 'upload', file => [undef, 'data.bin',
        Content_Type => 'application/octet-stream', Content => $file]]);
$form = decode_json($answer->content);
ok t_cmp($form->{size}, length $file);
ok t_cmp($form->{sha}, sha256_hex($file));
ok t_cmp($form->{post}{name}, 'upload');

# The page of a directory, and a page that must not be taken for one.
ok t_cmp(GET('/php/')->content, "index of the top, path info none\n");
ok t_cmp(GET('/php/sub/')->content, "index of sub\n");
ok t_cmp(GET('/php/sub/x.php')->content, "x of sub\n");
ok t_cmp(GET('/php/none.php')->code, 404);

# Status, headers and HEAD.
my $response = GET('/php/status.php');
ok($response->code == 303
    && $response->header('Location') =~ m{/php/index\.php$}
    && $response->header('Set-Cookie') =~ /^name=value/);
$response = HEAD('/php/variables.php');
ok($response->code == 200 && $response->header('Content-Type') =~ /^text\/plain/
    && $response->content eq '');
# After the request: the connection is as good as before.
ok t_cmp(GET('/php/sub/')->code, 200);
