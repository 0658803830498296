# docs/user/messages.md has what the sources say: every message, in its words and with its level.

use strict;
use warnings;

use Test::More;

my %level_name = (WARNING => 'warn', ERR => 'error');

sub text_of {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!";
    local $/;
    return scalar <$file>;
}

# A pattern for what the C expression after ADPNO(n) prints: literals, and anything where it puts values.
sub pattern_of {
    my ($code) = @_;
    my $pattern = '';
    pos($code) = 0;
    while ($code =~ /\G\s*(?:"((?:[^"\\]|\\.)*)"|([A-Z_]+))/gc) {
        my ($literal, $macro) = ($1, $2);
        $pattern .= defined $macro ? '.*' : join '.+', map { s/\\"/"/gr =~ s/([^\w ])/\\$1/gr } split /%[-0-9.]*[a-z]?/, $literal, -1;
    }
    return $pattern;
}

my (%message, @twice);
for my $path (glob '*.c src/*/*.c') {
    my $source = text_of($path);
    while ($source =~ /ADPNO\((\d+)\)/g) {
        my ($number, $before, $after) = ("ADP$1", substr($source, 0, $-[0]), substr $source, $+[0], 1000);
        push @twice, "$number ($path)" if $message{$number};
        my ($call) = $before =~ /.*\b(ap_log_c?error|child_log_limited|apr_pstrcat)\(([^;]*)\z/s ? "$1($2" : '';
        my ($level) = $call =~ /APLOG_(EMERG|ALERT|CRIT|ERR|WARNING|NOTICE|INFO|DEBUG)\b/;
        ($level) = $before =~ /.*\blevel = APLOG_(\w+)/s if !$level && $call =~ /\blevel\b/;
        $message{$number} = {
            where   => $path,
            level   => $level && ($level_name{$level} || lc $level),
            pattern => $call =~ /^ap_log|^child_log/ ? pattern_of($after) : undef,
        };
    }
}
cmp_ok scalar keys %message, '>', 30, 'the sources have messages';
is_deeply \@twice, [], 'no number is used twice';

my (%section, @doubled);
my (undef, @parts) = split /^### (ADP\d{4})\n/m, text_of('docs/user/messages.md');
while (my ($number, $text) = splice @parts, 0, 2) {
    push @doubled, $number if exists $section{$number};
    $section{$number} = $text;
}
is_deeply \@doubled, [], 'no message has two sections';
is_deeply [grep { !$message{$_} } sort keys %section], [], 'no section is about a message that is gone';
is_deeply [sort keys %section], [sort { $a cmp $b } keys %section], 'sections stand in order';

for my $number (sort keys %message) {
    my ($message, $text) = ($message{$number}, $section{$number});
    next if !ok defined $text, "$number ($message->{where}) has a section";
    my ($quoted) = $text =~ /\A> (.+)\n/;
    if (defined $message->{pattern}) {
        like $quoted, qr/\A$message->{pattern}\z/, "$number: the text is that of the source";
    }
    if ($message->{level}) {
        my ($level) = $text =~ /^Level: (\w+)\./m;
        is $level, $message->{level}, "$number: the level is that of the source";
    }
    my ($explanation) = $text =~ /\n\n(?:Level: \w+\. ?)?(.*?)(?:\n\n|\z)/s;
    like $explanation // '', qr/\w+.*\./s, "$number: it is explained";
}

done_testing;
