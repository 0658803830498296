package Bench::AB::Guard;

# Whether a change made something slower: a short profile of the comparison, either against another commit in the same run (BASE), or
# by how this module stands to mpm_event now and how it did in the results that are published (docs/results.json). Absolute times say
# nothing on another machine, or on the same one an hour later; relations to mpm_event in the same run do.

use strict;
use warnings;

use AB::Machine qw(capture);
use AB::Measures qw(measure);
use AB::Results;
use Bench::AB;
use Bench::AB::Contenders;
use Bench::AB::Scenarios;
use Bench::Options qw(from_environment listed);
use Cwd qw(getcwd);
use File::Path qw(make_path);

# What a release should not make worse.
my @SCENARIOS = qw(static connect tls step compute);
my @MEASURES = qw(failed_percent p50_ms p99_ms cpu_us switches syscalls pss_peak_mib absorbed_s);

my @KNOWN = (
    [BASE      => '', 'a commit to compare with, in the same run; empty: the published results'],
    [ROUNDS    => 7,  'rounds'],
    [SCENARIOS => join(',', @SCENARIOS), 'those of the comparison (make ab AB=--help)'],
    [CALM      => 0.3, 'cores that strangers may use when a run begins; 0 does not wait'],
);

sub usage { return "usage: [NAME=VALUE ...] make -f Makefile.apxs bench, or bench-compare BASE=COMMIT\n" . listed(10, @KNOWN) }

sub options {
    my %option = (CONTROL => 1, MINUTES => 0, SYSCALLS => 1, SHIELD => 1, REPORT_DIR => '.build/bench-compare', MODULE => '.build/mod_mpm_adaptive.so',
        from_environment(@KNOWN));
    die "ROUNDS must be a whole number from 3 on, because intervals need three rounds, not '$option{ROUNDS}'\n"
        if $option{ROUNDS} !~ /^\d+$/ || $option{ROUNDS} < 3;
    Bench::AB::check_calm(\%option);
    $option{SCENARIOS} = [grep { length } split /[,\s]+/, $option{SCENARIOS}];
    return \%option;
}

# True if everything was measured and nothing became slower.
sub guard {
    my ($option) = @_;
    my $dir = Bench::AB::private_build($option->{MODULE});
    my $bench = Bench::AB::bench($dir, $option);
    my ($results, @slower) = length $option->{BASE} ? beside_commit($option, $dir, $bench) : beside_event($option, $dir, $bench);
    my @not_compared = not_compared($results);
    print map { "NOT COMPARED: $_\n" } @not_compared;
    print map { "SLOWER: $_\n" } @slower;
    print "Nothing became slower beyond what the rounds differ by.\n" if !@slower && !@not_compared;
    return !@slower && !@not_compared;
}

# What could not be measured is no good news: a server that ends in each round is not slower.
sub not_compared {
    my ($results) = @_;
    my @found;
    for my $scenario ($results->scenarios) {
        my $relation = $results->relation($scenario, $results->subject, $results->reference, 'failed_percent');
        next if $relation && defined $relation->{low};
        push @found, "$scenario->{name}: fewer than three rounds of both went well: " . join('; ', $results->errors($scenario));
    }
    return @found;
}

sub measured {
    my ($option, $dir, $reference, $title, @contenders) = @_;
    my $trial = Bench::AB::trial($option, $dir, $reference, @contenders);
    return Bench::AB::measured($option, $trial, $title, 'make -f Makefile.apxs bench-compare');
}

# --- beside another commit

sub beside_commit {
    my ($option, $dir, $bench) = @_;
    my ($commit, $module) = build_of($option->{BASE}, $dir);
    my @contenders = (
        Bench::AB::Contenders::build($bench, 'base', $module, "commit $commit"),
        Bench::AB::Contenders::build($bench, 'adaptive', "$dir/mod_mpm_adaptive.so", 'this tree'));
    my $results = measured($option, $dir, 'base', "This tree beside commit $commit", @contenders);
    my @slower;
    for my $place ($results->places('adaptive', 'worse')) {
        my $measure = $place->{measure};
        next if !grep { $_ eq $measure->{key} } @MEASURES;
        push @slower, "$place->{scenario}{name}: $measure->{label}: " . in_words($place->{against});
    }
    return ($results, @slower);
}

