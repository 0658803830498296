# The simulator is right where theory knows the answer, loses nothing, and says the same twice; the control law keeps its goals there.

use strict;
use warnings;

use lib 't/lib';
use Adaptive::Paths qw(build_dir);
use File::Temp qw(tempdir);
use Test::More;

my $sim = build_dir() . '/t/sim/sim';
-x $sim or BAIL_OUT("$sim is missing: run make first");

sub output_of {
    my (@args) = @_;
    open my $pipe, '-|', $sim, @args or die "$sim: $!";
    local $/;
    my $text = <$pipe> // '';
    close $pipe;
    return wantarray ? ($text, $? >> 8) : $text;
}

# { policy => { figure => value } } of one trace, or of constant load.
sub values_of {
    my (@args) = @_;
    my %figures;
    for (split /\n/, output_of('--values', @args)) {
        my ($trace, $policy, $figure, $value) = /^([^.]+)\.([^.]+)\.(\w+)=(.*)$/ or die "cannot read '$_'";
        $figures{$trace}{$policy}{$figure} = $value;
    }
    return \%figures;
}

sub near {
    my ($got, $expected, $part, $name) = @_;
    ok(abs($got - $expected) <= $part * $expected, $name) or diag("got $got, expected $expected within ${\(100 * $part)} %");
}

# Probability of waiting in M/M/c with the offered load a (Erlang C), by the recursion of Erlang B.
sub erlang_c {
    my ($servers, $load) = @_;
    my $blocked = 1;
    $blocked = $load * $blocked / ($_ + $load * $blocked) for 1 .. $servers;
    return $blocked / (1 - $load / $servers * (1 - $blocked));
}

subtest 'a fixed pool is M/M/c' => sub {
    for my $case ([1, 5], [10, 80], [40, 380]) {
        my ($threads, $per_s) = @$case;
        my $load = $per_s * 0.1;
        my $r = values_of('--rate', $per_s, qw(--wait-ms 100 --shape exponential --cpu-ms 0 --seconds 5000 --backlog 100000),
            '--policy', 'fixed', '--threads', $threads)->{constant}{fixed};
        my $waits = erlang_c($threads, $load);
        near($r->{waiting_mean_us}, $waits * 100_000 / ($threads - $load), 0.06, "mean waiting of $threads threads");
        near($r->{waiting_p99_us}, 100_000 / ($threads - $load) * log($waits / 0.01), 0.08, "... and its 99th percentile");
        near($r->{thread_s}, 5000 * $threads, 1e-6, 'thread-seconds');
    }
};

subtest 'processors are shared' => sub {
    for my $case ([1, 70, 0.01 / 0.3], [4, 320, 0.01 + erlang_c(4, 3.2) * 0.01 / (4 - 3.2)]) {
        my ($cpus, $per_s, $mean_s) = @$case;
        my $r = values_of('--rate', $per_s, '--cpus', $cpus, qw(--cpu-ms 10 --seconds 4000 --policy optimum))->{constant}{optimum};
        near($r->{answer_mean_us}, 1e6 * $mean_s, 0.06, "mean time of M/M/$cpus with processor sharing");
        # with time an empty system is found with probability 1 - 0.7, and what is shared is not lost
        near($r->{thread_s} / 4000, $per_s * $mean_s, 0.06, "... and Little's law");
    }
    my $blocked = values_of(qw(--rate 50 --cpus 1 --cpu-ms 0.001 --wait-ms 500 --shape constant --seconds 400 --policy optimum));
    near($blocked->{constant}{optimum}{answer_mean_us}, 500_000, 0.001, 'who waits for others needs no processor');
};

my @quick = qw(step onoff20 wake heavy cpu tiny burst20);
my $figures = values_of(@quick);

subtest 'nothing is lost' => sub {
    for my $trace (@quick) {
        for my $policy (sort keys %{ $figures->{$trace} }) {
            my $r = $figures->{$trace}{$policy};
            cmp_ok $r->{arrived}, '>', 1000, "$trace, $policy: requests arrive";
            is $r->{ended} + $r->{rejected} + $r->{told}, $r->{arrived}, '... each of them ends or is refused';
            is $r->{begun}, $r->{ended}, '... and those that end have begun';
        }
    }
};

subtest 'nobody is better than the optimum' => sub {
    for my $trace (@quick) {
        my $optimum = delete $figures->{$trace}{optimum};
        is $optimum->{waiting_p999_us} + $optimum->{rejected}, 0, "$trace: nobody waits";
        cmp_ok $optimum->{thread_s}, '>=', $optimum->{demand_s} * 0.9999, '... the work takes threads';
        for my $policy (sort keys %{ $figures->{$trace} }) {
            my $r = $figures->{$trace}{$policy};
            cmp_ok $r->{thread_s}, '>=', $r->{demand_s} * 0.9999, "... $policy takes no fewer" if !$r->{rejected};
        }
    }
};

subtest 'the same twice, something else from another seed' => sub {
    my @args = (qw(--values --policy adaptive --jobs 2), 'wake', 'burst20');
    my $first = output_of(@args, '--seed', 3);
    is output_of(@args, '--seed', 3), $first, 'the same seed';
    isnt output_of(@args, '--seed', 4), $first, 'another seed';
};

