package AB::Load;

# One load: the load generator with a schedule or a trace, in the background. Its own comment (ctl/loadgen) says what its options do.

use strict;
use warnings;

use Time::HiRes qw(sleep);

use AB::Machine qw(monotonic_s slurp);
use AB::Process;
use AB::Requests;

use constant { READY_S => 60, POLL_S => 0.01 };

my %FLAG = (
    mode => '-m', port => '-p', https_port => '-S', path => '-u', schedule => '-s', trace => '-T', scale => '-x', poisson => '-P',
    connections => '-c', at_most => '-n', timeout => '-t', host => '-V');

my $serial = 0;

# new(program => PATH, dir => for its files, and of %FLAG what there is; at_end => 'drop', headers => [...], seconds => how long it takes,
# urgent => 1: comes before everybody else on the machine).
# Returns when the first request is due.
sub new {
    my ($class, %opt) = @_;
    my $self = bless { map { $_ => delete $opt{$_} } qw(program dir seconds) }, $class;
    my @drop = (delete $opt{at_end} // '') eq 'drop' ? '-e' : ();
    my @urgent = delete $opt{urgent} ? '-R' : ();
    my @headers = map { ('-H', $_) } @{ delete $opt{headers} // [] };
    my $number = ++$serial;
    @$self{qw(log output)} = map { "$self->{dir}/$_.$number" } qw(requests loadgen);
    my @command = (
        $self->{program}, @urgent, @drop, @headers, '-l', $self->{log},
        map { defined $opt{$_} ? ($FLAG{$_} // die("the load has no option $_\n"), $opt{$_}) : () } sort keys %opt);
    $self->{timeout} = $opt{timeout} // 10;
    $self->{pid} = AB::Process::start(\@command, $self->{output});
    $self->wait_until_it_begins;
    return $self;
}

sub text { return slurp($_[0]{output}) // '' }

# Waits for its "ready": (the process, the file that it writes to, the program's name).
sub wait_until_ready {
    my ($pid, $output, $program) = @_;
    my $deadline = monotonic_s() + READY_S;
    while (1) {
        my $ended = AB::Process::has_ended($pid);
        my $text = slurp($output) // '';
        return if $text =~ /^ready /m;
        die 'the load generator did not start: ' . ($text || "no word from $program, "
            . ($ended ? 'which ended with the wait status ' . AB::Process::status_of($pid) : 'which runs')) . "\n"
            if $ended || monotonic_s() > $deadline;
        sleep POLL_S;
    }
}

sub wait_until_it_begins {
    my ($self) = @_;
    wait_until_ready(@$self{qw(pid output program)});
    my ($start_us) = $self->text =~ /^start_us (\d+)$/m or die "the load generator does not say when it started\n";
    $self->{start_s} = $start_us / 1e6;
    return;
}

sub elapsed_s { return monotonic_s() - $_[0]{start_s} }
sub has_ended { return AB::Process::has_ended($_[0]{pid}) }

# It is to end now; what is under way is waited for.
sub interrupt { kill 'TERM', $_[0]{pid} if !$_[0]->has_ended; return }

# Waits for its end: { requests => [AB::Requests], totals => { key => value } }.
sub result {
    my ($self) = @_;
    return $self->{result} if $self->{result};
    AB::Process::wait_for($self->{pid}, $self->{seconds} + 2 * $self->{timeout} + 30) or die "the load generator does not end\n";
    my $text = $self->text;
    $text =~ /^end$/m or die "the load generator failed:\n$text\n";
    my %totals = $text =~ /^(\w+) ([\d.]+)$/mg;
    $self->{result} = { requests => [AB::Requests::read_log($self->{log})], totals => \%totals };
    unlink $self->{log}, $self->{output};
    return $self->{result};
}

# Ends it, whatever it was doing.
sub stop {
    my ($self) = @_;
    AB::Process::end($self->{pid}, 1) if !$self->has_ended;
    unlink $self->{log}, $self->{output};
    return;
}

package AB::Load::Held;

# Connections that are opened and held for as long as this object is not stopped: kind is silent, partial (half a header) or idle (kept
# alive after a request).

use constant { HELD_S => 3600 };

sub new {
    my ($class, %opt) = @_;
    my $self = bless { output => "$opt{dir}/held." . ++$serial }, $class;
    $self->{pid} = AB::Process::start(
        [$opt{program}, '-m', 'hold', '-p', $opt{port}, '-k', $opt{kind}, '-c', $opt{connections}, '-d', HELD_S], $self->{output});
    my $ready = eval { AB::Load::wait_until_ready(@$self{qw(pid output)}, $opt{program}); 1 };
    return $self if $ready;
    my $error = $@;
    $self->stop;
    die $error;
}

sub stop {
    my ($self) = @_;
    AB::Process::end($self->{pid});
    unlink $self->{output};
    return;
}

1;
