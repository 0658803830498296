package AdaptiveCtl::AccessLogFormat;

# A format of mod_log_config ("%h %l %u %t \"%r\" %>s %b") as a function that takes a line apart: what was asked for, of whom, when, and
# how it ended. Whatever else the format has is passed over.
#
#   my $format = AdaptiveCtl::AccessLogFormat->new($text);
#   my $entry = $format->parse($line);  # undef if the line is not of this format
#   # { at_us, is_exact, method, target, status, name, port, headers => { 'User-Agent' => ... } }

use strict;
use warnings;

use constant US_PER_S => 1_000_000;

# What httpd has without any LogFormat, and what its files and Debian's define.
my %USUAL = (
    common         => '%h %l %u %t "%r" %>s %b',
    combined       => '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"',
    vhost_common   => '%v %h %l %u %t "%r" %>s %b',
    vhost_combined => '%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i"',
);
sub usual { return {%USUAL} }

my %MONTH;
@MONTH{qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)} = 1 .. 12;

my $WORD   = '\S+';
my $NUMBER = '(?:\d+|-)';
# names of users may have blanks
my %PATTERN = (h => $WORD, a => $WORD, l => $WORD, u => '\S+(?: \S+)*?', s => '(?:\d{3}|-)', b => $NUMBER, B => $NUMBER, O => $NUMBER,
    I => $NUMBER, S => $NUMBER, D => $NUMBER, T => $NUMBER, k => $NUMBER, P => $WORD, p => $NUMBER, v => $WORD, V => $WORD,
    m => $WORD, H => $WORD, X => '[-+X]',
    A => $WORD, L => $WORD, R => $WORD, q => '(?:\?.*?)?');
my %KEPT = (r => 'request', s => 'status', v => 'canonical', V => 'asked', p => 'port', m => 'method', U => 'path', q => 'query');

# Of strftime: a pattern, and the name of what it gives.
my %TIME = (Y => ['\d{4}', 'year'], y => ['\d\d', 'short_year'], m => ['\d\d', 'month'], d => ['\d\d', 'day'], e => ['[ \d]\d', 'day'],
    b => ['[A-Z][a-z]{2}', 'month_name'], h => ['[A-Z][a-z]{2}', 'month_name'], H => ['\d\d', 'hour'], M => ['\d\d', 'minute'],
    S => ['\d\d', 'second'], z => ['[-+]\d{4}', 'zone'], s => ['\d+', 'epoch_s'], Z => ['\w+', undef],
    a => ['\w+', undef], A => ['\w+', undef], j => ['\d{3}', undef]);
my %TIME_SHORT = (T => '%H:%M:%S', F => '%Y-%m-%d', D => '%m/%d/%y', R => '%H:%M');

sub new {
    my ($class, $text) = @_;
    my $self = bless { text => $text, fields => [], cache => {} }, $class;
    $self->{pattern} = $self->compile($text);
    my %has = map { $_ => 1 } @{ $self->{fields} };
    $self->{is_exact} = $has{msec} || $has{usec} || $has{msec_frac} || $has{usec_frac};
    $self->{is_useful} = ($has{request} || ($has{method} && $has{path})) && (grep { $has{$_} } qw(clf epoch_s msec usec second)) ? 1 : 0;
    return $self;
}

# Whether there is enough in it for a request to be made again.
sub is_useful { return $_[0]{is_useful} }
sub is_exact  { return $_[0]{is_exact} }
sub text      { return $_[0]{text} }

