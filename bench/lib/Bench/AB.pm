package Bench::AB;

# Runs this repository's comparison, and writes what it found: results.json with everything that was measured, report.html, results.md.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Copy qw(copy cp);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use POSIX qw(strftime);

use AB::Charts;
use AB::Machine qw(facts monotonic_s);
use AB::Markdown;
use AB::Phrases;
use AB::Report;
use AB::Results;
use AB::Trial;
use Adaptive::Paths qw(httpd);
use Bench::AB::Contenders;
use Bench::AB::Scenarios;
use Bench::Options qw(from_environment listed);
use Bench::Output qw(write_to);
use Bench::Scenario qw(make_certificate);

# Where the results of this repository are kept: the numbers, the document made from them, and the chart of the README.
use constant { PUBLISHED => 'docs/results.json', DOCUMENT => 'docs/results.md', CHART => 'docs/user/images/results.svg' };

my @KNOWN = (
    [ROUNDS     => 7,  'rounds: each contender once per round, in alternating order'],
    [SCENARIOS  => '', 'comma-separated, all when empty: ' . join(' ', Bench::AB::Scenarios::names()) . '; sweep for all of its rates'],
    [CONTENDERS => 'event,event-tuned,adaptive,nginx', 'comma-separated: ' . join(' ', Bench::AB::Contenders::keys_of_all())
        . '; or all. event is the reference'],
    [CONTROL    => 1,  '0: leaves out the control, which is the reference once more'],
    [CALM       => 0.3, 'cores that strangers may use when a run begins; 0 does not wait'],
    [MINUTES    => 0,  'no round begins after this time, but three are measured in any case; 0: all rounds'],
    [SYSCALLS   => 1,  '0: does not count system calls'],
    [SHIELD     => 1,  '1: the server comes before strangers, where root can make a control group'],
    [PUBLISH    => 0,  '1: writes ' . join(', ', DOCUMENT, PUBLISHED, CHART) . ' too; anew: writes them again from the numbers there are'],
    [REPORT_DIR => '.build/ab', 'where the report goes'],
    [MODULE     => '.build/mod_mpm_adaptive.so', 'the module to compare'],
);

sub options {
    my %option = from_environment(@KNOWN);
    for my $name (qw(ROUNDS MINUTES)) {
        die "$name must be a whole number, not '$option{$name}'\n" if $option{$name} !~ /^\d+$/;
    }
    die "ROUNDS must be 1 or more\n" if !$option{ROUNDS};
    check_calm(\%option);
    die "PUBLISH must be 0, 1 or anew, not '$option{PUBLISH}'\n" if $option{PUBLISH} !~ /^(?:0|1|anew)$/;
    $option{CONTENDERS} = join ',', Bench::AB::Contenders::keys_of_all() if $option{CONTENDERS} eq 'all';
    $option{$_} = [grep { length } split /[,\s]+/, $option{$_}] for qw(SCENARIOS CONTENDERS);
    Bench::AB::Contenders::check_keys(@{ $option{CONTENDERS} });
    for my $needed (Bench::AB::Contenders::REFERENCE, Bench::AB::Contenders::SUBJECT) {
        die "CONTENDERS: $needed has to be one of them\n" if !grep { $_ eq $needed } @{ $option{CONTENDERS} };
    }
    return \%option;
}

sub check_calm {
    my ($option) = @_;
    die "CALM must be a number of cores, not '$option->{CALM}'\n" if $option->{CALM} !~ /^\d+(?:\.\d+)?$/;
    return;
}

sub usage { return "usage: [NAME=VALUE ...] make -f Makefile.apxs ab\n" . listed(12, @KNOWN) }