subtest 'what was learned of requests that compute is not held against those that block' => sub {
    my $r = values_of('shift', '--policy', 'adaptive', '--policy', 'event default')->{shift};
    cmp_ok $r->{adaptive}{answer_p99_us}, '<=', 1.1 * $r->{'event-default'}{answer_p99_us}, 'they are served as fast as by event';
};

subtest 'children are seldom parked and resurrected while computing and blocking take turns' => sub {
    my $minutes = 110 / 60;
    for my $turn (0.1, 0.3, 0.5, 1, 2, 5, 15, 30, 90) {
        my $r = values_of(qw(flap --policy adaptive --turn-s), $turn)->{flap}{adaptive};
        my $each = ($r->{parks} + $r->{resurrections}) / $r->{peak_children} / $minutes;
        cmp_ok $each, '<=', 3, sprintf('turns of %g s: %.1f times a minute each', $turn, $each);
    }
};

# Bits of ctl_term_e.
use constant { LOWERING => 1 << 8, TELLING => 1 << 9, SHARES => 1 << 10 };

subtest 'requests that compute hold up no short ones' => sub {
    my $with    = values_of(qw(computing-mix --policy adaptive))->{'computing-mix'}{adaptive};
    my $without = values_of(qw(computing-mix --policy adaptive --without), LOWERING)->{'computing-mix'}{adaptive};
    cmp_ok $with->{others_p99_us},    '<=', 20_000,  'with two levels of priority';
    cmp_ok $without->{others_p99_us}, '>=', 100_000, 'without them short ones wait in the same queue';
    cmp_ok $with->{answers}, '>=', 0.97 * $without->{answers}, '... and no more is computed';
};

subtest 'a dead backend starves nobody else' => sub {
    my $with    = values_of(qw(dead-backend --policy adaptive --policy optimum))->{'dead-backend'};
    my $without = values_of(qw(dead-backend --policy adaptive --without), SHARES)->{'dead-backend'}{adaptive};
    my $own     = $with->{adaptive};
    is $own->{rejected}, 0, 'nobody is turned away';
    cmp_ok $own->{told},           '>', 1000, 'but those who ask the dead one, with an answer';
    cmp_ok $own->{others_p99_us},  '<', 2 * $with->{optimum}{others_p99_us}, 'the others notice nothing';
    cmp_ok $without->{rejected},   '>', 1000, 'without shares the backlog runs over';
};

subtest 'who is served at 3 x capacity is served in time' => sub {
    my $with    = values_of(qw(overload-3x --policy adaptive))->{'overload-3x'}{adaptive};
    my $without = values_of(qw(overload-3x --policy adaptive --without), TELLING)->{'overload-3x'}{adaptive};
    is $with->{ended} + $with->{told}, $with->{arrived}, 'everybody has an answer';
    cmp_ok $with->{answer_p99_us},    '<=', 10.1e6, 'within AdaptiveMaxWait';
    cmp_ok $with->{answers},          '>=', 0.95 * 2 * 60 / 0.005, 'the processors serve as many as they can';
    cmp_ok $without->{answer_p99_us}, '>=', 60e6, 'without it for longer than anybody waits';
};

subtest 'backends that answer at once need no threads' => sub {
    my $r = values_of('instant-backend', '--policy', 'adaptive', '--policy', 'event expert')->{'instant-backend'};
    cmp_ok $r->{adaptive}{peak_threads}, '<=', 32, 'of 200 clients';
    cmp_ok $r->{adaptive}{answers}, '>=', 0.97 * $r->{'event-expert'}{answers}, '... and as much gets done as with 16 fixed ones';
    cmp_ok $r->{adaptive}{answer_p99_us}, '<=', 1.05 * $r->{'event-expert'}{answer_p99_us}, '... as soon';
};

subtest 'charts and tables' => sub {
    my $dir = tempdir(CLEANUP => 1);
    my ($text, $status) = output_of('--charts', $dir, '--markdown', "$dir/tables.md", 'tiny');
    is $status, 0, 'done';
    for my $policy ('optimum', 'adaptive', 'event default', 'event expert', 'event large', 'fixed') {
        like $text, qr/^\Q$policy\E +\d/m, "the table has $policy";
    }
    my $content = sub { local (@ARGV, $/) = "$dir/$_[0]"; <> };
    like $content->('tables.md'), qr/^\| adaptive \|/m, 'so has the Markdown table';
    like $content->('tiny.svg'), qr{\A<svg .*</svg>\n\z}s, 'the chart is an SVG file';
    unlike $content->('tiny.svg'), qr{href|\bnan\b|\binf\b|-\d{4}}i, '... on its own, with numbers only';
};

subtest 'mistakes are refused' => sub {
    open my $errors, '>&', \*STDERR or die $!;
    open STDERR, '>', '/dev/null' or die $!;
    my @bad = (['nosuchtrace'], [qw(--policy nosuch)], [qw(--seed x)], [qw(--jobs 0)], ['--nosuch']);
    my @status = map { (output_of(@$_))[1] } @bad;
    open STDERR, '>&', $errors or die $!;
    is_deeply \@status, [(2) x @bad], 'with status 2';
};

subtest 'the control law keeps its goals' => sub {
    # where all of them are met: more traces when the law gets better, never fewer
    my ($text, $status) = output_of(qw(--check step flash sawtooth onoff20 onoff90 incident longpoll cpu mixed tiny
        onoff5 aftermath backend shift));
    is $status, 0, 'all of them' or diag($text =~ s/.*^Goals$//msr);
};

done_testing;
