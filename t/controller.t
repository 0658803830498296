# The control law is pure: C99 and nothing else, no state of its own, nothing that it could ask or change.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;

my @sources = sort glob 'src/law/controller*.c';
my $dir     = tempdir(CLEANUP => 1);
my $cc      = $ENV{CC} // 'cc';

# What the compiler may put in for plain C: copies, and the guard of the stack if the distribution asks for it.
my %harmless = map { $_ => 1 } qw(memcpy memset memmove __stack_chk_fail _GLOBAL_OFFSET_TABLE_);

sub output_of {
    my @command = @_;
    my $output  = qx{@command 2>&1};
    return wantarray ? ($?, $output) : $output;
}

cmp_ok scalar @sources, '>=', 2, 'there are sources: ' . join ' ', @sources;

my (%defines, @needs, @writable);
for my $source (@sources) {
    my ($name) = $source =~ m{(\w+)\.c$};
    my $object = "$dir/$name.o";
    my ($status, $output) =
        output_of($cc, qw(-std=c99 -pedantic -Wall -Wextra -Werror -O2 -fPIC -c -o), $object, $source);
    is $status, 0, "$source is C99 and needs no include path" or diag $output;
    for (split /\n/, output_of('nm', $object)) {
        my ($type, $symbol) = /^[0-9a-f ]* (\w) (\S+)$/ or next;
        $defines{$symbol} = 1             if $type =~ /[TtRr]/;
        push @needs, "$symbol ($name)"    if $type eq 'U';
        push @writable, "$symbol ($name)" if $type =~ /[BbDdCcGgSs]/;
    }
}
is_deeply [grep { my ($symbol) = /^(\S+)/; !$defines{$symbol} && !$harmless{$symbol} } @needs], [], 'they call nothing';
is_deeply \@writable, [], 'they keep nothing';

my %includes;
for my $source (@sources, glob 'src/law/controller*.h') {
    open my $file, '<', $source or die "$source: $!";
    while (<$file>) {
        $includes{$1}{$source} = 1 if /^\s*#\s*include\s*(\S+)/;
    }
}
my %allowed = map { $_ => 1 } qw(<stdbool.h> <stdint.h> <stddef.h> <string.h> "controller.h" "controller_internal.h" "reasons.h");
is_deeply [map { "$_ in " . join ' ', sort keys %{ $includes{$_} } } grep { !$allowed{$_} } sort keys %includes], [],
    'they include nothing else';

# The module as a whole must not need libm either.
SKIP: {
    my $module = ($ENV{ADAPTIVE_BUILD} // '.build') . '/mod_mpm_adaptive.so';
    skip "$module is not built", 1 if !-e $module;
    skip 'a sanitizer is linked, too', 1 if $ENV{ADAPTIVE_PRELOAD};
    my @libraries = output_of('readelf', '-d', $module) =~ /NEEDED.*\[(.*?)\]/g;
    is_deeply \@libraries, ['libc.so.6'], 'the module links libc and nothing else';
}

done_testing;
