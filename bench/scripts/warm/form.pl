#!/usr/bin/perl
use strict;
use warnings;
use CGI;

my $q = CGI->new;
print $q->header('text/plain'), $q->escapeHTML(scalar $q->param('word')), "\n";
