# One name for one thing: breakpoints, profiles and readers should not have to ask which file is meant.

use strict;
use warnings;

use Test::More;

my (%functions, %types);
for my $path (glob '*.c *.h src/*/*.c src/*/*.h') {
    open my $in, '<', $path or die "$path: $!";
    my $text = do { local $/; <$in> };
    # a definition: its name at the beginning of a line that is no comment, its body at the beginning of a later one
    while ($text =~ /^(?![ #}\/])(?:[\w*]+[ ]+)+\*?(\w+)\([^;{}]*\)\n\{/mg) { $functions{$1}{$path} = 1 }
    while ($text =~ /^(?:\} |typedef [^;{}]*\b)(\w+_[te]);/mg) { $types{$1}{$path} = 1 }
}
cmp_ok scalar keys %functions, '>=', 600, 'functions are found';
cmp_ok scalar keys %types,     '>=', 60,  'so are types';

sub doubles {
    my ($names) = @_;
    return [ map { join ' ', "$_:", sort keys %{ $names->{$_} } } grep { keys %{ $names->{$_} } > 1 } sort keys %$names ];
}

is_deeply doubles(\%functions), [], 'no function, static or not, has the name of another';
is_deeply doubles(\%types),     [], 'nor has a type';

# The sign on the door: which process and thread, what it owns, what it does not do.
my @silent = grep { open my $in, "<", $_ or die "$_: $!"; read $in, my $two, 2; $two ne "/*" } glob "*.c *.h src/*/*.c src/*/*.h t/*/*.c t/*/*.h";
is_deeply \@silent, [], "each file begins with a word on what it is";

done_testing;
