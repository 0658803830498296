package Bench::SleepBackend;

# A backend that answers after a time that can be changed while it runs (t/tools/backend.c).

use strict;
use warnings;

use parent 'Bench::Background';

use File::Temp ();

use AB::Machine qw(process_cpu_s slurp);
use Adaptive::HTTP;
use Adaptive::Paths qw(build_dir);
use Adaptive::Process qw(spawn);
use Adaptive::Wait;

sub new {
    my ($class, %opt) = @_;
    my $output = File::Temp->new;
    my $self = bless { output => $output, owner => $$ }, $class;
    $self->{pid} = spawn(sub {
        open STDOUT, '>', $output->filename or die "$!";
        exec build_dir() . '/t/backend', '-R', '-d', $opt{delay_ms} // 0 or die "backend: $!";
    });
    wait_for { ($self->{port}) = (slurp($output->filename) // '') =~ /^listening (\d+)$/m } 10, 'the backend to listen'
        or die "the backend does not listen\n";
    return $self;
}

sub port { return $_[0]{port} }
sub pid  { return $_[0]{pid} }

sub get {
    my ($self, $path) = @_;
    my $answer = http_get("http://127.0.0.1:$self->{port}$path");
    die "the backend does not answer $path: $answer->{body}\n" if $answer->{status} != 200;
    return $answer->{body};
}

sub delay {
    my ($self, $ms) = @_;
    $self->get("/control?ms=$ms");
    return;
}

# { requests, waiting_max, late_max_us, cpu_us, ... }
sub stats { return { $_[0]->get('/stats') =~ /^(\w+) (\d+)$/mg } }

# Processor time in seconds.
sub cpu_s { return process_cpu_s($_[0]{pid}) }

1;
