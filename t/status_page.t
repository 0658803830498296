# The status page in a browser: with its script and without, told apart by nobody's colours, hostile strings inert, on a phone.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Browser;
use Adaptive::Probe;
use Adaptive::Server;

plan skip_all => 'about mod_mpm_adaptive' if mpm() ne 'adaptive';
plan skip_all => Adaptive::Browser::missing() if Adaptive::Browser::missing();

use constant SECONDS => 60;

my $s = Adaptive::Server->new(test_module => 1, modules => ['status'],
    conf => "$TEST_CONF\n<Location /adaptive-status>\nSetHandler adaptive-status\n</Location>\nCustomLog logs/access_log \"%r\"\n",
    mpm_conf => "StartServers 2\nServerLimit 4\nThreadsPerChild 8\nMaxRequestWorkers 32\n")->start;
my $url = $s->url('/adaptive-status') =~ s/localhost/127.0.0.1/r;
my $browser = Adaptive::Browser->new(dir => $s->root . '/tmp/chromium');
plan skip_all => 'chromedriver does not start here' if !$browser || !eval { $browser->go($url); 1 };

sub page_requests { return scalar(() = Adaptive::Server::read_text($s->root . '/logs/access_log') =~ m{^GET /adaptive-status HTTP}mg) }

subtest 'with its script' => sub {
    is $browser->js('return document.querySelector("#verdict .sentence strong").innerText.replace(/\W+/g, "")') =~ /\A(?:Well|Havealook|Actnow)\z/ ? 1 : 0, 1, 'the verdict is a word';
    like $browser->js('return document.title'), qr/\A\S+ (?:Well|Have a look|Act now): \d+ of \d+ busy/, 'the title, too';
    is $browser->js('return document.querySelectorAll("svg.chart").length'), 2, 'the chart is there';
    my $before = $browser->js('document.querySelector("#status").dataset.mark = "old"; return document.querySelector("svg.chart.wide").outerHTML');
    ok((wait_for { $browser->js('return document.querySelector("#status").dataset.mark') ? 0 : 1 } SECONDS, 'the next look'), 'it is brought up to date in place');
    my @held = hold_requests($s, 10);
    ok((wait_for { $browser->js('return document.querySelector("#numbers b").innerText') >= 10 } SECONDS, 'ten busy'), 'with what has changed');
    ok((wait_for { $browser->js('return document.querySelector("svg.chart.wide").outerHTML') ne $before } SECONDS, 'the chart'), 'the chart moves on');
    $browser->js('document.querySelector("#directives").open = true; document.querySelector("#directives summary").focus(); document.querySelector("#status").dataset.mark = "old"; scrollTo(0, 300)');
    my $y = $browser->js('return scrollY');
    ok((wait_for { !$browser->js('return document.querySelector("#status").dataset.mark') } SECONDS, 'the next look'), 'at the next look');
    is $browser->js('return document.querySelector("#directives").open'), JSON::PP::true, '... what was open stays open';
    is $browser->js('return document.activeElement.tagName + document.activeElement.parentNode.id'), 'SUMMARYdirectives', '... what had the focus has it';
    is $browser->js('return scrollY'), $y, '... and nothing jumps';
    lift_hold($s);
    read_response($_) for @held;
    is join("\n", $browser->console), '', 'no error, no violation of the policy';
};

# Moves on until the script has brought the page up to date once more.
sub next_look {
    $browser->js('document.querySelector("#status").dataset.mark = "old"');
    return wait_for { $browser->js('return document.querySelector("#status").dataset.mark') ? 0 : 1 } SECONDS, 'the next look';
}

subtest 'what is read out' => sub {
    is $browser->js('return document.querySelector("#said").textContent'), '', 'nothing, after many numbers have changed';
    is $browser->js('return document.querySelector("#said").getAttribute("role") + document.querySelectorAll("main [role=status], main [aria-live]").length'), 'status0',
        'nothing else is, whatever is replaced';
    my @held = hold_requests($s, 27);
    ok((wait_for { $browser->js('return document.querySelector("#said").textContent') =~ /\A(?:Have a look|Act now)\. / } SECONDS, 'a word on it'), 'a verdict that is another one');
    lift_hold($s);
    read_response($_) for @held;
    ok((wait_for { $browser->js('return document.querySelector("#said").textContent') eq 'Well.' } SECONDS, 'its end'), '... and its end');
};

