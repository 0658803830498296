package AdaptiveCtl::Say;

# What the tool says: sentences, broken where a terminal ends, and the two ways for a command to end early.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(say_line say_step fail usage_error failure shell_words);

use constant COLUMNS => 110;

# Whoever started it may have gone: what it does goes on all the same.
$SIG{PIPE} = 'IGNORE';

sub wrapped {
    my ($text, $indent) = @_;
    my @lines;
    for my $paragraph (split /\n/, $text, -1) {
        my ($lead) = $paragraph =~ /^(\s*)/;
        my $line = '';
        for my $word (split ' ', $paragraph) {
            if (length $line && length($line) + 1 + length($word) > COLUMNS) {
                push @lines, $line;
                $line = '';
            }
            $line .= length $line ? " $word" : @lines && $lead eq '' ? $indent . $word : $lead . $word;
        }
        push @lines, $line;
    }
    return join "\n", @lines;
}

# A sentence on standard output. Lines that are broken are indented by $indent.
sub say_line {
    my ($text, $indent) = @_;
    local $| = 1;
    print wrapped($text, $indent // ''), "\n";
    return;
}

# Something that is being done, or would be.
sub say_step { return say_line("- $_[0]", '  ') }

# Ends the command: it could not do what it was asked to. main() prints it.
sub fail { die { status => 1, text => join '', @_ } }

# ... because of how it was asked.
sub usage_error { die { status => 2, text => join '', @_ } }

# What was wrong, after an eval.
sub failure { return ref $@ ? $@->{text} : $@ }

# Words as a shell takes them, for commands that somebody is to type.
sub shell_words {
    return join ' ', map { m{^[\w\@%+=:,./-]+$} ? $_ : "'" . s/'/'\\''/gr . "'" } @_;
}

1;
