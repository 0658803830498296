# What the guard (make bench, bench-compare) calls slower than a baseline, and that what could not be measured does not pass.

use strict;
use warnings;

use lib 't/lib', 'ctl/lib', 'bench/lib';
use Test::More;

use Adaptive::Comparison qw(comparison);
use Bench::AB::Guard;

subtest 'slower than a baseline' => sub {
    my $relation = sub { my ($value, $by) = @_; return { by => $by // 'ratio', value => $value,
            low => $value - 0.05, high => $value + 0.05 } };
    my $then = { static => { cpu_us => $relation->(0.6), p99_ms => $relation->(1), failed_percent => $relation->(0, 'difference') } };
    my $slower = sub { return Bench::AB::Guard::slower_than($then, { static => {@_} }) };
    is scalar(() = $slower->(cpu_us => $relation->(0.68), p99_ms => $relation->(1))), 0, 'not where intervals touch';
    my @found = $slower->(cpu_us => $relation->(0.72), p99_ms => $relation->(0.5), failed_percent => $relation->(2, 'difference'));
    is scalar(@found), 2, 'where they do not';
    like $found[0], qr/^static: processor time per request, beside mpm_event: x 0\.720 .*it was x 0\.600/, '... with both';
    like $found[1], qr/^static: failed, .*: 2\.000/, '... a difference as well';
};

subtest 'what was not measured' => sub {
    is_deeply [Bench::AB::Guard::not_compared(comparison())], [], 'nothing, if all went well';
    my $results = comparison(change => sub {
        my ($burst) = @{ $_[0]{scenarios} };
        %$_ = (round => $_->{round}, place => 1, contender => 'adaptive', error => 'the server has gone')
            for (grep { $_->{contender} eq 'adaptive' } @{ $burst->{runs} })[0 .. 4];
    });
    my @found = Bench::AB::Guard::not_compared($results);
    is scalar(@found), 1, 'a scenario with two rounds left';
    like $found[0], qr/^burst: fewer than three rounds of both went well: mpm_adaptive, round 1: the server has gone;/, '... and why';
};

done_testing;
