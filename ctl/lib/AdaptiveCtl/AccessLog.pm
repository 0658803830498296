package AdaptiveCtl::AccessLog;

# Makes a trace for the load generator of an access log: each request that can be asked again without harm, at its time.
#
#   my $log = AdaptiveCtl::AccessLog->new(files => ['/var/log/apache2/access.log'], copy => $copy);
#   my $counts = $log->write_trace(out => FILE, max_seconds => 600, seed => 1);
#
# Lines of the trace: AT_US, METHOD, SCHEME, HOST, PATH and, if the log has any, "Header: value" (several: with \n between them, two
# characters), with tabs between. A log of whole seconds says nothing about what happens within a second, so that requests are spread there
# at random: evenly spaced ones would be kinder to a server than people are.

use strict;
use warnings;

use Cwd qw(realpath);
use File::Basename qw(dirname);
use File::Temp ();

use AdaptiveCtl::AccessLogFormat;
use AdaptiveCtl::AccessLogHosts;
use AdaptiveCtl::Say;

use constant { TRIED_LINES => 200, MOST_LINE_BYTES => 65_536, US_PER_S => 1_000_000 };

# The load generator takes requests of 32 KiB, of which these are for what is the same in all.
use constant MOST_REQUEST_BYTES => 32_768 - 128;

# Headers that belong to a connection, to a body or to a person are not sent again.
my %NOT_SENT = map { $_ => 1 } qw(host connection keep-alive proxy-connection te trailer transfer-encoding upgrade expect
    content-length content-type content-encoding cookie authorization proxy-authorization http2-settings);

