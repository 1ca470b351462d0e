# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# CGICgroup: what a script has started ends with it, setsid() or not. Rules
# C18, C19, L2.
use strict;
use warnings;
use File::Temp ();
use Test::More;
use Time::HiRes qw(sleep time);
use CGITest;
use CGITest::HTTP;
use CGITest::Jail qw(put);
use CGITest::Proc qw(processes_with slurp wait_until);
use CGITest::Server;

plan skip_all => 'not started as root' if $> != 0;

my ($mount) = slurp('/proc/self/mounts') =~ /^\S+ (\S+) cgroup2 /m;
my $cgroup = ($mount || '') . "/cgitest-$$";
plan skip_all => 'no cgroup of version 2 can be made here'
    if !$mount || !mkdir $cgroup;
my $main = $$;
END { rmdir $cgroup if $cgroup && $main && $$ == $main }
plan skip_all => 'this kernel can not end a cgroup'
    if !-e "$cgroup/cgroup.kill";

# ---- scripts: each starts something that leaves its process group

my $dir = File::Temp::tempdir('cgitest-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $dir;
mkdir "$dir/out" and chmod 0777, "$dir/out" or die $!;
my $head = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nstart\\n'\n";
my $leaves = "setsid sh -c 'trap \"echo trap > $dir/out/\$1; exit\" TERM; : > $dir/out/up-\$1; "
    . "while :; do sleep 0.1; done' tag=\$1 \$1 </dev/null >/dev/null 2>&1 &\n"
    . "until [ -e $dir/out/up-\$1 ]; do sleep 0.05; done\n";
my $name = "\${QUERY_STRING%%&*}";
put("$dir/ends", "${head}set -- $name\n${leaves}echo end\n", 0755);
put("$dir/stays", "${head}set -- $name\n${leaves}sleep 60\n", 0755);
# one that does not end by TERM
put("$dir/deaf", "${head}set -- $name\nsetsid sh -c \"trap '' TERM; : > $dir/out/up-\$1; while :; do sleep 0.1; "
    . "done\" tag=\$1 </dev/null >/dev/null 2>&1 &\n"
    . "until [ -e $dir/out/up-\$1 ]; do sleep 0.05; done\necho end\n", 0755);
put("$dir/which", $head . "cat /proc/self/cgroup\n", 0755);
put("$dir/perl.doit", "#!/usr/bin/perl\nuse POSIX ();\n"
    . "print qq(Content-Type: text/plain\\n\\nstart\\n);\n"
    . "if (!fork) { POSIX::setsid(); \$0 = qq(tag=\$ENV{QUERY_STRING}); "
    . "close STDOUT; close STDERR; sleep 60 }\n"
    . "sleep 1; print qq(\$0 end\\n);\n", 0755);

put("$dir/uw", "#!/usr/bin/perl\nuse POSIX ();\n"
    . "print qq(Content-Type: text/plain\n\n);\n"
    . "if (!fork) { POSIX::setsid(); \$0 = qq(tag=\$ENV{QUERY_STRING}); "
    . "close STDOUT; close STDERR; sleep 60 }\n"
    . "sleep 1; print readlink('/proc/self/exe') =~ m{([^/]+)\$}, qq( \$<\n);\n", 0755);

my ($user, $uid) = (getpwnam 'daemon')[0, 2];
my $warm = -e CGITest::Server->build_dir . '/cgi-warm-perl.so';
sub start {
    my (%o) = @_;
    return CGITest::Server->start(%o, conf => <<"END" . ($o{more} || ''));
CGICgroup $cgroup
CGITimeout kill=2s
<Directory "$dir">
    Require all granted
</Directory>
CGIRoute "^/own/(\\w+)" "$dir/\$1"
CGIRoute "^/user/(\\w+)" "$dir/\$1" user=$user
<Location /warm>
    Require all granted
</Location>
END
}

# Processes of a tag that is the first word of a query.
my $n = 0;
sub next_tag { return "c$$-" . ++$n . 'z' }
sub left {
    my ($tag) = @_;
    return (processes_with($tag), grep { slurp("/proc/$_/cmdline") =~ /$tag/ }
        grep { $_ != $$ } CGITest::Proc::pids());
}
sub ends {
    my ($tag, $what, $seconds) = @_;
    ok(wait_until($seconds || 15, sub { !left($tag) }), $what) or diag left($tag);
}
sub trapped { my ($tag) = @_; return -s "$dir/out/$tag" }
sub cgroups { return grep { !m{/launchers/$} } glob "$cgroup/cgi-*/*/" }

sub begin {
    my ($s, $path, $tag) = @_;
    my $c = CGITest::HTTP->new(%{$s->where});
    $c->send($c->format_request('GET', "$path?$tag"));
    ok(wait_until(20, sub { left($tag) }), "$path: something leaves the group")
        or diag $s->error_log;
    ok(wait_until(20, sub { -e "$dir/out/up-$tag" }), "$path: it is ready");
    return $c;
}

my $s = start();

# ---- the script ends; its client leaves; its launcher is killed

for my $path ('/own', '/user') {
    my $at = $path eq '/own' ? 'own' : 'user=';
    my $where = CGITest::HTTP->once($s->where, 'GET', "$path/which")->body;
    like($where, qr{^0::.*/cgitest-$$/cgi-\d+/s\d+\.\d+$}m, "$at: a cgroup of its own");

    my $tag = next_tag();
    is(CGITest::HTTP->once($s->where, 'GET', "$path/ends?$tag")->body,
        "start\nend\n", "$at: the whole response");
    ends($tag, "$at: the script ends, what it left behind too");
    ok(trapped($tag), "$at: by TERM first");

    $tag = next_tag();
    my $start = time;
    CGITest::HTTP->once($s->where, 'GET', "$path/deaf?$tag");
    ends($tag, "$at: by KILL in the end");
    cmp_ok(time - $start, '>', 1.9, "$at: when kill= has passed");

    $tag = next_tag();
    begin($s, "$path/stays", $tag)->abort;
    ends($tag, "$at: the client leaves");

    $tag = next_tag();
    my $c = begin($s, "$path/stays", $tag);
    my @old = $s->launchers;
    kill 'KILL', @old;
    ok(wait_until(10, sub { my @new = $s->launchers; @new == @old }),
        "$at: its launcher is killed, another follows");
    sleep 1;
    ok(left($tag), "$at: the script runs on");
    $c->abort;
    ends($tag, "$at: the client leaves after it");

    $tag = next_tag();
    my $d = begin($s, "$path/stays", $tag);
    kill 'KILL', $s->launchers, $s->workers;
    ends($tag, "$at: launchers and workers are killed");
    ok(wait_until(15, sub {
        my $res = eval { CGITest::HTTP->once($s->where, 'GET', "$path/which") };
        $res && ($res->status || 0) == 200;
    }), "$at: it goes on");
}
ok(wait_until(10, sub { !cgroups() }), 'no cgroup is left') or diag cgroups();

# ---- restarts

{
    my $tag = next_tag();
    my $c = begin($s, '/own/stays', $tag);
    my @before = glob "$cgroup/cgi-*";
    $s->graceful;
    sleep 1;
    ok(left($tag), 'a script outlives a graceful restart');
    $c->abort;
    ends($tag, 'and ends when its client leaves');
    ok(wait_until(15, sub { !grep { -d } @before }),
        'nothing of the earlier generation is left') or diag "@before";
}

# ---- another httpd

{
    # Its port is open for a moment.
    my $other = eval { start() };
    my $said = $@;
    if ($other) {
        ok($other->wait_end(10), 'a directory is one httpd\'s');
        $said = $other->error_log;
        $other->stop;
    }
    like($said, qr/CGICgroup \Q$cgroup\E is another httpd's, which runs/,
        'the other one says so, and does not start');
}

# ---- all killed at once: the next httpd ends what is left

{
    my $tag = next_tag();
    my $user_tag = next_tag();
    my $c = begin($s, '/own/stays', $tag);
    my $d = begin($s, '/user/stays', $user_tag);
    my @all = ($s->pid, $s->launchers, $s->workers);
    kill 'STOP', @all;
    sleep 0.3;
    kill 'KILL', @all;
    ok($s->wait_end(10), 'all of httpd is killed at once');
    sleep 0.5;
    ok(left($tag), 'nobody ends the scripts');
    $s = start();
    ends($tag, 'the next start does');
    ends($user_tag, 'those of users, too');
}

# ---- a stop

{
    my $tag = next_tag();
    my $c = begin($s, '/own/stays', $tag);
    is_deeply([$s->stop], [], 'stopped');
    ends($tag, 'with its scripts');
    is_deeply([glob "$cgroup/cgi-*"], [], 'no cgroup is left');
}

# ---- warm

SKIP: {
    skip 'no cgi-warm-perl.so', 5 if !$warm;
    my $own = start(more => <<"END");
CGIWarm perl
CGIWarm perl user=$user
CGIRoute "^/uw" "$dir/uw" user=$user
<Location "/uw">
    CGIWarmScripts On
</Location>
Alias /w "$dir"
<Directory "$dir">
    Options +RunScripts
    CGIWarmScripts On
</Directory>
END
    my $tag = next_tag();
    wait_until(20, sub { CGITest::HTTP->once($own->where, 'GET', '/w/perl?x')->body =~ /start/ });
    is(CGITest::HTTP->once($own->where, 'GET', "/w/perl?$tag")->body,
        "start\n$dir/perl.doit end\n", 'a warm script');
    ends($tag, 'what it started ends with it');
    wait_until(20, sub { CGITest::HTTP->once($own->where, 'GET', '/uw?x')->body =~ /warm/ });
    $tag = next_tag();
    is(CGITest::HTTP->once($own->where, 'GET', "/uw?$tag")->body, "cgi-warm $uid\n",
        'a warm script of a user');
    ends($tag, 'what it started ends with it');
    is_deeply([$own->stop], [], 'stopped');
}

# ---- wrong directories

for my $wrong ('/tmp', 'relative', "$cgroup/none", "$cgroup/cgroup.procs/x") {
    my ($ok, $said) = CGITest::Server->check("CGICgroup $wrong\n");
    ok(!$ok && $said =~ /CGICgroup must name a directory of cgroup version 2, which '\Q$wrong\E' is not/,
        "refused: $wrong");
}
{
    my ($ok, $said) = CGITest::Server->check(
        "<VirtualHost *>\nCGICgroup $cgroup\n</VirtualHost>\n");
    ok(!$ok && $said =~ /CGICgroup/, 'refused in a virtual host');
}
done_testing();
