# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# The server under test: the one of the suite (shared), or one of a test's
# own: with our scripts below /engine (start), or without (plain, check), for
# what would disturb others: signals, limits, other modules, a configuration
# that is refused. A server of a test's own ends when its object does.
package CGITest::Server;

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX ();
use Scalar::Util qw(weaken);
use Test::More ();
use Time::HiRes qw(sleep time);
use CGITest::Proc qw(children_of alive wait_until slurp descendants_of);

our $t = abs_path(dirname(__FILE__) . '/../..');
my @running;    # weak references

# ---- both kinds

sub where { return {host => '127.0.0.1', port => $_[0]{port}} }
sub port { $_[0]{$_[1] ? "port$_[1]" : 'port'} }
sub pid { $_[0]{pid} }
sub mpm { $_[0]{mpm} }
sub htdocs { "$t/htdocs" }
sub url { "http://127.0.0.1:$_[0]{port}$_[1]" }
sub error_log { $_[0]->log_since(0) }

# The error log from a mark on.
sub mark { return -s $_[0]{log} || 0 }

sub log_since {
    my ($self, $mark) = @_;
    open my $fh, '<', $self->{log} or return '';
    binmode $fh;
    seek $fh, $mark, 0;
    local $/;
    my $text = <$fh>;
    return defined $text ? $text : '';
}

# Wait until the log since the mark has a matching line; all of it then, or
# '' after the seconds.
sub log_until {
    my ($self, $mark, $regex, $seconds) = @_;
    return wait_until($seconds || 30, sub {
        my $text = $self->log_since($mark);
        return $text =~ $regex ? $text : '';
    });
}

sub _named {
    my ($self, $name) = @_;
    my @found = grep {
        (my $comm = slurp("/proc/$_/comm")) =~ s/\n//;
        $comm eq $name && alive($_);
    } children_of($self->pid);
    return @found;
}

# Is httpd this version or a later one? since(2, 4, 48)
sub since {
    my ($self, @wanted) = @_;
    my $program = $ENV{CGITEST_HTTPD} || '/usr/sbin/apache2';
    our $version ||= do {
        my ($text) = `$program -v` =~ m{Apache/([\d.]+)} or die "$program -v";
        sprintf '%03d%03d%03d', split /\./, $text;
    };
    return $version ge sprintf '%03d%03d%03d', @wanted;
}

# The header and body of httpd's page for an error without what is to match its
# URL, and without its length: before 2.4.39 such a page has the URL.
sub without_url {
    my ($class, $url, $head, $body) = @_;
    return ($head, $body) if $class->since(2, 4, 39);
    $head =~ s/^Content-Length:.*\n//mi;
    $body =~ s/$url//;
    return ($head, $body);
}

# Do workers end that a graceful restart has told to? Before 2.4.49 the event
# MPM forgets to tell one now and then (PR 63169).
sub ends_workers { return $_[0]->mpm ne 'event' || $_[0]->since(2, 4, 49) }

# Does a restart by HUP come to its end? 2.5's prefork sends HUP to itself, too,
# and restarts for ever, with any modules.
sub ends_restart { return $_[0]->mpm ne 'prefork' || !$_[0]->since(2, 5, 0) }

# Have our modules said at start that this httpd lacks what they need for it?
# As in doc/COMPATIBILITY.md: 'CGIPark'.
sub lacks {
    my ($self, $what) = @_;
    return $self->error_log =~ /off, because this httpd can't: .*\Q$what\E/;
}

# Process ids of the workers; of the launchers.
sub workers {
    my ($self) = @_;
    (my $name = slurp('/proc/' . $self->pid . '/comm')) =~ s/\n//;
    return $self->_named($name);
}
sub launchers { return $_[0]->_named('cgi-launcher') }

# ---- the suite's

sub shared {
    my ($class) = @_;
    # To run a test by hand: port:error log:pid:mpm
    if ($ENV{CGITEST_SERVER}) {
        my ($port, $log, $pid, $mpm) = split /:/, $ENV{CGITEST_SERVER};
        return bless {port => $port, log => $log, pid => $pid, mpm => $mpm},
            $class;
    }
    local $_;    # Apache::Test writes to it
    require Apache::Test;
    my $vars = Apache::Test::vars();
    my ($mpm) = $vars->{httpd_conf} =~ /modules-(\w+)\.conf$/;
    my $pid = slurp($vars->{t_pid_file} || "$vars->{t_logs}/httpd.pid");
    return bless {
        port => $vars->{port},
        log => "$vars->{t_logs}/error_log",
        pid => $pid + 0,
        mpm => $mpm,
    }, $class;
}

