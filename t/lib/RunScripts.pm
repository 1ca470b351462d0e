# What the tests of mod_runscripts share: a client that sends exactly what it
# is told, trees of files, and scripts that say who they are.
package RunScripts;
use strict;
use warnings;
use File::Basename ();
use File::Path ();
use IO::Select ();
use IO::Socket::INET ();
use base 'Exporter';
our @EXPORT = qw(request tree ran script nph_script);

# A CGI script that says in a header which file ran, and for what. Extra lines
# of sh go before its header.
sub script {
    my $lines = shift // '';
    return <<"EOS";
#!/bin/sh
$lines
echo "Content-Type: text/plain"
echo "X-Ran: \${SCRIPT_FILENAME##*/}|\$SCRIPT_NAME|\$PATH_INFO|\$REQUEST_METHOD"
echo
echo "output of \${SCRIPT_FILENAME##*/}"
exit
SECRET
EOS
}

# The same, writing the whole response.
sub nph_script {
    my $lines = shift // '';
    return <<"EOS";
#!/bin/sh
$lines
printf 'HTTP/1.1 200 Fine\\r\\nX-Ran: %s|%s|%s|%s\\r\\n\\r\\noutput\\n' \\
    "\${SCRIPT_FILENAME##*/}" "\$SCRIPT_NAME" "\$PATH_INFO" "\$REQUEST_METHOD"
exit
SECRET
EOS
}

# tree(DIR, NAME => TEXT, ...): files below DIR. A text that begins with #! is
# executable. NAME/ makes a directory; a reference to a text makes a symbolic
# link to what it names.
sub tree {
    my ($dir, %files) = @_;
    for my $name (sort keys %files) {
        my ($path, $text) = ("$dir/$name", $files{$name});
        File::Path::make_path(
            $name =~ m{/$} ? $path : File::Basename::dirname($path));
        next if $name =~ m{/$};
        if (ref $text) {
            symlink $$text, $path or die "$path: $!";
            next;
        }
        open my $file, '>', $path or die "$path: $!";
        print $file $text;
        close $file or die "$path: $!";
        chmod $text =~ /^#!/ ? 0755 : 0644, $path or die "$path: $!";
    }
}

# request(PORT, 'GET', '/path', [body => TEXT, Header => value, ...]): the
# response as {status, reason, head, body, header => {lower case}, raw}; an
# undefined status if it has no status line. The connection is closed.
sub request {
    my ($port, $method, $path, %header) = @_;
    my $body = delete $header{body};
    $header{Host} //= "127.0.0.1:$port";
    $header{Connection} //= 'close';
    $header{'Content-Length'} //= length $body if defined $body;
    my $head = "$method $path HTTP/1.1\r\n";
    $head .= "$_: $header{$_}\r\n" for sort keys %header;
    return raw($port, "$head\r\n" . ($body // ''));
}

# Sends the text, reads to the end of the connection (20 seconds at most).
sub raw {
    my ($port, $text) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $port, Timeout => 10)
        or return {raw => '', body => '', head => '', header => {}};
    local $SIG{PIPE} = 'IGNORE';
    print $socket $text;
    $socket->flush;
    my ($raw, $until) = ('', time + 20);
    my $select = IO::Select->new($socket);
    while (time < $until and $select->can_read(1 + $until - time)) {
        sysread $socket, $raw, 65536, length $raw or last;
    }
    return parse($raw);
}

sub parse {
    my $raw = shift;
    my ($head, $body) = split /\r\n\r\n/, $raw, 2;
    my %response = (raw => $raw, head => $head // '', body => $body // '');
    @response{qw(status reason)} =
        $response{head} =~ m{^HTTP/1\.[01] (\d{3})(?: (.*?))?\r?$}m;
    while ($response{head} =~ /^([\w-]+): *(.*?)\r?$/mg) {
        $response{header}{lc $1} = $2;
    }
    if (($response{header}{'transfer-encoding'} // '') eq 'chunked') {
        my ($rest, $whole) = ($response{body}, '');
        while ($rest =~ s/^([0-9a-fA-F]+)\r\n// and hex $1) {
            $whole .= substr $rest, 0, hex $1;
            $rest = substr($rest, hex($1)) =~ s/^\r\n//r;
        }
        $response{body} = $whole;
    }
    return \%response;
}

# Which script ran, as "file|SCRIPT_NAME|PATH_INFO|method", or ''.
sub ran { return $_[0]{header}{'x-ran'} // '' }

1;
