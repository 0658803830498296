package Adaptive::Tree;

# A private configuration tree of an installed httpd, as the tools that switch MPMs meet it: Debian's (mods-available, links in
# mods-enabled, envvars), or that of a build from source or of RHEL (a LoadModule line). Nothing of the machine's is touched, and
# what was started in it ends with the test.

use strict;
use warnings;

use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IPC::Open3 qw(open3);

use Adaptive::HTTP;
use Adaptive::Paths qw(httpd libexecdir module_file);
use Adaptive::Server ();
use Adaptive::Wait;

my @OTHERS = qw(event worker prefork);
my %living;

# layout: debian, file (all in conf/httpd.conf) or dropins (conf.modules.d/00-mpm.conf). conf: more of the configuration.
# module: the file of ours.
sub new {
    my ($class, %opt) = @_;
    my $self = bless { layout => 'debian', conf => '', module => module_file('mpm_adaptive'), owner => $$, %opt }, $class;
    $self->{root} = tempdir('adaptive-tree-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0755, $self->{root};
    ($self->{port}) = Adaptive::Server::free_ports(1);
    make_path(map {"$self->{root}/$_"} qw(state/module/enabled_by_admin ctl run logs htdocs));
    write_text("$self->{root}/htdocs/index.html", "It serves.\n");
    $self->{layout} eq 'debian' ? $self->make_debian : $self->make_file_layout;
    $living{$self} = $self;
    return $self;
}

sub write_text { return Adaptive::Server::write_file(@_) }
sub read_text  { return Adaptive::Server::read_text(@_) }

sub root   { return $_[0]{root} }
sub config { return $_[0]{config} }
sub port   { return $_[0]{port} }
sub confdir { return $_[0]{confdir} }

# apachectl hands a directory to this user, which nobody but root may do for others.
sub owner_names { return $> == 0 ? qw(www-data www-data) : (scalar getpwuid($>), scalar getgrgid($) + 0)) }

sub common_conf {
    my ($self) = @_;
    my $root = $self->{root};
    return <<"CONF";
DefaultRuntimeDir $root/run
PidFile $root/run/httpd.pid
ErrorLog $root/logs/error_log
@{[ $> == 0 ? "User www-data\nGroup www-data" : '' ]}
ServerName localhost
Listen 127.0.0.1:$self->{port}
DocumentRoot $root/htdocs
CONF
}

sub make_debian {
    my ($self) = @_;
    my $root = $self->{root};
    my $confdir = $self->{confdir} = "$root/apache2";
    my $mods = "$confdir/mods-available";
    make_path($mods, map {"$confdir/$_"} qw(mods-enabled sites-enabled conf-enabled));
    for my $mpm (@OTHERS) {
        my $conflicts = join ' ', map {"mpm_$_"} grep { $_ ne $mpm } @OTHERS;
        write_text("$mods/mpm_$mpm.load", "# Conflicts: $conflicts\nLoadModule mpm_${mpm}_module " . libexecdir() . "/mod_mpm_$mpm.so\n");
        write_text("$mods/mpm_$mpm.conf", "StartServers 2\nMaxRequestWorkers 150\n");
    }
    for my $module (qw(authz_core dir)) {
        write_text("$mods/$module.load", "LoadModule ${module}_module " . libexecdir() . "/mod_$module.so\n");
    }
    my $load = $self->{load} // read_text('tools/mpm_adaptive.load');
    $load =~ s{\S+/mod_mpm_adaptive\.so}{"$self->{module}"}g;
    write_text("$mods/mpm_adaptive.load", $load);
    write_text("$mods/mpm_adaptive.conf", read_text('tools/mpm_adaptive.conf'));
    my ($user, $group) = owner_names();
    write_text("$confdir/envvars", <<"ENVVARS");
export APACHE_RUN_USER=$user APACHE_RUN_GROUP=$group
export APACHE_PID_FILE=$root/run/httpd.pid APACHE_RUN_DIR=$root/run APACHE_LOCK_DIR=$root/run APACHE_LOG_DIR=$root/logs
ENVVARS
    $self->{config} = "$confdir/apache2.conf";
    write_text($self->{config}, "ServerRoot $confdir\n" . $self->common_conf
            . "IncludeOptional mods-enabled/*.load\nIncludeOptional mods-enabled/*.conf\n"
            . "IncludeOptional sites-enabled/*.conf\n$self->{conf}");
    $self->{env} = { APACHE_CONFDIR => $confdir, APACHE_STATE_DIRECTORY => "$root/state", APACHE_ENVVARS => "$confdir/envvars" };
    $self->link_modules(qw(mpm_event.load mpm_event.conf authz_core.load dir.load));
    return;
}

sub link_modules {
    my ($self, @names) = @_;
    symlink "../mods-available/$_", "$self->{confdir}/mods-enabled/$_" or die "$_: $!" for @names;
    return $self;
}

