package AdaptiveCtl::CompareLoad;

# What a comparison asks of both servers: URLs at random moments, or what an access log says at its own moments. Both become traces for
# the load generator: "AT_US METHOD SCHEME HOST PATH" a line, tab-separated.

use strict;
use warnings;

use AdaptiveCtl::AccessLog;
use AdaptiveCtl::Say;

# So many different requests are tried before anything is measured.
use constant { DISTINCT => 20 };

# $option: what the command line says. Dies with a sentence if nothing can be asked.
sub new {
    my ($class, $copy, $option, $dir) = @_;
    my $self = bless { copy => $copy, option => $option, dir => $dir, notes => [] }, $class;
    $self->{seconds} = $option->{'warm-up'} + $option->{seconds};
    if ($option->{log}) { $self->read_log }
    else                { $self->read_urls }
    $self->find_ports;
    return $self;
}

sub notes { return @{ $_[0]{notes} } }
sub seconds { return $_[0]{seconds} }

sub read_urls {
    my ($self) = @_;
    for my $url (@{ $self->{option}{url} }) {
        my ($target, $why) = $self->{copy}->target_of($url);
        $target // usage_error("--url $url cannot be asked of the copy: $why." . hosts_left_out($self->{copy}));
        push @{ $self->{targets} }, { %$target, url => $url, method => 'GET' };
    }
    my $rate = $self->{option}{rate};
    check_rate($rate, '--rate', $self->{option});
    $self->{shown} = sprintf '%s requests a second for %s, at random moments', $rate,
        @{ $self->{targets} } == 1 ? $self->{targets}[0]{url} : scalar(@{ $self->{targets} }) . ' URLs';
    return;
}

# A virtual host that is missing because of a file is not one that the site does not have.
sub hosts_left_out {
    my ($copy) = @_;
    return join '', map { $_->{text} =~ /\A<VirtualHost/i ? "\n- $_->{text}" : () } $copy->notes;
}

sub check_rate {
    my ($rate, $what, $option) = @_;
    my $most = $option->{'most-rate'};
    usage_error("$what means $rate requests a second, more than --most-rate $most. These reach the real backends and databases of the site: say"
            . ' --most-rate ' . int($rate + 1) . ' if that is meant.') if $rate > $most;
    return;
}

sub read_log {
    my ($self) = @_;
    my $option = $self->{option};
    my $scale = $option->{scale};
    my $names = join ', ', @{ $option->{log} };
    my $log = AdaptiveCtl::AccessLog->new(files => $option->{log}, copy => $self->{copy}, host => $option->{host},
        format => $option->{'log-format'});
    $self->{trace} = "$self->{dir}/trace";
    my $found = $log->write_trace(out => $self->{trace}, max_seconds => int($self->{seconds} * $scale + 0.999));
    check_rate($found->{rate_peak} * $scale, "the busiest second of $names" . ($scale == 1 ? '' : ", $scale times as fast,"), $option);
    push @{ $self->{notes} }, "$names: " . in_words($found) . '.';
    my $length_s = ($found->{last} - $found->{first} + 1) / $scale;
    if ($length_s < $self->{seconds}) {
        $length_s > $option->{'warm-up'} + 1 or fail(sprintf '%s has requests of %.0f s only, which is no more than the warm-up: say --warm-up 0, or a smaller --scale.',
            $names, $length_s);
        $self->{seconds} = $length_s;
    }
    $self->find_targets_of_trace;
    $self->{shown} = sprintf '%d requests of %s %s, %.1f a second on average, %.0f in the busiest one', $found->{used}, $names,
        $scale == 1 ? 'at their own moments' : "$scale times as fast", $found->{rate_mean} * $scale, $found->{rate_peak} * $scale;
    return;
}

sub in_words {
    my ($found) = @_;
    my @left_out = map { $found->{ $_->[0] } ? "$found->{$_->[0]} $_->[1]" : () }
        [other_methods => 'with other methods than GET and HEAD'], [failed => 'that failed then'], [no_host => 'for hosts that the copy does not have'],
        [malformed => 'that are no request'];
    return "of $found->{lines} lines $found->{used} are replayed, those of the busiest stretch"
        . (@left_out ? '; not considered were ' . join(', ', @left_out) : '');
}

# The different requests of the trace, as many as are tried beforehand, and one for each host.
sub find_targets_of_trace {
    my ($self) = @_;
    open my $in, '<:raw', $self->{trace} or fail("$self->{trace} cannot be read: $!.");
    my (%seen, %has_host);
    while (my $line = <$in>) {
        chomp $line;
        my (undef, $method, $scheme, $host, $path) = split /\t/, $line;
        my $is_tried = @{ $self->{targets} // [] } < DISTINCT;
        next if !$is_tried && $has_host{"$scheme $host"} || $seen{"$method $scheme $host $path"}++;
        my ($target) = $self->{copy}->target_of("$scheme://$host$path");
        next if !$target;
        $has_host{"$scheme $host"} = 1;
        push @{ $self->{targets} }, { %$target, method => $method };
    }
    close $in;
    $self->{targets} or fail('no request of the log belongs to a virtual host of the copy.');
    return;
}

# One generator speaks to one port of each scheme.
sub find_ports {
    my ($self) = @_;
    for my $target (@{ $self->{targets} }) {
        my $site = $target->{site};
        my $known = $self->{sites}{ $target->{scheme} } //= $site;
        usage_error("the requests are for two ports of $target->{scheme}, $known->{port} and $site->{port}: compare them one after the other.")
            if $known->{private_port} != $site->{private_port};
    }
    return;
}

# Private ports of the copy that has been written last: { http, https }.
sub ports {
    my ($self) = @_;
    return { map { $_ => $self->{sites}{$_}{private_port} } keys %{ $self->{sites} } };
}

# The trace of a round. A log has one; URLs come at other moments in each round, the same for all contenders.
sub trace {
    my ($self, $round) = @_;
    return $self->{trace} if $self->{option}{log};
    my $path = "$self->{dir}/trace.$round";
    return $path if -e $path;
    srand 7919 * $round;
    my ($at_s, @lines) = (0);
    while (($at_s -= log(1 - rand) / $self->{option}{rate}) < $self->{seconds}) {
        push @lines, line($at_s * 1e6, $self->{targets}[rand @{ $self->{targets} }]);
    }
    return write_lines($path, @lines ? @lines : line(0, $self->{targets}[0]));
}

sub line {
    my ($at_us, $target) = @_;
    return sprintf "%d\t%s\t%s\t%s\t%s\n", $at_us, @$target{qw(method scheme host path)};
}

# Each of them once, one after the other, to see what it answers.
sub trial_trace {
    my ($self) = @_;
    my $n = 0;
    return write_lines("$self->{dir}/trace.trial", map { line(100_000 * $n++, $_) } $self->samples);
}

sub samples {
    my ($self) = @_;
    my @targets = @{ $self->{targets} };
    return @targets > DISTINCT ? @targets[0 .. DISTINCT - 1] : @targets;
}

sub write_lines {
    my ($path, @lines) = @_;
    open my $out, '>:raw', $path or fail("$path cannot be written: $!.");
    print {$out} @lines;
    close $out or fail("$path cannot be written: $!.");
    return $path;
}

1;
