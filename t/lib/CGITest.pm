# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# What the tests of the engine share: the server that Apache::Test started
# (server()), short forms for requests, what show.doit reports. In the
# environment, CGITEST_LARGE=1 makes bodies and counts as large as the rules
# name them (5 GB, 10,000 requests), CGITEST_KEEP=1 keeps the directories of
# servers that a test has started.
package CGITest;

use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use POSIX ();
use Storable qw(freeze thaw);
use Test::More;
use Time::HiRes ();
use CGITest::HTTP;
use CGITest::Proc qw(processes_with alive wait_until slurp can_look);
use CGITest::Server;

our @EXPORT = qw(server once get text_of show escape unescape hexed where
                 tag_of gone is_gone is_hidden end_scripts lines_like
                 none_like within emit parallel sections
                 runs begin_script begin_until python_counts);

my $tag_number = 0;

# The server of the whole suite.
sub server {
    our $server ||= CGITest::Server->shared;
    return $server;
}

sub where { return server()->where }

# One request on a connection of its own: a CGITest::Response.
sub once { return CGITest::HTTP->once(where(), @_) }
sub get { return once('GET', @_) }

# A response in one line, for messages of tests.
sub text_of {
    my ($res) = @_;
    my $body = $res->body;
    $body = substr($body, 0, 60) . '...' if length $body > 60;
    $body =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;
    return $res->status . ($res->error && " ($res->{error})") . " $body";
}

# Bytes for a URL: all but unreserved characters of RFC 3986 as %XX.
sub escape {
    my ($text) = @_;
    $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ge;
    return $text;
}

sub unescape {
    my ($text) = @_;
    $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    return $text;
}