# files; copy: an AdaptiveCtl::Copy, which knows formats and hosts; format: a name or a format; host: whose requests they are if
# nothing says so (www.example.org, https://www.example.org).
sub new {
    my ($class, %opt) = @_;
    my @files = @{ $opt{files} // [] } or usage_error('no access log is given: --log FILE.');
    for my $file (@files) {
        -f $file && -r _ or usage_error("--log $file cannot be read"
            . (!-e $file ? ': there is no such file.' : -d _ ? ': it is a directory.' : ': it is no file that this user may read.'));
    }
    my $self = bless { files => \@files, copy => $opt{copy} }, $class;
    $self->{format} = $self->find_format($opt{format});
    $self->{hosts} = AdaptiveCtl::AccessLogHosts->new(copy => $opt{copy}, host => $opt{host},
        keys => [ map { @{ $_->{keys} } } map { $self->known_as($_) } @files ]);
    return $self;
}

sub format { return $_[0]{format}->text }

# What the configuration says of a file, also of one that has been rotated away: access.log.2.gz, access_log-20260131.
sub known_as {
    my ($self, $file) = @_;
    return if !$self->{copy};
    my $real = realpath($file) // $file;
    my %is_name = map { $_ => 1 } $real, $real =~ s/\.gz\z//r, $real =~ s/(?:[.-]\d+)+(?:\.gz)?\z//r,
        $real =~ s/(?:[.-]\d[\d-]*)(?:\.gz)?\z//r;
    return grep { $is_name{ $_->{path} } || $is_name{ realpath($_->{path}) // '' } } $self->{copy}->access_logs;
}

sub open_log {
    my ($file) = @_;
    open my $in, '<:raw', $file or fail("$file cannot be read: $!.");
    read $in, my $magic, 2;
    if (($magic // '') eq "\x1f\x8b") {
        close $in;
        # gzip is to end quietly when no more is read
        local $SIG{PIPE} = 'DEFAULT';
        open $in, '-|:raw', 'gzip', '-dc', '--', $file or fail("$file cannot be read: gzip cannot be started: $!.");
        return $in;
    }
    seek $in, 0, 0;
    return $in;
}

sub close_log {
    my ($in, $file, $to_the_end) = @_;
    close $in or $to_the_end && fail("$file cannot be read to its end: " . ($! ? "$!." : 'gzip says that it is damaged.'));
    return;
}

# --- the format ---------------------------------------------------------------------------------------------------------

# Formats that may be meant, the likeliest first.
sub candidates {
    my ($self, $given) = @_;
    my %named = (%{ AdaptiveCtl::AccessLogFormat::usual() }, $self->{copy} ? %{ $self->{copy}->log_formats } : ());
    if (defined $given) {
        my $text = $named{$given} // $given;
        $text =~ /%/ or usage_error("--log-format $given is not known; known are " . join(', ', sort keys %named)
            . '; or write it as in LogFormat.');
        return $text;
    }
    my %seen;
    return grep { !$seen{$_}++ } (map { $_->{format} } map { $self->known_as($_) } @{ $self->{files} }),
        (sort { length $b <=> length $a || $a cmp $b } values %named, $self->{copy} ? map { $_->{format} } $self->{copy}->access_logs : ());
}

sub find_format {
    my ($self, $given) = @_;
    my @formats = grep { $_->is_useful } map { AdaptiveCtl::AccessLogFormat->new($_) } $self->candidates($given);
    @formats or usage_error('--log-format ' . ($given // '') . ' has no request (%r) or no time (%t), so that nothing can be replayed.');
    my @lines = $self->first_lines;
    @lines or fail("$self->{files}[0] has no lines: nothing can be replayed.");
    my ($best, $most) = (undef, 0);
    for my $format (@formats) {
        my $fits = grep { $format->parse($_) } @lines;
        ($best, $most) = ($format, $fits) if $fits > $most;
    }
    # a log may have begun in another format, but not be mostly of another
    return $best if $most * 2 > @lines;
    return fail("$self->{files}[0] is not in "
        . (defined $given ? "the format $given" : 'a format that the configuration has, nor a usual one') . ": its first line is\n    "
            . printable(substr $lines[0], 0, 300) . "\nName the format with --log-format, as LogFormat has it.");
}

sub first_lines {
    my ($self) = @_;
    my $in = open_log($self->{files}[0]);
    my @lines;
    while (@lines < TRIED_LINES && defined(my $line = <$in>)) {
        $line =~ s/\r?\n\z//;
        push @lines, $line if $line ne '';
    }
    close_log($in, $self->{files}[0], !@lines);
    return @lines;
}

# --- reading --------------------------------------------------------------------------------------------------------------

# out: the trace; from, to: seconds since 1970; max_seconds: the busiest stretch of this length; seed.
sub write_trace {
    my ($self, %opt) = @_;
    my %counts = map { $_ => 0 } qw(lines used other_methods failed malformed no_host);
    my %in_second;
    my $selected = File::Temp->new(DIR => dirname($opt{out}), TEMPLATE => 'trace-XXXXXXXX', SUFFIX => '.tmp');
    binmode $selected;
    for my $file (@{ $self->{files} }) {
        my $in = open_log($file);
        while (my $line = <$in>) { $self->select_line($line, \%opt, \%counts, \%in_second, $selected) }
        close_log($in, $file, 1);
    }
    close $selected or fail("cannot write $selected: $!.");
    my ($first, $last) = stretch(\%in_second, $opt{max_seconds});
    defined $first or fail("no request of @{ $self->{files} } can be replayed: " . told(\%counts));
    @counts{qw(used rate_peak first last)} = (0, 0, $first, $last);
    for my $second (grep { $_ >= $first && $_ <= $last } keys %in_second) {
        $counts{used} += $in_second{$second};
        $counts{rate_peak} = $in_second{$second} if $in_second{$second} > $counts{rate_peak};
    }
    $counts{rate_mean} = $counts{used} / ($last - $first + 1);
    $self->write_sorted($selected->filename, $opt{out}, $first, $last, $opt{seed} // 1);
    return \%counts;
}

# Nothing in a log may control a terminal.
sub printable {
    my ($text) = @_;
    return $text =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ger;
}

sub told {
    my ($counts) = @_;
    return "of $counts->{lines} lines $counts->{malformed} are malformed, $counts->{other_methods} have another method than GET and HEAD, "
        . "$counts->{failed} failed with 408 or 5xx, and $counts->{no_host} belong to no virtual host of the configuration"
        . ($counts->{no_host} ? '; --host NAME says which one lines without a name belong to.' : '.');
}

sub select_line {
    my ($self, $line, $opt, $counts, $in_second, $out) = @_;
    $counts->{lines}++;
    $line =~ s/\r?\n\z//;
    my $entry = length $line > MOST_LINE_BYTES ? undef : $self->{format}->parse($line);
    if (!$entry || !defined $entry->{method}) { $counts->{malformed}++; return }
    my $second = int($entry->{at_us} / US_PER_S);
    return if (defined $opt->{from} && $second < $opt->{from}) || (defined $opt->{to} && $second > $opt->{to});
    if ($entry->{method} !~ /\A(?:GET|HEAD)\z/) { $counts->{other_methods}++; return }
    if (($entry->{status} // '') =~ /\A(?:408|5\d\d)\z/) { $counts->{failed}++; return }
    my ($absolute, $path) = ($entry->{target} =~ m{\A(https?://[^/?]+)(.*)\z}i) ? ($1, $2) : (undef, $entry->{target});
    $path = "/$path" if defined $absolute && $path !~ m{\A/};
    if ($path !~ m{\A/}) { $counts->{malformed}++; return }
    my ($scheme, $host) = $self->{hosts}->of($entry->{name} // (defined $absolute ? $absolute =~ m{//([^/:]+)} : undef), $entry->{port});
    if (!defined $host) { $counts->{no_host}++; return }
    my $headers = headers_of($entry->{headers});
    # one line that somebody made up does not stop the whole comparison
    if ($host !~ /\A[\x21-\x7e\x80-\xff]+\z/ || length("$host$path$headers") > MOST_REQUEST_BYTES) { $counts->{malformed}++; return }
    $in_second->{$second}++;
    print {$out} join("\t", $entry->{at_us}, $entry->{method}, $scheme, $host, $path =~ s/#.*//r, $headers eq '' ? () : $headers), "\n";
    return;
}

# A backslash would be taken for the separator's.
sub headers_of {
    my ($headers) = @_;
    return join '\n', map {"$_: $headers->{$_}"}
        grep { !$NOT_SENT{ lc $_ } && /\A[\w-]+\z/ && $headers->{$_} !~ /[\x00-\x1f\x7f\\]/ } sort keys %{ $headers // {} };
}

# The seconds from the first to the last, or the busiest stretch of so many seconds.
sub stretch {
    my ($in_second, $length) = @_;
    my @seconds = sort { $a <=> $b } keys %$in_second or return;
    return @seconds[ 0, -1 ] if !$length || $seconds[-1] - $seconds[0] < $length;
    my ($best, $most, $sum, $from) = ($seconds[0], 0, 0, 0);
    for my $second (@seconds) {
        $sum += $in_second->{$second};
        while ($seconds[$from] <= $second - $length) { $sum -= $in_second->{ $seconds[ $from++ ] } }
        ($best, $most) = ($second, $sum) if $sum > $most;
    }
    # a stretch that begins with its first request
    my ($first) = grep { $_ > $best - $length } @seconds;
    return ($first, $first + $length - 1 < $seconds[-1] ? $first + $length - 1 : $seconds[-1]);
}

# --- writing --------------------------------------------------------------------------------------------------------------

# Requests are logged when they end, so that a log is almost in the order of its times, but not quite. sort needs no memory for that.
sub write_sorted {
    my ($self, $from_file, $to_file, $first, $last, $seed) = @_;
    local $ENV{LC_ALL} = 'C';
    open my $in, '-|:raw', 'sort', '-s', '-n', '-k1,1', '-S', '64M', '-T', dirname($to_file), '--', $from_file
        or fail("sort cannot be started: $!.");
    open my $out, '>:raw', $to_file or fail("cannot write $to_file: $!.");
    my ($next, $group, $second) = (generator($seed), [], undef);
    my $is_exact = $self->{format}->is_exact;
    my $begin_us = $first * US_PER_S;
    while (my $line = <$in>) {
        my ($at_us, $rest) = split /\t/, $line, 2;
        my $its = int($at_us / US_PER_S);
        next if $its < $first || $its > $last;
        if ($is_exact) { print {$out} $at_us - $begin_us, "\t", $rest; next }
        if (defined $second && $its != $second) { scatter($out, $next, $second * US_PER_S - $begin_us, $group); $group = [] }
        $second = $its;
        push @$group, $rest;
    }
    scatter($out, $next, $second * US_PER_S - $begin_us, $group) if @$group;
    close $in or fail('sort failed; is the disk full?');
    close $out or fail("cannot write $to_file: $!.");
    return;
}

# Requests of a second that come by chance: sorted uniform times are those of a Poisson process with so many events.
sub scatter {
    my ($out, $next, $begin_us, $group) = @_;
    my @at = sort { $a <=> $b } map { int($next->() * US_PER_S) } @$group;
    print {$out} $begin_us + $at[$_], "\t", $group->[$_] for 0 .. $#at;
    return;
}

# From 0 to 1, the same for the same seed everywhere (Park and Miller's).
sub generator {
    my ($seed) = @_;
    my $state = $seed % 2_147_483_646 + 1;
    return sub {
        $state = $state * 48_271 % 2_147_483_647;
        return $state / 2_147_483_647;
    };
}

1;