# ---- a test's own

# new(...): a directory with a configuration; nothing runs. Options:
#   conf => text: @root@ in it is the server root, @engine@ the directory of
#       our scripts, @port@ and @port2@ to @port9@ free ports: port(2)
#   mpm => 'event', as the suite's unless given
#   modules => [names without mod_]: more than the few that are always there
#   plain => 1: instead, all modules of the suite's httpd, and no scripts
#   without => [names]: modules that a plain one does not have
#   directory => text of <Directory "/">
#   first => text before everything
#   limit => shell command that is run before httpd
#   prepare => sub that makes files below root() first
sub new {
    my ($class, %o) = @_;
    my $self = bless {mpm => $class->default_mpm, owner => $$, %o}, $class;
    # Short: a socket's path below it has to fit.
    $self->{root} = tempdir('cgitest-XXXXXX', TMPDIR => 1);
    chmod 0755, $self->{root};
    push @running, $self;
    weaken $running[-1];
    $self->{log} = "$self->{root}/error_log";
    make_path("$self->{root}/htdocs");
    $self->{port} = $class->free_port;
    $o{prepare}->($self) if $o{prepare};
    $self->_write("$self->{root}/httpd.conf", $self->_conf);
    return $self;
}

# One that runs, with our scripts below /engine, as in the suite's server; or
# without them. Dies with what httpd says if it does not start.
sub start {
    my $self = new(@_);
    $self->launch;
    return $self;
}

sub plain {
    my ($class, %o) = @_;
    return $class->start(%o, plain => 1);
}

# Does a plain httpd accept these lines (or options of new, in a reference)?
# Options of httpd may follow. Returns (true or false, what it says).
sub check {
    my ($class, $conf, @options) = @_;
    my $self = $class->new(ref $conf ? %$conf : (conf => $conf), plain => 1);
    my $text = $self->run('-t', @options);
    return ($? == 0, $text);
}

sub root { $_[0]{root} }

sub default_mpm {
    return $_[0]->shared->mpm;
}

# A port nobody listens on now, from the block of 100 that t/TEST reserves.
sub free_port {
    my ($self) = @_;
    my $first = (ref $self || $self)->shared->port + 40;
    our $next ||= 0;
    for (1 .. 55) {
        my $port = $first + $next++ % 55;
        my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
            LocalPort => $port, Listen => 1, ReuseAddr => 1);
        return $port if $s;
    }
    die "no free port from $first on";
}

# In a process that runs one of several sections: servers of the parent are
# the parent's, and ports are not those of other sections.
sub in_section {
    my ($class, $n) = @_;
    @running = ();
    our $next = 7 * $n;
}

sub build_dir {
    return $ENV{CGITEST_BUILD} || dirname($t) . '/build';
}

# The modules of ours that this one has, and a configuration's lines for all.
sub _ours {
    my ($self) = @_;
    my %without = map { $_ => 1 } @{$self->{without} || []};
    return grep { !$without{$_} } qw(runscripts cgiroute);
}

sub _load_lines {
    my ($self) = @_;
    my %seen = map { $_ => 1 } @{$self->{without} || []};
    my @names = $self->{plain}
        ? slurp(Apache::Test::vars('httpd_conf')) =~ /^LoadModule (\w+)_module/mg
        : ("mpm_$self->{mpm}", qw(unixd log_config authz_core alias mime dir env
            setenvif), @{$self->{modules} || []});
    my $load = '';
    for (grep { !$seen{$_}++ && has_module($_) } @names) {
        $load .= "LoadModule ${_}_module \"" . module_dir() . "/mod_$_.so\"\n";
    }
    for ($self->_ours) {
        $load .= "LoadModule ${_}_module \"" . build_dir()
            . "/mod_$_.so\"\nLogLevel $_:debug\n";
    }
    return $load;
}

sub module_dir { return $ENV{CGITEST_MODULES} || '/usr/lib/apache2/modules' }

# Can this module be loaded? Not if httpd has it built in, or has it not.
sub has_module { return -e module_dir() . "/mod_$_[0].so" }

