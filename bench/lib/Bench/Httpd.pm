package Bench::Httpd;

# httpd as Debian's package sets it up: its modules and their configuration, its apache2.conf, its virtual host with an access
# log. Only the MPM and the MPM's directives differ from one contender to the next.

use strict;
use warnings;

use parent -norequire, 'Bench::Server';

use Bench::Server ();

# What the package enables on installation.
my @DEBIAN_MODULES = qw(
    access_compat alias auth_basic authn_core authn_file authz_core authz_host authz_user autoindex deflate dir env filter mime
    negotiation reqtimeout setenvif status);

my $DEBIAN_MPM_CONF = <<'CONF';
StartServers            2
MinSpareThreads         25
MaxSpareThreads         75
ThreadLimit             64
ThreadsPerChild         25
MaxRequestWorkers       150
MaxConnectionsPerChild  0
CONF

my $DEBIAN_PREFORK_CONF = <<'CONF';
StartServers            5
MinSpareServers         5
MaxSpareServers         10
MaxRequestWorkers       150
MaxConnectionsPerChild  0
CONF

my $MODULE_CONF_DIR = '/etc/apache2/mods-available';

sub debian_mpm_conf {
    my ($mpm) = @_;
    return $mpm eq 'prefork' ? $DEBIAN_PREFORK_CONF : $mpm =~ /^(?:event|worker)$/ ? $DEBIAN_MPM_CONF : '';
}

sub new {
    my ($class, %opt) = @_;
    my $self = $class->SUPER::new(log_level => 'warn', outer_conf => '', %opt, env => {});
    @{ $self->{env} }{qw(APACHE_RUN_DIR APACHE_LOG_DIR)} = ($self->root . '/run', $self->root . '/logs');
    return $self;
}

# Another build of this MPM than that of this tree.
sub module_path {
    my ($self, $name) = @_;
    return $name eq 'mpm_adaptive' && $self->{module} || $self->SUPER::module_path($name);
}

# Children are told from helper processes by their threads, which those of prefork do not have.
sub child_pids {
    my ($self) = @_;
    return $self->{mpm} eq 'prefork' ? $self->direct_children : $self->SUPER::child_pids;
}

sub module_conf {
    my ($name) = @_;
    my $file = "$MODULE_CONF_DIR/$name.conf";
    return -r $file ? "Include $file\n" : '';
}

sub conf_text {
    my ($self) = @_;
    my @modules = (@DEBIAN_MODULES, @{ $self->{modules} });
    my $user = $> == 0 ? "User www-data\nGroup www-data\n" : '';
    return <<"CONF";
ServerRoot "\@ROOT\@"
DefaultRuntimeDir "\@ROOT\@/run"
PidFile "\@ROOT\@/run/httpd.pid"
${user}Timeout 300
KeepAlive On
MaxKeepAliveRequests $self->{max_keepalive_requests}
KeepAliveTimeout 5
HostnameLookups Off
ErrorLog "\@ROOT\@/logs/error_log"
LogLevel $self->{log_level}
@{[$self->load_lines("mpm_$self->{mpm}", @modules)]}
$self->{mpm_conf}
@{[join '', map { module_conf($_) } @modules]}
ServerName localhost
Listen 127.0.0.1:\@PORT\@
<Directory />
    Options FollowSymLinks
    AllowOverride None
    Require all denied
</Directory>
<Directory "\@DOCROOT\@">
    Options Indexes FollowSymLinks
    AllowOverride None
    Require all granted
</Directory>
AccessFileName .htaccess
<FilesMatch "^\\.ht">
    Require all denied
</FilesMatch>
ServerTokens OS
ServerSignature On
TraceEnable Off
LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" combined
<VirtualHost *:\@PORT\@>
    DocumentRoot "\@DOCROOT\@"
    CustomLog "\@ROOT\@/logs/access_log" combined
$self->{conf}
</VirtualHost>
$self->{outer_conf}
CONF
}

1;