# With the keyboard: Tab to a mark of the chart, Enter.
subtest 'from a mark to its story' => sub {
    my $link = 'document.querySelector("svg.chart.wide a[href^=\'#story-\']")';
    ok((wait_for { $browser->js("return !!$link") } SECONDS, 'a mark'), 'what was done has a mark');
    my $href = $browser->js("$link.focus(); return $link.getAttribute('href')");
    like $browser->js("return $link.querySelector('title').textContent"), qr/\A\d\d:\d\d:\d\d \w+/, '... that says what it was';
    ok next_look(), 'at the next look';
    is $browser->js('return document.activeElement.getAttribute("href")'), $href, '... it has the focus still';
    $browser->press([ Enter => 13 ]);
    my $story = 'document.querySelector(location.hash || "#none")';
    ok((wait_for { $browser->js("return $story && $story.querySelector('details').open") } SECONDS, 'it to open'), 'Enter opens its story');
    is $browser->js('return location.hash'), $href, '... that one';
    is $browser->js("return $story.contains(document.activeElement)"), JSON::PP::true, '... and goes there';
    ok next_look(), 'at the next look';
    is $browser->js("return $story.querySelector('details').open"), JSON::PP::true, '... it is open still';
    is $browser->js("return $story.classList.contains('aimed')"), JSON::PP::true, '... and stands out still';
    $browser->js('location.hash = ""');
    is join("\n", $browser->console), '', 'no error, no violation of the policy';
};

subtest 'a reload of the server' => sub {
    my $rows = $browser->js('return document.querySelectorAll("#minutes tbody tr").length');
    ok($s->graceful, "is done");
    $browser->js('document.querySelector("#status").dataset.mark = "old"');
    ok((wait_for { !$browser->js('return document.querySelector("#status").dataset.mark') } SECONDS, 'the next look'), 'the page goes on');
    cmp_ok $browser->js('return document.querySelectorAll("#minutes tbody tr").length'), '>=', $rows, 'and its history';
};

subtest 'an error' => sub {
    $s->stop;
    ok((wait_for { !$browser->js('return document.querySelector("#stale").hidden') } SECONDS, 'word of it'), 'it says that nobody answers');
    like $browser->js('return document.querySelector("#stale").innerText'), qr/No answer for \d+ s/, '... and since when';
    $s->start;
    ok((wait_for { $browser->js('return document.querySelector("#stale").hidden') } SECONDS, 'an answer'), 'and goes on when somebody does');
    $browser->console;
};

# They stand in the table of children and in that of who holds threads.
subtest 'text of strangers' => sub {
    put_hold($s);
    my @evil = ('"><script>document.body.dataset.owned=1</script>', "'><img src=x onerror=document.body.dataset.owned=1>", '<svg/onload=document.body.dataset.owned=1>', '&lt;b&gt;');
    my @socks = map { tcp($s->port) } @evil;
    print { $socks[$_] } "GET /adp/hold?$evil[$_] HTTP/1.1\r\nHost: x\r\n\r\n" for 0 .. $#evil;
    ok((wait_for { $browser->js('return document.querySelector("#rows").innerText.includes("<svg/onload") || document.querySelector("#rows").innerText.includes("<script>")') } SECONDS, 'them'),
        'is shown as it is');
    is $browser->js('return document.body.dataset.owned'), undef, 'and is only text';
    is $browser->js('return document.querySelectorAll("main script, main img, main svg[onload], main b + b").length'), 0, 'no element comes of it';
    is join("\n", $browser->console), '', 'the policy had nothing to stop';
    lift_hold($s);
    close $_ for @socks;
};

# Text of the chart that is shown, and is not within it.
my $CUT_OFF = <<'JS';
return Array.from(document.querySelectorAll('svg.chart')).filter((s) => s.getClientRects().length).flatMap((s) => {
    const all = s.getBoundingClientRect();
    return Array.from(s.querySelectorAll('text')).filter((t) => {
        const text = t.getBoundingClientRect();
        return text.left < all.left - 1 || text.right > all.right + 1 || text.bottom > all.bottom + 1;
    }).map((t) => t.textContent);
});
JS

