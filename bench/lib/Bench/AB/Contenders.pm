package Bench::AB::Contenders;

# Who takes part in this repository's comparison. All have Debian's modules and configuration; only the LoadModule line of the MPM and the
# MPM's directives differ. nginx is a reference from outside: what the machine and the load themselves cost.

use strict;
use warnings;

use AB::Machine qw(program);
use Bench::Contender;

# key, what Bench::Contender makes of it, label
my @ALL = (
    ['event',          'event',                                        'mpm_event as Debian has it'],
    ['event-defaults', 'event:/dev/null',                              'mpm_event without a directive'],
    ['event-tuned',    'event:bench/contenders/tuned.conf',            'mpm_event tuned by hand'],
    ['worker',         'worker',                                       'mpm_worker as Debian has it'],
    ['worker-150',     'worker:conf-examples/before/worker-150.conf',  'mpm_worker tuned to 150'],
    ['worker-5000',    'worker:conf-examples/before/worker-5000.conf', 'mpm_worker tuned to 5,000'],
    ['worker-8000',    'worker:conf-examples/before/worker-8000.conf', 'mpm_worker tuned to 8,000'],
    ['prefork',        'prefork',                                      'mpm_prefork as Debian has it'],
    ['adaptive',       'adaptive',                                     'mpm_adaptive'],
    ['nginx',          'nginx',                                        'nginx as Debian has it'],
);

use constant { REFERENCE => 'event', SUBJECT => 'adaptive' };

sub keys_of_all { return map { $_->[0] } @ALL }

sub check_keys {
    my (@keys) = @_;
    my %known = map { $_ => 1 } keys_of_all();
    my @unknown = grep { !$known{$_} } @keys;
    die "CONTENDERS: there is no @unknown; there are: @{[keys_of_all()]}\n" if @unknown;
    return;
}

# Those of some keys, in our order, as AB::Trial wants them. $bench: { cores, certificate, key, shield, keep_log => sub }.
sub contenders {
    my ($bench, @keys) = @_;
    my %wanted = map { $_ => 1 } @keys;
    check_keys(@keys);
    return map { contender($bench, @$_) } grep { $wanted{ $_->[0] } && ($_->[0] ne 'nginx' || program('nginx')) } @ALL;
}

# Another build of this MPM.
sub build { my ($bench, $key, $module, $label) = @_; return contender($bench, $key, "adaptive\@$module", $label) }

sub contender {
    my ($bench, $key, $spec, $label) = @_;
    my $contender = Bench::Contender->new($spec);
    return {
        key => $key, label => $label, describe => $contender->describe, outside => $contender->is_nginx ? 1 : 0,
        can_serve => sub { $contender->can_serve($_[0]) },
        server => sub {
            my ($scenario) = @_;
            return $contender->server(
                $scenario->{server}, %$bench, max_keepalive_requests => $scenario->{server}{max_keepalive_requests} // 0,
                backend => $scenario->{backend} ? $scenario->{backend}->port : 0)->start;
        } };
}

1;
