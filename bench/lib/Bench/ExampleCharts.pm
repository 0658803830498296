package Bench::ExampleCharts;

# Charts of examples as SVG, light or dark as the reader has it.

use strict;
use warnings;

use Exporter 'import';
use List::Util qw(max);

use AB::Svg qw(line_from step_for svg text_at);
use Bench::Example;
use Bench::ExampleFigures qw(cell figure is_now name_of rounds_of with_commas);

our @EXPORT_OK = qw(charts);

my $STYLE = join '', '<style>',
    'svg{background:#fff;font:12px system-ui,sans-serif}text{fill:#333}.t{font-size:15px;font-weight:600}.s{fill:#666}',
    '.g{stroke:#ddd}.x{stroke:#888}.d{stroke:#666;stroke-dasharray:1 4}path,line{fill:none}rect{stroke:none}',
    '.c0{stroke:#c24a00;stroke-width:2.4}.c1{stroke:#8a5aa8;stroke-width:1.5;stroke-dasharray:6 3}',
    '.c2{stroke:#2c8a57;stroke-width:1.5;stroke-dasharray:2 2}.n{stroke:#0063b1;stroke-width:2.6}',
    '.r{stroke-dasharray:none;stroke-width:1}',
    '.b0{fill:#e3b08f}.b1{fill:#c24a00}.b2{fill:#8c5a3c}.n0{fill:#9cc4e4}.n1{fill:#0063b1}.n2{fill:#35618a}',
    '@media(prefers-color-scheme:dark){svg{background:#16191d}text{fill:#ddd}.s{fill:#9aa4ad}',
    '.g{stroke:#2c3238}.x{stroke:#66707a}.d{stroke:#9aa4ad}.c0{stroke:#ff9a57}.c1{stroke:#c79be6}.c2{stroke:#5fce92}.n{stroke:#5cb3ff}',
    '.b0{fill:#6b4630}.b1{fill:#ff9a57}.b2{fill:#b98262}.n0{fill:#274a66}.n1{fill:#5cb3ff}.n2{fill:#86a9c8}}',
    '</style>';

sub charts {
    my ($results) = @_;
    my %chart;
    $chart{'users.svg'} = users_chart($results->{users}) if $results->{users};
    $chart{'surge.svg'} = memory_chart($results->{surge}) if $results->{surge};
    return \%chart;
}

use constant { WIDTH => 900, LEFT => 64, USERS_HEIGHT => 460, USERS_TOP => 84, RIGHT => 24, BOTTOM => 46, APPLICATION_MS => 100 };

