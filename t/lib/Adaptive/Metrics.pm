package Adaptive::Metrics;

# Reads what metrics.c puts, by the rules of its two formats: whatever a strict reader could take amiss is a fault.
#   https://prometheus.io/docs/instrumenting/exposition_formats/
#   https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md

use strict;
use warnings;

use Exporter 'import';

use Adaptive::Paths qw(build_dir);

our @EXPORT_OK = qw(metrics_text metrics_of metrics_faults);

# Of a view that is made up (t/unit/view_made.h), in one of the two formats: "plain", "openmetrics".
sub metrics_text {
    my ($view, $format) = @_;
    my $text = qx{@{[build_dir()]}/t/unit/metrics $view $format};
    die "there is no view '$view'\n" if $?;
    return $text;
}

my $NAME   = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
my $LABEL  = qr/[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"/;
my $NUMBER = qr/[-+]?(?:\d+(?:\.\d*)?(?:e[-+]?\d+)?|Inf)|NaN/i;

# What a family's samples are called.
sub sample_name {
    my ($family, $openmetrics) = @_;
    my $end = !$openmetrics ? '' : { counter => '_total', info => '_info' }->{ $family->{type} // '' } // '';
    return $family->{name} . $end;
}

# (families, faults): each family { name, type, help, unit, samples => [ { name, labels, value } ] }, in their order.
sub metrics_of {
    my ($text, $openmetrics) = @_;
    my (@families, %family, %seen, @faults, $current, $ended);
    my $fault = sub { push @faults, "line $.: $_[0]"; return };
    utf8::decode(my $copy = $text) or push @faults, 'no UTF-8';
    push @faults, 'no newline at the end' if $text !~ /\n\z/;
    local $. = 0;
    for my $line (split /\n/, $text, -1) {
        $.++;
        last if $line eq '' && $. > 1 && $. == 1 + ($text =~ tr/\n//);
        $fault->('something after the end') if $ended;
        if ($line eq '# EOF') {
            $ended = 1;
        }
        elsif (my ($what, $name, $rest) = $line =~ /^# (TYPE|HELP|UNIT) ($NAME) (.+)$/) {
            if (!$current || $current->{name} ne $name) {
                $fault->("$name again") if $family{$name};
                push @families, $current = $family{$name} //= { name => $name, samples => [] };
            }
            $fault->("$what of $name after its values") if @{ $current->{samples} };
            $fault->("$what of $name twice")            if defined $current->{ lc $what };
            $fault->("no type: $rest")                  if $what eq 'TYPE' && $rest !~ ($openmetrics ? qr/\A(?:gauge|counter|info)\z/ : qr/\A(?:gauge|counter)\z/);
            $fault->("$name has the unit $rest")        if $what eq 'UNIT' && $name !~ /_\Q$rest\E\z/;
            $fault->('an escape that is none')          if $what eq 'HELP' && $rest =~ /\\(?![\\n"])/;
            $current->{ lc $what } = $rest;
        }
        elsif (my ($sample, $labels, $value) = $line =~ /^($NAME)(?:\{((?:$LABEL,)*$LABEL)\})? ($NUMBER)$/) {
            if (!$current || $sample ne sample_name($current, $openmetrics)) {
                $fault->("$sample is of no family");
                next;
            }
            $fault->("$sample\{" . ($labels // '') . '} twice') if $seen{ join "\0", $sample, sort split /(?<=")(?<!\\"),/, $labels // '' }++;
            $fault->("$sample counts to $value") if ($current->{type} // '') eq 'counter' && $value !~ /^\d+$/;
            $fault->("$sample is $value")        if ($current->{type} // '') eq 'info' && $value ne '1';
            push @{ $current->{samples} }, { name => $sample, labels => $labels // '', value => $value };
        }
        else {
            $fault->("neither a value nor what is said of one: '$line'");
        }
    }
    push @faults, 'no # EOF' if $openmetrics && !$ended;
    push @faults, '# EOF'    if !$openmetrics && $ended;
    for (@families) {
        my $samples = @{ $_->{samples} };
        push @faults, "$_->{name} has no value"                if !$samples;
        push @faults, "$_->{name} has no type"                if !defined $_->{type};
        push @faults, "$_->{name} has no help"                 if !defined $_->{help};
        push @faults, "$_->{name} ends as only a counter does" if $openmetrics && $_->{name} =~ /_(?:total|created|info|count|sum|bucket)\z/;
        push @faults, "$_->{name}: a counter ends in _total"   if !$openmetrics && ($_->{type} // '') eq 'counter' && $_->{name} !~ /_total\z/;
        push @faults, "$_->{name}: no counter ends in _total"  if !$openmetrics && ($_->{type} // '') ne 'counter' && $_->{name} =~ /_total\z/;
    }
    return (\@families, \@faults);
}

sub metrics_faults { return (metrics_of(@_))[1] }

1;
