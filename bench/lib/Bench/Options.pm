package Bench::Options;

# What is run, from the environment: `make bench ROUNDS=7` and `ROUNDS=7 bench/run.pl` are the same.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(from_environment listed options usage);

my @KNOWN = (
    [ROUNDS      => 5,  'rounds of every scenario; medians are over these'],
    [SECONDS     => 4,  'seconds that a server is measured in one round'],
    [WARMUP      => 1,  'seconds of the same load before each measurement'],
    [SCENARIOS   => '', 'comma-separated: keepalive connect tls proxy h2 h2c (or: cost); tools burst bursts backend compute mixed'
        . ' reload memory status (or: change); waiting; users surge reloads prefork files slowapp php websockets container bighost (or: examples, which'
        . ' are those of conf-examples/); cost and change when empty'],
    [CONTENDERS  => '', 'comma-separated, the reference first: event adaptive nginx worker prefork fixedN (event with N threads); NAME:FILE'
        . ' adds the directives in FILE, adaptive@MODULE takes another module'],
    [CONTROL     => 0,  '1: event against itself, which shows what a ratio means on this machine'],
    [CONNECTIONS => 32, 'connections of the load generator'],
    [STREAMS     => 10, 'concurrent requests of an HTTP/2 connection'],
    [LOAD_THREADS => 0, 'threads of the load generator; 0: one per core that it may use'],
    [MAX_KEEPALIVE_REQUESTS => 100, "requests of a kept-alive connection, httpd's and nginx's alike; 100 is Debian's for httpd"],
    [PIN         => 0,  '1: the server on the first half of the cores, everything else on the second'],
    [COMPETE     => 'percore', 'spinning processes of the second pass: percore, one, or none to leave it out'],
    [QUIET       => 1,  '0: leaves out the pass without competing processes'],
    [CALM        => 0.2, 'cores that strangers may use during a measurement before it is repeated; 0 takes everything'],
    [SYSCALLS    => 2,  'seconds over which system calls are counted; 0 leaves it out'],
    [VARIANTS    => '', 'comma-separated: of the scenarios in which the load changes, e.g. new keep open closed; all when empty'],
    [REPEAT      => '', 'rounds of the scenarios in which the load changes (1), of examples (3), of waiting (ROUNDS, or 3)'],
    [QUICK       => 0,  '1: examples and waiting only to see whether they run, in seconds instead of minutes'],
    [PUBLISH     => 0,  '1: the figures of examples replace those of docs/user/examples.md and conf-examples/README.md; anew: writes these'
        . ' again from the numbers there are, and measures nothing'],
    [CLIENTS     => '', 'of the scenario waiting, as many of each kind; when empty 2,000, 1,000 or 200, as the kind goes'],
    [BURST_RATE  => 1200, 'requests a second in a burst'],
    [CELL_SECONDS => 8, 'seconds that a cell of the scenario mixed is measured'],
    [CAPACITY    => '', 'of the scenario mixed, computed a second by their length in ms, e.g. 5:370,50:38; measured when empty'],
    [WATCH       => 120, 'seconds to watch how a server becomes small again after a burst'],
    [SHIELD      => 1,  '1: when the load changes the server comes before strangers, where root can make a control group'],
    [IDLE        => 20, 'seconds over which idle servers are watched; 0 leaves it out'],
    [REPORT_DIR  => '.build/bench', 'where report.md and the raw numbers go'],
    [MODULE      => '.build/mod_mpm_adaptive.so', 'the module to compare'],
);

# Of [NAME, default, what it says], ...: the environment's values.
sub from_environment { return map { $_->[0] => length($ENV{$_->[0]} // '') ? $ENV{$_->[0]} : $_->[1] } @_ }

# ... and a line each.
sub listed {
    my ($width, @known) = @_;
    return join '', map { sprintf "  %-*s %s (%s)\n", $width, $_->[0], $_->[2], length $_->[1] ? $_->[1] : 'empty' } @known;
}

sub options {
    my %option = from_environment(@KNOWN);
    # scenarios in which the load changes have contenders of their own, and examples rounds, unless told otherwise
    $option{REPEAT_SET} = length $option{REPEAT} ? 1 : 0;
    $option{ROUNDS_SET} = length($ENV{ROUNDS} // '') ? 1 : 0;
    $option{REPEAT} ||= 1;
    $option{CONTENDERS_SET} = length $option{CONTENDERS} ? 1 : 0;
    $option{CONTENDERS} ||= $option{CONTROL} ? 'event,event' : 'event,adaptive,nginx';
    for my $name (qw(
        ROUNDS REPEAT BURST_RATE CELL_SECONDS WATCH SECONDS WARMUP CONNECTIONS STREAMS LOAD_THREADS MAX_KEEPALIVE_REQUESTS SYSCALLS IDLE)) {
        die "$name must be a whole number, not '$option{$name}'\n" if $option{$name} !~ /^\d+$/;
    }
    die "CLIENTS must be a whole number up to 19000, not '$option{CLIENTS}'\n"
        if length $option{CLIENTS} && ($option{CLIENTS} !~ /^[1-9]\d*$/ || $option{CLIENTS} > 19_000);
    die "ROUNDS, SECONDS, CONNECTIONS and STREAMS must be 1 or more\n"
        if grep { !$option{$_} } qw(ROUNDS SECONDS CONNECTIONS STREAMS);
    die "CELL_SECONDS must be more than 2\n" if $option{CELL_SECONDS} <= 2;
    die "COMPETE must be percore, one or none\n" if $option{COMPETE} !~ /^(?:percore|one|none)$/;
    $option{$_} = [grep { length } split /[,\s]+/, $option{$_}] for qw(SCENARIOS CONTENDERS VARIANTS);
    return \%option;
}

sub usage { return "usage: [NAME=VALUE ...] bench/run.pl, from the top of the source
" . listed(23, @KNOWN) }

1;
