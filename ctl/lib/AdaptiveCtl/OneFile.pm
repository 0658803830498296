package AdaptiveCtl::OneFile;

# Everywhere but on Debian a LoadModule line chooses the MPM: in conf.modules.d on Fedora and RHEL, in httpd.conf in builds from
# source and the httpd image. The file is written anew and renamed, so that the change is one step. What was there stays as a
# comment, by which the way back is found.

use strict;
use warnings;

use File::Basename qw(dirname);

use AdaptiveCtl::Config;
use AdaptiveCtl::Say;
use AdaptiveCtl::Site;
use AdaptiveCtl::Steps;

use constant { OURS => AdaptiveCtl::Site::OURS, NOTE => '#adaptivectl#' };

my $LINE = qr/^[ \t]*LoadModule[ \t]+(mpm_\w+)_module[ \t]+(?:"([^"]+)"|(\S+))[ \t]*$/i;

sub new {
    my ($class, $site) = @_;
    my $self = bless { site => $site }, $class;
    $self->{lines} = [ $self->find_lines ];
    return $self;
}

# LoadModule lines of MPMs that are no comments: { mpm, module, file, line }.
sub find_lines {
    my ($self) = @_;
    my @found;
    for my $directive (AdaptiveCtl::Config::read_all($self->{site})) {
        next if lc $directive->{name} ne 'loadmodule';
        my ($symbol, $module) = @{ $directive->{args} };
        push @found, { %$directive, mpm => $1, module => $module } if ($symbol // '') =~ /^(mpm_\w+)_module$/ && $1 ne 'mpm_adaptive_stood_back';
    }
    return @found;
}

sub enabled { my ($self) = @_; my %seen; return grep { !$seen{$_}++ } map { $_->{mpm} } @{ $self->{lines} } }
sub chosen  { my ($self) = @_; return $self->enabled }
sub conf_file { my ($self) = @_; return $self->{lines}[0] ? $self->{lines}[0]{file} : $self->{site}{config} }
sub dependents { return () }

sub remedy_two {
    my ($self) = @_;
    return join ' or ', map {"remove line $_->{line} of $_->{file}"} @{ $self->{lines} };
}

sub absolute { my ($self, $path) = @_; return $path =~ m{^/} ? $path : $self->{site}{root} . "/$path" }

# Where the file of an MPM is: beside that of another one.
sub module_path {
    my ($self, $mpm, $beside) = @_;
    my $path = dirname($beside) . "/mod_$mpm.so";
    -e $self->absolute($path) or fail('there is no ', $self->absolute($path), ': ',
        $mpm eq OURS ? 'install the module first ("make -f Makefile.apxs install").' : "this httpd has no $mpm; name another one with --to MPM.");
    return $path;
}

# The one line that is to be replaced, and its file's text.
sub the_line {
    my ($self) = @_;
    my @lines = @{ $self->{lines} };
    if (!@lines) {
        my ($static) = $self->{site}->capture($self->{site}{httpd}, '-l')->{output} =~ /^\s+(?:mod_mpm_)?(event|worker|prefork)\.c$/m;
        fail($static ? "$static is built into $self->{site}{httpd}, and cannot be exchanged: httpd has to be built with --enable-mpms-shared=all."
            : 'no LoadModule line of an MPM was found; where is the MPM chosen?');
    }
    my %files = map { $_->{file} => 1 } @lines;
    fail('MPMs are loaded in several files (' . join(', ', sort keys %files) . '): comment out all lines but one.') if keys %files > 1;
    return ($lines[0], AdaptiveCtl::Steps::read_file($lines[0]{file}) // fail("cannot read $lines[0]{file}: $!"));
}

sub steps_to {
    my ($self, $mpm) = @_;
    my ($line, $text) = $self->the_line;
    my $new = $mpm eq OURS ? $self->with_ours($line, $text) : $self->with_other($mpm, $line, $text);
    return { do => 'write', path => $line->{file}, old => $text, new => $new };
}

# The first line is replaced, others become comments as well.
sub with_ours {
    my ($self, $line, $text) = @_;
    my $module = $self->module_path(OURS, $line->{module});
    my ($done, @out) = 0;
    for (split /^/, $text) {
        if (/$LINE/ && $1 ne OURS) {
            push @out, NOTE . " $_";
            push @out, "LoadModule mpm_adaptive_module $module\n" if !$done++;
        }
        else { push @out, $_ }
    }
    $done or fail("line $line->{line} of $line->{file} is not in the usual form; replace it by \"LoadModule mpm_adaptive_module $module\".");
    return join '', @out;
}

# The note says which was there before. Without one, or where another one is wanted, a line for that.
sub with_other {
    my ($self, $mpm, $line, $text) = @_;
    my ($done, @out) = 0;
    my $noted = $self->noted($text);
    for (split /^/, $text) {
        my $note = NOTE;
        if (/^$note ((?:.*\n?))/ && $noted && $noted eq $mpm) { push @out, $1; $done = 1 }
        elsif (/$LINE/ && $1 eq OURS) {
            next if $noted && $noted eq $mpm;
            push @out, "LoadModule ${mpm}_module " . $self->module_path($mpm, $line->{module}) . "\n";
            $done = 1;
        }
        elsif (/^$note /) { next }
        else { push @out, $_ }
    }
    $done or fail("line $line->{line} of $line->{file} is not in the usual form; replace it by a LoadModule line for $mpm.");
    return join '', @out;
}

# The MPM that a note names.
sub noted {
    my ($self, $text) = @_;
    my $note = NOTE;
    return $text =~ /^$note\s*LoadModule\s+(mpm_\w+)_module/m ? $1 : undef;
}

sub before {
    my ($self) = @_;
    my ($line, $text) = $self->the_line;
    return $self->noted($text);
}

1;
