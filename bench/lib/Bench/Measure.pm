package Bench::Measure;

# One server under one load for some seconds: what the load generator saw and what the kernel accounted to the server.

use strict;
use warnings;

use Exporter 'import';

use AB::Machine qw(busy_seconds listen_overflows);
use Bench::Load qw(run_load);

our @EXPORT_OK = qw(measure warm_up);

sub warm_up {
    my ($seconds, %load) = @_;
    run_load(undef, %load, seconds => $seconds) if $seconds;
    return;
}

# $others: things with cpu_s() that are no strangers although they are not the server (the backend, spinning processes).
# Returns what run_load does, and { cpu_us, switches } a request, { rps, strangers, overflows }.
sub measure {
    my ($server, $others, %load) = @_;
    my $before = snapshot($server, $others);
    my $result = run_load(sub { $server->tree->look }, %load);
    my $after = snapshot($server, $others);
    my %used = map { $_ => $after->{$_} - $before->{$_} } keys %$after;
    $result->{failed} //= 'the server has gone' if !$server->alive;
    $result->{failed} //= 'no request was answered' if !$result->{requests};
    return $result if $result->{failed};
    my $requests = $result->{requests};
    return {
        %$result,
        rps       => $requests / $result->{seconds},
        cpu_us    => $used{server_s} * 1e6 / $requests,
        switches  => $used{switches} / $requests,
        strangers => ($used{busy_s} - $used{server_s} - $used{own_s} - $used{others_s}) / $used{clock_s},
        overflows => $used{overflows},
    };
}

sub snapshot {
    my ($server, $others) = @_;
    my $totals = $server->tree->totals;
    my ($user, $system, $child_user, $child_system) = times;
    my %now = (
        server_s  => $totals->{cpu_s},
        switches  => $totals->{switches},
        busy_s    => busy_seconds(),
        own_s     => $user + $system + $child_user + $child_system,
        others_s  => 0,
        clock_s   => Time::HiRes::time(),
        overflows => listen_overflows(),
    );
    $now{others_s} += $_->cpu_s for @$others;
    return \%now;
}

1;
