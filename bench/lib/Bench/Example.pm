package Bench::Example;

# An example of conf-examples/ and what it changes: a hand-written configuration ("before", in conf-examples/before/, under the MPM
# that it was written for) and what is left of it under this one ("now"), under the load that it was written for. Each is a module
# below Bench::Example that derives from this one and says, beyond what Bench::Change asks for,
#
#   files               names of its examples, without .conf; each has a file in conf-examples/before/ as well
#   heading, text       of its part of docs/user/examples.md
#   headline            [key, what, unit, format], ...: what conf-examples/README.md has room for
#
# QUICK=1 makes everything short, to see whether it works.

use strict;
use warnings;

use parent 'Bench::Change';

use AB::Machine qw(busy_seconds cores monotonic_s slurp);

use constant { ROUNDS => 3, DIR => 'conf-examples' };

my %MODULE = (
    users => 'Users', surge => 'Surge', reloads => 'Reloads', prefork => 'Prefork', files => 'Files', slowapp => 'SlowApp',
    php => 'Php', websockets => 'WebSockets', container => 'Container', bighost => 'BigHost');

my @ORDER = qw(users surge reloads prefork files slowapp php websockets container bighost);

sub names { return @ORDER }

sub scenarios {
    my ($class, @names) = @_;
    return map {
        my $module = $MODULE{$_} // die "no such example: $_\n";
        require "Bench/Example/$module.pm";
        "Bench::Example::$module"->new;
    } @names;
}

sub contenders {
    my ($self) = @_;
    return ((map { before_spec($_) } $self->files), $self->now);
}

# Nothing, unless there is a line worth keeping.
sub now {
    my ($self) = @_;
    my ($name, @others) = $self->files;
    my $path = DIR . "/$name.conf";
    return !@others && active_lines($path) ? "adaptive:$path" : 'adaptive';
}

# A file says which MPM it is for.
sub mpm_of {
    my ($path) = @_;
    my $text = slurp($path) // die "$path: $!\n";
    my ($mpm) = $text =~ /^<IfModule mpm_(\w+)_module>/m or die "$path does not say for which MPM it is\n";
    return $mpm;
}

sub before_spec {
    my ($name) = @_;
    my $path = DIR . "/before/$name.conf";
    return mpm_of($path) . ":$path";
}

# What is no comment and no guard.
sub active_lines {
    my ($path) = @_;
    return grep { /\S/ && !/^\s*(?:#|<)/ } split /\n/, slurp($path) // die "$path: $!\n";
}

sub rounds {
    my ($self, $bench) = @_;
    return $bench->{option}{REPEAT_SET} ? $bench->{option}{REPEAT} : $bench->{option}{QUICK} ? 1 : ROUNDS;
}

sub quick {
    my ($bench, $quick, $else) = @_;
    return $bench->{option}{QUICK} ? $quick : $else;
}

sub charts { return () }

# Processor time and clock now; with an earlier one: the cores that the server used since then, and the share of the machine's that
# anybody used.
sub processors {
    my ($server, $since) = @_;
    my $now = { server_s => $server->tree->cpu_s, busy_s => busy_seconds(), clock_s => monotonic_s() };
    return $now if !$since;
    my $elapsed_s = $now->{clock_s} - $since->{clock_s};
    return (
        ($now->{server_s} - $since->{server_s}) / $elapsed_s,
        100 * ($now->{busy_s} - $since->{busy_s}) / $elapsed_s / cores());
}

1;
