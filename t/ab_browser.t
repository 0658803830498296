# The report of a comparison in a browser: nothing is asked for, nothing is cut off on a phone, everything can be read in light and dark,
# and reached with the keyboard.

use strict;
use warnings;

use lib 't/lib', 'ctl/lib';
use File::Temp qw(tempdir);
use Test::More;

use AB::Report;
use AB::Results;
use Adaptive::Browser;
use Adaptive::Comparison qw(comparison_data points_scenario);

plan skip_all => Adaptive::Browser::missing() if Adaptive::Browser::missing();

my $dir = tempdir(CLEANUP => 1);

sub page {
    my ($name, %opt) = @_;
    open my $out, '>:encoding(UTF-8)', "$dir/$name.html" or die "$dir/$name.html: $!";
    print {$out} AB::Report::html(AB::Results->new(comparison_data(%opt)));
    close $out or die "$dir/$name.html: $!";
    return "file://$dir/$name.html";
}

# Strings that would do something if they were more than text, and some that cannot be broken into lines.
sub spoil {
    my ($data) = @_;
    my $evil = '"><script>document.title="owned"</script><img src="https://192.0.2.1/x" onerror="document.title=1">' . 'x' x 300;
    @$data{qw(title command)} = ("title $evil", $evil);
    $data->{machine}[0][1] = $evil;
    $_->{describe} = $evil for @{ $data->{contenders} };
    for my $scenario (@{ $data->{scenarios} }) {
        @$scenario{qw(title load)} = ("title $evil", $evil);
        @{ $scenario->{runs}[0] }{qw(note failures)} = ($evil, { $evil => 1 });
    }
    return;
}

my $usual = page('usual', change => sub { points_scenario($_[0], 10, 100, 400) });
my $hostile = page('hostile', change => \&spoil);
my $browser = Adaptive::Browser->new(dir => "$dir/chromium");
plan skip_all => 'chromedriver does not start here' if !$browser || !eval { $browser->go($usual); 1 };

subtest 'as it is' => sub {
    is join("\n", $browser->console), '', 'no error, no violation of the policy';
    is $browser->js('return performance.getEntriesByType("resource").length'), 0, 'nothing else is asked for';
    is $browser->js('return getComputedStyle(document.querySelector("section")).borderTopStyle'), 'solid', 'its style is used';
    is $browser->js('return document.documentElement.scrollWidth <= innerWidth'), JSON::PP::true, 'the page does not move to the side';
    my $shown = 'Array.from(document.querySelectorAll("svg.chart")).filter((s) => s.getClientRects().length)';
    is $browser->js("return $shown.length > 0 && $shown.every((s) => s.classList.contains('wide'))"), JSON::PP::true,
        'charts are those for a desk';
};

subtest 'hostile strings' => sub {
    $browser->go($hostile);
    like $browser->js('return document.title'), qr/\Atitle "><script>/, 'are text';
    is $browser->js('return document.querySelectorAll("script, img").length'), 0, 'no element comes of them';
    is join("\n", $browser->console), '', 'the policy had nothing to stop';
    is $browser->js('return performance.getEntriesByType("resource").length'), 0, 'nothing is asked for';
};

# Text of a chart that is shown, and is not within it.
my $CUT_OFF = <<'JS';
return Array.from(document.querySelectorAll('svg.chart')).filter((s) => s.getClientRects().length).flatMap((s) => {
    const all = s.getBoundingClientRect();
    return Array.from(s.querySelectorAll('text')).filter((t) => {
        const text = t.getBoundingClientRect();
        return text.left < all.left - 1 || text.right > all.right + 1 || text.top < all.top - 1 || text.bottom > all.bottom + 1;
    }).map((t) => s.id + ' ' + t.textContent);
});
JS

