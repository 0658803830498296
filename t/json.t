# What ?json says: the structure that other programs build on, in views that are made up (t/unit/view_made.h). What a running server
# puts there is t/handler.t's.

use strict;
use warnings;

use lib 't/lib';
use B ();
use File::Temp qw(tempdir);
use JSON::PP ();
use Test::More;
use Adaptive::Paths qw(build_dir);

my $dir = tempdir(CLEANUP => 1);

# The text of a view by its name, and what a program with that locale takes for a decimal point.
sub json_text {
    my ($view, %env) = @_;
    local @ENV{ keys %env } = values %env;
    my $program = build_dir() . '/t/unit/json';
    my $text = qx{$program $view 2>$dir/point};
    is $?, 0, "there is a view '$view'";
    open my $file, '<', "$dir/point" or die;
    chomp(my $point = <$file>);
    return ($text, $point);
}

# What each member is: a type, or a type and "?" if it may be null; [type] for a list of these.
my $CONNECTIONS = { map { $_ => 'int' } qw(total keep_alive writing waiting_io suspended closing) };
my $HOLDER      = { kind => 'word', name => 'text', threads => 'int' };
my $DETAIL      = {
    number => 'int', at_unix_seconds => 'number', kind => 'word', slot => 'int?', reason => 'word', because => 'text',
    children_before => 'int', children_after => 'int', threads_before => 'int', threads_after => 'int', busy => 'int',
    waited_seconds => 'number', demand => 'number?', spare => 'number?', arrivals_per_second => 'number?', service_seconds => 'number?',
    observed => 'bool',
};
my $CHILD = {
    slot => 'int', pid => 'int', generation => 'int', state => 'word', since_seconds => 'number',
    threads => { map { $_ => 'int' } qw(running busy idle starting benched lowered max) },
    connections => $CONNECTIONS, requests_per_second => 'number?', waiting_without_thread => 'int', waited_seconds => 'number',
    processor => 'int?', exhausted => 'bool', out_of_descriptors => 'bool', held_by => { %$HOLDER, '?' => 1 },
    oldest => { seconds => 'number', request => 'text', virtual_host => 'text', '?' => 1 },
};
my @COUNTERS = qw(children_started children_ended children_crashed children_died_young forks_refused threads_started threads_refused
    restarts restarts_refused decisions);
my @COLUMNS = qw(unix_seconds threads busy demand spare max_threads waited_seconds arrivals serving parked starting draining target);
my $SCHEMA = {
    schema_version => 'int',
    server => {
        mpm => 'word', version => 'text', httpd => 'text', mode => 'word', generation => 'int', parent_pid => 'int',
        uptime_seconds => 'number', generation_seconds => 'number',
    },
    now_unix_seconds => 'number',
    verdict => {
        level => 'word', word => 'word', sentence => 'text',
        causes => [ { name => 'word', level => 'word', message => 'text?', text => 'text', remedy => 'text' } ],
    },
    threads => {
        (map { $_ => 'int' } qw(running busy busy_peak_10min idle starting benched lowered expected_max)),
        demand => 'number?', spare => 'number?', max => 'int?', utilisation_ratio => 'number?',
    },
    requests => {
        total => 'int', per_second => 'number?', waiting_without_thread => 'int', coming => 'int', shed_total => 'int', refused_total => 'int',
        waited_seconds => 'number', waited_peak_10min_seconds => 'number', wait_target_seconds => 'number',
        max_wait_seconds => 'number?', service_seconds => 'number?',
    },
    connections => $CONNECTIONS,
    children => {
        (map { $_ => 'int' } qw(starting serving parked draining target max pinned)),
        parked_longest_seconds => 'number', draining_longest_seconds => 'number', list => [$CHILD],
    },
    plan => {
        age_seconds => 'number', reason => 'word', reason_text => 'text', ceiling => 'word', ceiling_text => 'text',
        ceiling_reached => 'bool', '?' => 1,
    },
    ceilings => [
        {
            name => 'word', text => 'text', threads => 'number?', unit => 'word', limit => 'int', used => 'int', source => 'text',
            remedy => 'text', nearest => 'bool', reached => 'bool',
        }
    ],
    holders   => [ { %$HOLDER, oldest_seconds => 'number?', refused_total => 'int' } ],
    counters  => { (map { ("${_}_total" => 'int') } @COUNTERS), failures_in_a_row => 'int' },
    decisions => [
        {
            at_unix_seconds => 'number', lasted_seconds => 'number', direction => 'int', reason => 'word', ceiling => 'word',
            observed => 'bool', text => 'text', details => [$DETAIL],
        }
    ],
    history  => { columns => ['text'], rows => [ ['number?'] ] },
    settings => [ { directive => 'text', value => 'text', origin => 'word', given => 'text?' } ],
    notes    => ['text'],
};

