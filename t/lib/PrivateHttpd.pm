# A httpd of a test's own: for what needs a configuration that does not
# start, restarts, kills, or another set of modules.
#
#   use PrivateHttpd;
#   my ($ok, $output) = PrivateHttpd->check("Options RunScript\n");
#   my $httpd = PrivateHttpd->start(conf => "CGITimeout idle=2s\n",
#                                   without => ['cgid']);
#   $httpd->port; $httpd->pid; $httpd->dir; $httpd->error_log;
#   $httpd->url('/x'); $httpd->graceful; $httpd->stop;
#
# It has the modules of the suite's own MPM and ours (build/), a directory of
# its own below t/logs/ with htdocs/ in it, and listens on 127.0.0.1 only. An
# object that goes out of scope stops its httpd.
package PrivateHttpd;
use strict;
use warnings;
use Apache::Test ();
use File::Path ();
use IO::Socket::INET ();
use Time::HiRes ();

my $count = 0;

# A new directory and httpd.conf around $arg{conf}; nothing is started.
sub new {
    my ($class, %arg) = @_;
    local $_;    # Apache::Test writes to it
    my $vars = Apache::Test::vars();
    my $dir  = sprintf '%s/private-%d-%d', $vars->{t_logs}, $$, ++$count;
    File::Path::make_path("$dir/htdocs");
    my $self = bless {dir => $dir, vars => $vars, owner => $$}, $class;
    $self->{port} = $arg{port} || free_port();

    my %without = map { $_ => 1 } @{$arg{without} || []};
    my $load = '';
    for my $line (split /^/, slurp($arg{modules} || $vars->{httpd_conf})) {
        next if $line =~ /^LoadModule (\w+)_module/ and $without{$1};
        $load .= $line;
    }
    for my $name (grep { !$without{$_} } qw(runscripts cgiroute)) {
        my $file = "$vars->{build_dir}/mod_$name.so";
        $load .= qq(LoadModule ${name}_module "$file"\n) if -e $file;
    }
    my $root = $arg{root} // 'Options FollowSymLinks';    # in <Directory />
    my $ids = $> == 0 ? "User $vars->{user}\nGroup $vars->{group}\n" : '';
    my $conf = $arg{conf} // '';
    $conf =~ s/\@PORT\@/$self->{port}/g;
    $conf =~ s/\@DIR\@/$dir/g;
    spew("$dir/httpd.conf", <<"EOC");
$load
ServerRoot "$dir"
DefaultRuntimeDir "$dir"
PidFile "$dir/httpd.pid"
ErrorLog "$dir/error_log"
LogLevel info
<IfModule mod_runscripts.c>
    LogLevel runscripts:debug
</IfModule>
<IfModule mod_cgiroute.c>
    LogLevel cgiroute:debug
</IfModule>
TypesConfig /dev/null
Listen 127.0.0.1:$self->{port}
ServerName 127.0.0.1:$self->{port}
DocumentRoot "$dir/htdocs"
<IfModule mod_cgid.c>
    ScriptSock "$dir/cgisock"
</IfModule>
$ids
<Directory />
    $root
    AllowOverride None
</Directory>
<Directory "$dir/htdocs">
    Require all granted
</Directory>
$conf
EOC
    return $self;
}

# Does httpd accept these lines? Returns (true or false, what it printed).
# More options of httpd may follow: ->check($conf, '-D', 'DUMP_CGIROUTES').
# The text "@PORT@" and "@DIR@" stands for the port and the directory.
sub check {
    my ($class, $conf, @options) = @_;
    my $self = $class->new(ref $conf ? %$conf : (conf => $conf));
    my $output = $self->httpd('-t', @options);
    return ($? == 0, $output);
}

# Starts httpd and waits until it accepts connections; dies with its words
# when it does not.
sub start {
    my ($class, %arg) = @_;
    my $self = $class->new(%arg);
    my $output = $self->httpd(@{$arg{options} || []});
    die "httpd did not start:\n$output", $self->error_log if $?;
    for (1 .. 100) {
        return $self if $self->pid and $self->answers;
        Time::HiRes::sleep(0.1);
    }
    die "httpd is not up after 10 seconds:\n$output", $self->error_log;
}

sub port { return $_[0]{port} }
sub dir { return $_[0]{dir} }
sub url { return "http://127.0.0.1:$_[0]{port}$_[1]" }
sub error_log { my $file = "$_[0]{dir}/error_log"; -e $file ? slurp($file) : '' }

# Process number of the parent, 0 when it does not run.
sub pid {
    my $file = "$_[0]{dir}/httpd.pid";
    return 0 unless -s $file;
    my ($pid) = slurp($file) =~ /(\d+)/;
    return $pid && kill(0, $pid) ? $pid : 0;
}

# Process numbers of all that belong to this httpd, found by its directory:
# the parent, its children, and scripts that run below the directory.
sub processes {
    my $self = shift;
    my @found;
    for my $proc (glob '/proc/[0-9]*') {
        my $line = eval { slurp("$proc/cmdline") } // '';
        my $cwd = readlink("$proc/cwd") // '';
        push @found, $proc =~ /(\d+)/
            if index("$line $cwd", "$self->{dir}/") >= 0;
    }
    return @found;
}

sub graceful { kill 'USR1', $_[0]->pid or die 'httpd does not run' }
sub restart { kill 'HUP', $_[0]->pid or die 'httpd does not run' }

# Stops httpd ('TERM', or 'WINCH' for graceful-stop) and waits for its end, at
# most 20 seconds. Returns true when it has ended.
sub stop {
    my ($self, $signal) = @_;
    my $pid = $self->pid or return 1;
    kill $signal || 'TERM', $pid;
    for (1 .. 200) {
        return 1 unless kill 0, $pid;
        Time::HiRes::sleep(0.1);
    }
    return 0;
}

sub answers {
    my $self = shift;
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                 PeerPort => $self->{port}, Timeout => 5);
}

# Runs httpd with this object's configuration; returns what it printed, $? is
# its exit status.
sub httpd {
    my ($self, @options) = @_;
    open my $pipe, '-|', 'sh', '-c', 'exec 2>&1 </dev/null; exec "$@"', 'sh',
        $self->{vars}{httpd}, '-d', $self->{dir}, '-f',
        "$self->{dir}/httpd.conf", @options
        or die "sh: $!";
    local $/;
    my $output = <$pipe> // '';
    close $pipe;
    return $output;
}

sub free_port {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                                       LocalPort => 0, Listen => 1)
        or die "no port: $!";
    return $socket->sockport;
}

# For plan(): true where shared memory can be made, which mod_proxy_balancer and
# mod_fcgid need; else a reason to skip.
sub need_shm {
    my $file = "/dev/shm/cgi-test-$$";
    if (open my $handle, '>', $file) {
        unlink $file;
        return 1;
    }
    return Apache::Test::skip_reason("/dev/shm can't be written to: $!");
}

sub slurp {
    my $name = shift;
    open my $file, '<', $name or die "$name: $!";
    local $/;
    return scalar(<$file>) // '';
}

sub spew {
    my ($name, @text) = @_;
    open my $file, '>', $name or die "$name: $!";
    print $file @text;
    close $file or die "$name: $!";
}

sub DESTROY {
    my $self = shift;
    local ($?, $!, $@);
    $self->stop if $self->{owner} == $$;
}

1;
