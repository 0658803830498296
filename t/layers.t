# The rooms of src/: a room uses only rooms below it. Proved from what files include and from the symbols of their objects.
# What src/README.md says about it is what is checked here.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;

# From the bottom up. The shared memory (scoreboard_ext) belongs to board, the module record and its hooks are the top.
my @ROOMS = qw(base law board limits config report child parent module);

# httpd's macro for log lines takes the module's number from the module record, which is the only symbol of the top that others use.
my $RECORD = 'mpm_adaptive_module';

# Files of base that are not pure: what they are is about httpd's log and APR's pools.
my %UNPURE = map { $_ => 1 } qw(src/base/log.h src/base/own_pool.c src/base/own_pool.h);

# Files that call each other, and why. Everything else is free of circles.
my %CIRCLE = map { $_ => 1 } (
    'src/child/conn_steps src/child/conn_suspend',     # one of the states, and how a connection leaves it
);

my %rank;
@rank{@ROOMS} = 0 .. $#ROOMS;

sub room_of {
    my ($path) = @_;
    return $path =~ m{^src/(\w+)/} ? $1 : $path =~ m{^scoreboard_ext\b} ? 'board' : 'module';
}

sub lines_of {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!";
    return <$file>;
}

my @files = sort glob '*.c *.h src/*/*.c src/*/*.h';
cmp_ok scalar @files, '>=', 100, 'there are files';
is_deeply [grep { m{^src/} } glob '*.c *.h src/*.c src/*.h'], [], 'each file of src is in a room';
is_deeply [grep { !exists $rank{ room_of($_) } } @files], [], 'there are no rooms but these';

# --- what files include ---

my (@upward, @unknown, %arrows);
for my $file (@files) {
    my $room = room_of($file);
    for (lines_of($file)) {
        my ($header) = /^#include "([^"]+)"/ or next;
        my ($path) = grep { -e } $header =~ m{/} ? "src/$header" : ("src/$room/$header", $header);
        next if !$path && $header !~ m{/};      # httpd's or APR's
        push @unknown, "$file: $header" if !$path;
        next if !$path;
        my $other = room_of($path);
        $arrows{"$room -> $other"} = 1 if $other ne $room;
        push @upward, "$file includes $path" if $rank{$other} > $rank{$room};
    }
}
is_deeply \@unknown, [], 'each header that is named by its room exists';
is_deeply \@upward,  [], 'no file includes a header of a room above its own';

# --- what their objects call ---

my $objects = ($ENV{ADAPTIVE_BUILD} // '.build') . '/obj';
my (%defined_in, %needs);
for my $source (grep {/\.c$/} @files) {
    (my $name = $source) =~ s/\.c$//;
    for (qx{nm $objects/$name.o}) {
        my ($type, $symbol) = /^[0-9a-f ]* (\w) (\S+)$/ or next;
        $defined_in{$symbol} = $name if $type =~ /[TDBR]/;
        $needs{$name}{$symbol} = 1   if $type eq 'U';
    }
}
cmp_ok scalar keys %defined_in, '>=', 100, 'the objects have symbols';

my (@calls_upward, %calls);
for my $name (sort keys %needs) {
    for my $symbol (sort keys %{ $needs{$name} }) {
        my $other = $defined_in{$symbol} or next;
        next if $symbol eq $RECORD;
        $calls{$name}{$other} = 1;
        push @calls_upward, "$name calls $symbol ($other)" if $rank{ room_of("$other.c") } > $rank{ room_of("$name.c") };
    }
}
is_deeply \@calls_upward, [], 'no file calls a room above its own';

# Tarjan's strongly connected components.
sub circles {
    my ($next) = @_;
    my (%index, %low, %on, @stack, @found);
    my $count = 0;
    my $visit;
    $visit = sub {
        my ($node) = @_;
        $index{$node} = $low{$node} = $count++;
        push @stack, $node;
        $on{$node} = 1;
        for my $other (sort keys %{ $next->{$node} // {} }) {
            $visit->($other) if !defined $index{$other};
            $low{$node} = $low{$other} if $on{$other} && $low{$other} < $low{$node};
        }
        return if $low{$node} != $index{$node};
        my @circle;
        do { push @circle, pop @stack; delete $on{ $circle[-1] } } until $circle[-1] eq $node;
        push @found, join ' ', sort @circle if @circle > 1;
    };
    defined $index{$_} or $visit->($_) for sort keys %$next;
    return @found;
}
is_deeply [circles({ a => { b => 1 }, b => { c => 1 }, c => { a => 1, d => 1 }, d => {} })], ['a b c'], '(a circle would be found)';
is_deeply [grep { !$CIRCLE{$_} } circles(\%calls)], [], 'files call each other in one direction';

# --- base and law know neither httpd nor APR ---

my $dir = tempdir(CLEANUP => 1);
my $cc  = $ENV{CC} // 'cc';
my (@impure, @asks);
open my $nothing, ">", "$dir/nothing.c" or die;
print $nothing "typedef int nothing_t;\n";
close $nothing;
for my $source (grep { m{^src/(?:base|law)/} && !$UNPURE{$_} } @files) {
    my $object = "$dir/object.o";
    my $what   = $source =~ /\.h$/ ? "-include $source $dir/nothing.c" : $source;
    my $output = qx{$cc -std=gnu11 -pedantic -Wall -Wextra -Werror -D_GNU_SOURCE -Isrc -c -o $object $what 2>&1};
    push @impure, "$source: $output" if $?;
    push @asks, map { / U ((?:ap|apr)_\w+)/ ? "$source: $1" : () } qx{nm $object} if !$?;
}
is_deeply \@impure, [], 'base and law compile without httpd and APR';
is_deeply \@asks,   [], 'and call nothing of them';

# --- the tour ---

my $tour   = join '', lines_of('src/README.md');
my %listed = map { $_ => 1 } $tour =~ m{\b([a-z]\w*\.[ch])\b}g;
my %there  = map { m{([^/]+)$} ? ($1 => 1) : () } @files;
is_deeply [grep { !$there{$_} } sort keys %listed], [], 'src/README.md names no file that does not exist';
is_deeply [grep { my ($name) = m{([^/]+)\.[ch]$}; m{^src/} && !$listed{"$name.c"} && !$listed{"$name.h"} } @files], [],
    'and leaves none out';
note join "\n", 'arrows between rooms:', sort keys %arrows;

done_testing;