# Programs and the module, where a build meanwhile does not reach them.
sub private_build {
    my ($module) = @_;
    my $dir = tempdir('mpm-ab-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0755, $dir;
    my $build = abs_path($ENV{ADAPTIVE_BUILD} // '.build') // die "no build directory: run make first\n";
    make_path("$dir/t");
    copy($module, "$dir/mod_mpm_adaptive.so") or die "$module: $! (run make first)\n";
    for my $program (qw(loadgen backend mod_adaptive_test.so)) {
        cp("$build/t/$program", "$dir/t/$program") or die "$build/t/$program: $! (run make first)\n";
    }
    $ENV{ADAPTIVE_BUILD} = $dir;
    return $dir;
}

sub bench {
    my ($dir, $option) = @_;
    my ($certificate, $key) = make_certificate($dir);
    return { certificate => $certificate, key => $key, shield => $option->{SHIELD} };
}

sub compare {
    my ($option) = @_;
    if ($option->{PUBLISH} eq 'anew') {
        publish(AB::Results->read_file(PUBLISHED));
        return;
    }
    my $dir = private_build($option->{MODULE});
    my $bench = bench($dir, $option);
    my @contenders = Bench::AB::Contenders::contenders($bench, @{ $option->{CONTENDERS} });
    my $trial = trial($option, $dir, Bench::AB::Contenders::REFERENCE, @contenders);
    my $results = measured($option, $trial, 'mpm_adaptive beside mpm_event', 'make -f Makefile.apxs ab');
    publish(merged($results)) if $option->{PUBLISH};
    return;
}

# The results of the scenarios that are asked for. The report is written after each round, so that what has been measured outlives an
# interruption.
sub measured {
    my ($option, $trial, $title, $command) = @_;
    my @scenarios = Bench::AB::Scenarios::scenarios(@{ $option->{SCENARIOS} });
    printf STDERR "%s, about %s\n", AB::Phrases::count_of(scalar @scenarios, 'scenario'), AB::Trial::in_words($trial->estimate_s(@scenarios));
    my $begun_s = monotonic_s();
    my $data = about($trial, $title, $command);
    $trial->measure(\@scenarios, sub {
        my ($found) = @_;
        $data->{scenarios} = [(grep { $_->{name} ne $found->{name} } @{ $data->{scenarios} }), $found];
        $data->{seconds} = int(monotonic_s() - $begun_s);
        write_report($option, AB::Results->new($data));
    });
    print "written: $option->{REPORT_DIR}/report.html, and the numbers beside it\n";
    return AB::Results->new($data);
}

sub trial {
    my ($option, $dir, $reference, @contenders) = @_;
    return AB::Trial->new(
        contenders => \@contenders, reference => $reference, control => $option->{CONTROL}, rounds => $option->{ROUNDS},
        program => "$dir/t/loadgen", dir => $dir, syscalls => $option->{SYSCALLS}, calm => $option->{CALM}, patience_s => 3,
        most_s => 60 * $option->{MINUTES}, progress => sub { print STDERR "$_[0]\n" });
}

# What is known before anything is measured.
sub about {
    my ($trial, $title, $command) = @_;
    return {
        schema_version => AB::Results::SCHEMA, title => $title, command => $command, date => strftime('%Y-%m-%d', gmtime),
        machine => [facts(httpd())], subject => Bench::AB::Contenders::SUBJECT, reference => $trial->{reference}, control => $trial->control,
        contenders => [$trial->described], scenarios => [],
        notes => [
            'Each run has a server of its own that has just been started; all have Debian\'s modules and configuration, and only the'
                . ' LoadModule line of the MPM and its directives differ.',
            'Latency counts from the moment at which a request was due, whatever became of those before it; t/bench_tools.t stops a'
                . ' server for a second to see that the generator does so.',
            'The backend waits without a thread per request (t/tools/backend.c).'],
    };
}

sub write_report {
    my ($option, $results) = @_;
    make_path($option->{REPORT_DIR});
    write_to("$option->{REPORT_DIR}/results.json", $results->as_json);
    write_to("$option->{REPORT_DIR}/report.html", AB::Report::html($results));
    write_to("$option->{REPORT_DIR}/results.md", AB::Markdown::document($results));
    return;
}

# Scenarios that were not measured this time keep their numbers.
sub merged {
    my ($results) = @_;
    return $results if !-e PUBLISHED;
    my $new = $results->data;
    my $old = AB::Results->read_file(PUBLISHED)->data;
    my %measured = map { $_->{name} => $_ } @{ $new->{scenarios} };
    my %kept = map { $_->{name} => $_ } @{ $old->{scenarios} };
    my %known = map { $_->{key} => $_ } @{ $old->{contenders} }, @{ $new->{contenders} };
    my @keys = (grep { $known{$_} } map { ($_, "$_ again") } Bench::AB::Contenders::keys_of_all());
    return AB::Results->new({
        %$new, contenders => [@known{@keys}], scenarios => [grep { defined } map { $measured{$_} // $kept{$_} } Bench::AB::Scenarios::names()] });
}

sub publish {
    my ($results) = @_;
    write_to(PUBLISHED, $results->as_json);
    write_to(DOCUMENT, AB::Markdown::document($results));
    write_to(CHART, AB::Charts::summary_svg($results));
    print 'written: ', join(', ', DOCUMENT, PUBLISHED, CHART), "\n";
    return;
}

1;
