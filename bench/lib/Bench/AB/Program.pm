package Bench::AB::Program;

# What the programs that measure for long have in common: their settings come from the environment, ^C ends them in good order, and the
# exit status says how they ended.

use strict;
use warnings;

use Exporter 'import';

use AB::Process;

our @EXPORT = qw(run_program);

# name; arguments: of the command line; usage: its text; run => sub: true if all is well; interrupted: what to say then; on_error: the exit
# status if it dies. Does not return: 0 well, 1 not, 130 interrupted.
sub run_program {
    my (%of) = @_;
    my @arguments = @{ $of{arguments} };
    if (@arguments) {
        print $of{usage};
        exit($arguments[0] =~ /^(?:-h|--help)$/ ? 0 : 2);
    }
    $| = 1;
    AB::Process::unwind_on_signals();
    my $good;
    exit($good ? 0 : 1) if eval { $good = $of{run}->(); 1 };
    print STDERR ref $@ ? "\n$of{interrupted}\n" : "$of{name}: $@";
    exit(ref $@ ? 130 : $of{on_error});
}

1;
