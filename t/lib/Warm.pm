# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# The same scripts run three ways, which they must not be able to tell apart:
# in an interpreter of CGIWarm, by execve(), and by mod_cgid. A file of cases:
#
#   === name | option | option=value
#   text of the script; its first line is put before unless it has one
#   --- name of a file beside it
#   text of that file
#
# "@E9@" stands for that byte.
# Options: cold=TEXT (it is executed, and the log says so with that text),
# query=, body=, raw (no header is put before), nocgid (mod_cgid is left out),
# twice (the second response counts), conf=LINE (in a <Location> for the script).
package Warm;
use strict;
use warnings;
use Exporter 'import';
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Proc qw(wait_until slurp);
use CGITest::Server;

our @EXPORT = qw(cases start_three compare_all on_and_off);

sub cases {
    my ($file, $first, $header) = @_;
    my (@cases, $case, $to);
    for my $line (split /^/, slurp($file)) {
        if ($line =~ /^=== (\w+)((?: \| .*)?)$/) {
            $case = {name => $1, file => {}};
            for (split / \| /, $2) {
                $case->{$1} = $2 // 1 if /^(\w+)(?:=(.*))?$/;
            }
            push @cases, $case;
            $to = \$case->{text};
            $$to = '';
        }
        elsif ($line =~ /^--- (\S+)$/) {
            $to = \$case->{file}{$1};
            $$to = '';
        }
        elsif ($case) {
            $$to .= $line;
        }
    }
    for (@cases) {
        $_->{text} =~ s/\@([0-9A-F]{2})\@/chr hex $1/ge;
        my $own = $_->{text} =~ s/\A(#!.*\n)// ? $1 : "$first\n";
        $_->{text} = $own . ($_->{raw} ? '' : "$header\n") . $_->{text};
    }
    return @cases;
}

# Lines for scripts in htdocs/s: warm below /s, cold below /off.
sub on_and_off {
    return <<'END';
<Directory "@root@/htdocs/s">
    Options +RunScripts
    CGIWarmScripts On
</Directory>
Alias /off "@root@/htdocs/s"
<Location "/off">
    CGIWarmScripts Off
</Location>
END
}

# A server with three hosts, on ports of their own: 2 warm, 3 cold, 4 cgid.
# Returns when a launcher has its interpreter. $warm: lines of configuration;
# $more: a sub that changes files.
sub start_three {
    my ($warm, $cases, $more) = @_;
    my @cases = @$cases;
    my $conf = "UseCanonicalName Off\nUseCanonicalPhysicalPort Off\n$warm\n"
        . "LogLevel runscripts:trace1\n"
        . "SetEnv ORDINARY \"two words\"\n";
    my $each = '';
    for (grep { $_->{conf} } @cases) {
        $each .= "<Location /s/$_->{name}>\n$_->{conf}\n</Location>\n";
    }
    for (['warm', 2, 'On'], ['cold', 3, 'Off'], ['cgid', 4]) {
        my ($name, $port, $on) = @$_;
        $conf .= "Listen 127.0.0.1:\@port$port\@\n"
            . "<VirtualHost *:\@port$port\@>\nServerName test:80\n"
            . "ErrorLog \@root\@/$name.log\n"
            . "DocumentRoot \@root\@/htdocs\n$each"
            . ($on
            ? "<Directory \@root\@/htdocs/s>\nOptions +RunScripts\n"
                . "CGIWarmScripts $on\n</Directory>\n"
            : "AliasMatch ^/s/(\\w+)/run(?=/|\$) \@root\@/htdocs/s/\$1/run.doit\n"
                . "<Directory \@root\@/htdocs/s>\nOptions +ExecCGI\n"
                . "SetHandler cgi-script\n</Directory>\n")
            . "</VirtualHost>\n";
    }
    $conf =~ s/^/LoadModule cgid_module "@{[CGITest::Server::module_dir()]}\/mod_cgid.so"\nScriptSock \@root\@\/cgisock\n/;
    my $s = CGITest::Server->start(conf => $conf, prepare => sub {
        my ($server) = @_;
        for my $case (@cases) {
            my $dir = "htdocs/s/$case->{name}";
            $server->file("$dir/run.doit", $case->{text}, 0755);
            $server->file("$dir/$_", $case->{file}{$_}, 0755)
                for keys %{$case->{file}};
            chmod 0777, $server->root . "/$dir";
        }
        $more->($server) if $more;
    });
    # A script of the name "ready" says which program runs it.
    wait_until(60, sub {
        ask($s, 2, {name => 'ready'}) =~ /cgi-warm/;
    }) or die "no launcher is warm:\n", slurp($s->root . '/error_log');
    return $s;
}

sub ask {
    my ($s, $port, $case) = @_;
    my $res;
    $res = CGITest::HTTP->once({host => '127.0.0.1', port => $s->port($port)},
        defined $case->{body} ? 'POST' : 'GET',
        "/s/$case->{name}/run" . ($case->{query} // ''), host => 'test:80',
        defined $case->{body} ? (body => $case->{body}) : ())
        for 1 .. ($case->{twice} ? 2 : 1);
    my $body = $res->body;
    $body =~ s/(REMOTE_PORT\W+)\d+/$1N/g;
    $body =~ s/\b0x[0-9a-f]+/0xN/g;
    return join "\n", $res->status, $res->header('Content-Type') // '',
        $res->header('X-Test') // '', $body;
}

# Of a host's log: what scripts said on stderr, how they ended, and which were
# not run warm, by their directory.
sub read_log {
    my ($s, $name) = @_;
    my (%stderr, %end, %cold);
    -s $s->root . "/$name.log" or die "there is no $name.log\n";
    for (split /\n/, slurp($s->root . "/$name.log")) {
        s/\b0x[0-9a-f]+/0xN/g;
        $stderr{$1} .= "$2\n" if m{stderr from \S*/s/(\w+)/run\.doit: (.*)};
        $end{$1} .= "$2\n"
            if m{/s/(\w+)/run\.doit: (?:after its response, )?(it was killed .*|its exit status .*)};
        $cold{$1} = $2 if m{/s/(\w+)/run\.doit: not run warm: (.*)};
    }
    return (\%stderr, \%end, \%cold);
}

# What mod_cgid's script has said since a mark: it goes to the main log as it
# is, between httpd's own lines.
sub raw_stderr {
    my ($s, $mark) = @_;
    my $text = join '', grep { !/^(?:\[\w+ \w+ \d+ |cgi-(?:launcher|warm):)/ }
        split /^/, $s->log_since($mark);
    $text =~ s/\b0x[0-9a-f]+/0xN/g;
    return $text;
}

# The same, of a script of ours, whose lines httpd has escaped.
sub said {
    my ($s, $name) = @_;
    my $text = -s $s->root . '/cold.log' ? (read_log($s, 'cold'))[0]{$name} // '' : '';
    $text =~ s/\\(?:x([0-9a-f]{2})|(t)|(\\))/defined $1 ? chr hex $1 : $2 ? "\t" : $3/ge;
    return $text;
}

# All cases, and the tests of them: one for the output, one for stderr and the
# end, one for how it was run.
sub compare_all {
    my ($s, @cases) = @_;
    for my $case (@cases) {
        my $name = $case->{name};
        my $cold = ask($s, 3, $case);
        is(ask($s, 2, $case), $cold, "$name: output, warm and cold");
        # That of 2.5 has another environment, and escapes what goes to the log.
        next if $case->{nocgid} || $s->since(2, 5, 0);
        my $mark = $s->mark;
        is(ask($s, 4, $case), $cold, "$name: output, mod_cgid and cold");
        wait_until(3, sub { raw_stderr($s, $mark) eq said($s, $name) });
        is(raw_stderr($s, $mark), said($s, $name),
            "$name: stderr, mod_cgid and cold");
    }
    # What is said after the response is in the log a moment later.
    my ($last, $size) = (-1, 0);
    wait_until(10, sub {
        ($last, $size) = ($size,
            eval { join ' ', map { -s $s->root . "/$_.log" } qw(warm cold) });
        Time::HiRes::sleep(0.5);
        return $last eq $size;
    });
    my @warm = read_log($s, 'warm');
    my @cold = read_log($s, 'cold');
    for my $case (@cases) {
        my $name = $case->{name};
        is(($warm[0]{$name} // '') . ($warm[1]{$name} // ''),
            ($cold[0]{$name} // '') . ($cold[1]{$name} // ''),
            "$name: stderr and end, warm and cold");
        if (defined $case->{cold}) {
            like($warm[2]{$name} // '', qr/\Q$case->{cold}\E/,
                "$name: is executed, and the log says why");
        }
        else {
            is($warm[2]{$name} // '', '', "$name: was run warm");
        }
    }
}

1;
