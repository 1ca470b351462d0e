#!/usr/bin/perl
use strict;
use warnings;
use CGI::Fast;

while (my $q = CGI::Fast->new) {
    print $q->header('text/plain'), $q->escapeHTML(scalar $q->param('word')), "\n";
}
