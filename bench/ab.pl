#!/usr/bin/perl

# This repository's own comparison of mpm_adaptive with mpm_event and others: `make -f Makefile.apxs ab`. The engine is that of
# `adaptivectl compare` (ctl/lib/AB), which does the same on a copy of one's own site. `bench/ab.pl --help` lists what can be said.

use strict;
use warnings;

use lib 'bench/lib', 'ctl/lib', 't/lib';

use Bench::AB;
use Bench::AB::Program;

run_program(
    name => 'ab', arguments => \@ARGV, usage => Bench::AB::usage(), on_error => 1, interrupted => 'interrupted: the rounds that were through have been written',
    run => sub { Bench::AB::compare(Bench::AB::options()); return 1 });
