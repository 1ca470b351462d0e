# mpm: all
# The server of the tests starts and answers: fails when t/conf is broken.
use strict;
use warnings;
use Apache::Test;
use Apache::TestRequest 'GET';

plan tests => 2;
ok(GET('/index.html')->code == 200);
ok(GET('/there/is/no/such/name')->code == 404);
