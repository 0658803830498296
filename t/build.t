# What the makefile hands to the compiler.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;

my $build = tempdir(CLEANUP => 1);

# What would be run to build these, a line per command.
sub commands {
    my (@args) = @_;
    my @lines = qx{make -n -B -f Makefile.apxs BUILD=$build @args 2>&1};
    is $?, 0, "make -n @args" or diag @lines;
    return grep {/ -c -o | -o .*\.c\b/} @lines;
}

sub last_of {
    my ($pattern, $line) = @_;
    return ($line =~ /(?<=\s)($pattern)(?=\s)/g)[-1];
}

my %what = (
    'the module'                       => "$build/obj/src/base/slab.o",
    'the module with hooks'            => "$build/t/hooked/src/base/slab.o",
    'a tool of the tests'              => "$build/t/loadgen",
    'a unit test'                      => "$build/t/unit/slab",
    'the control law in the simulator' => "$build/t/sim/law/controller.o",
);
for my $name (sort keys %what) {
    my @lines = commands($what{$name}, q{CFLAGS='-O0 -g3'});
    cmp_ok scalar @lines, '>=', 1, "$name: there is a command";
    is_deeply [ grep { last_of('-O\w', $_) ne '-O0' } @lines ], [], 'CFLAGS=-O0 on the command line wins';
    is_deeply [ grep { last_of('-g\d?', $_) ne '-g3' } @lines ], [], '... and -g3';
    is_deeply [ grep { last_of('-O\w', $_) ne '-O2' } commands($what{$name}) ], [], 'and -O2 without it';
}

done_testing;