for my $width (390, 800, 1280) {
    subtest "$width pixels" => sub {
        $browser->resize($width, 844, $width < 500);
        for my $url ($usual, $hostile) {
            $browser->go($url);
            is $browser->js('return document.documentElement.scrollWidth'), $width, 'the page does not move to the side';
            is_deeply $browser->js($CUT_OFF), [], 'no text of a chart is cut off';
        }
    };
}

subtest 'on a phone' => sub {
    $browser->resize(390, 844, 1);
    $browser->go($usual);
    is $browser->js('return getComputedStyle(document.querySelector("svg.chart.narrow")).display'), 'block', 'charts are those for it';
    is $browser->js('return getComputedStyle(document.querySelector("svg.chart.wide")).display'), 'none',
        '... and the others are not there';
    is $browser->js('const t = document.querySelector("#medians .scroll"); return t.scrollWidth <= t.clientWidth'), JSON::PP::true,
        'the table of medians fits';
    $browser->resize(1280, 900, 0);
};

subtest 'keyboard and screen reader' => sub {
    $browser->go($usual);
    my %seen;
    for (1 .. 80) {
        $browser->press([ Tab => 9 ]);
        my $at = $browser->js('const e = document.activeElement; return e.matches(".scroll") ? e.getAttribute("aria-labelledby") : ""');
        $seen{$at} = 1;
    }
    my $named = 'Array.from(document.querySelectorAll(".scroll")).map((e) => e.getAttribute("aria-labelledby"))';
    my @regions = @{ $browser->js("return $named") };
    cmp_ok scalar(@regions), '>=', 10, 'tables have regions';
    is_deeply [grep { !$seen{$_} } @regions], [], '... and Tab reaches each';
    is $browser->js('return Array.from(document.querySelectorAll("table")).filter((t) => !t.caption
        || !t.querySelector("thead th[scope=col]") || !t.querySelector("tbody th[scope=row]")).length'), 0,
        'each table has a caption, and heads for rows and columns';
    is $browser->js('return Array.from(document.querySelectorAll("svg:not([aria-hidden])")).filter((s) => s.getAttribute("role") != "img"
        || !s.querySelector("title").textContent || !s.querySelector("desc").textContent).length'), 0, 'each chart says what it shows';
    is $browser->js('return Array.from(document.querySelectorAll("h1, h2, h3")).map((h) => +h.tagName[1])
        .filter((n, i, all) => i && n > all[i - 1] + 1).length'), 0, 'no level of headings is left out';
};

# Colours have to stand out against what is behind them (WCAG 2.1: 4.5 to 1), in both schemes. Texts of charts lie on a card, or on the
# load behind.
my $CONTRAST = <<'JS';
const parse = (c) => c.match(/[\d.]+/g).map(Number);
const light = (c) => { const [r, g, b] = parse(c).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (parse(c).length < 4 || parse(c)[3] > 0) return c; } return getComputedStyle(document.documentElement).colorScheme; };
const ratio = (x, y) => { const a = light(x), b = light(y); return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); };
const texts = Array.from(document.querySelectorAll('body *')).filter((e) => e.getClientRects().length
    && Array.from(e.childNodes).some((n) => n.nodeType == 3 && n.textContent.trim()));
const bad = texts.map((e) => [ratio(e.closest('svg') ? getComputedStyle(e).fill : getComputedStyle(e).color, ground(e)), e])
    .filter((x) => x[0] < 4.5).map((x) => x[0].toFixed(2) + ' ' + x[1].tagName + ' ' + x[1].textContent.slice(0, 20));
return [texts.length, bad];
JS

for my $scheme (qw(light dark)) {
    subtest $scheme => sub {
        $browser->dark($scheme);
        $browser->go($usual);
        my ($texts, $bad) = @{ $browser->js($CONTRAST) };
        cmp_ok $texts, '>', 500, 'there is text';
        is_deeply $bad, [], '... all of which can be read';
        is join("\n", $browser->console), '', 'no error, no violation of the policy';
    };
}

$browser->quit;
done_testing;
