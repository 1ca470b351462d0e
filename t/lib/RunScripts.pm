# What the tests of mod_runscripts share: a client that sends exactly what it
# is told, and scripts that say who they are.
package RunScripts;
use strict;
use warnings;
use base 'Exporter';
use CGITest::Files qw(tree);
use CGITest::HTTP ();
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

# request(PORT, 'GET', '/path', [body => TEXT, Header => value, ...]): a
# CGITest::Response with all that came until the connection was closed.
sub request {
    my ($port, $method, $path, %header) = @_;
    my %o = map { exists $header{$_} ? (lc $_ => delete $header{$_}) : () }
        qw(body Host);
    my $c = CGITest::HTTP->new(port => $port);
    $c->send($c->format_request($method, $path, close => 1, %o,
        headers => [map { $_ => $header{$_} } sort keys %header]));
    return $c->last_response(method => $method);
}

# The same for the bytes of one or more requests.
sub raw {
    my ($port, $text) = @_;
    my $c = CGITest::HTTP->new(port => $port);
    $c->send($text);
    return $c->last_response;
}

# Which script ran, as "file|SCRIPT_NAME|PATH_INFO|method", or ''.
sub ran { return $_[0]{header}{'x-ran'} // '' }

1;
