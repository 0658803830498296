package Bench::ExampleText;

# The document and the index of the examples: from the raw numbers, and from nothing else.

use strict;
use warnings;

use Exporter 'import';
use List::Util qw(max);

use AB::Stats qw(median);
use Bench::Example;
use Bench::ExampleCharts qw(charts);
use Bench::ExampleFigures qw(cell described figure is_now name_of rounds_of shown with_commas);

our @EXPORT_OK = qw(document index_of_examples);

use constant { COMMAND => 'make -f Makefile.apxs bench SCENARIOS=', WORSE_BY => 1.1 };

# What a difference has to be, in the unit of the figure, to be one at all.
use constant ROUNDING => 0.5;

# --- the document

sub command_for { return COMMAND . $_[0] . ' PUBLISH=1' }

sub scenarios_in {
    my ($results) = @_;
    return grep { $results->{ $_->name } } Bench::Example->scenarios(Bench::Example->names);
}

sub document {
    my ($results) = @_;
    my @scenarios = scenarios_in($results);
    return join "\n", introduction($results, @scenarios), (map { part($_, $results->{ $_->name }) } @scenarios),
        worse($results, @scenarios);
}

sub introduction {
    my ($results, @scenarios) = @_;
    my %seen;
    my @machines = grep { !$seen{$_}++ } map { machine($results->{ $_->name }{known}) } @scenarios;
    my $command = COMMAND . 'examples PUBLISH=1';
    my $strangers = strangers(map { $results->{ $_->name } } @scenarios);
    return <<"TEXT", map({ "- $_\n" } @machines), '';
# Examples, before and now

<!-- Written by `$command` from examples/results.tsv; changes here are lost. -->

Configurations as people write them by hand, each under the MPM that it was written for ("before"), and what is left of it under mpm_adaptive
("now"), under the load that it is meant for. The files are in [conf-examples/](../../conf-examples/README.md).

    $command

makes all of it, this document included, in some forty minutes, and the line in each part only that part. Every server is started anew
for every round, and rounds alternate in direction. A cell has the median of the rounds, and in brackets the smallest and the largest.
There are three rounds unless `REPEAT` says otherwise. All numbers of all rounds are in [results.tsv](examples/results.tsv), the loads in
[bench/lib/Bench/Example/](../../bench/lib/Bench/Example/). **[Where it is not better](#where-it-is-not-better)** is the last part.

Clients, server and application share the processors with each other, and the machine was shared with other people's work: it used
$strangers cores during the rounds. Single rounds differ, and small differences say nothing.
TEXT
}

# What others used of the machine: the median of all rounds, and the most.
sub strangers {
    my @values = sort { $a <=> $b } map { $_->{strangers} // () } map { @$_ } map { values %{ $_->{results} } } @_;
    return @values ? sprintf('%.1f (median) and up to %.1f', max(0, median(@values)), $values[-1]) : 'an unknown number of';
}

sub machine {
    my ($known) = @_;
    my ($httpd) = ($known->{httpd} // '') =~ m{(Apache/\S+ ?\S*)};
    return join '; ', grep { defined } $known->{date}, $known->{processor}, $known->{kernel} && "Linux $known->{kernel}", $httpd;
}

sub part {
    my ($scenario, $of) = @_;
    my $name = $scenario->name;
    my @charts = grep { /^\Q$name\E/ } sort keys %{ charts({ $name => $of }) };
    return join "\n", '## ' . $scenario->heading, '', $scenario->text, '    ' . command_for($name), '',
        (map { ('![' . $scenario->heading . "](examples/$_)", '') } @charts),
        $name eq 'users' ? (curve_table($scenario, $of), '') : (), figures_table($scenario, $of), '',
        sprintf("%d rounds, %s.%s\n", rounds_of($of), $of->{known}{date} // '', errors($of));
}

sub errors {
    my ($of) = @_;
    my @errors;
    for my $label (@{ $of->{labels} }) {
        push @errors, map { name_of($label) . ": $_->{error}" } grep { defined $_->{error} } @{ $of->{results}{$label} };
    }
    return @errors ? ' Rounds that failed as a whole: ' . join('; ', @errors) : '';
}

sub table_of {
    my ($head, @rows) = @_;
    return join "\n", map { '| ' . join(' | ', @$_) . ' |' } $head, [map { $_ ? '---:' : '---' } 0 .. $#$head], @rows;
}

# Users down, contenders across: the mean, and its range.
sub curve_table {
    my ($scenario, $of) = @_;
    my @labels = @{ $of->{labels} };
    my @rows = map {
        my $users = $_;
        [with_commas($users), map { cell(figure($of, $_, "mean_ms_$users"), '%.0f', is_now($_)) } @labels]
    } grep { my $users = $_; grep { figure($of, $_, "mean_ms_$users") } @labels } $scenario->users;
    return table_of(['users at a time: mean response time in ms', map { described($_, '../../conf-examples/') } @labels], @rows);
}

# Figures down, contenders across: there are more of the former.
sub figures_table {
    my ($scenario, $of) = @_;
    my @labels = @{ $of->{labels} };
    my @rows = map {
        my ($key, $heading, $format) = @$_;
        [$heading, map { cell(figure($of, $_, $key), $format, is_now($_)) } @labels]
    } grep { my $key = $_->[0]; grep { figure($of, $_, $key) } @labels } $scenario->figures;
    return table_of(['', map { described($_, '../../conf-examples/') } @labels], @rows);
}

# Every figure in which some "before" is better than "now".
sub worse {
    my ($results, @scenarios) = @_;
    my @lines;
    for my $scenario (@scenarios) {
        my $of = $results->{ $scenario->name };
        my ($now) = grep { is_now($_) } @{ $of->{labels} } or next;
        for my $described ($scenario->figures) {
            my ($key, $heading, $format, $better) = @$described;
            next if !$better;
            my $ours = figure($of, $now, $key) // next;
            for my $label (grep { !is_now($_) } @{ $of->{labels} }) {
                my $theirs = figure($of, $label, $key) // next;
                next if !is_worse($ours->{middle}, $theirs->{middle}, $better);
                push @lines, sprintf '- %s: %s %s now, %s with %s', $scenario->heading, $heading,
                    shown($format, $ours->{middle}), shown($format, $theirs->{middle}), name_of($label) =~ s/^before: //r;
            }
        }
    }
    return join "\n", '## Where it is not better', '',
        'Medians that are worse by a tenth and more than those of a hand-written configuration in the same table. More threads and',
        'memory count as worse here even where more requests were served with them.', '',
        @lines ? @lines : '- none', '';
}

sub is_worse {
    my ($ours, $theirs, $better) = @_;
    ($ours, $theirs) = ($theirs, $ours) if $better eq 'high';
    return $ours > $theirs * WORSE_BY && $ours - $theirs > ROUNDING;
}

# --- the index in conf-examples/

# file, for whom, what it shows
my @FILES = (
    ['no-directive', 'everybody', 'the recommended configuration, and every directive of its own with its default'],
    ['observe', 'who wants to look before trusting it', 'plans are logged and shown, children follow the old block'],
    ['event-block-pasted', 'who keeps the block of Debian\'s mpm_event', 'every directive of event and worker is accepted'],
    ['worker-150', 'who has 150 workers as 2 x 25 threads', 'nothing is left; MaxRequestWorkers only as a protection', 'users'],
    ['worker-8000', 'who has ServerLimit 250, 32 threads each, 8,000 requests', 'one line is left, for the leak', 'surge'],
    ['worker-5000', 'who has 100 x 100 and 1,000 idle threads', 'nothing is left', 'surge'],
    ['prefork', 'who comes from mpm_prefork', 'which lines must go, and keep-alive that costs no process', 'prefork'],
    ['static-files', 'a site of files', 'sendfile; what a small file costs', 'files'],
    ['reverse-proxy', 'a proxy before a slow application', 'pages beside it do not wait for it', 'slowapp'],
    ['php-fpm', 'PHP by way of PHP-FPM', 'the pool is the limit, the server is none', 'php'],
    ['websockets', 'many idle WebSockets', 'a thread for each, as many as are needed; a limit for old children', 'websockets'],
    ['container', 'a small container, a service with limits', 'the limits are read, not computed by a script', 'container'],
    ['big-host', 'a large host, thousands of clients', 'connections are limited by descriptors only', 'bighost'],
);

sub index_of_examples {
    my ($results) = @_;
    my %scenario = map { $_->name => $_ } scenarios_in($results);
    my @rows = map {
        my ($file, $whom, $shows, $name) = @$_;
        my $scenario = defined $name ? $scenario{$name} : undef;
        my $before = -e Bench::Example::DIR . "/before/$file.conf" ? ", [before](before/$file.conf)" : '';
        [
            "[$file.conf]($file.conf)$before", $whom, $shows, $scenario ? difference($scenario, $results->{$name}, $file) : '-',
            $scenario ? '`SCENARIOS=' . $scenario->name . '`' : '-']
    } @FILES;
    my $table = join "\n", map { '| ' . join(' | ', @$_) . ' |' }
        ['file', 'for whom', 'what it shows', 'measured: before -> now', 'command'], [('---') x 5], @rows;
    my $command = COMMAND . 'examples';
    return <<"TEXT";
# Examples

<!-- The table is written by `$command PUBLISH=1`; changes here are lost. -->

`before/` has configurations as they are found on servers, each for the MPM that it names. The file of the same name beside this one is
what is left of it under mpm_adaptive, mostly comments: what can go and why, what is worth keeping. Include it anywhere in the main
configuration, after the modules. Directives that other MPMs do not know are in `<IfModule mpm_adaptive_module>`, so that every file
stays valid when you switch back.

$table

The commands are `make -f Makefile.apxs bench` with what the column says; `$command` runs all of them. The figures are
medians. Tables with ranges, charts, the machine, and where it is *not* better now are in
[docs/user/examples.md](../docs/user/examples.md), and so are the reloads of all three blocks (`SCENARIOS=reloads`).

[systemd/limits.conf](systemd/limits.conf) raises the limits of a service.
TEXT
}

# "p99 ms 1,695 -> 222; ..."
sub difference {
    my ($scenario, $of, $file) = @_;
    my ($now) = grep { is_now($_) } @{ $of->{labels} };
    my ($before) = grep { /:\Q$file\E\z/ && !is_now($_) } @{ $of->{labels} };
    return '-' if !$now || !$before;
    my %described = map { $_->[0] => $_ } $scenario->figures;
    return join '; ', map {
        my ($key, $heading, $format) = @{ $described{$_} };
        my ($theirs, $ours) = map { figure($of, $_, $key) } $before, $now;
        $ours || $theirs ? sprintf('%s %s -> %s', $heading, map { $_ ? shown($format, $_->{middle}) : '-' } $theirs, $ours) : ();
    } $scenario->headline;
}

1;
