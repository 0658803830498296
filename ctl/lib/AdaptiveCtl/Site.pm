package AdaptiveCtl::Site;

# An httpd that is installed: its program, its configuration, and what it says when it is asked. Knows nothing of switching
# (Switch.pm) and nothing of a server that runs (Server.pm).

use strict;
use warnings;

use Cwd qw(realpath);
use File::Basename qw(basename dirname);
use POSIX ();

use AdaptiveCtl::Config;
use AdaptiveCtl::Say;

our $VERSION = '0.9.0';

use constant OURS => 'mpm_adaptive';

my @PROGRAMS = qw(/usr/sbin/apache2 /usr/sbin/httpd /usr/local/apache2/bin/httpd /usr/local/sbin/httpd);
my @DEBIAN   = qw(/etc/apache2/apache2.conf);

sub new {
    my ($class, $option) = @_;
    my $self = bless { state => $option->{state} // '/var/lib/adaptivectl', defines => [], env => {} }, $class;
    $self->{httpd} = find_program($option->{httpd});
    $self->{build} = $self->build_settings;
    $self->find_config($option->{config});
    $self->read_environment;
    return $self;
}

sub find_program {
    my ($given) = @_;
    if (defined $given) {
        -x $given && !-d $given or usage_error("--httpd $given: there is no such program; say where httpd (Debian: apache2) is.");
        return $given;
    }
    my ($found) = grep { -x && !-d } @PROGRAMS, map { ("$_/httpd", "$_/apache2") } split /:/, $ENV{PATH} // '';
    return $found // fail('there is no httpd on this machine; say where it is with --httpd PROGRAM.');
}

# HTTPD_ROOT and SERVER_CONFIG_FILE, which it was built with; no configuration is read for these.
sub build_settings {
    my ($self) = @_;
    my $text = $self->capture($self->{httpd}, '-V', '-f', '/dev/null')->{output};
    my %setting = $text =~ /^ -D (\w+)="(.*)"$/mg;
    return \%setting if $setting{HTTPD_ROOT};
    # some builds print them only if the configuration has an MPM
    %setting = $self->capture($self->{httpd}, '-V')->{output} =~ /^ -D (\w+)="(.*)"$/mg;
    $setting{HTTPD_ROOT} or fail("$self->{httpd} -V does not say where its configuration is; is it an Apache httpd 2.4?");
    return \%setting;
}

sub find_config {
    my ($self, $given) = @_;
    my $config = $given;
    $config //= "$ENV{APACHE_CONFDIR}/apache2.conf" if $ENV{APACHE_CONFDIR};
    $config //= (grep {-e} @DEBIAN)[0] if basename($self->{httpd}) eq 'apache2';
    $config //= $self->{build}{SERVER_CONFIG_FILE};
    $config = "$self->{build}{HTTPD_ROOT}/$config" if $config !~ m{^/} && !defined $given;
    -f $config && -r _ or usage_error("the configuration $config cannot be read"
            . (-e $config ? '.' : ': there is no such file; name it with --config FILE.'));
    $self->{config} = realpath($config);
    my $dir = dirname($self->{config});
    $self->{is_debian} = -d "$dir/mods-available" && -d "$dir/mods-enabled";
    $self->{root} = $self->{is_debian} ? $dir : $self->{build}{HTTPD_ROOT};
    $self->{root} = AdaptiveCtl::Config::server_root($self) if !$self->{is_debian};
    return;
}

# envvars holds what Debian's configuration refers to (APACHE_PID_FILE and the like), and LD_LIBRARY_PATH of a source build.
sub read_environment {
    my ($self) = @_;
    my ($file) = grep {-r} "$self->{root}/envvars", dirname($self->{httpd}) . '/envvars';
    return if !$file;
    my %base = (PATH => $ENV{PATH} // '/usr/sbin:/usr/bin:/sbin:/bin', $self->{is_debian} ? (APACHE_CONFDIR => $self->{root}) : ());
    my @base = map {"$_=$base{$_}"} sort keys %base;
    my $text = $self->capture('env', '-i', @base, 'sh', '-c', '. "$1" >/dev/null 2>&1; env -0', 'sh', $file)->{output};
    my %env  = map { /\A(\w+)=(.*)\z/s ? ($1 => $2) : () } split /\0/, $text;
    delete @env{qw(PWD SHLVL _ PATH OLDPWD)};
    $self->{env} = \%env;
    $self->{defines} = [ split ' ', $env{APACHE_ARGUMENTS} // '' ];
    return;
}

# Runs a program with the server's environment; both of its outputs as one text.
sub capture {
    my ($self, @command) = @_;
    my $pid = open my $out, '-|';
    defined $pid or fail("cannot start a process: $!");
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        open STDIN,  '<', '/dev/null';
        local %ENV = (%ENV, %{ $self->{env} });
        exec {$command[0]} @command or do { print "$command[0]: $!\n"; POSIX::_exit(127) };
    }
    local $/;
    my $output = <$out> // '';
    close $out;
    return { status => $? & 127 ? 128 + ($? & 127) : $? >> 8, output => $output };
}

# The command line that stands for this server. Another root or file: of a copy that is to be tried.
sub httpd_command {
    my ($self, %other) = @_;
    my $root   = $other{root} // ($self->{is_debian} ? $self->{root} : undef);
    my $config = $other{config} // $self->{config};
    return ($self->{httpd}, (defined $root ? ('-d', $root) : ()), '-f', $config, @{ $self->{defines} });
}

sub ask {
    my ($self, $args, %other) = @_;
    return $self->capture($self->httpd_command(%other), @$args);
}

# Tests a configuration. A true result: what is wrong with it.
sub errors_of {
    my ($self, %other) = @_;
    my $result = $self->ask(['-t'], %other);
    return $result->{status} ? $result->{output} || "$self->{httpd} -t ended with status $result->{status}\n" : '';
}

# The MPM that a configuration chooses ("mpm_event"), '' if httpd does not take it.
sub mpm_of {
    my ($self, %other) = @_;
    my $result = $self->ask(['-V'], %other);
    return $result->{status} == 0 && $result->{output} =~ /^Server MPM:\s+(\w+)/m ? 'mpm_' . lc $1 : '';
}

# The modules that are loaded: { mpm_event_module => 1 }.
sub modules {
    my ($self, %other) = @_;
    my $result = $self->ask([ '-t', '-D', 'DUMP_MODULES' ], %other);
    return { map { $_ => 1 } $result->{output} =~ /^ (\w+_module) \(/mg };
}

sub may_write {
    my ($self) = @_;
    return -w $self->{root} && -w dirname($self->{config});
}

1;
