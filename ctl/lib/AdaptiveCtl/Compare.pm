package AdaptiveCtl::Compare;

# Compares MPMs on a private copy of this machine's site, and writes a report. The running server is not touched: the copy has ports, logs
# and runtime files of its own, and goes when this ends, however it ends.

use strict;
use warnings;

use Cwd qw(abs_path getcwd);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use File::Temp ();
use POSIX qw(strftime);

use AB::Machine qw(facts monotonic_s);
use AB::Process;
use AB::Requests;
use AB::Results;
use AB::Run;
use AB::Server;
use AB::Trial;
use AB::Words;
use AdaptiveCtl::CompareLoad;
use AdaptiveCtl::CompareOptions;
use AdaptiveCtl::CompareOutput;
use AdaptiveCtl::Copy;
use AdaptiveCtl::Say;
use AdaptiveCtl::Steps;
use AdaptiveCtl::Terminal;

my @MEASURES = qw(failed_percent p50_ms p90_ms p99_ms p999_ms max_ms rate cpu_us switches pss_before_mib pss_peak_mib pss_after_mib threads_before
    threads_peak threads_after children_peak children_started children_stopped overflows crossed behind late_p99_ms generator_percent strangers);

my %ASCII = ("\x{201c}" => '"', "\x{201d}" => '"', "\x{2018}" => "'", "\x{2019}" => "'", "\x{d7}" => 'x', "\x{b5}" => 'u', "\x{3bc}" => 'u', "\x{2013}" => '-',
    "\x{2026}" => '...', "\x{a0}" => ' ', "\x{2212}" => '-');

