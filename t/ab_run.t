# What a run makes of its requests: what was left unanswered when a load beside it ended is seen, and not only what was answered.

use strict;
use warnings;

use lib 't/lib', 'ctl/lib';
use Test::More;

use AB::Run;

# Due at 1, 2, ... s, answered after that many ms or failed.
sub load_of {
    my (@ms) = @_;
    my $due_s = 0;
    return { requests => [map { [++$due_s, $_ // 0, undef, defined $_ ? '' : 'timeout', 0, 200, $due_s] } @ms] };
}

my %all = AB::Run::beside(load_of((0) x 10));
is $all{beside_rate}, 1, 'all were answered';
my %few = AB::Run::beside(load_of((0) x 5, (undef) x 5));
is $few{beside_rate}, 0.5, 'half of them were answered';
is "$few{beside_p50_ms} $few{beside_failed_percent}", '0 50', '... and their latency does not show it';
my %two = AB::Run::beside(load_of((0) x 10), load_of((0) x 5));
is $two{beside_rate}, 1.5, 'of two loads';
my %late = AB::Run::beside(load_of(9000, 8000, 7000));
is $late{beside_rate}, 0.3, 'the time is that until the last answer, not until it was due';
is scalar(() = AB::Run::beside()), 0, 'nothing without one';

done_testing;
