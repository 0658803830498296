package AdaptiveCtl::CanaryReport;

# Asks two instances that share the real traffic how they are, again and again, and writes a report. A round is a stretch of time in which
# both were seen; there is no control, because nobody runs a third instance, so that differences are judged by their intervals alone.

use strict;
use warnings;

use POSIX qw(strftime);
use Time::HiRes qw(sleep);

use AB::Machine qw(monotonic_s);
use AB::Process;
use AB::Results;
use AB::Trial;
use AB::Words;
use AdaptiveCtl::Ask;
use AdaptiveCtl::CanarySample;
use AdaptiveCtl::Compare;
use AdaptiveCtl::CompareOutput;
use AdaptiveCtl::Say;
use AdaptiveCtl::Steps;

use constant { EVERY_S => 5, ROUNDS => 24, LEAST_ROUND_S => 20, MINUTES => 60 };

my @MEASURES = qw(share_rate busy cpu_us pss_peak_mib threads_peak children_peak connections);

# These follow from how much of the traffic an instance has: whoever has less of it is not better for that.
my @NEUTRAL = qw(pss_peak_mib);

sub read_both {
    my ($option) = @_;
    my $minutes = $option->{minutes} // MINUTES;
    usage_error("--minutes $minutes: it has to be from 1 to 20160, two weeks.") if $minutes < 1 || $minutes > 20_160;
    my @places = map { place($_) } @{ $option->{'canary-read'} };
    usage_error('--canary-read is given twice, once for each instance: first that of the reference.') if @places != 2;
    usage_error("--canary-read: both instances are called $places[0]{name}.") if $places[0]{name} eq $places[1]{name};
    for my $place (@places) {
        my $first = look($place);
        next if !defined $first->{failed};
        fail("--canary-read $place->{name}: $first->{failed}" =~ s/(?<![.?])\z/./r . ' Nothing can be read before it answers with its status.');
    }
    AB::Process::unwind_on_signals();
    my $output = AdaptiveCtl::CompareOutput->new($option->{output}, 'adaptive-canary');
    my $data = about(@places);
    my $done = eval { read_for($minutes * 60, $data, $output, @places); 1 };
    my $error = $@;
    die $error if !$done && (ref $error ne 'HASH' || !$error->{interrupted});
    @{ $data->{scenarios}[0]{runs} } or fail('not one stretch of ' . LEAST_ROUND_S . ' s was seen; nothing has been written.');
    say_line('');
    say_line(AdaptiveCtl::Compare::in_locale($_)) for AB::Words::sentences(AB::Results->new($data));
    say_line("\nThe report: " . $output->dir . '/report.html; all numbers: ' . $output->dir . '/results.json');
    return $done ? 0 : 130;
}