# "x 1.08 (1.03 to 1.12)"
sub in_words {
    my ($relation) = @_;
    my $sign = $relation->{by} eq 'ratio' ? 'x ' : '';
    return sprintf '%s%.3f (%.3f to %.3f)', $sign, @$relation{qw(value low high)};
}

# The module of another commit, built from what git has of it: (its short name, the module).
sub build_of {
    my ($base, $dir) = @_;
    my ($commit) = capture('git', 'rev-parse', '--short', '--verify', '--quiet', "$base^{commit}") =~ /^([0-9a-f]+)$/m;
    $commit // die "BASE=$base is no commit of this repository\n";
    my $source = "$dir/base";
    make_path($source);
    system('sh', '-c', 'git archive "$1" | tar -x -C "$2"', 'sh', $commit, $source) == 0 or die "git archive $commit failed\n";
    print STDERR "building commit $commit\n";
    my $here = getcwd();
    chdir $source or die "$source: $!\n";
    delete local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL ADAPTIVE_BUILD)};
    my $said = capture('make', '-s', '-f', 'Makefile.apxs', 'BUILD=.build', 'all');
    my $failed = $?;
    chdir $here or die "$here: $!\n";
    die "commit $commit does not build:\n$said\n" if $failed || !-e "$source/.build/mod_mpm_adaptive.so";
    return ($commit, "$source/.build/mod_mpm_adaptive.so");
}

# --- beside the baseline

sub beside_event {
    my ($option, $dir, $bench) = @_;
    my $then = stored() // die Bench::AB::PUBLISHED . " is not there, so that there is no baseline; ab PUBLISH=1 makes it\n";
    my @unknown = grep { !$then->{relations}{$_} } @{ $option->{SCENARIOS} };
    die Bench::AB::PUBLISHED . " has none of these scenarios: ab PUBLISH=1 SCENARIOS=... adds them\n" if @unknown == @{ $option->{SCENARIOS} };
    print "The baseline is of $then->{date}.\n";
    print 'It has no figures for ', join(', ', @unknown), ": nothing to compare these with.\n" if @unknown;
    my @contenders = Bench::AB::Contenders::contenders($bench, 'event', 'adaptive');
    my $results = measured($option, $dir, 'event', 'This tree beside mpm_event, a short profile', @contenders);
    return ($results, slower_than($then->{relations}, relations($results)));
}

# { scenario => { measure => { by, value, low, high } } }
sub relations {
    my ($results) = @_;
    my %of;
    for my $scenario ($results->scenarios) {
        for my $key (@MEASURES) {
            my $relation = $results->relation($scenario, 'adaptive', 'event', $key) // next;
            next if !defined $relation->{low};
            $of{ $scenario->{name} }{$key} = { by => $relation->{by}, map { $_ => 0 + sprintf '%.4f', $relation->{$_} } qw(value low high) };
        }
    }
    return \%of;
}

# Worse than then if the intervals do not touch.
sub slower_than {
    my ($then, $now) = @_;
    my @slower;
    for my $scenario (sort keys %$now) {
        for my $key (sort keys %{ $now->{$scenario} }) {
            my ($old, $new) = ($then->{$scenario}{$key} // next, $now->{$scenario}{$key});
            next if $old->{by} ne $new->{by};
            my $measure = measure($key);
            my $worse = $measure->{better} eq 'low' ? $new->{low} > $old->{high} : $new->{high} < $old->{low};
            push @slower, "$scenario: $measure->{label}, beside mpm_event: " . in_words($new) . '; it was ' . in_words($old) if $worse;
        }
    }
    return @slower;
}

# What docs/results.md says: undef if there are no such results.
sub stored {
    return undef if !-e Bench::AB::PUBLISHED;
    my $results = AB::Results->read_file(Bench::AB::PUBLISHED);
    return { date => $results->data->{date}, relations => relations($results) };
}

1;
