# mpm: all, with ALL=1
# Perl's CGI.pm under RunScripts: a form, an upload, a cookie, a redirect.
use strict;
use warnings;
use Apache::Test;
use Apache::TestRequest qw(GET POST);
use Apache::TestUtil 't_cmp';
use Digest::SHA 'sha256_hex';
use Program 'need_program';

plan tests => 16, sub {
    need_program('perl')
        && (eval { require CGI; 1 }
            || Apache::Test::skip_reason('CGI.pm is not installed'));
};
Apache::TestRequest::user_agent(requests_redirectable => 0);
my $url = '/programs/upload';

sub fields { return {$_[0]->content =~ /^(\w+)=(.*)$/mg} }

my $got = fields(GET("$url/extra?name=a+b&name=c%26d"));
ok t_cmp($got->{method}, 'GET');
ok t_cmp($got->{name}, 'a b');
ok t_cmp($got->{all}, 'a b,c&d');
ok($got->{self} =~ m{^http://127\.0\.0\.1:\d+$url/extra$});

$got = fields(POST("$url?name=query", content => 'name=body&name=two'));
ok t_cmp($got->{method}, 'POST');
ok t_cmp($got->{all}, 'body,two');

# 3 MB with every byte.
my $file = join '', map { chr($_ % 251) . chr($_ % 256) . 'x' } 1 .. 1_000_000;
my $answer = POST($url, Content_Type => 'form-data',
    Content => [name => 'with a file', file => [undef, 'data.bin',
        Content_Type => 'application/octet-stream', Content => $file]]);
ok t_cmp($answer->code, 200);
$got = fields($answer);
ok t_cmp($got->{name}, 'with a file');
ok t_cmp($got->{file}, 'data.bin');
ok t_cmp($got->{size}, length $file);
ok t_cmp($got->{sha}, sha256_hex($file));

my $response = GET("$url?away=1");
ok t_cmp($response->code, 302);
ok($response->header('Location') =~ m{/programs/upload\?back=1$});
ok($response->header('Set-Cookie') =~ /^seen=yes/);
$got = fields(GET("$url?back=1", Cookie => 'seen=yes'));
ok t_cmp($got->{back}, '1');
ok t_cmp($got->{cookie}, 'yes');
