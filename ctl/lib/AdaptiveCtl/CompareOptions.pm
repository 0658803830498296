package AdaptiveCtl::CompareOptions;

# The options of "adaptivectl compare": their defaults and limits, and which of them go together.

use strict;
use warnings;

use AdaptiveCtl::Say;

# A trace of the load generator is no longer.
use constant MOST_TRACE_S => 864_000;

my %DEFAULT = (rounds => 7, seconds => 15, 'warm-up' => 5, rate => 50, scale => 1, 'most-rate' => 1000, connections => 256, minutes => 30, timeout => 30);

# option => [least, most]
my %LIMITS = (
    rounds => [1, 100], seconds => [1, 3600], 'warm-up' => [0, 600], rate => [0.01, 100_000], scale => [0.01, 1000], 'most-rate' => [1, 100_000],
    connections => [1, 19_000], minutes => [1, 1440], timeout => [1, 600]);

# Those that say which site it is go with everything.
my @SITE = qw(config httpd state);

my %OF_CANARY = map { $_ => 1 } qw(canary share front dry-run), @SITE;
my %OF_READING = map { $_ => 1 } qw(canary-read minutes output), @SITE;

# With defaults; dies with a sentence if something is wrong.
sub checked {
    my ($given) = @_;
    my $option = { %DEFAULT, %$given };
    for my $name (sort keys %LIMITS) {
        my ($least, $most) = @{ $LIMITS{$name} };
        usage_error("--$name $option->{$name}: it has to be from $least to $most.") if $option->{$name} < $least || $option->{$name} > $most;
    }
    usage_error('compare needs what to ask: --url URL (several if need be), or --log FILE, the access log of this site.') if !$option->{url} && !$option->{log};
    usage_error('compare takes --url or --log, not both.') if $option->{url} && $option->{log};
    usage_error('--scale is for --log; with --url say --rate.') if defined $given->{scale} && !$option->{log};
    usage_error("--scale $option->{scale}: that fast, a run replays more than ten days of the log; choose a smaller one, or fewer --seconds.")
        if ($option->{'warm-up'} + $option->{seconds}) * $option->{scale} > MOST_TRACE_S;
    usage_error('--host is for --log; a URL has its host in it.') if defined $given->{host} && !$option->{log};
    usage_error('--log-format is for --log.') if defined $given->{'log-format'} && !$option->{log};
    usage_error('--rate is for --url; a log has its own moments, which --scale draws together.') if defined $given->{rate} && $option->{log};
    usage_error("--$_ is for --canary only.") for grep { defined $given->{$_} } qw(share front);
    usage_error('--new-connections makes a new connection for each request, and --connections says how many are kept: say one of them.')
        if $given->{'new-connections'} && defined $given->{connections};
    $option->{against} //= [];
    check_against($_) for @{ $option->{against} };
    usage_error("--module $option->{module} cannot be read; name the file mod_mpm_adaptive.so.") if defined $option->{module} && !(-f $option->{module} && -r _);
    return $option;
}

sub check_against {
    my ($against) = @_;
    my ($mpm, $file) = split /:/, $against, 2;
    usage_error("--against $against: write event, worker, prefork or adaptive, with :FILE for the MPM directives in FILE.")
        if $mpm !~ /\A(?:event|worker|prefork|adaptive)\z/;
    usage_error("--against $against: $file cannot be read.") if defined $file && !(-f $file && -r _);
    return;
}

# --canary and --canary-read have options of their own; the others would be ignored without a word.
sub check_canary {
    my ($given) = @_;
    usage_error('--canary prints the recipe, and --canary-read reads what became of it: say one of them.') if $given->{canary} && $given->{'canary-read'};
    my ($mode, $known) = $given->{canary} ? ('--canary', \%OF_CANARY) : ('--canary-read', \%OF_READING);
    my ($other) = grep { defined $given->{$_} && !$known->{$_} } sort keys %$given;
    usage_error("--$other is not for $mode.") if defined $other;
    return;
}

1;
