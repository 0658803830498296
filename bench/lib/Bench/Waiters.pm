package Bench::Waiters;

# Clients that a server has to wait for (bench/tools/waiters.c), in the background.

use strict;
use warnings;

use File::Temp ();
use POSIX ();

use Adaptive::Paths qw(build_dir);
use Adaptive::Process qw(finish spawn);
use Adaptive::Wait;
use Bench::Machine qw(slurp);

# start($port, kind => 'header', tls => 1, path => '/', clients => 100, at_a_time => 100, interval_ms => 1000, piece => 1,
# length => 16384, seconds => 60). The comment of the program says what these are.
sub start {
    my ($class, $port, %opt) = @_;
    my $program = build_dir() . '/t/waiters';
    -x $program or die "$program is missing: run make first\n";
    my $output = File::Temp->new;
    my @tls = delete $opt{tls} ? '-T' : ();
    my %flag = (
        kind => '-k', path => '-u', clients => '-c', at_a_time => '-o', interval_ms => '-i', piece => '-b', length => '-l',
        seconds => '-d');
    my @options = map { ($flag{$_} // die("unknown option $_\n")) => $opt{$_} } sort keys %opt;
    my $self = bless { output => $output, patience => ($opt{seconds} // 60) + 15 }, $class;
    $self->{pid} = spawn(sub {
        open STDOUT, '>', $output->filename or die "$!";
        open STDERR, '>&', \*STDOUT;
        exec $program, '-p', $port, @tls, @options or die "$program: $!";
    });
    return $self;
}

# Whether the program has been built with OpenSSL.
sub speaks_tls {
    my $said = qx{@{[build_dir()]}/t/waiters -p 1 -k idle -T -c 1 -d 0.01 2>&1};
    return $said !~ /without OpenSSL/;
}

sub text { return slurp($_[0]{output}->filename) // '' }

# The number of clients that wait, once nobody is on the way any more; undef when that takes longer.
sub ready {
    my ($self, $seconds) = @_;
    my $ready;
    wait_for { ($ready) = $self->text =~ /^ready (\d+)$/m; defined $ready || $self->ended } $seconds // 60, 'clients to wait'
        or return;
    return $ready // die "waiters ended:\n" . $self->text;
}

sub ended {
    my ($self) = @_;
    $self->{ended} ||= waitpid($self->{pid}, POSIX::WNOHANG()) != 0;
    return $self->{ended};
}

# Ends them: { clients, waiting, underway, connect, refused, answered, closed, done, sent, received }.
sub stop {
    my ($self) = @_;
    kill 'TERM', $self->{pid} if !$self->ended;
    return $self->result;
}

# Waits for their end by themselves.
sub result {
    my ($self) = @_;
    wait_for { $self->ended } $self->{patience}, 'the clients to end';
    finish($self->{pid});
    my $text = $self->text;
    die "waiters did not finish:\n$text\n" if $text !~ /^end$/m;
    return { $text =~ /^(\w+) (\d+)$/mg };
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $!, $@);
    finish($self->{pid}) if $self->{pid} && !$self->{ended};
    return;
}

1;
