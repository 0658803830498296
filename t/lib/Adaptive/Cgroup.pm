package Adaptive::Cgroup;

# A small control group for a server under test: memory, tasks, processors. It is made beside or below the group that the
# test runs in, so all limits around that hold for it too, and removed when the object goes.

use strict;
use warnings;

use Adaptive::Wait;

# What stands in these files, by version: [controller, file of the limit, value of the option].
my %files_1 = (
    memory => ['memory', 'memory.limit_in_bytes', sub { $_[0] }],
    pids   => ['pids',   'pids.max',              sub { $_[0] }],
    cpus   => ['cpu',    'cpu.cfs_quota_us',      sub { int $_[0] * 100_000 }],
);
my %files_2 = (
    memory => ['memory', 'memory.max', sub { $_[0] }],
    pids   => ['pids',   'pids.max',   sub { $_[0] }],
    cpus   => ['cpu',    'cpu.max',    sub { int($_[0] * 100_000) . ' 100000' }],
);

my $made = 0;

# new(memory => bytes, pids => count, cpus => 0.5): the group, or nothing where none can be made.
sub new {
    my ($class, %limit) = @_;
    my $self = bless { dirs => [], owner => $$, by_limit => {} }, $class;
    # Of version 2 a process is in one group: that has to have them all.
    my $parent_2 = parent_2(map { $files_2{$_}[0] } keys %limit);
    for my $limit (sort keys %limit) {
        $self->make($limit, $limit{$limit}, $parent_2) or return;
    }
    return $self;
}

sub slurp {
    my ($path) = @_;
    open my $file, '<', $path or return;
    local $/;
    return scalar <$file>;
}

sub put {
    my ($path, $text) = @_;
    open my $file, '>', $path or return 0;
    print $file "$text\n";
    return close $file;
}

# The mount point of a controller of version 1, or of version 2 if there is no name.
sub mount_point {
    my ($controller) = @_;
    for (split /\n/, slurp('/proc/self/mountinfo') // '') {
        my ($point, $type, $options) = m{^(?:\S+ ){4}(\S+) .* - (\S+) \S+ (\S+)} or next;
        return $point if defined $controller ? $type eq 'cgroup' && ",$options," =~ /,$controller,/ : $type eq 'cgroup2';
    }
    return;
}

sub own_path {
    my ($controllers) = @_;
    my ($path) = (slurp('/proc/self/cgroup') // '') =~ m{^\d+:(?:[^:\n]*,)?$controllers(?:,[^:\n]*)?:(/.*)$}m;
    return $path;
}

# Version 1 allows groups below the one that this process is in.
sub parent_1 {
    my ($controller) = @_;
    my $mounted = mount_point($controller) // return;
    my $path    = own_path($controller)    // '/';
    return -d "$mounted$path" ? "$mounted$path" : $mounted;
}

# Version 2 only below a group that has no processes of its own and hands the controllers down.
sub parent_2 {
    my (@controllers) = @_;
    my $mounted = mount_point() // return;
    my $path    = own_path('')  // '/';
    while (1) {
        my $handed_down = slurp("$mounted$path/cgroup.subtree_control") // '';
        return "$mounted$path" if @controllers == grep { $handed_down =~ /\b$_\b/ } @controllers;
        last if $path !~ s{/[^/]*\z}{};
    }
    return;
}

sub make {
    my ($self, $limit, $value, $parent_2) = @_;
    for my $version ([$files_1{$limit}, parent_1($files_1{$limit}[0])], [$files_2{$limit}, $parent_2]) {
        my ($file, $text, $parent) = (@{ $version->[0] }[1, 2], $version->[1]);
        my $dir = defined $parent ? $self->directory_in($parent) // next : next;
        put("$dir/$file", $text->($value)) or next;
        put("$dir/memory.swap.max", 0) if $limit eq 'memory' && -e "$dir/memory.swap.max";
        $self->{by_limit}{$limit} = $dir;
        return 1;
    }
    return 0;
}

# One group for all controllers where they share a hierarchy.
sub directory_in {
    my ($self, $parent) = @_;
    my ($known) = grep {m{\A\Q$parent\E/[^/]+\z}} @{ $self->{dirs} };
    return $known if $known;
    my $dir = "$parent/adaptive-test-$$-" . ++$made;
    mkdir $dir or return;
    push @{ $self->{dirs} }, $dir;
    return $dir;
}

# For Adaptive::Server's wrapper: the server moves itself in before it becomes httpd.
sub wrapper {
    my ($self) = @_;
    my $moves = join '', map {"echo \$\$ > $_/cgroup.procs && "} @{ $self->{dirs} };
    return ['sh', '-c', $moves . 'exec "$0" "$@"'];
}

# Changes a limit while the server runs.
sub change {
    my ($self, $limit, $value) = @_;
    my $dir = $self->{by_limit}{$limit};
    for (values %{ { %files_1{$limit} } }, values %{ { %files_2{$limit} } }) {
        my (undef, $file, $text) = @$_;
        return put("$dir/$file", $text->($value)) if -e "$dir/$file";
    }
    return 0;
}

# How many processes were killed for memory.
sub killed {
    my ($self) = @_;
    my $dir  = $self->{by_limit}{memory};
    my $text = slurp("$dir/memory.events") // slurp("$dir/memory.oom_control") // '';
    return $text =~ /^oom_kill (\d+)$/m ? $1 : 0;
}

# Bytes in use, file cache included.
sub memory_used {
    my ($self) = @_;
    my $dir = $self->{by_limit}{memory};
    return 0 + (slurp("$dir/memory.current") // slurp("$dir/memory.usage_in_bytes") // 0);
}

sub tasks {
    my ($self) = @_;
    return 0 + (slurp("$self->{by_limit}{pids}/pids.current") // 0);
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local ($?, $@, $!);
    for my $dir (@{ $self->{dirs} }) {
        wait_for { !-d $dir || rmdir $dir } 10, "$dir to be empty" or warn "$dir: $!";
    }
    return;
}

1;
