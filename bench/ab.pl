#!/usr/bin/perl

# This repository's own comparison of mpm_adaptive with mpm_event and others: `make -f Makefile.apxs ab`. The engine is that of
# `adaptivectl compare` (ctl/lib/AB), which does the same on a copy of one's own site. `bench/ab.pl --help` lists what can be said.

use strict;
use warnings;

use lib 'bench/lib', 'ctl/lib', 't/lib';

use AB::Process;
use Bench::AB;

if (@ARGV) {
    print Bench::AB::usage();
    exit($ARGV[0] =~ /^(?:-h|--help)$/ ? 0 : 2);
}
$| = 1;
AB::Process::unwind_on_signals();
my $done = eval { Bench::AB::compare(Bench::AB::options()); 1 };
exit 0 if $done;
print STDERR ref $@ ? "\ninterrupted: the rounds that were through have been written\n" : "ab: $@";
exit(ref $@ ? 130 : 1);
