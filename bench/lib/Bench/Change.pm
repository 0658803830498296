package Bench::Change;

# Scenarios in which the load, the backend, or the server itself changes. Each is a module below Bench::Change that derives from
# this one and says
#
#   name, title         of the table
#   contenders          as CONTENDERS has them, when that is not set
#   variants            of a run, e.g. new and keep; the default is one without a name
#   server              what the server needs: { modules, conf, nginx => 1, nginx_conf, ... } as in Bench::Scenario
#   prepare($bench)     what it needs besides the server, e.g. a backend; stored in $self; release() ends it
#   run($server, $variant, $bench)  => { key => value, ... }: one measurement of one server, freshly started
#   columns             [key, heading, format], ...; several keys (a list) are shown as a/b/c
#   goals               of this MPM: { key, what, limit } or { key, what, limit, of => 'event' } for a ratio to that contender;
#                       { at_least => 1 } turns it round

use strict;
use warnings;

use File::Copy qw(copy);
use Time::HiRes qw(sleep);

use AB::Machine qw(busy_seconds monotonic_s);
use AB::Stats qw(median);
use Bench::Contender;
use Bench::Table;
use Bench::Timeline qw(timeline);

my @MODULES = qw(Tools Burst Bursts Backend Compute Mixed Reload Memory Status Waiting);

# Only by name, not with the others: of what comes and goes it says nothing.
my %ALONE = (waiting => 1);

use constant { ATTEMPTS => 3 };

my $NUMBER = qr{^-?[\d.]+(?:e[-+]?\d+)?$};

sub names { return map { lc } @MODULES }

# Those that "change" stands for.
sub common_names { return grep { !$ALONE{$_} } names() }

# Scenarios by name, those that exist.
sub scenarios {
    my ($class, @names) = @_;
    my %wanted = map { $_ => 1 } @names;
    return map {
        require "Bench/Change/$_.pm";
        "Bench::Change::$_"->new;
    } grep { $wanted{ lc $_ } } @MODULES;
}

sub new { my ($class, %opt) = @_; return bless {%opt}, $class }

# What most of them are.
sub variants { return ('') }
sub contenders { return qw(event event:bench/contenders/tuned.conf adaptive) }
sub server { return {} }
sub suits { return 1 }      # (contender, variant)
sub prepare { return }
sub release { my ($self) = @_; delete $self->{backend}; return }
sub goals { return () }

# A reverse proxy without anything else.
sub proxy_server {
    return {
        modules => [qw(proxy proxy_http)], conf => "    ProxyPass / http://127.0.0.1:\@BACKEND\@/\n",
        nginx => 1, nginx_conf => 'location / { proxy_pass http://127.0.0.1:@BACKEND@; }', worker_connections => 10_000,
    };
}

# --- running

# $bench: { option, dir, cores (of the server), certificate, key, progress => sub }. Returns { label => [results] }.
sub compare {
    my ($self, $bench) = @_;
    my @contenders = $self->chosen($bench);
    my $reason = $self->prepare($bench);
    if ($reason) {
        $bench->{progress}->($self->name . ": skipped: $reason");
        return { skipped => $reason };
    }
    my %runs = (labels => []);
    for my $round (1 .. $self->rounds($bench)) {
        for my $variant ($self->wanted_variants($bench)) {
            my @able = grep { $self->suits($_, $variant) } @contenders;
            for my $contender ($round % 2 ? @able : reverse @able) {
                $self->run_and_tell(\%runs, $round, $variant, $contender, $bench);
            }
        }
    }
    $self->release;
    return \%runs;
}

sub rounds {
    my ($self, $bench) = @_;
    return $bench->{option}{REPEAT};
}

sub wanted_variants {
    my ($self, $bench) = @_;
    my %wanted = map { $_ => 1 } @{ $bench->{option}{VARIANTS} };
    return grep { !%wanted || $_ eq '' || $wanted{$_} } $self->variants;
}

sub chosen {
    my ($self, $bench) = @_;
    my $option = $bench->{option};
    my @specs = $option->{CONTENDERS_SET} ? @{ $option->{CONTENDERS} } : $self->contenders;
    return grep { $_->can_serve($self->server) } Bench::Contender->list(@specs);
}