sub compare {
    my ($site, $option) = @_;
    AdaptiveCtl::CompareOptions::check_canary($option) if $option->{canary} || $option->{'canary-read'};
    if ($option->{canary}) {
        require AdaptiveCtl::Canary;
        my $copy = AdaptiveCtl::Copy->new($site, dir => undef);
        print AdaptiveCtl::Canary::text_of(AdaptiveCtl::Canary::recipe($copy, share => $option->{share}, front => $option->{front}));
        return 0;
    }
    if ($option->{'canary-read'}) {
        require AdaptiveCtl::CanaryReport;
        return AdaptiveCtl::CanaryReport::read_both($option);
    }
    $option = AdaptiveCtl::CompareOptions::checked($option);
    getcwd() // fail('the current directory does not exist any more; change to another one.');
    $option->{module} = abs_path($option->{module}) if defined $option->{module};
    AB::Process::unwind_on_signals();
    local $ENV{TMPDIR} = abs_path($ENV{TMPDIR}) if length($ENV{TMPDIR} // '') && -d $ENV{TMPDIR};
    my $dir = File::Temp->newdir('adaptivectl-compare-XXXXXXXX', TMPDIR => 1);
    AB::Process::goes_with_us(directory => "$dir");
    my $done = eval { compare_in($site, $option, "$dir"); 1 };
    my $error = $@;
    AB::Process::end_all();
    return 0 if $done;
    die $error if ref $error ne 'HASH' || !$error->{interrupted};
    say_line("Interrupted (SIG$error->{interrupted}). The copies have ended, and their files are gone.");
    return 130;
}

# --- who takes part

# The site's own MPM as it is set up now is the reference; this one has no directive.
sub contenders {
    my ($copy, $option) = @_;
    my $own = $copy->own_mpm eq 'adaptive' ? 'event' : $copy->own_mpm;
    my @specs = @{ $option->{against} } ? @{ $option->{against} } : ($own);
    my @contenders = map { contender($copy, $_) } @specs;
    push @contenders, {
        key => 'adaptive', label => 'mpm_adaptive', mpm => 'adaptive', mpm_conf => '', describe => 'no directive' };
    my %seen;
    for my $contender (@contenders) {
        usage_error("--against: $contender->{key} is there twice.") if $seen{ $contender->{key} }++;
    }
    return @contenders;
}

sub contender {
    my ($copy, $spec) = @_;
    my ($mpm, $file) = split /:/, $spec, 2;
    my $describe = defined $file ? "as $file says" : $mpm eq $copy->own_mpm ? 'as this site has it set up' : 'with its defaults here';
    # beside ours without a directive
    my $set_up = $mpm eq 'adaptive' ? ' as set up here' : '';
    return {
        key => defined $file || $mpm eq 'adaptive' ? "$mpm:" . ($file // '') : $mpm, mpm => $mpm, describe => $describe,
        label => "mpm_$mpm" . (defined $file ? " of $file" : $set_up), mpm_conf => defined $file ? AdaptiveCtl::Steps::read_file($file) : undef };
}

# As AB::Trial wants it: each run has a copy of its own.
sub with_server {
    my ($contender, $copy, $load, $option, $dir) = @_;
    my $serial = 0;
    my $name = $contender->{key} =~ s/[^\w.-]/-/gr;
    my $write = sub {
        return $copy->write(root => "$dir/$name." . ++$serial, mpm => $contender->{mpm}, mpm_conf => $contender->{mpm_conf}, module => $option->{module});
    };
    return { %$contender, outside => 0, copy => $write, server => sub {
        my $written = $write->();
        my $root = $written->{root};
        my $server = eval {
            AB::Server->start(
                command => $written->{command}, env => $written->{env}, error_log => $written->{error_log}, output => "$root/logs/output",
                ports => [values %{ $load->ports }], after => sub { remove_tree($root) }) };
        $server // die ref $@ ? $@ : "$contender->{label}: " . $copy->in_original_terms($@);
        return $server;
    } };
}

# --- the comparison

sub compare_in {
    my ($site, $option, $dir) = @_;
    my $program = load_generator();
    my $copy = AdaptiveCtl::Copy->new($site, dir => $dir);
    # traces and what became of requests have URLs that others on this machine need not see
    my $files = "$dir/load";
    make_path($files, { mode => 0700 });
    my $load = AdaptiveCtl::CompareLoad->new($copy, $option, $files);
    my @contenders = map { with_server($_, $copy, $load, $option, $dir) } contenders($copy, $option);
    my $trial = AB::Trial->new(
        contenders => \@contenders, reference => $contenders[0]{key}, control => 1, rounds => $option->{rounds}, program => $program, dir => $files,
        most_s => 60 * $option->{minutes}, progress => sub { say_line("  $_[0]", '    ') });
    my $scenario = {
        name => 'site', title => 'This site', load => "$load->{shown}; on " . connections_in_words($option) . '; '
            . ($option->{'warm-up'} ? "the first $option->{'warm-up'} s warm up" : 'no warm-up'),
        measures => \@MEASURES, seconds => $load->seconds + 1, plan => sub { plan($load, $option, @_) } };
    announce($copy, $load, $trial, $scenario, $option);
    if ($option->{'dry-run'}) {
        $_->{copy}->() for @contenders;
        return say_line('httpd accepts a copy of the configuration with each of them.');
    }
    my $output = AdaptiveCtl::CompareOutput->new($option->{output}, 'adaptive-compare');
    # where it was started may go meanwhile; from here on all paths are absolute
    chdir '/';
    my @notes = (answers($trial, $load, $option, $program, $files), $load->notes, map({ $_->{text} } $copy->notes));
    my $begun_s = monotonic_s();
    my $data = {
        schema_version => AB::Results::SCHEMA, title => "mpm_adaptive beside $contenders[0]{label} on a copy of this site",
        command => shell_words('adaptivectl', @ARGV), date => strftime('%Y-%m-%d', localtime), machine => [facts($site->{httpd})], subject => 'adaptive',
        reference => $trial->{reference}, control => $trial->control, contenders => [$trial->described], notes => \@notes, scenarios => [] };
    $trial->measure([$scenario], sub {
        $data->{scenarios} = [$_[0]];
        $data->{seconds} = int(monotonic_s() - $begun_s);
        $output->write_report(AB::Results->new($data));
    });
    my $results = AB::Results->new($data);
    say_line('');
    say_line(in_locale($_)) for AB::Words::sentences($results);
    say_line("\nThe report: " . $output->dir . '/report.html; all numbers: ' . $output->dir . '/results.json');
    return;
}

sub connections_in_words {
    my ($option) = @_;
    return $option->{'new-connections'} ? 'a new connection each' : "at most $option->{connections} kept-alive connections";
}

# As the terminal can show it.
sub in_locale {
    my ($text) = @_;
    if (AdaptiveCtl::Terminal::speaks_utf8()) { utf8::encode($text) }
    else                                      { $text =~ s/([^\x00-\x7f])/$ASCII{$1} || '?'/ge }
    return $text;
}

sub announce {
    my ($copy, $load, $trial, $scenario, $option) = @_;
    say_line("Copies $copy->{site}{config} and asks it for: $scenario->{load}.");
    my @contenders = grep { $_->{key} ne $trial->control } $trial->described;
    say_line('Contenders: ' . join('; ', map { "$_->{label} ($_->{describe})" } @contenders) . '; the first one takes part twice, as the control.');
    say_line(($option->{rounds} == 1 ? '1 round takes' : "$option->{rounds} rounds take") . ' about '
        . AB::Trial::in_words($trial->estimate_s($scenario)) . "; none begins after $option->{minutes} min.");
    say_step($_) for map({ $_->{text} } $copy->notes), $load->notes;
    return;
}

sub plan {
    my ($load, $option, $server, $round) = @_;
    my %mode = $option->{'new-connections'} ? (mode => 'new') : (mode => 'keep', connections => $option->{connections});
    my %trace = (trace => $load->trace($round), scale => $option->{scale}, seconds => $load->seconds);
    return { loads => [{ asking($load, $option), %mode, %trace }], judge => [$option->{'warm-up'}, $load->seconds] };
}

# Where a generator asks the copy that has been written last, and for how long.
sub asking {
    my ($load, $option) = @_;
    my $ports = $load->ports;
    return (port => $ports->{http} // $ports->{https}, https_port => $ports->{https}, timeout => $option->{timeout});
}

# Each contender once, before anything is measured: what is asked has to be answered, and by all in the same way. Returns notes.
sub answers {
    my ($trial, $load, $option, $program, $dir) = @_;
    my (%status, @labels);
    for my $contender (grep { $_->{key} ne $trial->control } @{ $trial->{contenders} }) {
        my $server = $contender->{server}->();
        my $asked = eval {
            AB::Load->new(
                program => $program, dir => $dir, asking($load, $option), mode => 'keep', connections => 4, trace => $load->trial_trace,
                seconds => 5)->result };
        my $error = $@;
        $server->stop;
        die $error if !$asked;
        push @labels, $contender->{label};
        for my $request (@{ $asked->{requests} }) {
            my $answer = $request->[AB::Requests::STATUS] || 'no answer (' . $request->[AB::Requests::FAILURE] . ')';
            $status{ $request->[AB::Requests::INDEX] }{ $contender->{label} } = $answer;
        }
    }
    my @samples = $load->samples;
    my (@notes, $well);
    for my $n (0 .. $#samples) {
        my %of = map { $_ => $status{$n}{$_} // 'no answer' } @labels;
        my %different = map { $_ => 1 } values %of;
        my $what = "$samples[$n]{method} $samples[$n]{scheme}://$samples[$n]{host}$samples[$n]{path}";
        $well++ if grep { /\A[23]/ } values %of;
        push @notes, "$what is answered differently: " . join(', ', map { "$of{$_} by $_" } @labels) . '.' if keys %different > 1;
        push @notes, "$what is answered with " . (keys %different)[0] . ' by all.' if keys %different == 1 && (keys %different)[0] !~ /\A[23]/;
    }
    say_step($_) for @notes;
    fail('nothing of what is asked is answered well by any of them: there is nothing to compare.') if !$well;
    return @notes;
}

# In the checkout or where it is installed.
sub load_generator {
    my $here = dirname(abs_path(__FILE__));
    my ($found) = grep {-x} $ENV{ADAPTIVE_LOADGEN} // (), map { "$here/$_" } '../../libexec/adaptivectl/loadgen', '../../../libexec/adaptivectl/loadgen',
        '../../../.build/t/loadgen';
    return abs_path($found // fail('the load generator is missing: "make -f Makefile.apxs install" puts it in place, or "make -f Makefile.apxs loadgen" in the sources.'));
}

1;