# As it was written: with quotes, or as a number.
sub is_number { my $flags = B::svref_2object(\$_[0])->FLAGS; return $flags & (B::SVf_IOK | B::SVf_NOK) && !($flags & B::SVf_POK) }

sub is_of_type {
    my ($value, $type) = @_;
    return JSON::PP::is_bool($value) if $type eq 'bool';
    return 0 if ref $value;
    return is_number($value) && $value =~ /\A-?\d+\z/ if $type eq 'int';
    return is_number($value) if $type eq 'number';
    return !is_number($value) && $value =~ /\A[a-z]+(?:-[a-z]+)*\z/ if $type eq 'word';
    return !is_number($value) if $type eq 'text';
    die "unknown type $type";
}

# What is not as it should be, each as a path and a word.
sub faults {
    my ($value, $schema, $path) = @_;
    if (ref $schema eq 'ARRAY') {
        return "$path: no list" if ref $value ne 'ARRAY';
        return map { faults($value->[$_], $schema->[0], "$path\[$_]") } 0 .. $#$value;
    }
    if (ref $schema eq 'HASH') {
        return () if !defined $value && $schema->{'?'};
        return "$path: no object" if ref $value ne 'HASH';
        my @keys = grep { $_ ne '?' } sort keys %$schema;
        return (
            (map { exists $schema->{$_} ? () : "$path.$_: unknown" } sort keys %$value),
            (map { exists $value->{$_} ? faults($value->{$_}, $schema->{$_}, "$path.$_") : "$path.$_: missing" } @keys),
        );
    }
    (my $type = $schema) =~ s/\?\z//;
    return () if !defined $value && $type ne $schema;
    return "$path: null" if !defined $value;
    return is_of_type($value, $type) ? () : "$path: no $type: $value";
}

is_deeply [faults({ a => 1, b => ['x'] }, { a => 'text', b => ['int'], c => 'int' }, '')], [ '.a: no text: 1', '.b[0]: no int: x', '.c: missing' ],
    '(a fault would be found)';

for my $name (qw(usual none worst)) {
    subtest $name => sub {
        my ($text) = json_text($name);
        my $json = eval { JSON::PP->new->utf8->decode($text) };
        ok $json, 'it is JSON' or return diag $@;
        is_deeply [faults($json, $SCHEMA, '')], [], 'with all that is agreed on, and nothing else';
        is_deeply $json->{history}{columns}, \@COLUMNS, 'the columns of the history';
        is_deeply [ grep { @$_ != @COLUMNS } @{ $json->{history}{rows} } ], [], 'and a cell in each row for each';
        is $json->{schema_version}, 1, 'the version of the schema';
        like $text, qr/\A\{.*\}\n\z/s, 'one object, and a line that ends';
    };
}

subtest 'what clients wrote' => sub {
    my $json = JSON::PP->new->utf8->decode((json_text('worst'))[0]);
    my ($url) = grep { $_->{kind} eq 'url' } @{ $json->{holders} };
    like $url->{name}, qr/<script>alert\(1\)<\/script>/, 'is there as it is';
    like $url->{name}, qr/\x{FFFD}/, 'but for what is no UTF-8';
    is $json->{requests}{total}, '18446744073709551615', 'no counter loses a digit';
};

# A module (PHP, Perl) may have said that the process writes 1,5.
subtest 'another locale' => sub {
    plan skip_all => 'this machine has nothing to make one from' if system "localedef -i de_DE -f UTF-8 $dir/de_DE.UTF-8 >$dir/said 2>&1";
    my ($text, $point) = json_text('usual', LOCPATH => $dir, LC_ALL => 'de_DE.UTF-8');
    is $point, ',', 'a comma is the decimal point';
    is $text, (json_text('usual', LC_ALL => 'C'))[0], 'JSON is the same';
};

done_testing;
