package Bench::ControlGroup;

# One setting of a control group for a server: its memory limit, or its weight against all other processes of the machine. With
# cgroup v2 it is made in the group that the server has anyhow (AB::Tree), with v1 in a group of that hierarchy. Needs root.

use strict;
use warnings;

use AB::Machine qw(slurp);
use AB::Tree;

my %FILE = (
    memory => {
        2 => { limit => 'memory.max', peak => 'memory.peak', usage => 'memory.current', kills => 'memory.events' },
        1 => {
            limit => 'memory.limit_in_bytes', peak => 'memory.max_usage_in_bytes', usage => 'memory.usage_in_bytes',
            kills => 'memory.oom_control' },
    },
    cpu => { 2 => { limit => 'cpu.weight' }, 1 => { limit => 'cpu.shares' } },
);

# As much as both versions allow, more or less: 100 times what others have.
my %SHIELD = (2 => 10_000, 1 => 102_400);

my $serial = 0;

# undef where it cannot be had.
sub memory_limit {
    my ($class, $tree, $mib) = @_;
    return $class->new($tree, 'memory', sub { $mib * 1024 * 1024 });
}

# Keeps strangers from the processors while the server wants them.
sub shield {
    my ($class, $tree) = @_;
    return $class->new($tree, 'cpu', sub { $SHIELD{ $_[0] } });
}

sub new {
    my ($class, $tree, $controller, $value) = @_;
    return $class->in_group_of($tree, $controller, $value->(2)) // $class->in_own_group($controller, $value->(1));
}

sub in_group_of {
    my ($class, $tree, $controller, $value) = @_;
    my $path = $tree->{cgroup} ? $tree->{cgroup}{path} : return;
    (my $above = $path) =~ s{/[^/]+$}{};
    write_to("$above/cgroup.subtree_control", "+$controller");
    my $self = bless { file => $FILE{$controller}{2}, path => $path, owner => $$ }, $class;
    return -e $self->path_of('limit') && write_to($self->path_of('limit'), $value) ? $self : undef;
}

sub in_own_group {
    my ($class, $controller, $value) = @_;
    my ($mount) = (slurp('/proc/mounts') // '') =~ /^\S+ (\S+) cgroup (?:\S*,)?$controller(?:,\S*)? /m or return;
    my $path = sprintf '%s/mpm-bench-%d-%d', $mount, $$, ++$serial;
    mkdir $path or return;
    my $self = bless { file => $FILE{$controller}{1}, path => $path, own_path => $path, owner => $$ }, $class;
    return write_to($self->path_of('limit'), $value) ? $self : undef;
}

# Whether one with such a limit can be made on this machine: tried, and taken away again.
sub may_limit_memory {
    my ($class, $mib) = @_;
    my $tree = AB::Tree->new;
    my $group = $class->memory_limit($tree, $mib);
    $_->remove for $group // (), $tree;
    return defined $group;
}

# The group that a process has to enter besides that of the tree; empty if there is none.
sub own_path { return $_[0]{own_path} // () }

sub path_of { my ($self, $what) = @_; return "$self->{path}/$self->{file}{$what}" }

sub write_to {
    my ($file, $text) = @_;
    open my $out, '>', $file or return 0;
    my $written = syswrite $out, $text;
    return close($out) && $written;
}

# How many processes the kernel has killed for want of memory.
sub kills { return (slurp($_[0]->path_of('kills')) // '') =~ /^oom_kill (\d+)/m ? $1 : 0 }

# Page cache included: what of it could be given back does not kill anybody.
sub peak_kib { return (slurp($_[0]->path_of('peak')) // slurp($_[0]->path_of('usage')) // 0) / 1024 }

sub remove {
    my ($self) = @_;
    my $path = delete $self->{own_path} // return;
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