sub compile {
    my ($self, $text) = @_;
    my $pattern = '';
    pos($text) = 0;
    while (pos($text) < length $text) {
        if ($text =~ /\G%%/gc) { $pattern .= '%' }
        elsif ($text =~ /\G%([!<>\d,]*)(?:\{([^}]*)\})?(\^[A-Za-z]{2}|[A-Za-z])/gc) {
            my ($argument, $letter) = ($2, $3);
            $pattern .= $self->token($argument, $letter, substr($pattern, -1) eq '"' && substr($text, pos($text), 1) eq '"');
        }
        elsif ($text =~ /\G\\([nt"\\])/gc) { $pattern .= quotemeta($1 eq 't' ? "\t" : $1 eq 'n' ? "\n" : $1) }
        elsif ($text =~ /\G"/gc)           { $pattern .= '"' }
        else                               { $text =~ /\G(.)/gcs; $pattern .= quotemeta $1 }
    }
    return qr/\A$pattern\z/;
}

sub token {
    my ($self, $argument, $letter, $is_quoted) = @_;
    return $self->time_token($argument) if $letter eq 't';
    my $name = $letter eq 'i' ? 'header ' . ($argument // '') : $KEPT{$letter};
    my $pattern = $is_quoted ? '(?:[^"\\\\]|\\\\.)*' : $PATTERN{$letter} // '.*?';
    return "(?:$pattern)" if !defined $name || grep { $_ eq $name } @{ $self->{fields} };
    push @{ $self->{fields} }, $name;
    return "($pattern)";
}

sub time_token {
    my ($self, $format) = @_;
    $format =~ s/\A(?:begin|end):?// if defined $format;
    if (!defined $format || $format eq '') {
        push @{ $self->{fields} }, 'clf';
        return '\[([^\]]*)\]';
    }
    if ($format =~ /\A(sec|msec|usec|msec_frac|usec_frac)\z/) {
        push @{ $self->{fields} }, $format eq 'sec' ? 'epoch_s' : $format;
        return '(\d+)';
    }
    $format =~ s/%([TFDR])/$TIME_SHORT{$1}/g;
    my $pattern = '';
    while ($format =~ /\G(?:%(.)|([^%]+))/gcs) {
        if (defined $2) { $pattern .= quotemeta $2; next }
        my ($digits, $name) = @{ $TIME{$1} // [ '.*?', undef ] };
        push @{ $self->{fields} }, $name if defined $name;
        $pattern .= defined $name ? "($digits)" : "(?:$digits)";
    }
    return $pattern;
}

# --- times ------------------------------------------------------------------------------------------------------------

# Seconds since 1970 of a date, without a library: years begin in March, so that a leap day is the last one.
sub epoch {
    my ($year, $month, $day, $hour, $minute, $second, $zone) = @_;
    my $y = $month <= 2 ? $year - 1 : $year;
    my $m = $month <= 2 ? $month + 9 : $month - 3;
    my $days = 365 * $y + int($y / 4) - int($y / 100) + int($y / 400) + int((153 * $m + 2) / 5) + $day - 1 - 719_468;
    my ($sign, $zone_h, $zone_m) = ($zone // '') =~ /\A([-+])(\d\d)(\d\d)\z/;
    my $offset_s = defined $sign ? ($zone_h * 3600 + $zone_m * 60) * ($sign eq '-' ? -1 : 1) : 0;
    return $days * 86_400 + $hour * 3600 + $minute * 60 + $second - $offset_s;
}

sub epoch_of_clf {
    my ($self, $text) = @_;
    # log lines of the same second follow each other
    return $self->{last_epoch} if defined $self->{last_clf} && $self->{last_clf} eq $text;
    my ($day, $month, $year, $hour, $minute, $second, $zone) = $text =~ m{\A(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d)(?: ([-+]\d{4}))?\z}
        or return;
    $MONTH{$month} or return;
    @$self{qw(last_clf last_epoch)} = ($text, epoch($year, $MONTH{$month}, $day, $hour, $minute, $second, $zone));
    return $self->{last_epoch};
}

# Microseconds since 1970.
sub time_of {
    my ($self, $has) = @_;
    return $has->{usec} if defined $has->{usec};
    return $has->{msec} * 1000 if defined $has->{msec};
    my $s = defined $has->{epoch_s} ? $has->{epoch_s}
        : defined $has->{clf} ? $self->epoch_of_clf($has->{clf}) : $self->epoch_of_parts($has);
    return if !defined $s;
    return $s * US_PER_S + ($has->{usec_frac} // ($has->{msec_frac} // 0) * 1000);
}

sub epoch_of_parts {
    my ($self, $has) = @_;
    my $year = $has->{year} // (defined $has->{short_year} ? 2000 + $has->{short_year} : return);
    my $month = $has->{month} // $MONTH{ $has->{month_name} // '' } // return;
    return if grep { !defined } @$has{qw(day hour minute second)};
    return epoch($year, $month, @$has{qw(day hour minute second zone)});
}

# --- lines ------------------------------------------------------------------------------------------------------------

my %ESCAPED = (n => "\n", t => "\t", r => "\r", b => "\b", v => "\x0b", f => "\f");

# As httpd writes what a client has sent.
sub unescaped {
    my ($text) = @_;
    return $text if index($text, '\\') < 0;
    return $text =~ s/\\(?:x([0-9a-fA-F]{2})|(.))/defined $1 ? chr hex $1 : $ESCAPED{$2} \/\/ $2/ger;
}

# An entry without a method is a line of this format that has no request in it (a client that sent none, or nonsense).
sub parse {
    my ($self, $line) = @_;
    my @values = $line =~ $self->{pattern} or return;
    my %has;
    @has{ @{ $self->{fields} } } = @values;
    my $at_us = $self->time_of(\%has) // return;
    my %entry = (at_us => $at_us, status => $has{status}, name => scalar host_of(\%has),
        port => ($has{port} // '-') eq '-' ? undef : $has{port});
    my $request = defined $has{request} ? unescaped($has{request})
        : join ' ', $has{method} // '-', unescaped(($has{path} // '') . ($has{query} // '')), 'HTTP/1.1';
    @entry{qw(method target)} = ($1, $2) if $request =~ m{\A([A-Z][A-Z0-9-]*) ([\x21-\x7e\x80-\xff]+) HTTP/[0-9.]+\z};
    for my $name (grep {/\Aheader /} keys %has) {
        next if $has{$name} eq '-' || $has{$name} eq '';
        $entry{headers}{ substr $name, 7 } = unescaped($has{$name});
    }
    return \%entry;
}

# The virtual host: what the client called it comes first.
sub host_of {
    my ($has) = @_;
    for my $field ('header Host', 'header host', 'asked', 'canonical') {
        my $name = $has->{$field};
        return lc $name =~ s/:\d+\z//r if defined $name && $name ne '-' && $name ne '';
    }
    return;
}

1;
