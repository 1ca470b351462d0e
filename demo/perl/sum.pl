# No #! line and no execute bit: the route says what runs this file.
use strict;
use warnings;

my ($numbers) = ($ENV{QUERY_STRING} // '') =~ /(?:^|&)numbers=([^&]*)/;
my @numbers = ($numbers // '') =~ /\d+/g;
my $sum = 0;
$sum += $_ for @numbers;
print "Content-Type: text/plain\n\n",
    @numbers ? join(' + ', @numbers) . " = $sum\n" : "Nothing to add.\n";