# "event=http://127.0.0.1:10080/server-status,/run/httpd.pid"
sub place {
    my ($text) = @_;
    my ($name, $where, $pid_file) = $text =~ /\A([\w.-]+)=([^,\s]+)(?:,(\S+))?\z/
        or usage_error("--canary-read $text: write NAME=SOCKET or NAME=URL, with ,PIDFILE for a server that has mod_status only.");
    usage_error("--canary-read $text: the PidFile $pid_file cannot be read, or has no process in it.")
        if defined $pid_file && (AdaptiveCtl::Steps::read_file($pid_file) // '') !~ /^\d+/;
    my $proxy = $where =~ s/\Aproxy\+(?=http:)//;
    my $place = $where =~ /\Ahttp:/ ? AdaptiveCtl::Ask::place_of_url($where =~ s/\?\w*\z//r) : { socket => $where };
    return { %$place, name => $name, pid_file => $pid_file, proxy => $proxy, query => defined $place->{socket} ? 'json' : undef };
}

sub about {
    my (@places) = @_;
    return {
        schema_version => AB::Results::SCHEMA, title => "$places[1]{name} beside $places[0]{name}, with the real traffic", command => 'adaptivectl compare --canary-read',
        date => strftime('%Y-%m-%d', localtime), machine => [], subject => $places[1]{name}, reference => $places[0]{name}, control => undef, shared => 1, seconds => 0,
        contenders => [map { { key => $_->{name}, label => $_->{name}, describe => AdaptiveCtl::Ask::shown($_), outside => 0 } } @places],
        notes => ['Both instances have a share of the real traffic each, not the same requests: what depends on how many there are says something about the shares, too.',
            'Response times are in the access logs (%D); a server does not know how long a client waited before it.'],
        scenarios => [{ name => 'canary', title => 'The real traffic', load => 'what comes', measures => \@MEASURES, neutral => \@NEUTRAL, date => strftime('%Y-%m-%d', localtime), runs => [] }] };
}

sub read_for {
    my ($seconds, $data, $output, @places) = @_;
    my $round_s = $seconds / ROUNDS;
    $round_s = LEAST_ROUND_S if $round_s < LEAST_ROUND_S;
    my $begun_s = monotonic_s();
    for (my $round = 1; monotonic_s() - $begun_s + $round_s <= $seconds + 1; $round++) {
        my %seen = map { $_->{name} => [] } @places;
        my $until_s = $begun_s + $round * $round_s;
        do {
            for my $place (@places) {
                AB::Process::go_on();
                push @{ $seen{ $place->{name} } }, look($place);
            }
            sleep EVERY_S if monotonic_s() + EVERY_S < $until_s + 1;
        } while (monotonic_s() + EVERY_S < $until_s + 1);
        my $n = 0;
        push @{ $data->{scenarios}[0]{runs} }, map { { round => $round, place => ++$n, contender => $_->{name}, stretch(@{ $seen{ $_->{name} } }) } } @places;
        $data->{seconds} = int(monotonic_s() - $begun_s);
        $output->write_report(AB::Results->new($data));
        say_line("  stretch $round: " . join('; ', map { in_short($_) } @{ $data->{scenarios}[0]{runs} }[-2, -1]) . '; '
            . AB::Trial::in_words($seconds - (monotonic_s() - $begun_s)) . ' left', '    ');
    }
    return;
}

# What an instance says now; undef if it does not answer, which need not last.
sub look {
    my ($place) = @_;
    my $sample = eval {
        find_query($place) if !defined $place->{query};
        my ($status, $body) = AdaptiveCtl::Ask::exchange($place);
        fail(AdaptiveCtl::Ask::shown($place) . " answers $status.") if $status != 200;
        my ($pid) = defined $place->{pid_file} ? (AdaptiveCtl::Steps::read_file($place->{pid_file}) // '') =~ /^(\d+)/ : ();
        AdaptiveCtl::CanarySample::sample($body, defined $pid ? (pid => $pid) : ());
    };
    return { %$sample, clock_s => monotonic_s() } if $sample;
    die $@ if ref $@ eq 'HASH' && $@->{interrupted};
    return { failed => failure() };
}

# mod_status and the page of mpm_adaptive are asked in different ways: whichever answers like itself.
sub find_query {
    my ($place) = @_;
    my ($status, $body) = AdaptiveCtl::Ask::exchange({ %$place, query => 'json' });
    $place->{query} = $status == 200 && $body =~ /\A\s*\{/ ? 'json' : 'auto';
    return;
}

# Of one instance: { values } or { error }.
sub stretch {
    my (@samples) = @_;
    my @good = grep { !defined $_->{failed} } @samples;
    return (error => @samples ? $samples[-1]{failed} // 'it was seen only once' : 'it was not seen') if @good < 2;
    my ($first, $last) = @good[0, -1];
    return (error => 'it was restarted in this stretch') if grep { $good[$_]{uptime_s} < $good[ $_ - 1 ]{uptime_s} } 1 .. $#good;
    my $requests = $last->{requests} - $first->{requests};
    my %values = (
        share_rate => $requests / ($last->{clock_s} - $first->{clock_s}), busy => mean('busy', @good), connections => mean('connections', @good),
        threads_peak => most('threads', @good), children_peak => most('children', @good));
    my $cpu_s = defined $first->{cpu_s} && defined $last->{cpu_s} ? $last->{cpu_s} - $first->{cpu_s} : 0;
    $values{cpu_us} = $cpu_s * 1e6 / $requests if $requests > 0 && $cpu_s > 0;
    my $pss_kib = most('pss_kib', @good);
    $values{pss_peak_mib} = $pss_kib / 1024 if defined $pss_kib;
    return (values => { map { defined $values{$_} ? ($_ => $values{$_}) : () } keys %values });
}

sub mean {
    my ($key, @samples) = @_;
    my @values = grep { defined } map { $_->{$key} } @samples or return undef;
    my $sum = 0;
    $sum += $_ for @values;
    return $sum / @values;
}

sub most { my ($key, @samples) = @_; return (sort { $b <=> $a } grep { defined } map { $_->{$key} } @samples)[0] }

sub in_short {
    my ($run) = @_;
    return "$run->{contender}: $run->{error}" if defined $run->{error};
    my $values = $run->{values};
    return "$run->{contender}: " . join ', ', map { my ($key, $format) = @$_; defined $values->{$key} ? sprintf $format, $values->{$key} : () }
        [share_rate => '%.1f requests/s'], [busy => '%.1f busy'], [threads_peak => '%d threads'], [cpu_us => '%.0f us/request'], [pss_peak_mib => '%.0f MiB'];
}

1;