sub hexed { return join ' ', map { sprintf '%02x', ord } split //, $_[0] }

# What show.doit printed: {env => {}, names => [all, with duplicates],
# args => [], fd => {}, and other keys}; dies when it is no such page.
sub show {
    my ($res) = @_;
    $res->body =~ /^end=show\n\z/m
        or die 'no report of show: ' . text_of($res) . "\n";
    my %r = (env => {}, names => [], args => [], fd => {});
    for (split /\n/, $res->body) {
        my ($key, $value) = split /=/, $_, 2;
        if ($key =~ s/^env //) {
            push @{$r{names}}, $key;
            $r{env}{$key} = unescape($value);
        }
        elsif ($key =~ /^arg /) {
            push @{$r{args}}, unescape($value);
        }
        elsif ($key =~ s/^fd //) {
            $r{fd}{$key} = unescape($value);
        }
        else {
            $r{$key} = unescape($value);
        }
    }
    return \%r;
}

# A word for a request's query by which its script is found in /proc.
sub tag_of { return 'tag=t' . $$ . '-' . ++$tag_number . 'z' }

# The scripts of a tag end within that many seconds.
sub gone {
    my ($tag, $seconds) = @_;
    return wait_until($seconds, sub { !processes_with($tag) });
}

sub is_gone {
    my ($tag, $seconds, $name) = @_;
    return is_hidden($name) if $> == 0 && !can_look();
    my $gone = gone($tag, $seconds);
    ok($gone, $name) or diag "still there: @{[processes_with($tag)]}";
    end_scripts($tag);
    return $gone;
}

# A check that can't be made by this root.
sub is_hidden {
    my ($name) = @_;
    Test::More->builder->skip("root may not look at others' processes: $name");
    return 1;
}

# Kill what a test has left, so that it harms no other.
sub end_scripts {
    my ($tag) = @_;
    kill 'KILL', processes_with($tag);
}

# Run code; true if it took no longer than so many seconds. Its result is
# stored in $$result when given.
sub within {
    my ($seconds, $code, $result) = @_;
    my $start = Time::HiRes::time();
    my $value = $code->();
    $$result = $value if $result;
    my $took = Time::HiRes::time() - $start;
    diag sprintf 'took %.1f s', $took if $took > $seconds;
    return $took <= $seconds;
}

# A script that prints these bytes; other options as in once().
sub emit {
    my ($bytes, %o) = @_;
    my $method = delete $o{method} || 'GET';
    my $path = delete $o{path} || '/engine/emit';
    return once($method, "$path?" . escape($bytes), %o);
}

# Run each sub in a process of its own, all at once; what they returned, in
# order, one scalar each: a string, or a reference to plain data. What a sub
# dies of is reported as a failed test.
sub parallel {
    my @code = @_;
    my @children;
    for my $code (@code) {
        pipe my $in, my $out or die "pipe: $!";
        my $pid = fork;
        die "fork: $!" unless defined $pid;
        if (!$pid) {
            close $in;
            my $value = eval { $code->() };
            my $error = $@;
            binmode $out;
            print $out freeze([$value, $error]);
            close $out;
            POSIX::_exit(0);
        }
        close $out;
        push @children, [$pid, $in];
    }
    my @results;
    for (@children) {
        my ($pid, $in) = @$_;
        binmode $in;
        my $text = do { local $/; <$in> };
        waitpid $pid, 0;
        my $r = eval { thaw($text) } || [undef, 'no result'];
        fail("parallel part: $r->[1]") if $r->[1];
        push @results, $r->[0];
    }
    return @results;
}

# Run parts of a test file at the same time, each in a process and with
# servers of its own; their tests become this file's, in order.
sub sections {
    my @code = @_;
    my @children;
    for my $n (0 .. $#code) {
        pipe my $in, my $out or die "pipe: $!";
        my $pid = fork;
        die "fork: $!" unless defined $pid;
        if (!$pid) {
            close $in;
            CGITest::Server->in_section($n);
            my $builder = Test::More->builder;
            $builder->reset;
            $builder->$_($out)
                for qw(output failure_output todo_output);
            eval { $code[$n]->(); 1 } or fail("section $n dies: $@");
            done_testing();
            CGITest::Server::stop_all();
            close $out;
            POSIX::_exit(0);
        }
        close $out;
        push @children, [$pid, $in];
    }
    for my $n (0 .. $#children) {
        my ($pid, $in) = @{$children[$n]};
        my $whole = 0;
        while (<$in>) {
            if (/^(not )?ok \d+ (?:- )?(.*)/) {
                my ($not, $name) = ($1, $2);
                ok(!$not, $name);
            }
            elsif (/^# ?(.*)/ && !/^#\s+(Failed test|at |Looks like)/) {
                diag $1;
            }
            $whole ||= /^1\.\.\d+$/;
        }
        waitpid $pid, 0;
        ok($whole, "section $n is complete") unless $whole;
    }
}

# Has a script of this tag started? Waits for it.
sub runs {
    my ($tag, $seconds) = @_;
    return wait_until($seconds || 30, sub { processes_with($tag) });
}

# Start a request, of a URL with a query, and wait until its script runs. The
# connection, and the script's tag.
sub begin_script {
    my ($server, $target) = @_;
    my $tag = tag_of();
    my $c = CGITest::HTTP->new(%{$server->where});
    $c->send($c->format_request('GET', "$target&$tag"));
    runs($tag) or die "no script for $target\n";
    return ($c, $tag);
}

# Start a request, and wait until its response has this text. The connection.
sub begin_until {
    my ($server, $target, $text) = @_;
    my $c = CGITest::HTTP->new(%{$server->where});
    $c->send($c->format_request('GET', $target));
    $c->read_until($text);
    return $c;
}

# Python: word(x) is a word in hex, backwards; counts(words) is how often each is
# in the process's memory. The words are not, on this account: each letter of a
# pattern has brackets.
sub python_counts {
    return <<'END';
import os, re
def pattern(word): return re.compile(b''.join(b'[%c]' % c for c in word))
def word(x): return pattern(reversed(bytes.fromhex(x)))
def counts(words):
    found = [0 for _ in words]
    with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', 0) as mem:
        for line in list(maps):
            span, mode = line.split()[:2]
            if mode.startswith('rw') and '[v' not in line:
                low, high = (int(x, 16) for x in span.split('-'))
                mem.seek(low)
                data = mem.read(high - low) or b''
                found = [n + len(w.findall(data)) for n, w in zip(found, words)]
    return found
END
}

# Log lines since a mark that match.
sub lines_like {
    my ($text, $regex) = @_;
    return grep { $_ =~ $regex } split /\n/, $text;
}

sub none_like {
    my ($text, $regex, $name) = @_;
    my @found = lines_like($text, $regex);
    is(join("\n", @found), '', $name);
}

1;
