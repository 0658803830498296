package AB::ReportStyle;

# The looks of a report. They stand in the page itself, so that it is one file that needs nothing else.

use strict;
use warnings;

use Digest::SHA qw(sha256_base64);

my $CSS = <<'CSS';
/* Light and dark, phone, desk and paper. Colours are told apart by those who see fewer of them (after Okabe and Ito), and none of them
 * says anything that a mark, a dash or a word does not say as well. */
:root {
    color-scheme: light dark;
    --ground: #fbfbfa; --card: #ffffff; --text: #1d1f21; --soft: #5a6068; --edge: #dcdfe3; --due: #e4e7ea;
    --link: #0b57a4; --green: #14713a; --red: #b3261e;
    --reference: #d55e00; --subject: #0072b2; --o0: #009e73; --o1: #a85682; --o2: #9a6a00; --o3: #4c8fc0;
}
@media (prefers-color-scheme: dark) {
    :root {
        --ground: #121416; --card: #1b1e21; --text: #e8eaed; --soft: #a3abb4; --edge: #33383e; --due: #2b3035;
        --link: #8ab8f0; --green: #7fd39b; --red: #ff8f86;
        --reference: #f08a3c; --subject: #56b4e9; --o0: #1fb58b; --o1: #d493b5; --o2: #e6a523; --o3: #9cc9ee;
    }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
    margin: 0 auto; padding: 0 1rem 2rem; max-width: 78rem; background: var(--ground); color: var(--text);
    font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: anywhere;
}
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: 1rem; top: .5rem; padding: .3rem .6rem; background: var(--card); }
h1 { margin: 1.6rem 0 .2rem; font-size: 1.6rem; font-weight: 600; line-height: 1.25; }
h2 { margin: 0 0 .6rem; font-size: 1.25rem; font-weight: 600; }
h3 { margin: 1.4rem 0 .5rem; font-size: 1rem; font-weight: 600; }
p { margin: 0 0 .8rem; max-width: 52rem; }
.about { color: var(--soft); }
section { margin: 0 0 1.2rem; padding: 1.2rem 1.4rem; background: var(--card); border: 1px solid var(--edge); border-radius: .6rem; }
.found { margin: 0; padding: 0; list-style: none; max-width: 58rem; }
.found li { margin: 0 0 .7rem; padding-left: .9rem; border-left: 3px solid var(--edge); }
.found li:last-child { margin-bottom: 0; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: 0 0 1rem; padding: 0; list-style: none; font-size: .92rem; }

.scroll { overflow-x: auto; margin: 0 0 1rem; }
table { border-collapse: separate; border-spacing: 0; font-size: .92rem; overflow-wrap: break-word; }
caption { padding: 0 0 .5rem; color: var(--soft); text-align: left; }
th, td { padding: .35rem .7rem; border-bottom: 1px solid var(--edge); text-align: left; vertical-align: top; font-weight: 400; }
thead th { color: var(--soft); vertical-align: bottom; }
tbody th:first-child { min-width: 9rem; }
.group th { padding-top: 1rem; font-weight: 600; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
thead .n { white-space: normal; }
.scroll caption span { display: block; position: sticky; left: 0; max-width: calc(100vw - 3rem); }
td small { color: var(--soft); font-size: .85rem; }
.sides td small { display: inline-block; min-width: 8rem; }
.sides td small.by { min-width: 6.5rem; }
.all td small { display: block; }
.all th:first-child { position: sticky; left: 0; background: var(--card); }
.better { color: var(--green); font-weight: 600; }
.worse { color: var(--red); font-weight: 600; }
.none, .unknown, .other, .failing { color: var(--soft); }

.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; margin: 0 0 .6rem; padding: 0; list-style: none; font-size: .92rem; }
.key { width: 2.25rem; height: .75rem; margin-right: .4rem; vertical-align: -.05rem; }
.charts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem 1.6rem; }
figure { margin: 0; break-inside: avoid; }
figcaption { font-size: .95rem; font-weight: 600; }
.chart { display: block; width: 100%; height: auto; }
.chart.narrow { display: none; }
.chart text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.grid { stroke: var(--edge); }
.axis { stroke: var(--soft); }
.due { fill: var(--due); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.interval { stroke-width: 1.5; }
.mark { stroke-width: 1.6; }
.band { stroke: none; fill-opacity: .14; }
.line.reference, .mark.reference, .interval.reference { stroke: var(--reference); }
.line.reference { stroke-dasharray: 7 3; }
.mark.reference { fill: var(--card); }
.band.reference { fill: var(--reference); }
.line.subject, .mark.subject, .interval.subject { stroke: var(--subject); }
.mark.subject, .band.subject { fill: var(--subject); }
.line.other-0, .mark.other-0, .interval.other-0 { stroke: var(--o0); }
.line.other-1, .mark.other-1, .interval.other-1 { stroke: var(--o1); }
.line.other-2, .mark.other-2, .interval.other-2 { stroke: var(--o2); }
.line.other-3, .mark.other-3, .interval.other-3 { stroke: var(--o3); }
.mark.other-0, .band.other-0 { fill: var(--o0); }
.mark.other-1, .band.other-1 { fill: var(--o1); }
.mark.other-2, .band.other-2 { fill: var(--o2); }
.mark.other-3, .band.other-3 { fill: var(--o3); }
.line.other-0 { stroke-dasharray: 2 3; stroke-width: 1.6; }
.line.other-1 { stroke-dasharray: 9 3 2 3; stroke-width: 1.6; }
.line.other-2 { stroke-dasharray: 4 4; stroke-width: 1.6; }
.line.other-3 { stroke-dasharray: 12 4; stroke-width: 1.6; }
pre {
    margin: 0 0 .8rem; padding: .6rem .8rem; border: 1px solid var(--edge); border-radius: .4rem; font-size: .9rem;
    white-space: pre-wrap; overflow-wrap: anywhere;
}
code { overflow-wrap: anywhere; }
.facts th { white-space: nowrap; }
td.fact { overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: .88rem; }

@media (max-width: 60rem) {
    .charts { grid-template-columns: minmax(0, 40rem); }
}
@media (max-width: 40rem) {
    body { padding: 0 .6rem 1.5rem; }
    section { padding: .9rem .7rem; }
    h1 { font-size: 1.3rem; }
    .chart.wide { display: none; }
    .chart.narrow { display: block; }
    table { font-size: .82rem; }
    th, td { padding: .3rem .25rem; }
    tbody th:first-child { min-width: 4.5rem; }
    .sides td:last-child { white-space: normal; }
    .sides td small.of { display: none; }
    .sides td small, .sides td small.by { display: block; min-width: 0; }
}
@media (forced-colors: active) {
    .line, .mark, .interval { stroke: CanvasText; }
    .chart text { fill: CanvasText; }
}
@media print {
    body { max-width: none; font-size: 10pt; }
    nav, .skip { display: none; }
    section { padding: 0; border: 0; }
    .scroll { overflow: visible; }
    tr { break-inside: avoid; }
    h2, h3 { break-after: avoid; }
}
CSS

# The style element, and what a policy calls it by.
sub element { return "<style>$CSS</style>" }

sub hash {
    my $digest = sha256_base64($CSS);
    return 'sha256-' . $digest . '=' x (-length($digest) % 4);
}

1;