# Directives that older httpds lack: there it is as if each were Off.
my %newer = (MergeSlashes => [2, 4, 39], CheckBasenameMatch => [2, 4, 50]);

sub _conf {
    my ($self) = @_;
    my ($root, $port) = @$self{qw(root port)};
    my $directory = $self->{directory} // ($self->{plain}
        ? 'Options FollowSymLinks' : 'Require all denied');
    my $conf = ($self->{first} || '') . <<"END";
ServerRoot "$root"
DefaultRuntimeDir "$root"
PidFile "$root/httpd.pid"
ErrorLog "$root/error_log"
LogLevel info
Listen 127.0.0.1:$port
ServerName 127.0.0.1:$port
ServerAdmin admin\@example.com
END
    $conf .= $self->_load_lines;
    $conf .= $self->{mpm} eq 'prefork'
        ? "StartServers 4\nMaxRequestWorkers 100\n"
        : "StartServers 2\nThreadsPerChild 25\nMaxRequestWorkers 100\n"
        unless ($self->{conf} || '') =~ /^StartServers/m;
    $conf .= "User nobody\nGroup nogroup\n" if $> == 0;
    $conf .= <<"END";
TypesConfig /dev/null
<IfModule mod_cgid.c>
    ScriptSock "$root/cgisock"
</IfModule>
DocumentRoot "$root/htdocs"
<Directory "/">
    AllowOverride None
    $directory
</Directory>
<Directory "$root/htdocs">
    Require all granted
</Directory>
END
    if (!$self->{plain}) {
        my $engine = slurp("$t/conf/engine.conf.in");
        $engine =~ s/\@documentroot\@/$t\/htdocs/gi;
        $engine =~ s/\@serverroot\@/$t/gi;
        $conf .= "Alias /engine \"$t/htdocs/engine\"\n$engine";
    }
    my $more = $self->{conf} || '';
    $more =~ s|\@root\@|$root|g;
    $more =~ s|\@engine\@|$t/htdocs/engine|g;
    $more =~ s|\@port\@|$port|g;
    $more =~ s{\@port([2-9])\@}{$self->{"port$1"} ||= $self->free_port}ge;
    for my $name (grep { !$self->since(@{$newer{$_}}) } keys %newer) {
        $more =~ s/^\s*$name .*\n//mg;
    }
    return "$conf$more\n";
}

sub _write {
    my ($self, $path, $text) = @_;
    open my $fh, '>', $path or die "$path: $!";
    print $fh $text;
    close $fh or die "$path: $!";
}

# Put a file below the server root; a program when $mode says so.
sub file {
    my ($self, $name, $text, $mode) = @_;
    my $path = "$self->{root}/$name";
    make_path(dirname($path));
    $self->_write($path, $text);
    chmod $mode, $path if $mode;
    return $path;
}

sub program { return $ENV{CGITEST_HTTPD} || '/usr/sbin/apache2' }

sub _command {
    my ($self, @more) = @_;
    my @command = (program(), '-d', $self->{root}, '-f', "$self->{root}/httpd.conf", @more);
    return @command unless $self->{limit};
    return ('/bin/sh', '-c', "$self->{limit}; exec \"\$@\"", 'sh', @command);
}

# Start (again) and wait until it answers.
sub launch {
    my ($self) = @_;
    my $out = "$self->{root}/out";
    my $pid = fork;
    die "fork: $!" unless defined $pid;
    if (!$pid) {
        setpgrp; # prefork ends its whole process group
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $out;
        open STDERR, '>&', \*STDOUT;
        my @command = $self->_command('-DFOREGROUND');
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    $self->{pid} = $pid;
    if (!grep { $_ && $_ == $self } @running) {
        push @running, $self;
        weaken $running[-1];
    }
    my $up = wait_until(15, sub {
        return -1 if waitpid($pid, POSIX::WNOHANG()) == $pid;
        return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $self->{port}, Timeout => 5) ? 1 : 0;
    });
    if ($up == 1) {
        # The port is open before the others have become what they are:
        # one launcher a processor, up to four.
        my $cpus = () = slurp('/proc/cpuinfo') =~ /^processor\b/mg;
        my $want = !$self->_ours ? 0 : $cpus > 4 ? 4 : $cpus || 1;
        wait_until(5, sub {
            $self->launchers >= $want && $self->workers;
        });
        return;
    }
    delete $self->{pid} if $up < 0;
    die "httpd does not start:\n" . slurp($out) . slurp($self->{log});
}

