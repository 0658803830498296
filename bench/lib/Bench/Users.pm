package Bench::Users;

# Users who wait for an answer before they ask again (bench/tools/users.c), in the background.

use strict;
use warnings;

use File::Temp ();
use POSIX ();

use Adaptive::Paths qw(build_dir);
use Adaptive::Process qw(finish spawn);
use Adaptive::Wait;
use Bench::Machine qw(slurp);

# start($port, users => 50, path => '/', seconds => 3, warm_s => 1, pause_ms => 0, timeout => 10, keep => 1)
sub start {
    my ($class, $port, %opt) = @_;
    my $program = build_dir() . '/t/users';
    -x $program or die "$program is missing: run make first\n";
    my $output = File::Temp->new;
    my @keep = delete $opt{keep} ? '-k' : ();
    my %flag = (users => '-c', path => '-u', seconds => '-d', warm_s => '-w', pause_ms => '-z', timeout => '-t');
    my @options = map { ($flag{$_} // die("unknown option $_\n")) => $opt{$_} } sort keys %opt;
    my $patience = ($opt{seconds} // 5) + ($opt{warm_s} // 1) + 2 * ($opt{timeout} // 10) + 15;
    my $self = bless { output => $output, patience => $patience }, $class;
    $self->{pid} = spawn(sub {
        open STDOUT, '>', $output->filename or die "$!";
        exec $program, '-R', '-p', $port, @keep, @options or die "$program: $!";
    });
    return $self;
}

sub ended {
    my ($self) = @_;
    $self->{ended} ||= waitpid($self->{pid}, POSIX::WNOHANG()) != 0;
    return $self->{ended};
}

# Waits for the end: { judged, failed, rate, p50_ms, ... }.
sub result {
    my ($self) = @_;
    wait_for { $self->ended } $self->{patience}, 'the users to end';
    finish($self->{pid});
    my $text = slurp($self->{output}->filename) // '';
    die "users did not finish: $text\n" if $text !~ /^end$/m;
    return { $text =~ /^(\w+) ([\d.]+)$/mg };
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $!, $@);
    finish($self->{pid}) if $self->{pid} && !$self->{ended};
    return;
}

1;
