#!/usr/bin/perl
print "Content-Type: text/plain\n\n", readlink('/proc/self/exe') =~ /warm/ ? 'warm' : 'cold';