# A certificate and its key for mod_ssl, at root()/tls.pem; false when there
# is no program to make one. For use in prepare.
sub make_certificate {
    my ($self) = @_;
    my $pem = "$self->{root}/tls.pem";
    return !system 'sh', '-c', 'openssl req -x509 -newkey ec'
        . ' -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
        . ' -days 2 -subj /CN=127.0.0.1 -keyout "$0.key" -out "$0"'
        . ' >/dev/null 2>&1 && cat "$0.key" >> "$0" && chmod 644 "$0"', $pem;
}

# Runs httpd with this configuration and more options; what it prints, $? is its
# exit status.
sub run {
    my ($self, @options) = @_;
    open my $fh, '-|', 'sh', '-c', 'exec "$@" 2>&1 </dev/null', 'sh',
        $self->_command(@options) or die "sh: $!";
    my $text = join '', <$fh>;
    close $fh;
    return $text;
}

# What `httpd -t` prints, and its exit status.
sub configtest {
    my ($self) = @_;
    my $text = $self->run('-t');
    return ($text, $? >> 8);
}

sub signal {
    my ($self, $signal) = @_;
    kill $signal, $self->{pid} or die "kill: $!";
}

# Graceful restart; returns when the new generation's workers are there.
# A graceful restart: 1 when workers of before accept no connection any more.
sub graceful {
    my ($self) = @_;
    my @before = $self->workers;
    my $mark = $self->mark;
    $self->signal('USR1');
    return $self->log_until($mark, qr/resuming normal operations/, 15)
        && (!$self->ends_workers || wait_until(15, sub {
            my $socket = $self->_listening;
            return !grep {
                my $pid = $_;
                grep { (readlink // '') eq $socket } glob "/proc/$pid/fd/*";
            } @before;
        }));
}

# The socket that httpd listens on, as links in /proc show it.
sub _listening {
    my ($self) = @_;
    my ($inode) = slurp('/proc/net/tcp')
        =~ /^ *\d+: \w+:@{[sprintf '%04X', $self->{port}]} \w+:\w+ 0A (?:\S+ +){5}(\d+)/m;
    return "socket:[@{[$inode // '']}]";
}

# Wait for the end of httpd; 1, or 0 after so many seconds.
sub wait_end {
    my ($self, $seconds) = @_;
    my $pid = $self->{pid} or return 1;
    my $ended = wait_until($seconds, sub {
        return waitpid($pid, POSIX::WNOHANG()) != 0;
    });
    delete $self->{pid} if $ended;
    return $ended;
}

# A crash is a failed test, wherever it happened.
sub _check_log {
    my ($self) = @_;
    my @crashes = slurp($self->{log}) =~ /^(.*(?:
        exit\ signal\ (?:Segm|Abort|Bus|Illegal|Floating)|Sanitizer|
        runtime\ error:|ssertion\ .*\ failed|stack\ smashing|
        double\ free|free\(\):\ invalid|corrupted\ ).*)$/mgx;
    Test::More::fail("httpd crashed: $_") for @crashes;
}

# Stop httpd; returns the ids of processes of its tree that outlive it.
sub stop {
    my ($self) = @_;
    return unless $self->{pid};
    $self->_check_log;
    my @tree = descendants_of($self->{pid});
    $self->signal('TERM');
    if (!$self->wait_end(20)) {
        kill 'KILL', $self->{pid}, @tree;
        $self->wait_end(5);
    }
    # The launchers may give scripts their kill= after httpd's own end.
    wait_until(5, sub { !grep { alive($_) } @tree });
    my @left = grep { alive($_) } @tree;
    return @left;
}

# Stop it, and take its directory away.
sub _end {
    my ($self) = @_;
    return if $self->{ended}++;
    my @left = eval { $self->stop };
    kill 'KILL', @left if @left;
    if ($ENV{CGITEST_KEEP}) {
        print STDERR "# kept: $self->{root}\n";
    }
    else {
        File::Path::remove_tree($self->{root});
    }
}

sub stop_all {
    local ($?, $!, $@);
    $_->_end for grep { $_ } splice @running;
}

# Only the process that started one may end it.
sub DESTROY {
    my ($self) = @_;
    local ($?, $!, $@);
    $self->_end if ($self->{owner} || 0) == $$;
}

my $owner = $$;
END { stop_all() if $$ == $owner }

1;
