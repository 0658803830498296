package AdaptiveCtl::StatusView;

# A server's state (Ask.pm) as lines for a terminal (Terminal.pm). What matters most comes first, and in a window that is too low for
# everything the rest gives way.

use strict;
use warnings;

use List::Util qw(max min);
use POSIX qw(strftime);

use constant { LABEL => 10, LEAST_SPARK => 20, MOST_SPARK => 100 };

my %WORD = (green => 'WELL', amber => 'LOOK', red => 'ACT NOW');

# --- numbers as words -----------------------------------------------------------------------------------------------

sub duration {
    my ($s) = @_;
    $s //= 0;
    return '0 ms'                                    if $s <= 0;
    return sprintf '%d us', $s * 1e6                 if $s < 0.001;
    return sprintf '%d ms', $s * 1000                if $s < 1;
    return sprintf '%.*f s', $s < 10 ? 1 : 0, $s     if $s < 60;
    return sprintf '%d min %d s', $s / 60, $s % 60   if $s < 3600;
    return sprintf '%d h %d min', $s / 3600, $s / 60 % 60 if $s < 86400;
    return sprintf '%d d %d h', $s / 86400, $s / 3600 % 24;
}

sub amount {
    my ($number, $unit) = @_;
    return "$number $unit" if $unit ne 'bytes';
    my @units = qw(B KB MB GB TB);
    while ($number >= 1024 && @units > 1) { $number /= 1024; shift @units }
    return sprintf '%.*f %s', $number < 10 ? 1 : 0, $number, $units[0];
}

