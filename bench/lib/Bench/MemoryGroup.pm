package Bench::MemoryGroup;

# A control group whose memory is limited, directly below the root of the hierarchy: cgroup v2, else v1. Needs root.

use strict;
use warnings;

use Bench::Machine qw(slurp);

my $serial = 0;

# undef where none can be made.
sub new {
    my ($class, $limit_mib) = @_;
    my $mounts = slurp('/proc/mounts') // '';
    my @kinds = (
        ($mounts =~ /^\S+ (\S+) cgroup2 /m ? [2, $1] : ()),
        ($mounts =~ /^\S+ (\S+) cgroup \S*\bmemory\b/m ? [1, $1] : ()));
    for my $kind (@kinds) {
        my ($version, $mount) = @$kind;
        write_to("$mount/cgroup.subtree_control", '+memory') if $version == 2;
        my $path = sprintf '%s/mpm-bench-memory-%d-%d', $mount, $$, ++$serial;
        mkdir $path or next;
        my $self = bless { version => $version, path => $path, owner => $$ }, $class;
        return $self if write_to($self->file('limit'), $limit_mib * 1024 * 1024);
        $self->remove;
    }
    return;
}

sub file {
    my ($self, $what) = @_;
    my %name = $self->{version} == 2
        ? (limit => 'memory.max', peak => 'memory.peak', usage => 'memory.current', kills => 'memory.events')
        : (limit => 'memory.limit_in_bytes', peak => 'memory.max_usage_in_bytes', usage => 'memory.usage_in_bytes',
            kills => 'memory.oom_control');
    return "$self->{path}/$name{$what}";
}

sub write_to {
    my ($file, $text) = @_;
    open my $out, '>', $file or return 0;
    my $written = syswrite $out, $text;
    return close($out) && $written;
}

# How many processes the kernel has killed for want of memory.
sub kills { return (slurp($_[0]->file('kills')) // '') =~ /^oom_kill (\d+)/m ? $1 : 0 }

# Page cache included: what of it could be given back does not kill anybody.
sub peak_kib { return (slurp($_[0]->file('peak')) // slurp($_[0]->file('usage')) // 0) / 1024 }

sub remove {
    my ($self) = @_;
    my $path = delete $self->{path} or return;
    for (1 .. 250) {
        return if rmdir $path;
        select undef, undef, undef, 0.02;
    }
    warn "could not remove $path: $!\n";
    return;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $@, $!);
    $self->remove if $self->{owner} == $$;
    return;
}

1;
