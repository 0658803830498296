package Bench::ExampleReport;

# What was measured of the examples: raw numbers in results.tsv, which a later run of some of them changes in part, and from
# nothing but these the text, the tables and the charts. Lines are "SCENARIO CONTENDER ROUND KEY VALUE", tab-separated; the
# contender "-" has what is known of the run itself: date and machine.

use strict;
use warnings;

use File::Path qw(make_path);
use POSIX qw(strftime);

use Bench::ExampleCharts qw(charts);
use Bench::ExampleText qw(document index_of_examples);
use Bench::Output qw(write_to);

use constant { PUBLISHED => 'docs/user/examples', INDEX => 'conf-examples/README.md' };

# Where results.tsv and the charts of a run go.
sub directory {
    my ($option) = @_;
    return $option->{PUBLISH} ? PUBLISHED : "$option->{REPORT_DIR}/examples";
}

# As soon as a scenario is through: a run may be ended early.
sub keep {
    my ($option, $scenario, $runs, @facts) = @_;
    return if $runs->{skipped} || !@{ $runs->{labels} // [] };
    my $dir = directory($option);
    make_path($dir);
    my $name = $scenario->name;
    my @lines = grep { !/^\Q$name\E\t/ } lines_of("$dir/results.tsv");
    my %known = map { $_->[0] => $_->[1] } grep { $_->[0] =~ /^(?:processor|kernel|httpd)$/ } @facts;
    $known{date} = strftime('%Y-%m-%d', gmtime);
    push @lines, map { "$name\t-\t0\t$_\t$known{$_}" } sort keys %known;
    push @lines, map { s/\s*\n\s*/ /gr } $scenario->raw_lines($runs);
    write_to("$dir/results.tsv", map { "$_\n" } @lines);
    return;
}

sub write_all {
    my ($option) = @_;
    my $dir = directory($option);
    my ($document, $index) = $option->{PUBLISH} ? ("$dir.md", INDEX) : ("$dir/examples.md", "$dir/index.md");
    my %written = written(read_results("$dir/results.tsv"), $document, $index, $dir);
    write_to($_, $written{$_}) for sort keys %written;
    print "written: $document and $index\n";
    return;
}

# path => text, of all that follows from the results
sub written {
    my ($results, $document, $index, $dir) = @_;
    my $charts = charts($results);
    return (
        $document => scalar document($results), $index => scalar index_of_examples($results),
        map { ("$dir/$_" => $charts->{$_}) } keys %$charts);
}

sub lines_of {
    my ($path) = @_;
    open my $in, '<', $path or return;
    chomp(my @lines = <$in>);
    return @lines;
}

# { SCENARIO => { known => { date, ... }, labels => [contenders in their order], results => { contender => [rounds] } } }
sub read_results {
    my ($path) = @_;
    my %results;
    for (lines_of($path)) {
        my ($scenario, $label, $round, $key, $value) = split /\t/, $_, 5;
        my $of = $results{$scenario} //= { known => {}, labels => [], results => {} };
        if ($label eq '-') {
            $of->{known}{$key} = $value;
            next;
        }
        push @{ $of->{labels} }, $label if !$of->{results}{$label};
        $of->{results}{$label}[$round - 1]{$key} = $value if length $value;
    }
    return \%results;
}

1;
