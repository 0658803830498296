package AdaptiveCtl::CompareOutput;

# The directory of a report. It is made before anything is measured: a place that cannot be written is not found out half an hour later.

use strict;
use warnings;

use Cwd qw(getcwd);
use File::Path qw(make_path);
use File::Spec;
use POSIX qw(strftime);

use AB::Report;
use AdaptiveCtl::Say;
use AdaptiveCtl::Steps;

# $given: what --output says; $prefix: of the name that it has otherwise.
sub new {
    my ($class, $given, $prefix) = @_;
    my $dir = $given // strftime("$prefix-%Y%m%d-%H%M%S", localtime);
    if (!File::Spec->file_name_is_absolute($dir)) {
        my $here = getcwd() // fail('the current directory does not exist any more; change to another one.');
        $dir = File::Spec->catdir($here, $dir);
    }
    if (defined $given) {
        make_path($dir, { error => \my $errors });
        refuse($dir, map {"$_->[0]: $_->[1]"} map { [%$_] } $errors->[0]) if @$errors;
    }
    else {
        # one that nobody else has put there: root may have been started in a directory that everybody can write to
        mkdir $dir or refuse($dir, $!);
    }
    my $self = bless { dir => $dir }, $class;
    my $probe = "$dir/.adaptivectl-probe";
    open my $out, '>', $probe or refuse($dir, $!);
    close $out;
    unlink $probe;
    return $self;
}

sub refuse {
    my ($dir, $why) = @_;
    usage_error("the report cannot be written to $dir: " . $why . '; name another directory with --output.');
}

sub dir { return $_[0]{dir} }

sub write_report {
    my ($self, $results) = @_;
    for (['results.json', $results->as_json], ['report.html', AB::Report::html($results)]) {
        my ($name, $text) = @$_;
        utf8::encode($text) if utf8::is_utf8($text);
        AdaptiveCtl::Steps::write_file("$self->{dir}/$name", $text);
    }
    return;
}

# An empty directory says nothing to anybody.
sub DESTROY {
    my ($self) = @_;
    local ($@, $!);
    rmdir $self->{dir};
    return;
}

1;
