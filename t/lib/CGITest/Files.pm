# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Files of a test. All of these die when they can't.
package CGITest::Files;

use strict;
use warnings;
use Exporter 'import';
use File::Basename qw(dirname);
use File::Path qw(make_path);

our @EXPORT = qw(read_file write_file tree);

# The whole of a file.
sub read_file {
    my ($name) = @_;
    open my $file, '<', $name or die "$name: $!";
    local $/;
    return scalar(<$file>) // '';
}

sub write_file {
    my ($name, @text) = @_;
    open my $file, '>', $name or die "$name: $!";
    print $file @text;
    close $file or die "$name: $!";
}

# tree(DIR, NAME => TEXT, ...): files below DIR. A text that begins with #! is
# executable. NAME/ makes a directory; a reference to a text makes a symbolic
# link to what it names.
sub tree {
    my ($dir, %files) = @_;
    for my $name (sort keys %files) {
        my ($path, $text) = ("$dir/$name", $files{$name});
        make_path($name =~ m{/$} ? $path : dirname($path));
        next if $name =~ m{/$};
        if (ref $text) {
            symlink $$text, $path or die "$path: $!";
            next;
        }
        write_file($path, $text);
        chmod $text =~ /^#!/ ? 0755 : 0644, $path or die "$path: $!";
    }
}

1;
