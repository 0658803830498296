package AB::Watch;

# How a server's threads, processes and memory change while something happens to it.

use strict;
use warnings;

use AB::Machine qw(monotonic_s);

sub new {
    my ($class, $tree) = @_;
    my $self = bless { tree => $tree, looks => [], living => {}, started => 0, stopped => 0 }, $class;
    $self->look(memory => 1);
    $self->{started} = 0;
    return $self;
}

# One look: { at_s (monotonic), threads, children, pss_kib if asked for }. Memory takes the kernel a while to sum up, and keeps
# the server from starting threads meanwhile.
sub look {
    my ($self, %opt) = @_;
    my $tree = $self->{tree};
    my @pids = grep { $_ != $tree->{pid} } $tree->pids;
    my %living = map { $_ => 1 } @pids;
    $self->{started} += grep { !$self->{living}{$_} } @pids;
    $self->{stopped} += grep { !$living{$_} } keys %{ $self->{living} };
    $self->{living} = \%living;
    # the parent has one task, which serves nobody
    my %look = (at_s => monotonic_s(), threads => $tree->task_count - 1, children => scalar @pids);
    $look{pss_kib} = $tree->pss_kib if $opt{memory};
    push @{ $self->{looks} }, \%look;
    return \%look;
}

sub first { return $_[0]{looks}[0] }
sub last_look { return $_[0]{looks}[-1] }
sub looks { return @{ $_[0]{looks} } }

# Children that came and went since the first look. One that lives less long than two looks are apart is missed.
sub started { return $_[0]{started} }
sub stopped { return $_[0]{stopped} }

sub peak {
    my ($self, $what) = @_;
    my $peak;
    for my $look (@{ $self->{looks} }) {
        $peak = $look->{$what} if defined $look->{$what} && (!defined $peak || $look->{$what} > $peak);
    }
    return $peak;
}

1;
