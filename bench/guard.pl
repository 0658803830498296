#!/usr/bin/perl

# Whether a change made something slower: `make -f Makefile.apxs bench`, and `bench-compare BASE=<commit>`. `bench/guard.pl --help` lists
# what can be said. Ends with 1 if something did.

use strict;
use warnings;

use lib 'bench/lib', 'ctl/lib', 't/lib';

use AB::Process;
use Bench::AB::Guard;

if (@ARGV) {
    print Bench::AB::Guard::usage();
    exit($ARGV[0] =~ /^(?:-h|--help)$/ ? 0 : 2);
}
$| = 1;
AB::Process::unwind_on_signals();
my $good = eval { Bench::AB::Guard::guard(Bench::AB::Guard::options()) };
exit($good ? 0 : 1) if defined $good && !$@;
print STDERR ref $@ ? "\ninterrupted\n" : "bench: $@";
exit(ref $@ ? 130 : 2);