subtest 'on a wall' => sub {
    $browser->resize(1920, 1080, 0);
    $browser->go($url);
    is $browser->js('return document.documentElement.scrollWidth'), 1920, 'the page does not move to the side';
    my $box = 'const at = (id) => document.getElementById(id).getBoundingClientRect();';
    ok $browser->js("$box return at('ceilings').left >= at('history').right && at('holders').left >= at('history').right"), 'what limits it and who holds threads stand beside the chart';
    cmp_ok $browser->js("$box return Math.max(at('ceilings').top, at('history').top)"), '<', 1080, '... without scrolling';
    is_deeply $browser->js($CUT_OFF), [], 'no text of the chart is cut off';
};

subtest 'on a phone' => sub {
    $browser->resize(390, 844, 1);
    $browser->go($url);
    is $browser->js('return document.documentElement.scrollWidth'), 390, 'the page does not move to the side';
    is $browser->js('return getComputedStyle(document.querySelector("svg.chart.narrow")).display'), 'block', 'the chart is one for it';
    is $browser->js('return getComputedStyle(document.querySelector("svg.chart.wide")).display'), 'none', '... and the other is not there';
    is_deeply $browser->js($CUT_OFF), [], 'no text of it is cut off';
    $browser->resize(1280, 900, 0);
};

subtest 'keyboard and screen reader' => sub {
    $browser->go($url);
    my @seen;
    for (1 .. 60) {
        $browser->press([ Tab => 9 ]);
        push @seen, $browser->js('const e = document.activeElement; return e.closest("svg") ? "mark" : e.tagName.toLowerCase() + (e.closest("[id]") ? "#" + e.closest("[id]").id : "")');
    }
    my %seen = map { $_ => 1 } @seen;
    ok $seen{$_}, "Tab reaches $_" for 'summary#minutes', 'summary#directives', 'div#rows', 'mark';
    is $browser->js('return Array.from(document.querySelectorAll("table")).filter((t) => !t.querySelector("thead th[scope=col]") || !t.querySelector("tbody th[scope=row]")).length'), 0,
        'each table has heads for rows and columns';
    is $browser->js('return Array.from(document.querySelectorAll("[aria-labelledby]")).filter((e) => !document.getElementById(e.getAttribute("aria-labelledby"))).length'), 0, 'what is named has its name';
    is $browser->js('const ids = Array.from(document.querySelectorAll("[id]")).map((e) => e.id); return ids.length - new Set(ids).size'), 0, 'no id is there twice';
};

# Colours have to stand out against what is behind them (WCAG 2.1: 4.5 to 1), in both schemes.
my $CONTRAST = <<'JS';
const parse = (c) => c.match(/[\d.]+/g).map(Number);
const light = (c) => { const [r, g, b] = parse(c).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (parse(c).length < 4 || parse(c)[3] > 0) return c; } return 'rgb(255, 255, 255)'; };
return Array.from(document.querySelectorAll('h1, h2, p, li, td, th, dt, dd, dd span, summary, time, a, strong, footer')).filter((e) => e.innerText && e.offsetParent).map((e) => {
    const a = light(getComputedStyle(e).color), b = light(ground(e));
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.tagName + ' ' + e.className + ' ' + e.innerText.slice(0, 20)];
}).filter((x) => x[0] < 4.5).map((x) => x[0].toFixed(2) + ' ' + x[1]);
JS

for my $scheme (qw(light dark)) {
    subtest $scheme => sub {
        $browser->dark($scheme);
        $browser->go($url);
        is_deeply $browser->js($CONTRAST), [], 'all text can be read';
    };
}

subtest 'without its script' => sub {
    $browser->cdp('Emulation.setScriptExecutionDisabled', { value => JSON::PP::true });
    $browser->go($url);
    my $before = page_requests();
    ok((wait_for { page_requests() >= $before + 2 } SECONDS, 'it to be asked for again'), 'the page loads itself anew');
    $browser->cdp('Emulation.setScriptExecutionDisabled', { value => JSON::PP::false });
};

$browser->quit;
ok $s->stop, 'stops';
done_testing;
