package Adaptive::Load;

# Load on a server while a test does something to it: loadgen (ctl/loadgen) in the background, its totals as a hash.

use strict;
use warnings;

use parent 'Adaptive::Program';

use Adaptive::Wait;

# start($port, mode => 'new' | 'keep' | 'hold', path => '/', rate => 100, seconds => 5, connections => 10, timeout => 10,
# kind => 'silent' | 'partial' | 'idle', schedule => 'RATE:SECONDS,...', log => FILE, poisson => SEED, trace => FILE, scale => FACTOR,
# https_port => PORT, host => NAME, header => LINE or [LINES], at_most => CONNECTIONS, at_end => 'drop', urgent => 1). No port
# (undef) for a schedule over TLS. Loadgen's own comment says what they do.
sub start {
    my ($class, $port, %opt) = @_;
    my @port    = defined $port ? ('-p', $port) : ();
    my @urgent  = delete $opt{urgent} ? '-R' : ();
    my @drop    = (delete $opt{at_end} // '') eq 'drop' ? '-e' : ();
    my $header  = delete $opt{header};
    my @header  = map { ('-H', $_) } ref $header ? @$header : $header // ();
    my %flag    = (
        mode => '-m', path => '-u', rate => '-r', seconds => '-d', connections => '-c', timeout => '-t', kind => '-k',
        schedule => '-s', log => '-l', at_most => '-n', poisson => '-P', trace => '-T', scale => '-x', https_port => '-S',
        host => '-V');
    my $seconds = $opt{trace} ? trace_seconds($opt{trace}, $opt{scale} // 1) : $opt{seconds} // seconds_of($opt{schedule} // "0:5");
    return $class->launch('loadgen',
        patience  => $seconds + 2 * ($opt{timeout} // 10) + 15,
        arguments => [@port, @urgent, @drop, @header, Adaptive::Program::arguments_of(\%flag, %opt)]);
}

# How long a trace takes: its last line says so.
sub trace_seconds {
    my ($file, $scale) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    my $last = '0';
    while (my $line = <$in>) { $last = $line }
    close $in;
    return $last =~ /^(\d+)\t/ ? $1 / 1e6 / $scale : 0;
}

# How long a schedule takes.
sub seconds_of {
    my ($schedule) = @_;
    my $sum = 0;
    $sum += $_ for $schedule =~ /:([\d.]+)/g;
    return $sum;
}

# Waits until the schedule has begun, or all connections are held, for as long as they get more; the number of those that are.
sub ready {
    my ($self, $seconds) = @_;
    my ($opened, $ready, $more) = (0, '');
    while (1) {
        my $come = wait_for {
            $ready = $self->text =~ /^ready (\d+)$/m ? $1 : '';
            $more = ($self->text =~ /^opening (\d+)$/mg)[-1] // 0;
            $ready ne '' || $self->ended || $more > $opened;
        } $seconds // 15, 'the load to begin';
        return $ready || 0 if !$come || $ready ne '' || $self->ended;
        $opened = $more;
    }
}

# Waits for the end: { sent, ok, failed, connect, reset, ..., p99_ms, failures => [ { ms, kind, pid, fresh } ] }.
sub result {
    my ($self) = @_;
    my $text   = $self->last_text;
    my %result = $text =~ /^(\w+) ([\d.]+)$/mg;
    $result{failures} = [
        map { my %f; @f{qw(ms kind pid fresh)} = split ' ', $_; \%f } $text =~ /^fail (.*)$/mg ];
    return \%result;
}

# One line for a diagnostic.
sub summary {
    my ($result) = @_;
    return join ' ', map {"$_=$result->{$_}"} grep { !ref $result->{$_} } sort keys %$result;
}

1;