sub enabled {
    my ($self) = @_;
    return join ' ', sort map { m{/(mpm_\w+)\.load$} ? $1 : () } glob "$self->{confdir}/mods-enabled/mpm_*.load";
}

sub make_file_layout {
    my ($self) = @_;
    my $root = $self->{root};
    make_path(map {"$root/$_"} qw(conf conf.modules.d modules));
    my @modules = qw(authz_core dir);
    symlink libexecdir() . "/mod_$_.so", "$root/modules/mod_$_.so" for @modules, map {"mpm_$_"} @OTHERS;
    symlink $self->{module}, "$root/modules/mod_mpm_adaptive.so";
    my $mpms = <<'MPMS';
# Select the MPM module which should be used by uncommenting exactly
# one of the following LoadModule lines.
#LoadModule mpm_prefork_module modules/mod_mpm_prefork.so
#LoadModule mpm_worker_module modules/mod_mpm_worker.so
LoadModule mpm_event_module modules/mod_mpm_event.so
MPMS
    my $others = join '', map {"LoadModule ${_}_module modules/mod_$_.so\n"} grep { !Adaptive::Paths::is_static($_) } @modules;
    my $conf = qq{ServerRoot "$root"\n};
    if ($self->{layout} eq 'dropins') {
        write_text("$root/conf.modules.d/00-mpm.conf", $mpms);
        $conf .= "Include conf.modules.d/*.conf\n$others";
    }
    else { $conf .= $mpms . $others }
    $self->{config} = "$root/conf/httpd.conf";
    $self->{mpm_file} = $self->{layout} eq 'dropins' ? "$root/conf.modules.d/00-mpm.conf" : $self->{config};
    write_text($self->{config}, $conf . $self->common_conf . $self->{conf});
    $self->{env} = {};
    return;
}

# Runs a command in the tree's environment: { status, output }.
sub run {
    my ($self, @command) = @_;
    local %ENV = (%ENV, PATH => "/usr/sbin:/sbin:$ENV{PATH}", %{ $self->{env} }, $self->{env_more} ? %{ $self->{env_more} } : ());
    my $pid = open3(my $in, my $out, undef, @command);
    close $in;
    local $/;
    my $output = <$out>;
    waitpid $pid, 0;
    return { status => $? & 127 ? 128 + ($? & 127) : $? >> 8, output => $output // '' };
}

sub ctl_command {
    my ($self, @args) = @_;
    my $command = shift @args;
    return ($^X, 'ctl/adaptivectl', $command, '--config', $self->{config}, '--httpd', httpd(), '--state', "$self->{root}/ctl", @args);
}

sub ctl { my ($self, @args) = @_; return $self->run($self->ctl_command(@args)) }

# httpd's own words for what is configured: "adaptive", or '' if it would not start.
sub mpm {
    my ($self) = @_;
    my $result = $self->run(httpd(), ($self->{confdir} ? ('-d', $self->{confdir}) : ()), '-f', $self->{config}, '-V');
    return $result->{status} == 0 && $result->{output} =~ /^Server MPM:\s+(\w+)/m ? lc $1 : '';
}

sub start {
    my ($self) = @_;
    my @command = $self->{layout} eq 'debian' ? qw(apache2ctl) : (httpd(), '-f', $self->{config}, '-k');
    my $result = $self->run(@command, 'start');
    wait_for { $self->pid } 20, 'the server to start' or die "$result->{output}\n" . read_text("$self->{root}/logs/error_log");
    return $self;
}

sub pid {
    my ($self) = @_;
    my ($pid) = read_text("$self->{root}/run/httpd.pid") =~ /(\d+)/ or return 0;
    return kill(0, $pid) && read_text("/proc/$pid/stat") !~ /\) Z/ ? $pid : 0;
}

# The MPM of the process that runs.
sub running {
    my ($self) = @_;
    my $pid = $self->pid or return '';
    return join ' ', keys %{ { map { $_ => 1 } read_text("/proc/$pid/maps") =~ m{/mod_mpm_(\w+)\.so}g } };
}

sub serves { my ($self) = @_; return (eval { http_get("http://127.0.0.1:$self->{port}/", timeout => 5)->{status} } // 0) == 200 }
sub url { my ($self, $path) = @_; return "http://127.0.0.1:$self->{port}" . ($path // '/') }
sub error_log { return read_text("$_[0]{root}/logs/error_log") }

sub stop {
    my ($self) = @_;
    my $pid = $self->pid or return 1;
    kill 'TERM', $pid;
    return wait_for { !$self->pid } 20, 'the server to end';
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local ($@, $?, $!);
    $self->stop;
    return;
}

END {
    local $?;
    $_->DESTROY for grep {defined} values %living;
}

1;
