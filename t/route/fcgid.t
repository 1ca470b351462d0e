# C9: SetHandler fcgid-script hands a route to mod_fcgid: a program that stays,
# with the URL's parts and the variables that one started here would have.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Server;
use Program 'need_shm';

my $module = CGITest::Server::module_dir() . '/mod_fcgid.so';
plan skip_all => 'libapache2-mod-fcgid is not installed' if !-e $module;
plan skip_all => "/dev/shm can't be written to" if !need_shm();
plan skip_all => 'libfcgi-perl is not installed' if !eval { require FCGI; 1 };

my $own = CGITest::Server->start(
    modules => ['fcgid'],
    prepare => sub {
        my ($server) = @_;
        mkdir "$server->{root}/ipc" or die $!;
        $server->file('programs/stays.fcgi', <<'END', 0755);
#!/usr/bin/perl
use FCGI;
my $request = FCGI::Request();
for (my $n = 1; $request->Accept() >= 0; $n++) {
    my $length = $ENV{CONTENT_LENGTH} || 0;
    read STDIN, my $body, $length if $length;
    print "Content-Type: text/plain\n\nrequest $n of $$\n",
        map { "$_=" . (defined $ENV{$_} ? $ENV{$_} : 'unset') . "\n" }
        qw(SCRIPT_NAME PATH_INFO SCRIPT_FILENAME QUERY_STRING REQUEST_METHOD
            WORD);
    print "body=$body\n" if $length;
}
END
    },
    conf => <<'END');
FcgidIPCDir "@root@/ipc"
FcgidProcessTableFile "@root@/ipc/table"
FcgidMaxProcesses 1
<Directory "@root@/programs">
    Require all granted
</Directory>
<CGIRoute "^/app/(?<word>[a-z]+)" "stays.fcgi" "dir=@root@/programs">
    SetEnv WORD "\{word}"
    SetHandler fcgid-script
    Options +ExecCGI
</CGIRoute>
<CGIRoute "^/plain/" "stays.fcgi" "dir=@root@/programs">
    SetHandler fcgid-script
</CGIRoute>
END
my $root = $own->root;

my %pids;
for my $n (1, 2) {
    my $res = CGITest::HTTP->once($own->where, 'POST',
        "/app/hello/more%20path?q=$n", body => "body $n");
    is($res->status, 200, "request $n: 200") or diag text_of($res);
    my ($count, $pid) = $res->body =~ /^request (\d+) of (\d+)\n/;
    is($count, $n, "request $n: the program has stayed");
    $pids{$pid // ''} = 1;
    (my $rest = $res->body) =~ s/^.*\n//;
    is($rest, <<"END", "request $n: its variables and its body");
SCRIPT_NAME=/app/hello
PATH_INFO=/more path
SCRIPT_FILENAME=$root/programs/stays.fcgi
QUERY_STRING=q=$n
REQUEST_METHOD=POST
WORD=hello
body=body $n
END
}
is(scalar keys %pids, 1, 'one process for both');
is(CGITest::HTTP->once($own->where, 'GET', '/plain/')->status, 403,
    'mod_fcgid asks for Options ExecCGI');
unlike($own->log_since(0), qr/cgiroute:error/, 'nothing for us to complain of');
$own->stop;

done_testing();