sub rate { my ($n) = @_; return sprintf '%.*f', ($n // 0) < 10 ? 1 : 0, $n // 0 }

sub clock { return strftime('%H:%M:%S', localtime($_[0] // 0)) }

sub many { my ($n, $one, $more) = @_; return "$n " . ($n == 1 ? $one : $more) }

# --- parts: each returns lines ----------------------------------------------------------------------------------------

sub verdict_lines {
    my ($t, $state) = @_;
    my $verdict = $state->{verdict} // {};
    my $level = $verdict->{level} // 'amber';
    my $word = $WORD{$level} // uc $level;
    my @lines = $t->wrap("$word: " . arrows($t, $verdict->{sentence} // ''), '  ');
    $lines[0] =~ s/\A\Q$word\E:/$t->paint($level, "$word:")/e;
    for my $cause (@{ $verdict->{causes} // [] }) {
        my $number = $cause->{message} ? " ($cause->{message})" : '';
        push @lines, $t->wrap("- " . arrows($t, ($cause->{text} // '') . '.' . (length($cause->{remedy} // '') ? " What to do: $cause->{remedy}." : '')) . $number, '  ');
    }
    return @lines;
}

sub arrows {
    my ($t, $text) = @_;
    $text = $t->clean($text);
    $text =~ s/->/\x{2192}/g if $t->{utf8};
    return $text;
}

sub number_lines {
    my ($t, $state) = @_;
    my ($threads, $requests, $children, $connections) = @$state{qw(threads requests children connections)};
    my @parts = (
        "$threads->{busy} of $threads->{running} threads busy, " . max($threads->{max} // 0, $threads->{expected_max} // 0) . ' may run',
        rate($requests->{per_second}) . ' requests/s',
        'wait ' . duration($requests->{waited_seconds}) . ' (10 min: ' . duration($requests->{waited_peak_10min_seconds}) . ')',
        many($connections->{total} // 0, 'connection', 'connections') . ", $connections->{keep_alive} kept alive, "
            . ($requests->{coming} // 0) . ' sending a request, ' . ($connections->{writing} // 0) . ' reading slowly',
        'children: ' . join ', ', map { $children->{$_} ? "$children->{$_} $_" : () } qw(serving starting parked draining),
    );
    return $t->wrap(join('; ', @parts) . '.', '  ');
}

# Ten minutes in so many columns: of the seconds in each the highest counts.
sub columns_of {
    my ($history, $name, $columns) = @_;
    my ($place) = grep { $history->{columns}[$_] eq $name } 0 .. $#{ $history->{columns} };
    return if !defined $place;
    my @values = map { $_->[$place] } @{ $history->{rows} };
    unshift @values, (undef) x max(0, 600 - @values);
    my $each = @values / $columns;
    return map { my @part = grep {defined} @values[ int($_ * $each) .. max(int($_ * $each), int(($_ + 1) * $each) - 1) ]; @part ? max(@part) : undef } 0 .. $columns - 1;
}

sub spark_line {
    my ($t, $state, $label, $name, $words) = @_;
    my $columns = min(MOST_SPARK, max(LEAST_SPARK, $t->{columns} - LABEL - 22));
    my @values = columns_of($state->{history}, $name, $columns) or return;
    my $most = max(0, grep {defined} @values);
    return $t->fit(sprintf('%-' . LABEL . 's', $label), LABEL) . $t->spark($most, @values) . ' ' . $t->paint('soft', 'at most ' . $words->($most));
}

sub history_lines {
    my ($t, $state) = @_;
    my $history = $state->{history};
    return if ref $history ne 'HASH' || !@{ $history->{rows} // [] };
    return (
        $t->paint('bold', 'The last ten minutes'),
        spark_line($t, $state, 'busy',       'busy',           sub { many($_[0], 'thread', 'threads') }),
        spark_line($t, $state, 'running',    'threads',        sub { many($_[0], 'thread', 'threads') }),
        spark_line($t, $state, 'waiting',    'waited_seconds', \&duration),
        spark_line($t, $state, 'requests/s', 'arrivals',       sub { $_[0] }),
    );
}

sub ceiling_lines {
    my ($t, $state) = @_;
    my @lines;
    for my $ceiling (@{ $state->{ceilings} // [] }) {
        my $part = $ceiling->{threads} >= 1 ? $state->{threads}{running} / $ceiling->{threads} : 0;
        my $level = $part >= 1 ? 'red' : $part >= 0.8 ? 'amber' : 'soft';
        my $text = sprintf ' %s of %d: %s (%s of %s%s)', $state->{threads}{running}, $ceiling->{threads}, $ceiling->{text},
            amount($ceiling->{used}, $ceiling->{unit}) =~ s/ $ceiling->{unit}\z//r, amount($ceiling->{limit}, $ceiling->{unit}),
            length($ceiling->{source} // '') ? ", $ceiling->{source}" : '';
        push @lines, $t->paint($level, $t->bar($part, 12)) . $t->fit($t->clean($text), $t->{columns} - 12);
    }
    return @lines ? ($t->paint('bold', 'What limits it: threads that run, of those it allows'), @lines) : ();
}

sub holder_lines {
    my ($t, $state, $most) = @_;
    my @holders = grep { $_->{threads} > 0 || $_->{refused_total} } @{ $state->{holders} // [] };
    return if !@holders;
    my @lines = ($t->paint('bold', 'Who holds threads'));
    for my $holder (@holders[ 0 .. min($#holders, $most - 1) ]) {
        my $text = sprintf '%5d  %s %s', $holder->{threads}, $holder->{kind} =~ tr/-/ /r, $holder->{name};
        $text .= ', the longest for ' . duration($holder->{oldest_seconds}) if $holder->{oldest_seconds};
        $text .= ", $holder->{refused_total} refused"                       if $holder->{refused_total};
        push @lines, $t->fit($t->clean($text), $t->{columns});
    }
    push @lines, '       and ' . (@holders - $most) . ' more' if @holders > $most;
    return @lines;
}

sub story_lines {
    my ($t, $state, $most) = @_;
    my @stories = @{ $state->{decisions} // [] };
    return if !@stories;
    return ($t->paint('bold', 'What it did last'), map {
        $t->fit(clock($_->{at_unix_seconds}) . ' ' . arrows($t, $_->{text} . ($_->{observed} ? ' (observed only)' : '')), $t->{columns})
    } @stories[ 0 .. min($#stories, $most - 1) ]);
}

# Those that drain first: somebody may wait for them.
my %ORDER = (draining => 0, starting => 1, serving => 2, parked => 3);

sub child_text {
    my ($child) = @_;
    my $held = $child->{oldest} && $child->{oldest}{seconds} > 1
        ? "$child->{oldest}{virtual_host} $child->{oldest}{request} for " . duration($child->{oldest}{seconds})
        : $child->{held_by} ? "$child->{held_by}{name} ($child->{held_by}{threads})" : '';
    $held .= ' OUT OF DESCRIPTORS' if $child->{out_of_descriptors};
    return sprintf '%4d %7d %4d  %-8s %11s %9s %6d  %s', $child->{slot}, $child->{pid}, $child->{generation}, $child->{state},
        duration($child->{since_seconds}), "$child->{threads}{busy}/$child->{threads}{running}", $child->{connections}{total}, $held;
}

sub child_lines {
    my ($t, $state, $most) = @_;
    my @children = sort { ($ORDER{ $a->{state} } // 9) <=> ($ORDER{ $b->{state} } // 9) || $a->{slot} <=> $b->{slot} } @{ $state->{children}{list} // [] };
    return if !@children;
    my $shown = @children > $most ? $most - 1 : @children;
    return (
        $t->paint('bold', $t->fit('Slot     Pid Gen.  State           since busy/all  conns  held by', $t->{columns})),
        (map { $t->fit($t->clean(child_text($_)), $t->{columns}) } @children[ 0 .. $shown - 1 ]),
        @children > $shown ? '     and ' . (@children - $shown) . ' more' : (),
    );
}

sub server_line {
    my ($t, $state) = @_;
    my $server = $state->{server} // {};
    return $t->paint('soft', $t->fit($t->clean(sprintf 'mpm_adaptive %s (AdaptiveMode %s), %s, process %s, up %s, %s', $server->{version} // '?', $server->{mode} // '?',
        $server->{httpd} // '?', $server->{parent_pid} // '?', duration($server->{uptime_seconds}), clock($state->{now_unix_seconds})), $t->{columns}));
}

# --- all of it -----------------------------------------------------------------------------------------------------------

# As many lines as there are, or, for a window, no more than fit: parts by their rank, each as long as there is room for it.
sub lines {
    my ($t, $state, $height) = @_;
    my @top = (verdict_lines($t, $state), number_lines($t, $state));
    my $foot = server_line($t, $state);
    my @parts = (
        [ history_lines($t, $state) ],
        [ holder_lines($t, $state, 5) ],
        [ ceiling_lines($t, $state) ],
        [ story_lines($t, $state, 5) ],
        [ child_lines($t, $state, defined $height ? max(4, $height) : 64) ],
    );
    return (@top, (map { @$_ ? ('', @$_) : () } @parts), '', $foot) if !defined $height;
    my @lines = @top[ 0 .. min($#top, $height - 2) ];
    for my $part (grep {@$_} @parts) {
        my $room = $height - @lines - 2;
        last if $room < 2;
        push @lines, '', @$part[ 0 .. min($#$part, $room - 1) ];
    }
    push @lines, '' while @lines < $height - 1;
    return (@lines, $foot);
}

1;
