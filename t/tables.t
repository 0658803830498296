# One table per thing: what documents say of reasons, ceilings and directives is what the sources have.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Server;

sub rows_of {
    my ($table) = @_;
    my ($rows) = Adaptive::Server::read_text('src/law/reasons.h') =~ /#define $table\(X\) \\\n(.*?)\n\n/s or return;
    return [ $rows =~ /X\((CTL_\w+), "([^"]+)"/g ];
}

my $docs = Adaptive::Server::read_text('docs/user/status.md');
my %table = (Reason => 'CTL_REASON_TABLE', Ceiling => 'CTL_CEILING_TABLE');
for my $key (sort keys %table) {
    my @rows = @{ rows_of($table{$key}) };
    my @names = @rows[ grep { $_ % 2 } 0 .. $#rows ];
    cmp_ok scalar @names, '>=', 10, "$key: there is a table";
    is_deeply [ grep { !/\A[a-z]+(?:-[a-z]+)*\z/ } @names ], [], 'its names are lower-case words';
    my ($said) = $docs =~ /^\| Adaptive$key, Adaptive${key}Name \| [^:|]*: ([^|]*) \|$/m or fail "docs/user/status.md explains Adaptive$key";
    my @said = map { /^(\d+) ([a-z-]+)/ ? "$1 $2" : "? $_" } split /, (?=\d)/, $said // '';
    is_deeply \@said, [ map {"$_ $names[$_]"} 0 .. $#names ], 'docs/user/status.md has its rows, each with its number and name';
}

# Who leaves one out of a switch or an array is told by the compiler or by a name that is missing here.
my $module = join '', map { Adaptive::Server::read_text($_) } glob 'src/report/*.c';
for my $constant (map { my @r = @{ rows_of($_) }; @r[ grep { !($_ % 2) } 0 .. $#r ] } sort values %table) {
    next if $constant eq 'CTL_NO_CEILING';
    like $module, qr/\b$constant\b/, "$constant has words of its own in the log";
}

# Directives: what the module registers, what docs/user/directives.md has a row for, what the examples use.
my @directives = Adaptive::Server::read_text('src/config/directives.c') =~ /^    (?:INTEGER_DIRECTIVE|SIZE_DIRECTIVE|TIME_DIRECTIVE|SWITCH_DIRECTIVE|AP_INIT_TAKE12?)\(\s*"(\w+)"/mg;
my $manual = Adaptive::Server::read_text('docs/user/directives.md');
my %explained = map { $_ => 1 } map { /`(\w+)`/g } $manual =~ /^\| (`[^|]*) \|/mg;
cmp_ok scalar @directives, '>=', 14, 'the module has directives';
is_deeply [ grep { !$explained{$_} } @directives ], [], 'docs/user/directives.md has a row for each';
my %registered = map { $_ => 1 } @directives;
is_deeply [ grep { /^Adaptive/ && !$registered{$_} } sort keys %explained ], [], '... and none of its rows is of one that is not there';
for my $file ('README.md', glob 'conf-examples/*.conf docs/*.md docs/*/*.md') {
    my @used = grep { !/Name\z/ } Adaptive::Server::read_text($file) =~ /\b(Adaptive(?:Mode|Wait|Hold|Mem|Drain|Bulk|Output)\w*)/g;
    my @unknown = grep { !$registered{$_} && $file ne 'docs/user/status.md' } @used;
    is_deeply \@unknown, [], "$file knows no other" if @used;
}

done_testing;
