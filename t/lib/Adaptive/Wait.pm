package Adaptive::Wait;

# Waiting for a condition instead of sleeping and hoping.

use strict;
use warnings;

use Exporter 'import';
use Test::Builder;
use Time::HiRes qw(sleep time);

our @EXPORT    = qw(wait_for);
our @EXPORT_OK = qw(ok_within);

use constant POLL_SECONDS => 0.02;

# wait_for { condition } $seconds, 'what it waits for';
# The condition's value once it is true, else a false value and a note of what did not come. Nobody looks at the result in
# void context, so there it is a failed test.
sub wait_for (&;$$) {
    my ($condition, $seconds, $what) = @_;
    $seconds //= 15;
    my $deadline = time + $seconds;
    while (1) {
        my $late  = time > $deadline;
        my $value = $condition->();
        return $value if $value;
        last if $late;
        sleep POLL_SECONDS;
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
