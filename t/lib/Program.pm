# What the tests of real programs share.
package Program;
use strict;
use warnings;
use Apache::Test ();
use Exporter 'import';

our @EXPORT_OK = qw(program run base_url scratch need_program
                    need_shm);

# The path of a program, or undef.
sub program {
    my $name = shift;
    for my $dir (split /:/, $ENV{PATH}) {
        return "$dir/$name" if -x "$dir/$name";
    }
    return;
}

# For plan(): true when the program is there, else a reason to skip.
sub need_program {
    my $name = shift;
    return Apache::Test::need_module('mod_runscripts.c', 'mod_cgiroute.c')
        && (program($name)
            || Apache::Test::skip_reason("$name is not installed"));
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

# Runs a command without a shell; returns what it printed, $? is its status.
# What went wrong is shown.
sub run {
    my @command = @_;
    open my $pipe, '-|', 'sh', '-c', 'exec 2>&1 </dev/null; exec "$@"', 'sh',
        @command or die "sh: $!";
    local $/;
    my $output = <$pipe> // '';
    close $pipe;
    if ($?) {
        my $status = $?;
        print STDERR "# @command: status $status\n";
        print STDERR map { "#   $_\n" } split /\n/, $output;
        $? = $status;
    }
    return $output;
}

# http://127.0.0.1:PORT of the test server; user and password may come first.
sub base_url {
    my $login = @_ ? "$_[0]\@" : '';
    my $vars = Apache::Test::vars();
    return "http://$login$vars->{servername}:$vars->{port}";
}

# A new directory for this test file.
sub scratch {
    my $name = shift;
    my $dir = Apache::Test::vars('top_dir') . "/tmp/$name-$$";
    mkdir $dir or die "$dir: $!";
    return $dir;
}

1;