sub run_and_tell {
    my ($self, $runs, $round, $variant, $contender, $bench) = @_;
    my $label = join ', ', $contender->label, $variant || ();
    push @{ $runs->{labels} }, $label if !$runs->{results}{$label};
    $runs->{variant_of}{$label} = $variant;
    $runs->{contender_of}{$label} = $contender;
    my $result = $self->run_calmly($contender, $variant, "$label, $round", $bench);
    push @{ $runs->{results}{$label} }, $result;
    $bench->{progress}->($self->name . ", round $round, $label: " . in_short($self, $result));
    return;
}

sub in_short {
    my ($self, $result) = @_;
    return "FAILED: $result->{error}" if $result->{error};
    return join ', ', map { "$_->[1] " . shown($_, $result) } $self->columns;
}

sub shown {
    my ($column, $result) = @_;
    my ($keys, undef, $format) = @$column;
    return join '/', map { one_shown($format, $result->{$_}) } ref $keys ? @$keys : $keys;
}

sub one_shown {
    my ($format, $value) = @_;
    return '-' if !defined $value;
    return $value =~ $NUMBER ? sprintf $format, $value : $value;
}

# Where strangers would decide what comes out, the least disturbed of some attempts counts.
sub run_calmly {
    my ($self, @how) = @_;
    my ($contender, $variant, $title, $bench) = @how;
    my $best;
    for my $attempt (1 .. $self->attempts) {
        my $result = eval { $self->run_once(@how) } // { error => $@ =~ s{\s+}{ }gr };
        return $result if $result->{error} || $self->attempts == 1 || $result->{strangers} <= $bench->{option}{CALM};
        $best = $result if !$best || $result->{strangers} < $best->{strangers};
    }
    return $best;
}

sub run_once {
    my ($self, $contender, $variant, $title, $bench) = @_;
    $bench->{wait_for_calm}->();
    my $server = $self->start_server($contender, $bench);
    my $before = $self->used($server);
    my $result = eval { $self->run($server, $variant, $bench) };
    my $error = $@;
    my $after = $self->used($server);
    keep_log($self->name . ", $title", $server, $result, $bench);
    my $clean = $server->stop;
    die $error if !$result;
    my %used = map { $_ => $after->{$_} - $before->{$_} } keys %$after;
    $result->{strangers} = ($used{busy_s} - $used{ours_s}) / $used{clock_s};
    $result->{server_cpu_s} = $used{server_s};
    $result->{note} = join '; ', grep { defined } $result->{note}, 'the server did not end by itself' if !$clean;
    return $result;
}

# Processor time so far: the machine's, and what of it was for this measurement.
sub used {
    my ($self, $server) = @_;
    my ($user, $system, $child_user, $child_system) = times;
    my $server_s = $server->tree->cpu_s;
    my $backend_s = $self->{backend} ? $self->{backend}->cpu_s : 0;
    return {
        busy_s => busy_seconds(), clock_s => monotonic_s(), server_s => $server_s,
        ours_s => $user + $system + $child_user + $child_system + $server_s + $backend_s };
}

# What this MPM decides and why is worth keeping beside the figures.
sub start_server {
    my ($self, $contender, $bench) = @_;
    return $contender->server(
        $self->server, cores => $bench->{cores}, max_keepalive_requests => $bench->{option}{MAX_KEEPALIVE_REQUESTS},
        certificate => $bench->{certificate}, key => $bench->{key},
        log_level => $contender->{name} eq 'adaptive' ? 'warn mpm_adaptive:info' : 'warn',
        backend => $self->{backend} ? $self->{backend}->port : 0, shield => $bench->{option}{SHIELD} && $self->needs_little,
        $self->server_options)->start;
}

sub server_options { return () }

# Whether the server leaves processor time to strangers even if it comes before them.
sub needs_little { return 1 }

sub attempts { return $_[0]->needs_little ? 1 : ATTEMPTS }

# run() leaves its load and its watch in the result as [load, watch], under "seen".
sub keep_log {
    my ($title, $server, $result, $bench) = @_;
    (my $name = $title) =~ s/[^\w.]+/-/g;
    copy($server->root . '/logs/error_log', "$bench->{option}{REPORT_DIR}/$name.error_log");
    my $seen = $result && delete $result->{seen} or return;
    open my $out, '>', "$bench->{option}{REPORT_DIR}/$name.timeline.tsv" or die "$name.timeline.tsv: $!\n";
    print {$out} timeline(@$seen);
    close $out or die "$name.timeline.tsv: $!\n";
    return;
}

