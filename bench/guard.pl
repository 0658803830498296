#!/usr/bin/perl

# Whether a change made something slower: `make -f Makefile.apxs bench`, and `bench-compare BASE=<commit>`. `bench/guard.pl --help` lists
# what can be said. Ends with 1 if something did.

use strict;
use warnings;

use lib 'bench/lib', 'ctl/lib', 't/lib';

use Bench::AB::Guard;
use Bench::AB::Program;

run_program(
    name => 'bench', arguments => \@ARGV, usage => Bench::AB::Guard::usage(), on_error => 2, interrupted => 'interrupted',
    run => sub { return Bench::AB::Guard::guard(Bench::AB::Guard::options()) });
