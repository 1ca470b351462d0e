# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Root directories for routes with chroot=, made of one static busybox; and
# what the script "show" in them says.
package CGITest::Jail;

use strict;
use warnings;
use Exporter 'import';
use File::Path qw(make_path);

our @EXPORT_OK = qw(busybox make_jail put told);

my @applets = qw(sh cat env id ls pwd sleep);

# The path of a busybox without a dynamic loader, or undef.
sub busybox {
    for my $path (map { "$_/busybox" } qw(/bin /usr/bin)) {
        open my $fh, '<', $path or next;
        binmode $fh;
        my $start = '';
        read $fh, $start, 1 << 16;
        next unless $start =~ /^\x7fELF/;
        return $path if index($start, '/ld-linux') < 0
            && index($start, '/ld-musl') < 0;
    }
    return;
}

# Write a file with this mode, whatever the umask.
sub put {
    my ($path, $text, $mode) = @_;
    open my $fh, '>', $path or die "$path: $!";
    print $fh $text;
    close $fh or die "$path: $!";
    chmod defined $mode ? $mode : 0644, $path or die "$path: $!";
    return $path;
}

# A root directory: bin/ with a shell and some programs, bin/show, /in-jail.
sub make_jail {
    my ($dir, @more) = @_;
    make_path("$dir/bin", map { "$dir/$_" } @more);
    system('cp', busybox(), "$dir/bin/busybox") == 0 or die "cp: $?";
    symlink 'busybox', "$dir/bin/$_" for @applets;
    put("$dir/in-jail", "yes\n");
    put("$dir/bin/show", <<'END', 0755);
#!/bin/sh
echo "Content-Type: text/plain"
echo
body=
test -z "$CONTENT_LENGTH" || body=$(cat)
echo "ids $(id -u) $(id -g) $(id -G)"
echo "cwd $(pwd)"
echo "words $# $0"
echo "root $(echo /*)"
echo "body $body"
env | while read -r line; do echo "env $line"; done
END
    return $dir;
}

# What show has said: {ids =>, cwd =>, words =>, root =>, body =>, env => {}};
# of another response only {status =>}.
sub told {
    my ($res) = @_;
    my %r = (status => $res->status, env => {});
    for (split /\n/, $res->body) {
        if (/^env (\w+)=(.*)/) {
            $r{env}{$1} = $2;
        }
        elsif (/^(ids|cwd|words|root|body) (.*)/) {
            $r{$1} = $2;
        }
    }
    return \%r;
}

1;
