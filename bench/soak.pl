#!/usr/bin/perl

# Does anything grow? A mixed load on one server for hours: `make -f Makefile.apxs soak HOURS=24`. Ends with 1 if something does.

use strict;
use warnings;

use lib 'bench/lib', 'ctl/lib', 't/lib';

use AB::Process;
use Bench::AB::Soak;

if (@ARGV) {
    print Bench::AB::Soak::usage();
    exit($ARGV[0] =~ /^(?:-h|--help)$/ ? 0 : 2);
}
$| = 1;
AB::Process::unwind_on_signals();
my $good = eval { Bench::AB::Soak::soak(Bench::AB::Soak::options()) };
exit($good ? 0 : 1) if defined $good && !$@;
print STDERR ref $@ ? "\ninterrupted: the report has what was seen until then\n" : "soak: $@";
exit(ref $@ ? 130 : 2);