sub users_chart {
    my ($of) = @_;
    my ($scenario) = Bench::Example->scenarios('users');
    my @labels = @{ $of->{labels} };
    my %points;
    for my $label (@labels) {
        for my $users ($scenario->users) {
            my $found = figure($of, $label, "mean_ms_$users") or next;
            push @{ $points{$label} }, [$users, $found];
        }
    }
    my @all = map { @$_ } values %points;
    my $most_users = max(map { $_->[0] } @all);
    my $most_ms = max(map { $_->[1]{most} } @all);
    my $step = step_for($most_ms, 7);
    my $top_ms = $step * (1 + int($most_ms / $step));
    my ($right, $base) = (WIDTH - RIGHT, USERS_HEIGHT - BOTTOM);
    my $x = sub { LEFT + ($right - LEFT) * $_[0] / $most_users };
    my $y = sub { $base - ($base - USERS_TOP) * $_[0] / $top_ms };
    my $about = sprintf 'mean response time, ms; bars: smallest and largest of %d rounds', rounds_of($of);
    my @body;
    for (my $ms = 0; $ms <= $top_ms; $ms += $step) {
        push @body, line_from('g', LEFT, $y->($ms), $right, $y->($ms)),
            text_at(LEFT - 8, $y->($ms) + 4, with_commas($ms), class => 's', anchor => 'end');
    }
    # 100 and 150 have no room
    for my $users (grep { $_ <= $most_users && ($_ == 50 || $_ >= 200) } $scenario->users) {
        push @body, line_from('x', $x->($users), $base, $x->($users), $base + 4),
            text_at($x->($users), $base + 18, with_commas($users), class => 's', anchor => 'middle');
    }
    push @body, line_from('x', LEFT, $base, $right, $base),
        text_at($right, USERS_HEIGHT - 10, 'users at a time', class => 's', anchor => 'end'),
        text_at(LEFT, USERS_TOP - 12, $about, class => 's'),
        line_from('d', LEFT, $y->(APPLICATION_MS), $right, $y->(APPLICATION_MS)),
        text_at($right, $y->(APPLICATION_MS) + 14, 'what the application needs', class => 's', anchor => 'end');
    my ($n, $legend_x, $legend_y) = (0, LEFT, 40);
    for my $label (grep { $points{$_} } @labels) {
        my $class = is_now($label) ? 'n' : 'c' . $n++;
        my $line = join 'L', map { sprintf '%.1f %.1f', $x->($_->[0]), $y->($_->[1]{middle}) } @{ $points{$label} };
        push @body, qq{<path class="$class" d="M$line"/>},
            map { line_from("$class r", $x->($_->[0]), $y->($_->[1]{least}), $x->($_->[0]), $y->($_->[1]{most})) } @{ $points{$label} };
        push @body, sprintf('<path class="%s" d="M%d %dh24"/>', $class, $legend_x, $legend_y - 4),
            text_at($legend_x + 30, $legend_y, name_of($label));
        $legend_x += 400;
        ($legend_x, $legend_y) = (LEFT, $legend_y + 18) if $legend_x > 500;
    }
    return svg(WIDTH, USERS_HEIGHT, $STYLE, 'Response time before an application that needs 100 ms and does not compute', @body);
}

use constant { BAR => 18, BAR_STEP => 21, BARS_LEFT => 290, BARS_TOP => 62, BARS_ROOM => 400, BETWEEN => 22 };

sub memory_chart {
    my ($of) = @_;
    my @labels = @{ $of->{labels} };
    my @when = ([pss_before => 'before the burst'], [pss_peak => 'at its end'], [pss_after => '75 s after it']);
    my $height = BARS_TOP + @labels * (@when * BAR_STEP + BETWEEN) + 34;
    my $most = 1;
    for my $label (@labels) {
        $most = max($most, map { my $found = figure($of, $label, $_->[0]); $found ? $found->{middle} : () } @when);
    }
    my $step = step_for($most, 6);
    my $x = sub { BARS_LEFT + BARS_ROOM * $_[0] / $most };
    my $about = sprintf 'all processes of the server, MiB (PSS): median of %d rounds (smallest to largest)', rounds_of($of);
    my @body = text_at(LEFT, 42, $about, class => 's');
    for (my $mib = 0; $mib <= $most; $mib += $step) {
        push @body, line_from('g', $x->($mib), BARS_TOP - 6, $x->($mib), $height - 30),
            text_at($x->($mib), $height - 14, with_commas($mib), class => 's', anchor => 'middle');
    }
    my $y = BARS_TOP;
    for my $label (@labels) {
        my ($time, $what) = split /: /, name_of($label), 2;
        push @body, text_at(LEFT, $y + 12, $time), text_at(LEFT, $y + 28, $what, class => 's');
        for my $n (0 .. $#when) {
            my ($key, $moment) = @{ $when[$n] };
            if (my $found = figure($of, $label, $key)) {
                my $class = (is_now($label) ? 'n' : 'b') . $n;
                push @body, sprintf('<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d"/>', $class, $x->(0), $y,
                        $x->($found->{middle}) - $x->(0), BAR),
                    text_at($x->($found->{middle}) + 6, $y + BAR - 5, "$moment: " . cell($found, '%.0f'));
            }
            $y += BAR_STEP;
        }
        $y += BETWEEN;
    }
    return svg(WIDTH, $height, $STYLE, 'Memory before, in, and after a burst of requests that wait', @body);
}

1;