# Waits for the end of a load. %on: at => [[seconds after its start, code], ...]; every => code, some 20 times a second.
sub attend {
    my ($load, %on) = @_;
    my @todo = sort { $a->[0] <=> $b->[0] } @{ $on{at} // [] };
    until ($load->ended) {
        my $now = $load->elapsed_s;
        (shift @todo)->[1]->() while @todo && $todo[0][0] <= $now;
        $on{every}->() if $on{every};
        sleep 0.05;
    }
    return;
}

# --- reporting

sub table {
    my ($self, $runs) = @_;
    my @head = ('server', (map { $_->[1] } $self->columns), 'cores of strangers');
    my $table = Bench::Table->new($self->name . ': ' . $self->title, @head);
    return $table->note("skipped: $runs->{skipped}") if $runs->{skipped};
    for my $label (@{ $runs->{labels} // [] }) {
        my $middle = middle($runs->{results}{$label});
        $table->row($label, (map { shown($_, $middle) } $self->columns), shown(['strangers', '', '%.2f'], $middle));
        $table->note("$label: $_") for map { $_->{error} ? "failed: $_->{error}" : $_->{note} // () } @{ $runs->{results}{$label} };
    }
    $table->note($_) for $self->notes($runs);
    return $table;
}

sub notes { return () }

# Medians of the rounds that went well.
sub middle {
    my ($results) = @_;
    my @good = grep { !$_->{error} } @$results;
    my %keys = map { $_ => 1 } map { keys %$_ } @good;
    return { map { my $key = $_; $key => median_or_text(map { $_->{$key} } @good) } keys %keys };
}

sub median_or_text {
    my @values = grep { defined } @_;
    return (grep { $_ !~ $NUMBER } @values) ? $values[-1] : scalar median(@values);
}

sub verdicts {
    my ($self, $runs) = @_;
    return if $runs->{skipped};
    return map { my $label = $_; map { $self->verdict($runs, $label, $_) } $self->goals }
        grep { $runs->{contender_of}{$_}{name} eq 'adaptive' || $self->for_all } @{ $runs->{labels} };
}

# Whether the goals hold for whoever runs, as those of the tools do.
sub for_all { return 0 }

sub verdict {
    my ($self, $runs, $label, $goal) = @_;
    my $found = middle($runs->{results}{$label})->{ $goal->{key} };
    my $sign = $goal->{at_least} ? '>=' : '<=';
    my ($unit, $format) = ($goal->{unit} // '', $goal->{format} // '%.1f');
    if ($goal->{of}) {
        my $reference = $self->reference($runs, $label, $goal);
        $found = defined $found && $reference ? $found / $reference : undef;
        ($unit, $format) = (' x', '%.3f');
    }
    return text_verdict($self, $label, $goal, $found) if defined $found && $found !~ $NUMBER;
    my $met = defined $found && ($goal->{at_least} ? $found >= $goal->{limit} : $found <= $goal->{limit});
    return {
        what => $self->name . ", $label: $goal->{what}", goal => "$sign $goal->{limit}$unit",
        found => defined $found ? sprintf("$format%s", $found, $unit) : 'not measured', met => $met ? 1 : 0,
    };
}

# Of something that was not reached at all.
sub text_verdict {
    my ($self, $label, $goal, $found) = @_;
    my $limit = "<= $goal->{limit}" . ($goal->{unit} // '');
    return { what => $self->name . ", $label: $goal->{what}", goal => $limit, found => $found, met => 0 };
}

# The value that a ratio is against: that of a contender in the same variant.
sub reference {
    my ($self, $runs, $label, $goal) = @_;
    my ($other) = grep {
        $runs->{contender_of}{$_}->label eq $goal->{of} && $runs->{variant_of}{$_} eq $runs->{variant_of}{$label}
    } @{ $runs->{labels} };
    return $other && middle($runs->{results}{$other})->{ $goal->{key} };
}

# One "scenario contender round key value" a line.
sub raw_lines {
    my ($self, $runs) = @_;
    my @lines;
    for my $label (@{ $runs->{labels} // [] }) {
        my $round = 0;
        for my $result (@{ $runs->{results}{$label} }) {
            $round++;
            push @lines, map { join "\t", $self->name, $label, $round, $_, $result->{$_} // '' } sort keys %$result;
        }
    }
    return @lines;
}

1;
