package AdaptiveCtl::Journal;

# What a switch is doing, in a file, for whoever comes after it was killed; which MPM was there before; and a lock, so that two do
# not switch at once. One line a value; \n and \\ stand for line ends and backslashes in values.

use strict;
use warnings;

use Fcntl qw(:flock);
use File::Path qw(make_path);

use AdaptiveCtl::Say;
use AdaptiveCtl::Steps;

sub new {
    my ($class, $site) = @_;
    my $name = $site->{config} =~ s{^/}{}r =~ s{/}{-}gr;
    return bless { dir => $site->{state}, base => "$site->{state}/$name" }, $class;
}

sub lock {
    my ($self) = @_;
    eval { make_path($self->{dir}, { mode => 0700 }); 1 } && -w $self->{dir}
        or fail("the directory $self->{dir} cannot be written to: run it as root (sudo adaptivectl ...), or name another directory with --state.");
    open $self->{lock}, '>>', "$self->{base}.lock" or fail("cannot open $self->{base}.lock: $!");
    flock $self->{lock}, LOCK_EX | LOCK_NB or fail('another adaptivectl is at work on this server; wait for it.');
    return;
}

sub quoted   { return $_[0] =~ s/\\/\\\\/gr =~ s/\n/\\n/gr }
sub unquoted { return $_[0] =~ s/\\(n|\\)/$1 eq 'n' ? "\n" : "\\"/ger }

sub write {
    my ($self, $entry) = @_;
    my $text = join '', map { "$_=" . quoted($entry->{$_}) . "\n" } grep { defined $entry->{$_} } qw(from to began running unit session);
    $text .= 'word=' . quoted($_) . "\n" for @{ $entry->{command} // [] };
    for my $step (@{ $entry->{steps} }) {
        $text .= "step\n" . join '', map { "step.$_=" . quoted($step->{$_}) . "\n" } sort keys %$step;
    }
    AdaptiveCtl::Steps::write_file("$self->{base}.journal", "${text}end\n");
    return;
}

# The entry of a switch that did not end, undef if there is none. One without its end was killed before it changed anything.
sub read {
    my ($self) = @_;
    my $text = AdaptiveCtl::Steps::read_file("$self->{base}.journal") // return;
    return if $text !~ /^end$/m;
    my $entry = { steps => [], command => [] };
    for (split /\n/, $text) {
        if    ($_ eq 'step')            { push @{ $entry->{steps} }, {} }
        elsif (/^step\.(\w+)=(.*)$/)    { $entry->{steps}[-1]{$1} = unquoted($2) }
        elsif (/^word=(.*)$/)           { push @{ $entry->{command} }, unquoted($1) }
        elsif (/^(\w+)=(.*)$/)          { $entry->{$1} = unquoted($2) }
    }
    return $entry;
}

sub done { my ($self) = @_; unlink "$self->{base}.journal"; return }

sub before {
    my ($self) = @_;
    my ($mpm) = (AdaptiveCtl::Steps::read_file("$self->{base}.before") // '') =~ /^(mpm_\w+)$/m;
    return $mpm;
}

sub note_before   { my ($self, $mpm) = @_; AdaptiveCtl::Steps::write_file("$self->{base}.before", "$mpm\n"); return }
sub forget_before { my ($self) = @_; unlink "$self->{base}.before"; return }

1;
