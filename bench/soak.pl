#!/usr/bin/perl

# Does anything grow? A mixed load on one server for hours: `make -f Makefile.apxs soak HOURS=24`. Ends with 1 if something does.

use strict;
use warnings;

use lib 'bench/lib', 'ctl/lib', 't/lib';

use Bench::AB::Soak;
use Bench::AB::Program;

run_program(
    name => 'soak', arguments => \@ARGV, usage => Bench::AB::Soak::usage(), on_error => 2, interrupted => 'interrupted: the report has what was seen until then',
    run => sub { return Bench::AB::Soak::soak(Bench::AB::Soak::options()) });
