package Bench::Contender;

# One side of the comparison: which server with which directives. 'event', 'worker', 'prefork', 'adaptive' and 'nginx', or NAME:FILE with
# the MPM directives of FILE instead of Debian's (instead of none for adaptive). 'adaptive@MODULE' and 'adaptive@MODULE:FILE' is
# another build of this MPM; 'fixedN' is event with N threads, spread over the processors.

use strict;
use warnings;

use File::Copy qw(copy);
use File::Temp ();

use AB::Machine qw(cores program slurp);
use Bench::Httpd;
use Bench::Nginx;

# Labels tell the same contender apart from itself.
sub list {
    my ($class, @specs) = @_;
    my %times;
    return map {
        my $contender = $class->new($_);
        my $number = ++$times{$contender->{label}};
        $contender->{label} .= " ($number)" if $number > 1;
        $contender;
    } @specs;
}

sub new {
    my ($class, $spec) = @_;
    my ($fixed) = $spec =~ /^fixed(\d+)$/;
    return $class->fixed($fixed, scalar cores()) if $fixed;
    my ($program, $file) = split /:/, $spec, 2;
    my ($name, $module) = split /@/, $program, 2;
    die "no such contender: $name\n" if $name !~ /^(?:event|worker|prefork|adaptive|nginx)$/ || defined $module && $name ne 'adaptive';
    my $conf = Bench::Httpd::debian_mpm_conf($name);
    if (defined $file) {
        $conf = slurp($file) // die "$file: $!\n";
    }
    my $label = defined $module ? "$name\@$module" : $name;
    $label .= ":$1" if defined $file && $file =~ m{([^/]+?)(?:\.conf)?$};
    return bless { name => $name, label => $label, mpm_conf => $conf, module => defined $module ? copy_of($module) : undef }, $class;
}

# A build meanwhile does not change what is compared.
sub copy_of {
    my ($module) = @_;
    my $copy = File::Temp->new(TEMPLATE => 'mod_mpm_adaptive-XXXXXXXX', SUFFIX => '.so', TMPDIR => 1);
    copy($module, $copy->filename) or die "$module: $!\n";
    return $copy;
}

sub label { return $_[0]{label} }

sub is_nginx { return $_[0]{name} eq 'nginx' }

# nginx is a reference for static files only.
sub can_serve {
    my ($self, $scenario) = @_;
    return !$self->is_nginx || $scenario->{nginx} && program('nginx');
}

sub describe {
    my ($self) = @_;
    return "Debian's configuration" if $self->is_nginx;
    return 'no directive' if $self->{mpm_conf} !~ /\S/;
    my @lines = grep { /^\s*[^#\s]/ } split /\n/, $self->{mpm_conf};
    return join '; ', map { join ' ', split ' ' } @lines;
}

# A number of threads that nothing changes: event with so many, spread over the processors.
sub fixed {
    my ($class, $threads, $cores) = @_;
    my $children = $threads < $cores ? $threads : $cores;
    my $each = int($threads / $children);
    my $conf = join "\n", "StartServers $children", "ServerLimit $children", "ThreadsPerChild $each", "ThreadLimit $each",
        "MaxRequestWorkers $threads", "MinSpareThreads 1", "MaxSpareThreads $threads", "";
    return bless { name => 'event', label => "event, $threads fixed", mpm_conf => $conf }, $class;
}

# %bench: cores, max_keepalive_requests, certificate, key, backend (port), log_level, worker_connections
sub server {
    my ($self, $scenario, %bench) = @_;
    my %value = (CERTIFICATE => $bench{certificate}, KEY => $bench{key}, BACKEND => $bench{backend});
    my $conf = $scenario->{$self->is_nginx ? 'nginx_conf' : 'conf'} // '';
    my $outer_conf = $scenario->{outer_conf} // '';
    s/\@(CERTIFICATE|KEY|BACKEND)\@/$value{$1}/g for $conf, $outer_conf;
    my %common = (
        cores => $bench{cores}, shield => $bench{shield}, conf => $conf,
        max_keepalive_requests => $scenario->{max_keepalive_requests} // $bench{max_keepalive_requests});
    if ($self->is_nginx) {
        my $connections = $scenario->{worker_connections} // 768;
        return Bench::Nginx->new(%common, nginx_listen => $scenario->{nginx_listen} // '', worker_connections => $connections);
    }
    return Bench::Httpd->new(
        %common, mpm => $self->{name}, mpm_conf => $self->{mpm_conf}, module => $self->{module} && $self->{module}->filename,
        modules => $scenario->{modules} // [], outer_conf => $outer_conf,
        log_level => $bench{log_level} // 'warn', memory_mib => $bench{memory_mib});
}

1;
