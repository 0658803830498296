package Adaptive::Wait;

# Waiting for a condition instead of sleeping and hoping.

use strict;
use warnings;

use Exporter 'import';
use Test::Builder;
use Time::HiRes qw(sleep time);

our @EXPORT    = qw(wait_for);
our @EXPORT_OK = qw(ok_within slowness others);

use constant { POLL_SECONDS => 0.02, MOST_SLOWNESS => 10 };

my $processors = () = read_text('/proc/stat') =~ /^cpu\d/mg;

sub read_text {
    my ($path) = @_;
    open my $in, '<', $path or return '';
    local $/;
    return <$in> // '';
}

# How many times longer everything takes than on a machine that has nothing else to do: who can run has to share the processors.
sub slowness {
    my ($running) = read_text('/proc/loadavg') =~ m{ (\d+)/};
    my $slowness = ($running // 0) / ($processors || 1);
    return $slowness < 1 ? 1 : $slowness > MOST_SLOWNESS ? MOST_SLOWNESS : $slowness;
}

# How many processes compute on this machine for each of its processors before a test does anything: a few looks, because each
# is one of a moment. From 1 on there is nothing to be learnt from a time that something took.
sub others {
    my $sum = 0;
    for (1 .. 20) {
        sleep POLL_SECONDS;
        my ($running) = read_text('/proc/loadavg') =~ m{ (\d+)/};
        $sum += ($running // 1) - 1;
    }
    return $sum / 20 / ($processors || 1);
}

# wait_for { condition } $seconds, 'what it waits for';
# The condition's value once it is true, else a false value and a note of what did not come. Nobody looks at the result in
# void context, so there it is a failed test. The seconds are those of a machine to itself: where others compute they are longer.
sub wait_for (&;$$) {
    my ($condition, $seconds, $what) = @_;
    $seconds //= 15;
    my ($left, $seen) = ($seconds, time);
    while (1) {
        my $late  = $left < 0;
        my $value = $condition->();
        return $value if $value;
        last if $late;
        sleep POLL_SECONDS;
        my $now = time;
        $left -= ($now - $seen) / slowness();
        $seen = $now;
    }
    my $test    = Test::Builder->new;
    my $message = 'waited ' . $seconds . ' s in vain for ' . ($what // 'a condition');
    if (!defined wantarray) {
        local $Test::Builder::Level = $Test::Builder::Level + 1;
        $test->ok(0, $message);
    }
    elsif (defined $what) {
        $test->diag($message);
    }
    return 0;
}

# The same as a test of its own: it passes when the condition came true in time.
sub ok_within (&$$) {
    my ($condition, $seconds, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::Builder->new->ok((wait_for \&$condition, $seconds), $what);
}

1;
