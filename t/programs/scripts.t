# mpm: all, with ALL=1
# Scripts in Python and sh, executed and by an interpreter.
use strict;
use warnings;
use Apache::Test;
use Apache::TestRequest qw(GET POST PUT);
use Apache::TestUtil 't_cmp';
use JSON::PP;
use Program 'need_program';

plan tests => 17, sub { need_program('python3') };
my $dir = Apache::Test::vars('documentroot') . '/programs';

my $response = POST('/programs/words/some/path?a=1&a=2&b=%C3%A4',
    content => 'one two  three', 'X-Asked-By' => 'the test');
ok t_cmp($response->code, 200);
ok t_cmp($response->header('X-Script'), 'words');
my $got = decode_json($response->content);
ok t_cmp($got->{method}, 'POST');
ok t_cmp($got->{path}, '/some/path');
ok t_cmp("@{$got->{query}{a}}", '1 2');
ok t_cmp($got->{query}{b}[0], "\x{e4}");
ok t_cmp($got->{words}, 3);
ok t_cmp($got->{agent}, 'the test');
ok t_cmp($got->{cwd}, $dir);
$got = decode_json(PUT('/programs/words', content => 'x ' x 100_000)->content);
ok t_cmp("$got->{method} $got->{bytes} $got->{words}", 'PUT 200000 100000');
$got = decode_json(GET('/programs/words?one+two%20three')->content);
ok t_cmp(join('|', @{$got->{argv}}), 'one|two three');

$response = POST('/programs/shell', content => "b\na\nb\n");
ok t_cmp($response->status_line, '202 Taken');
ok t_cmp($response->content,
    "1 a\n2 b\narguments: 0\n\ny\nend: 0\n");
$response = GET('/programs/shell?%24%28id%29+%3b%20ls');
# Characters special to a shell come with a backslash (RFC 3875, 7.2).
ok t_cmp($response->content,
    qr{^arguments: 2\n<\\\$\\\(id\\\)><\\; ls>$}m);

# By a route and an interpreter; the file is not executable.
$response = GET('/python/env/below?q=1');
my %env = $response->content =~ /^(\w+)=(.*)$/mg;
ok t_cmp("$env{SCRIPT_NAME} $env{PATH_INFO}", '/python/env /below');
ok t_cmp($env{SCRIPT_FILENAME}, "$dir/cgi-bin/env.py");
ok t_cmp($env{GREETING}, 'hello env');
