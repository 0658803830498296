package AB::Results;

# What a comparison has found: the runs as they were measured, and what follows from nothing but these. The data is one structure,
# which is written as JSON beside the report:
#
#   { schema_version, title, date, command, seconds,
#     machine    => [[name, value], ...],
#     subject    => key, reference => key, control => key or undef,
#     contenders => [{ key, label, describe, outside }],      # outside: a reference from outside, of another kind of server
#     notes      => [sentences],
#     scenarios  => [{ name, title, load, measures => [keys], group, x, x_label, date,
#                      neutral => [keys],                    # measures that have no better here: the two sides were not asked for the same
#                      runs => [{ round, place, contender, values => { key => number }, failures => { kind => number },
#                                 curve => [[share, ms], ...], timeline => [[s, threads, children, pss_kib, due/s, failed, p99_ms], ...],
#                                 note, error }] }] }
#
# The control is the reference once more, run beside all others: by how much it differs from itself is what differences mean here. It runs
# among the others and not before them, because what strangers do to a machine changes from minute to minute.

use strict;
use warnings;

use JSON::PP ();

use AB::Measures qw(measure known_measures);
use AB::Stats qw(bootstrap median middle_of);

use constant SCHEMA => 1;

# The columns of a timeline.
use constant { AT_S => 0, THREADS => 1, CHILDREN => 2, PSS_KIB => 3, DUE => 4, FAILED => 5, P99_MS => 6 };

sub new { my ($class, $data) = @_; return bless { data => $data }, $class }

