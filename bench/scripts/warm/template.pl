#!/usr/bin/perl
use strict;
use warnings;
use Template;

my $text = '[% FOREACH w IN words %][% w | html %][% END %]' . "\n";
print "Content-Type: text/plain\n\n";
Template->new->process(\$text, {words => ['hel', 'lo']}) or die;
