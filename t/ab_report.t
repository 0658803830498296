# What is written about a comparison, as sentences, as a page and as Markdown: every figure is the data's, whatever the data is, and
# strings from the data are only text.

use strict;
use warnings;

use lib 't/lib', 'ctl/lib';
use Digest::SHA qw(sha256_base64);
use List::Util qw(max);
use Test::More;

use AB::Charts;
use AB::Markdown;
use AB::Measures qw(known_measures);
use AB::Report;
use AB::Results;
use AB::Stats qw(median);
use AB::Words;
use Adaptive::Comparison qw(comparison_data points_scenario);

my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };

sub each_run {
    my ($data, $do) = @_;
    $do->($_) for map { @{ $_->{runs} } } @{ $data->{scenarios} };
    return;
}

sub without_runs_of {
    my ($scenario, $key) = @_;
    @{ $scenario->{runs} } = grep { $_->{contender} ne $key } @{ $scenario->{runs} };
    return;
}

# name => options of the data, and what the sentences have to say
my @SETS = (
    ['as usual' => {}, qr/36\.90% of the requests failed under mpm_event and 0% under mpm_adaptive/,
        qr/mpm_event is better in 3 of 32 comparisons/, qr/may differ from itself by up to/, qr/so it was not the bottleneck/],
    ['one scenario' => { change => sub { $#{ $_[0]{scenarios} } = 0 } }, qr/in the scenario \x{201c}A burst of slow requests\x{201d}/,
        qr/processor time per request is 4% less/],
    ['no control' => { contenders => [qw(event adaptive)] }, qr/was not run against itself/],
    ['one round' => { rounds => 1 }, qr/nothing is claimed/, qr/only hints/, qr/cannot be said: there are too few rounds/,
        qr/in 1 round, one after the other\./],
    ['two rounds' => { rounds => 2 }, qr/nothing is claimed/, qr/in 2 rounds,/],
    ['the other way round' => { change => sub { @{ $_[0] }{qw(subject reference control)} = ('event', 'adaptive', undef) } },
        qr/0% of the requests failed under mpm_adaptive and 36\.90% under mpm_event .*: worse/, qr/mpm_adaptive is better in 15 of 32/],
    ['nothing differs' => { change => sub { my ($data) = @_; without_runs_of($_, 'adaptive') for @{ $data->{scenarios} };
            each_run($data, sub { $_[0]{contender} = 'adaptive' if $_[0]{contender} eq 'control' }); $data->{control} = undef;
            each_run($data, sub { my ($run) = @_; my $third = $run->{round} % 3;
                $run->{values} = { %{ $run->{values} }, failed_percent => 0, p50_ms => 10 + $third,
                    map { $_ => 20 + $third } qw(p90_ms p99_ms p999_ms max_ms) } }) } },
        qr/nothing differs beyond the spread of the rounds/, qr/no request failed under either/, qr/mpm_event is nowhere better/],
    ['a contender is missing' => { change => sub { my ($burst, $files) = @{ $_[0]{scenarios} };
            without_runs_of($files, 'adaptive'); without_runs_of($burst, 'nginx') } },
        qr/processor time per request is 4% less/],
    ['the subject never ran' => { change => sub { my ($data) = @_; without_runs_of($_, 'adaptive') for @{ $data->{scenarios} } } },
        qr/nothing can be said about those who wait/, qr/of both are not known/, qr/was to be compared/, qr/there is nothing to compare/],
    ['no cost' => { change => sub {
            each_run($_[0], sub { delete @{ $_[0]{values} }{qw(cpu_us pss_before_mib pss_peak_mib pss_after_mib)} }) } },
        qr/Processor time and memory of both are not known/],
    ['failures of all kinds' => { change => sub {
            each_run($_[0], sub { my ($run) = @_; $run->{failures} = { map { $_ => 7 } qw(timeout refused reset status short) };
                $run->{values}{failed_percent} = 1 + $run->{round} / 100 }) } },
        qr/in the worst round 1\.07% failed under mpm_event/],
    ['runs that failed' => { change => sub { my $n = 0;
            each_run($_[0], sub { $_[0]{error} = 'the server did not start' if $n++ % 9 == 0 }) } },
        qr/7 of 56 runs could not be measured/],
    ['a busy generator and strangers' => { change => sub {
            each_run($_[0], sub { @{ $_[0]{values} }{qw(generator_percent strangers)} = (97, 0.8) }) } },
        qr/used up to 97% of a core .* may have been the bottleneck in 56 of 56 runs/, qr/and up to 0\.80 cores, which can disturb/],
    ['a generator that was kept from the processors' => { change => sub {
            each_run($_[0], sub { @{ $_[0]{values} }{qw(generator_percent late_p99_ms p99_ms)} = (2, 3, 10) }) } },
        qr/no more than 3\.00 ms late, which is a part of the latencies of 56 of 56 runs: the machine, not the generator/],
    ['a group' => { change => sub { points_scenario($_[0], 10, 100, 400) } }, qr/in 5 scenarios/],
    ['no scenario' => { change => sub { @{ $_[0]{scenarios} } = () } }, qr/in 0 scenarios/, qr/nothing can be said/],
    ['bare runs' => { change => sub { each_run($_[0], sub { delete @{ $_[0] }{qw(failures curve timeline place)} }) } }, qr/36\.90%/],
);

# All numbers that a text about this data may have, computed here from the runs.
sub numbers_of {
    my ($results) = @_;
    my @numbers = (0, 99, 95, 90, 99.9, scalar $results->scenarios, map { $results->rounds($_) } $results->scenarios);
    my @all = map { @{ $_->{runs} } } $results->scenarios;
    push @numbers, scalar(@all), scalar(grep { defined $_->{error} } @all);
    my %most;
    my %count = (better => 0, worse => 0, none => 0, unknown => 0);
    for my $scenario ($results->scenarios) {
        for my $measure (known_measures()) {
            my $key = $measure->{key};
            my %of;
            for my $run (grep { !defined $_->{error} && defined $_->{values}{$key} } @{ $scenario->{runs} }) {
                $of{ $run->{contender} }{ $run->{round} } = $run->{values}{$key};
                push @{ $most{$key} }, $run->{values}{$key};
            }
            my %sides = ($results->subject => 1, defined $results->control ? ($results->control => 1) : ());
            for my $other (keys %sides) {
                my @rounds = grep { exists $of{$other}{$_} } keys %{ $of{ $results->reference } };
                next if !@rounds;
                my ($base, $value) = map { my $side = $_; scalar median(map { $of{$side}{$_} } @rounds) } $results->reference, $other;
                push @numbers, $base, $value, $value - $base;
                push @numbers, $value / $base, 100 * ($value / $base - 1) if $base;
                push @numbers, map { max(values %{ $of{$_} }) } $results->reference, $other;
                my $relation = $results->relation($scenario, $other, $results->reference, $key);
                push @numbers, @$relation{qw(low high)} if defined $relation->{low};
                my @ends = grep { defined } @$relation{qw(value low high)};
                push @numbers, map { ($_, 100 * ($_ - 1), $_ > 0 ? 100 * (1 / $_ - 1) : ()) } @ends;
            }
            my $against = $results->against($scenario, $results->subject, $key);
            my $shown = grep { $_->{key} eq $key } $results->measures($scenario);
            $count{ $against->{verdict} }++ if $against && $measure->{better} && $shown;
        }
    }
    push @numbers, map { max(@{ $most{$_} // [0] }) } qw(strangers generator_percent late_p99_ms);
    return (@numbers, values %count, $count{better} + $count{worse} + $count{none});
}

# Numbers of a text that are none of those, with half of the last digit as leeway.
sub strange_numbers {
    my ($text, @numbers) = @_;
    my @strange;
    for my $shown ($text =~ /(?<![\w.])(\d[\d,]*(?:\.\d+)?)/g) {
        my ($value, $decimals) = ($shown =~ tr/,//dr, $shown =~ /\.(\d+)/ ? length $1 : 0);
        push @strange, $shown if !grep { abs(abs($_) - $value) <= 0.5001 * 10**-$decimals } @numbers;
    }
    return @strange;
}

# What is not balanced in HTML or SVG, '' if all is.
sub unbalanced {
    my ($html) = @_;
    my @open;
    while ($html =~ m{<(/?)(\w+)((?:\s+[\w-]+="[^"<>]*")*)\s*(/?)>|(<)}g) {
        my ($close, $name, $empty, $stray) = ($1, $2, $4, $5);
        return 'a stray < before ' . substr $html, pos($html), 30 if $stray && substr($html, pos($html) - 1, 9) ne '<!DOCTYPE';
        next if $stray || $empty || $name =~ /^(?:meta)$/;
        if (!$close) { push @open, $name }
        else { my $last = pop @open // 'nothing'; return "$last is closed by $name" if $last ne $name }
    }
    return join ' ', @open;
}

# Rows of a table that have another number of cells than its head.
sub uneven_rows {
    my ($markdown) = @_;
    my ($width, @uneven);
    for my $line (split /\n/, $markdown) {
        if ($line !~ /^\|/) { $width = undef; next }
        my $cells = () = $line =~ /(?<!\\)\|/g;
        $width //= $cells;
        push @uneven, $line if $cells != $width || $line !~ /\|$/;
    }
    return @uneven;
}

# Charts without a line for a contender that has what they draw.
sub charts_without_lines {
    my ($results) = @_;
    my @missing;
    for my $scenario ($results->scenarios) {
        my @contenders = grep { () = $results->runs($scenario, $_->{key}) } $results->contenders($scenario);
        for my $chart (AB::Charts::charts_of($results, $scenario, 'x')) {
            for my $contender (@contenders) {
                my $class = AB::Charts::look_of($results, $contender->{key})->{class};
                my $lines = () = $chart->{svg} =~ /<path class="line $class"/g;
                push @missing, "$scenario->{name} $chart->{title} $contender->{key}" if $lines != 2;
            }
        }
    }
    return @missing;
}

for my $set (@SETS) {
    my ($name, $opt, @said) = @$set;
    subtest $name => sub {
        @warnings = ();
        my $results = AB::Results->new(comparison_data(%$opt));
        my @sentences = AB::Words::sentences($results);
        is scalar(@sentences), 5, 'five sentences';
        is scalar(grep { !/^\S.*\.\z/ || /\bHASH|\bnan\b|\binf\b|  /i } @sentences), 0, '... that are whole' or diag join "\n", @sentences;
        my $text = join "\n", @sentences;
        like $text, $_, "... that say $_" for @said;
        my $figures = $text =~ s/\x{201c}[^\x{201d}]*\x{201d}//gr =~ s/\(AMD[^)]*\)//r =~ s/\bp\d+(?:\.\d+)?//gr;
        is_deeply [strange_numbers($figures, numbers_of($results))], [], '... whose figures are those of the data' or diag $text;

        my $html = AB::Report::html($results, json => 'raw.json');
        is unbalanced($html), '', 'the page is well-formed';
        my @ids = $html =~ /\sid="([^"]*)"/g;
        my %id = map { $_ => 1 } @ids;
        is scalar(keys %id), scalar(@ids), '... no id is there twice';
        my @names = map { split ' ' } $html =~ /(?:aria-labelledby="|href="#)([^"]*)"/g;
        is_deeply [grep { !$id{$_} } @names], [], '... what is referred to is there';
        is_deeply [$html =~ m{(<script|\sstyle=|\son\w+=|\ssrc=|url\(|https?:|href="[^#]|\@import)}g], [], '... and needs nothing else';
        is_deeply [charts_without_lines($results)], [], '... each chart has a line for each contender';
        ok $html =~ /raw\.json/, '... the raw data is named';

        my $markdown = AB::Markdown::document($results, json => 'raw.json');
        is_deeply [uneven_rows($markdown)], [], 'the tables in Markdown are well-formed';
        ok $markdown =~ /^# .*\n\n.*\n\n- (?:.+\n- ){4}.+\n\n## Medians\n/, '... after the five sentences';
        is unbalanced(AB::Charts::summary_svg($results)), '', 'the picture is well-formed';
        is_deeply \@warnings, [], 'no warnings';
    };
}

subtest 'strange numbers are found' => sub {
    my $results = AB::Results->new(comparison_data());
    my ($told) = grep { /largest difference/ } AB::Words::sentences($results);
    is_deeply [strange_numbers('12,345.6 ms', numbers_of($results))], ['12,345.6'], 'a figure of nobody';
    ok $told =~ s/36\.90/37.77/, 'a figure that is a little wrong';
    is_deeply [strange_numbers($told =~ s/\x{201c}.*?\x{201d}//gr, numbers_of($results))], ['37.77'], '... is found as well';
};

subtest 'the policy' => sub {
    my $html = AB::Report::html(AB::Results->new(comparison_data(rounds => 3)));
    my ($policy) = $html =~ /<meta http-equiv="Content-Security-Policy" content="([^"]*)">/;
    my @styles = $html =~ m{<style>(.*?)</style>}gs;
    is scalar(@styles), 1, 'there is one style';
    my $digest = sha256_base64($styles[0]);
    $digest .= '=' while length($digest) % 4;
    is $policy, "default-src 'none'; style-src 'sha256-$digest'; base-uri 'none'; form-action 'none'",
        'which is all that the policy allows';
    ok index($html, '<style>') > index($html, 'Content-Security-Policy'), 'the policy comes first';
};

subtest 'where the reference wins' => sub {
    my $results = AB::Results->new(comparison_data());
    my $html = AB::Report::html($results);
    my ($wins) = $html =~ m{(<section id="wins".*?</section>)}s;
    my @rows = $wins =~ m{<th scope="row">([^<]*)</th>}g;
    is_deeply \@rows, [map { $_->{measure}{label} } $results->places('adaptive', 'worse')], 'all places are listed, and only these';
    my ($medians) = $html =~ m{(<section id="medians".*?</section>)}s;
    my @heads = $medians =~ m{<a href="#s-\d+">([^<]*)</a>}g;
    is_deeply \@heads, [map { $_->{title} } $results->scenarios], 'the table of medians has all scenarios';
};

# Every string of the data.
my $EVIL = qq{"'><script>alert(1)</script><img src=x onerror=alert(2)>|a|\n# b\n[x](javascript:alert(3)) `c` *d* &lt; \x01};

sub spoil {
    my ($data) = @_;
    $data->{$_} = "$_ $EVIL" for qw(title date command);
    $data->{machine} = [map { [map {"$_ $EVIL"} @$_] } @{ $data->{machine} }];
    $data->{notes} = ["note $EVIL"];
    @$_{qw(label describe)} = ("label $EVIL", "describe $EVIL") for @{ $data->{contenders} };
    for my $scenario (@{ $data->{scenarios} }) {
        $scenario->{$_} = "$_ $scenario->{name} $EVIL" for qw(title load date);
        $scenario->{group} = "group $EVIL" if defined $scenario->{group};
        $scenario->{x_label} = "x $EVIL" if defined $scenario->{x};
        $scenario->{runs}[0]{note} = "note $EVIL";
        $scenario->{runs}[1]{error} = "error $EVIL";
        $_->{failures} = { "kind $EVIL" => 3 } for @{ $scenario->{runs} };
    }
    return;
}

subtest 'hostile strings' => sub {
    my $plain = AB::Results->new(comparison_data(change => sub { points_scenario($_[0], 10, 400) }));
    my $results = AB::Results->new(comparison_data(change => sub { points_scenario($_[0], 10, 400); spoil($_[0]) }));
    my $html = AB::Report::html($results, json => $EVIL);
    is unbalanced($html), '', 'the page is well-formed';
    is_deeply [$html =~ /(<(?:script|img|a href="[^#]).{0,20})/g], [], '... without their elements';
    is scalar(() = $html =~ /[\x00-\x08]/g), 0, '... and without characters that no page may have';
    ok $html =~ /$_ [^<]*&lt;script&gt;alert/, "... $_ is shown as it is" for qw(title command note label describe load group error kind);
    my $markdown = AB::Markdown::document($results, json => $EVIL);
    my @active = $markdown =~ s/^    .*$//mgr =~ /(.{0,20}(?:<|(?<!\\)`|(?<!\\)\]\().{0,20})/g;
    is_deeply \@active, [], 'Markdown has no element, no link and no code of theirs';
    is_deeply [uneven_rows($markdown)], [], '... and whole tables';
    my @headings = AB::Markdown::document($plain) =~ /^(#+) /mg;
    is_deeply [$markdown =~ /^(#+) /mg], \@headings, '... and no heading more';
    my $svg = AB::Charts::summary_svg($results);
    is unbalanced($svg), '', 'the picture is well-formed';
    unlike $svg, qr/<(?:script|img)/, '... without their elements';
};

subtest 'the picture' => sub {
    my $results = AB::Results->new(comparison_data());
    my $svg = AB::Charts::summary_svg($results);
    my $marks = sub { my ($class) = @_; return scalar(() = $svg =~ /<circle class="$class"/g) };
    my $keys = 2;    # in the legend and above the failures
    is $marks->($_), $results->scenarios + $keys, "each scenario has a mark of the $_" for qw(reference subject);
    like $svg, qr/36\.90%/, 'failed requests stand beside it';
    like $svg, qr/prefers-color-scheme:dark/, 'it is light and dark';
};

done_testing;
