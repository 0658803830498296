package AdaptiveCtl::Status;

# adaptivectl status: once, again and again, as JSON, or for a monitoring system.

use strict;
use warnings;

use List::Util qw(max);
use POSIX ();

use AdaptiveCtl::Ask;
use AdaptiveCtl::Say;
use AdaptiveCtl::StatusView;
use AdaptiveCtl::Terminal;

use constant { INTERVAL => 2, OK => 0, WARNING => 1, CRITICAL => 2, UNKNOWN => 3 };

my @WORDS = qw(OK WARNING CRITICAL UNKNOWN);

sub status {
    my ($option) = @_;
    my @ways = grep { $option->{$_} } qw(json watch check);
    usage_error('status: --' . join(' and --', @ways) . ' exclude each other.') if @ways > 1;
    my @where = grep { defined $option->{$_} } qw(socket url);
    usage_error('status: --socket and --url exclude each other.') if @where > 1;
    my $interval = $option->{interval} // INTERVAL;
    usage_error("status: --interval $interval is not a number of seconds above 0.") if $interval !~ /\A\d+(?:\.\d+)?\z/ || $interval <= 0;
    return check($option) if $option->{check};
    my $place = AdaptiveCtl::Ask::place_of($option);
    return show_json($place)             if $option->{json};
    return watch($place, $interval) if $option->{watch};
    my $t = AdaptiveCtl::Terminal->new;
    print map {"$_\n"} AdaptiveCtl::StatusView::lines($t, AdaptiveCtl::Ask::ask($place));
    return 0;
}

sub show_json {
    my ($place) = @_;
    my ($status, $body) = AdaptiveCtl::Ask::exchange($place);
    fail(AdaptiveCtl::Ask::shown($place) . " answers $status.") if $status != 200;
    print $body;
    return 0;
}

# --- again and again -------------------------------------------------------------------------------------------------

# What the terminal gets back, whatever ends this.
sub leave {
    my ($saved) = @_;
    print "\e[?25h\e[?1049l";
    $saved->setattr(0, POSIX::TCSANOW()) if $saved;
    return;
}

# Keys one by one and without an echo. What it was like before.
sub raw_keys {
    return if !-t STDIN;
    my ($saved, $raw) = (POSIX::Termios->new, POSIX::Termios->new);
    $saved->getattr(0) or return;
    $raw->getattr(0);
    $raw->setlflag($raw->getlflag & ~(POSIX::ICANON() | POSIX::ECHO()));
    $raw->setattr(0, POSIX::TCSANOW());
    return $saved;
}

# Waits for the next look. True: q was pressed.
sub pause {
    my ($seconds, $has_keys) = @_;
    my $in = '';
    vec($in, 0, 1) = 1 if $has_keys;
    my $n = select $has_keys ? $in : undef, undef, undef, $seconds;
    return 0 if !$has_keys || $n <= 0;
    my $read = sysread STDIN, my $key, 16;
    return !$read || $key =~ /[qQ\x03\x04]/;
}

sub block {
    my ($t, $place, $height) = @_;
    my $state = eval { AdaptiveCtl::Ask::ask($place) };
    return $state ? AdaptiveCtl::StatusView::lines($t, $state, $height)
        : (AdaptiveCtl::StatusView::clock(time) . ' ' . (ref $@ ? $@->{text} : $@) . ' Asked again.');
}

sub watch {
    my ($place, $interval) = @_;
    my $t = AdaptiveCtl::Terminal->new;
    local $| = 1;
    if (!$t->{is_terminal}) {
        # into a file or a pipe: a block each time, until nobody reads any more
        while (print map {"$_\n"} block($t, $place), '') { pause($interval, 0) }
        return 0;
    }
    my ($over, $saved) = (0, raw_keys());
    local @SIG{qw(INT TERM HUP)} = (sub { $over = 1 }) x 3;
    local $SIG{WINCH} = sub { $t->measure };
    print "\e[?1049h\e[?25l";
    my $done = eval {
        while (!$over) {
            my @lines = block($t->measure, $place, $t->{lines});
            # each line ends what is left of the one before it: nothing flickers
            print "\e[H", join("\e[K\r\n", @lines), "\e[J";
            last if pause($interval, defined $saved);
        }
        1;
    };
    my $error = $@;
    leave($saved);
    die $error if !$done;
    return 0;
}

# --- for a monitoring system: one line and an exit status, as its plugins have them -----------------------------------------

sub threshold {
    my ($option, $name) = @_;
    my $text = $option->{$name} // return;
    usage_error("status: --$name $text is not a percentage from 1 to 100.") if $text !~ /\A\d+(?:\.\d+)?%?\z/ || $text < 1 || $text =~ s/%\z//r > 100;
    return $text =~ s/%\z//r / 100;
}

sub check {
    my ($option) = @_;
    my ($warning, $critical) = map { threshold($option, $_) } qw(warning critical);
    my $state = eval { AdaptiveCtl::Ask::ask(AdaptiveCtl::Ask::place_of($option)) };
    if (!$state) {
        die $@ if ref $@ && $@->{status} == 2;
        return answer(UNKNOWN, ref $@ ? $@->{text} : $@);
    }
    my %status_of = (green => OK, amber => WARNING, red => CRITICAL);
    my $status = $status_of{ $state->{verdict}{level} } // UNKNOWN;
    my $used = $state->{threads}{utilisation_ratio} // 0;
    $status = max($status, defined $critical && $used >= $critical ? CRITICAL : defined $warning && $used >= $warning ? WARNING : OK)
        if $status != UNKNOWN;
    return answer($status, $state->{verdict}{sentence}, perfdata($state, $warning, $critical));
}

sub perfdata {
    my ($state, $warning, $critical) = @_;
    my ($threads, $requests, $children) = @$state{qw(threads requests children)};
    my $most = max($threads->{max} // 0, $threads->{expected_max} // 0);
    return join ' ', "busy=$threads->{busy};;;0;$most", "threads=$threads->{running};;;0;$most",
        sprintf('utilisation=%.1f%%;%s;%s;0;100', 100 * ($threads->{utilisation_ratio} // 0), map { defined ? 100 * $_ : '' } $warning, $critical),
        sprintf('wait=%.6fs;;;0', $requests->{waited_seconds} // 0), sprintf('rate=%.1f;;;0', $requests->{per_second} // 0),
        "requests=$requests->{total}c", "shed=$requests->{shed_total}c", "refused=$requests->{refused_total}c", "children=$children->{serving};;;0;$children->{max}",
        "draining=$children->{draining};;;0";
}

sub answer {
    my ($status, $sentence, $perfdata) = @_;
    $sentence =~ s/\s+/ /g;
    $sentence =~ tr/|/!/;
    $sentence =~ s/[^\x20-\x7e]/?/g;
    print "ADAPTIVE $WORDS[$status] - $sentence", defined $perfdata ? " | $perfdata" : '', "\n";
    return $status;
}

1;