sub read_file {
    my ($class, $path) = @_;
    open my $in, '<:raw', $path or die "$path: $!\n";
    local $/;
    my $data = eval { JSON::PP->new->utf8->decode(scalar <$in>) } // die "$path is not a results file: $@";
    die "$path has the schema " . ($data->{schema_version} // 'none') . ', and not ' . SCHEMA . "\n"
        if ($data->{schema_version} // 0) != SCHEMA;
    return $class->new($data);
}

sub as_json {
    my ($self) = @_;
    # a line for each run: its timeline makes it long, and nobody reads that; a quote in a string would have a backslash
    return JSON::PP->new->utf8->canonical->encode($self->{data}) =~ s/(?=\{"contender":)/\n/gr . "\n";
}

sub data { return $_[0]{data} }
sub subject { return $_[0]{data}{subject} }
sub reference { return $_[0]{data}{reference} }
sub control { return $_[0]{data}{control} }
sub scenarios { return @{ $_[0]{data}{scenarios} } }

# Those of a scenario that have a run, in the order of the contenders; the control is none of them.
sub contenders {
    my ($self, $scenario) = @_;
    my %ran = map { $_->{contender} => 1 } @{ $scenario->{runs} };
    return grep { $ran{ $_->{key} } && $_->{key} ne ($self->control // '') } @{ $self->{data}{contenders} };
}

sub contender {
    my ($self, $key) = @_;
    return (grep { $_->{key} eq $key } @{ $self->{data}{contenders} })[0];
}

# Runs that went well, by round.
sub runs {
    my ($self, $scenario, $key) = @_;
    return sort { $a->{round} <=> $b->{round} } grep { $_->{contender} eq $key && !defined $_->{error} } @{ $scenario->{runs} };
}

sub rounds {
    my ($self, $scenario) = @_;
    my %rounds = map { $_->{round} => 1 } @{ $scenario->{runs} };
    return scalar keys %rounds;
}

# [measure, ...] of a scenario: those it names that somebody has a value for.
sub measures {
    my ($self, $scenario) = @_;
    my %found;
    for my $run (grep { !defined $_->{error} } @{ $scenario->{runs} }) {
        my $values = $run->{values} // {};
        $found{$_} = 1 for grep { defined $values->{$_} } keys %$values;
    }
    my %named = map { $_ => 1 } @{ $scenario->{measures} };
    return grep { $named{ $_->{key} } && $found{ $_->{key} } } known_measures();
}

sub values_by_round {
    my ($self, $scenario, $key, $measure) = @_;
    return { map { defined $_->{values}{$measure} ? ($_->{round} => $_->{values}{$measure}) : () } $self->runs($scenario, $key) };
}

# The median of the rounds with its interval: { middle, low, high, least, most, rounds }, undef without any. low and high are
# missing below three rounds.
sub figure {
    my ($self, $scenario, $key, $measure) = @_;
    return $self->{figures}{ $scenario->{name} }{$key}{$measure} //= do {
        my $of = $self->values_by_round($scenario, $key, $measure);
        my @values = sort { $a <=> $b } values %$of;
        my ($low, $high) = @values ? bootstrap(\&middle_of, \@values) : ();
        @values ? { middle => scalar median(@values), low => $low, high => $high, least => $values[0], most => $values[-1],
            rounds => scalar @values } : undef;
    };
}

# One side against another, in rounds that both have: { by => 'ratio' or 'difference', value, low, high, rounds, base, other }.
# A ratio needs two medians that are not 0; $by asks for a difference anyway.
sub relation {
    my ($self, $scenario, $key, $base_key, $measure_key, $by) = @_;
    my $known = $self->{relations}{ $scenario->{name} }{"$key/$base_key"}{$measure_key} //= {};
    $by //= measure($measure_key)->{by};
    $known->{$by} = $self->found_relation($scenario, $key, $base_key, $measure_key, $by) if !exists $known->{$by};
    return $known->{$by} // ();
}

sub found_relation {
    my ($self, $scenario, $key, $base_key, $measure_key, $by) = @_;
    my ($base, $other) = map { $self->values_by_round($scenario, $_, $measure_key) } $base_key, $key;
    my @rounds = sort { $a <=> $b } grep { defined $other->{$_} } keys %$base;
    return undef if !@rounds;    # a value that is kept
    my @lists = ([@$base{@rounds}], [@$other{@rounds}]);
    my @middles = map { middle_of($_) } @lists;
    $by = 'difference' if !$middles[0] || !$middles[1];
    my $statistic = $by eq 'ratio'
        ? sub { my $base = middle_of($_[0]); return $base ? middle_of($_[1]) / $base : undef }
        : sub { return middle_of($_[1]) - middle_of($_[0]) };
    my ($low, $high) = bootstrap($statistic, @lists);
    return {
        by => $by, value => $statistic->(@lists), low => $low, high => $high, rounds => scalar @rounds,
        base => $middles[0], other => $middles[1] };
}

# By how much the reference differs from itself: that of the control, and "spread", the farthest that its interval lies from no
# difference (for a ratio: as a factor of at least 1).
sub noise {
    my ($self, $scenario, $measure_key, $by) = @_;
    return if !defined $self->control;
    my $relation = $self->relation($scenario, $self->control, $self->reference, $measure_key, $by) // return;
    my @ends = grep { defined } @$relation{qw(value low high)};
    my ($spread) = sort { $b <=> $a } map { $relation->{by} eq 'ratio' ? factor($_) : abs } @ends;
    return { %$relation, spread => $spread };
}

# How far a ratio is from 1, whichever way.
sub factor { my ($ratio) = @_; return $ratio <= 0 ? 9**9**9 : $ratio >= 1 ? $ratio : 1 / $ratio }

# A contender against the reference: relation(), with the verdict: "better", "worse", "none" (within the interval or within what the
# reference differs from itself), "other" (differs, and neither way is better), "unknown" (too few rounds), "failing" (would be better for
# the side that failed so often that the figure is only about those it answered).
sub against {
    my ($self, $scenario, $key, $measure_key) = @_;
    my $relation = $self->relation($scenario, $key, $self->reference, $measure_key) // return;
    my $noise = $self->noise($scenario, $measure_key, $relation->{by});
    my $verdict = verdict($relation, $noise, better($scenario, $measure_key));
    my ($winner, $loser) = $verdict eq 'worse' ? ($self->reference, $key) : ($key, $self->reference);
    $verdict = 'failing' if $verdict =~ /^(?:better|worse)$/ && $self->is_of_survivors($scenario, $measure_key, $winner, $loser);
    return { %$relation, noise => $noise, verdict => $verdict };
}

# Which way a measure is better in a scenario: low, high or ''.
sub better {
    my ($scenario, $measure_key) = @_;
    return (grep { $_ eq $measure_key } @{ $scenario->{neutral} // [] }) ? '' : measure($measure_key)->{better};
}

# What per cent of the requests lies beyond each of these.
my %BEYOND = (p50_ms => 50, p90_ms => 10, p99_ms => 1, p999_ms => 0.1, max_ms => 0);

# A latency is that of requests which were answered. Whoever fails quickly, or gives up those that would have taken long, is not faster:
# whether the winner failed more often than the other, and often enough to move this percentile.
sub is_of_survivors {
    my ($self, $scenario, $measure_key, $winner, $loser) = @_;
    my ($beside, $which) = $measure_key =~ /^(beside_)?(.*)$/;
    my $beyond = $BEYOND{$which} // return 0;
    my ($won, $lost) = map { ($self->figure($scenario, $_, ($beside // '') . 'failed_percent') // {})->{middle} // 0 } $winner, $loser;
    return $won > $beyond && $won > $lost;
}

sub verdict {
    my ($relation, $noise, $better) = @_;
    return 'unknown' if !defined $relation->{low};
    my ($value, $low, $high) = @$relation{qw(value low high)};
    my $neutral = $relation->{by} eq 'ratio' ? 1 : 0;
    return 'none' if $low <= $neutral && $high >= $neutral;
    # where the control has no ratio, its median being 0, the difference has to do
    my $size = !$noise || $noise->{by} ne 'ratio' ? abs($relation->{other} - $relation->{base}) : factor($value);
    return 'none' if $noise && $size <= $noise->{spread};
    return 'other' if !$better;
    return ($value < $neutral) == ($better eq 'low') ? 'better' : 'worse';
}

# All places where a contender is "better" or "worse" than the reference: [{ scenario, measure, against }, ...].
sub places {
    my ($self, $key, $verdict) = @_;
    my @places;
    for my $scenario ($self->scenarios) {
        for my $measure ($self->measures($scenario)) {
            my $against = $self->against($scenario, $key, $measure->{key}) // next;
            push @places, { scenario => $scenario, measure => $measure, against => $against } if $against->{verdict} eq $verdict;
        }
    }
    return @places;
}

# Latency by share of requests: [share, median of the rounds, least, most] in ms.
sub curve {
    my ($self, $scenario, $key) = @_;
    my %of;
    for my $run ($self->runs($scenario, $key)) {
        push @{ $of{ $_->[0] } }, $_->[1] for @{ $run->{curve} // [] };
    }
    return map {
        my @ms = sort { $a <=> $b } @{ $of{$_} };
        [$_ + 0, scalar median(@ms), $ms[0], $ms[-1]]
    } sort { $a <=> $b } keys %of;
}

# What was seen over time in the round whose p99 is the middle one.
sub timeline {
    my ($self, $scenario, $key) = @_;
    my @runs = sort { ($a->{values}{p99_ms} // 0) <=> ($b->{values}{p99_ms} // 0) || $a->{round} <=> $b->{round} }
        grep { @{ $_->{timeline} // [] } } $self->runs($scenario, $key);
    return @runs ? @{ $runs[@runs / 2]{timeline} } : ();
}

# Failures by kind over all rounds.
sub failures {
    my ($self, $scenario, $key) = @_;
    my %sum;
    for my $run ($self->runs($scenario, $key)) {
        $sum{$_} += $run->{failures}{$_} for keys %{ $run->{failures} // {} };
    }
    return \%sum;
}

# Runs that could not be measured: "LABEL, round 3: why".
sub errors {
    my ($self, $scenario) = @_;
    return map { ($self->contender($_->{contender}) // { label => $_->{contender} })->{label} . ", round $_->{round}: $_->{error}" }
        grep { defined $_->{error} } @{ $scenario->{runs} };
}

1;
