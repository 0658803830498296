package Adaptive::WholeSite;

# A site that has most of what a site can have: included files with a macro, virtual hosts by name, address and TLS, .htaccess, a
# proxy to TCP, to a Unix socket and to itself, a program for a RewriteMap, piped logs, WebDAV, caches, CGI, FastCGI, WSGI, as far as
# this machine has the modules. It stands for the site of somebody whose server is copied (t/compare_copy.t).

use strict;
use warnings;

use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Socket::UNIX;
use POSIX ();

use Adaptive::Certificate;
use Adaptive::Files;
use Adaptive::Paths qw(httpd libexecdir module_file);
use Adaptive::Process;
use Adaptive::Server ();
use Adaptive::Wait;

my @NEEDED = qw(authz_core authz_host dir mime alias log_config setenvif headers rewrite ssl socache_shmcb proxy proxy_http macro unixd);
my @EXTRAS = qw(cache cache_disk dav dav_fs cgid fcgid wsgi log_forensic status slotmem_shm heartmonitor);

# A module that is built in needs no line.
sub load_line {
    my ($name) = @_;
    return '' if Adaptive::Paths::is_static($name);
    my $file = module_file($name);
    return -e $file ? "LoadModule ${name}_module $file\n" : '';
}

sub has { my ($name) = @_; return Adaptive::Paths::is_static($name) || -e module_file($name) }

sub missing { return join ' ', grep { !has($_) } @NEEDED }

sub new {
    my ($class, %opt) = @_;
    my $root = tempdir('adaptive-site-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0755, $root;
    my $self = bless { root => $root, owner => $$, mpm => $opt{mpm} // 'event' }, $class;
    @$self{qw(port tls_port backend_port)} = Adaptive::Server::free_ports(3);
    make_path(map {"$root/$_"} qw(etc/sites run lock logs cache www/app www/tls www/macro www/address www/main bin key));
    chmod 0777, map {"$root/$_"} qw(cache lock);
    $self->make_contents;
    $self->make_configuration;
    $self->start_backends;
    return $self;
}

sub root { return $_[0]{root} }
sub config { return "$_[0]{root}/etc/httpd.conf" }

sub make_contents {
    my ($self) = @_;
    my $root = $self->{root};
    for my $name (qw(app tls macro address main)) { put_file("$root/www/$name/index.html", "This is $name.\n") }
    make_path("$root/www/app/folder");
    put_file("$root/www/app/folder/index.html", "A folder.\n");
    put_file("$root/www/app/.htaccess", qq{Header set X-From-Htaccess yes\nRewriteEngine on\nRewriteRule ^short\$ /index.html [L]\n});
    put_script("$root/www/app/port.cgi",
        qq{#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s %s %s\\n' "\$SERVER_NAME" "\$SERVER_PORT" "\$HTTPS"\n});
    put_script("$root/bin/log", "#!/bin/sh\nexec cat >>'$root/logs/piped'\n");
    put_script("$root/bin/map", "#!/bin/sh\nwhile read -r key; do echo \"/\$key/index.html\"; done\n");
    put_file("$root/www/app.wsgi", <<'PYTHON');
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [('wsgi ' + environ['SERVER_PORT'] + '\n').encode()]
PYTHON
    make_certificate("$root/key");
    # a file that has just been written has a weak ETag
    system "find", "$root/www", "-exec", "touch", "-d", "2020-02-02", "{}", "+";
    return;
}

sub make_configuration {
    my ($self) = @_;
    my ($root, $port, $tls) = @$self{qw(root port tls_port)};
    my %has = map { $_ => has($_) } @EXTRAS;
    put_file("$root/etc/envvars", join '', map {"export $_\n"} "APACHE_RUN_DIR=$root/run", "APACHE_LOCK_DIR=$root/lock",
        "APACHE_LOG_DIR=$root/logs", "APACHE_PID_FILE=$root/run/httpd.pid");
    put_file($self->config, <<"CONF" . $self->extras(\%has) . $self->user_lines . "Include sites/*.conf\n");
# the site's main file
ServerRoot "$root/etc"
LoadModule mpm_$self->{mpm}_module @{[libexecdir()]}/mod_mpm_$self->{mpm}.so
@{[join '', map { load_line($_) } @NEEDED, grep { $_ ne 'cgid' || !$has{cgi} } @EXTRAS]}
DefaultRuntimeDir \${APACHE_RUN_DIR}
PidFile \${APACHE_PID_FILE}
ErrorLog \${APACHE_LOG_DIR}/error.log
Mutex file:\${APACHE_LOCK_DIR} default
CoreDumpDirectory $root/run
ServerName main.example.org
StartServers 2
<IfModule mpm_event_module>
    ThreadsPerChild 25
</IfModule>
Define APP $root/www/app
LogFormat "%v:%p %h %l %u %t \\"%r\\" %>s %O" with_host
<IfDefine APP>
    Listen 127.0.0.1:$port
</IfDefine>
Listen 127.0.0.2:$port
Listen 127.0.0.1:$tls https
SSLSessionCache shmcb:\${APACHE_RUN_DIR}/ssl(512000)
SSLStaplingCache "shmcb:$root/run/stapling(128000)"
DocumentRoot $root/www/main
AccessFileName .htaccess
DirectoryIndex index.html
<Directory $root/www>
    AllowOverride All
    Require all granted
</Directory>
<Macro SiteOf \$name \$folder>
<VirtualHost *:$port>
    ServerName \$name
    DocumentRoot $root/www/\$folder
    CustomLog \${APACHE_LOG_DIR}/\$folder.log with_host
    Redirect /away https://\$name/there
</VirtualHost>
</Macro>
CONF
    put_file("$root/etc/mime.types", "text/html html\n");
    put_file("$root/etc/sites/1-app.conf", <<"CONF" . $self->app_extras(\%has) . "</VirtualHost>\n");
<VirtualHost _default_:$port>
    ServerName www.example.org
    ServerAlias *.example.net example.org
    DocumentRoot \${APP}
    ErrorLog "|$root/bin/log"
    CustomLog "|$root/bin/log" with_host
    CustomLog logs-of-app.log with_host \\
        env=!nothing
    RewriteEngine on
    RewriteMap places "prg:$root/bin/map"
    RewriteRule ^/mapped/(.*)\$ \${places:\$1}
    ProxyPass /backend/ http://127.0.0.1:$self->{backend_port}/
    ProxyPass /unix/ unix:\${APACHE_RUN_DIR}/backend.sock|http://localhost/
    ProxyPass /self/ http://127.0.0.1:$port/
CONF
    put_file("$root/etc/sites/2-macro.conf", "Use SiteOf macro.example.org macro\n");
    put_file("$root/etc/sites/3-address.conf", <<"CONF");
<VirtualHost 127.0.0.2:$port>
    ServerName www.example.org
    DocumentRoot $root/www/address
    ErrorLog syslog:local7
</VirtualHost>
CONF
    put_file("$root/etc/sites/4-tls.conf", <<"CONF");
<VirtualHost *:$tls>
    ServerName www.example.org
    DocumentRoot $root/www/tls
    SSLEngine on
    SSLCertificateFile $root/key/cert.pem
    SSLCertificateKeyFile $root/key/key.pem
    TransferLog \${APACHE_LOG_DIR}/tls.log
</VirtualHost>
CONF
    return;
}

# As root the children are somebody else.
sub user_lines { return $> == 0 ? "User www-data\nGroup www-data\n" : '' }

sub extras {
    my ($self, $has) = @_;
    my $root = $self->{root};
    my $text = '';
    $text .= "CacheRoot $root/cache\nCacheLockPath $root/cache/lock\nCacheEnable disk /backend\n" if $has->{cache_disk};
    $text .= "DavLockDB \${APACHE_LOCK_DIR}/DavLock\n" if $has->{dav_fs};
    $text .= "ScriptSock \${APACHE_RUN_DIR}/cgisock\nScriptLog $root/logs/cgi.log\n" if $has->{cgid};
    $text .= "FcgidIPCDir $root/run/fcgidsock\nFcgidProcessTableFile $root/run/fcgid_shm\n" if $has->{fcgid};
    $text .= "WSGISocketPrefix $root/run/wsgi\n" if $has->{wsgi};
    $text .= "ForensicLog \${APACHE_LOG_DIR}/forensic.log\n" if $has->{log_forensic};
    $text .= "HeartbeatStorage $root/run/heartbeat\n" if $has->{heartmonitor};
    return $text;
}

sub app_extras {
    my ($self, $has) = @_;
    my $root = $self->{root};
    my $text = '';
    $text .= "<Files *.cgi>\nSetHandler cgi-script\nOptions +ExecCGI\n</Files>\n" if $has->{cgid};
    $text .= "WSGIDaemonProcess app threads=2 home=$root/www\n"
        . "WSGIScriptAlias /wsgi $root/www/app.wsgi process-group=app application-group=%{GLOBAL}\n"
        if $has->{wsgi};
    return $text;
}

# A backend that says what it was asked for: on TCP and on a Unix socket.
sub start_backends {
    my ($self) = @_;
    my @listeners = (listener($self->{backend_port}), IO::Socket::UNIX->new(Local => "$self->{root}/run/backend.sock", Listen => 64));
    chmod 0777, "$self->{root}/run/backend.sock";
    for my $listener (@listeners) {
        push @{ $self->{backends} }, spawn(sub {
            while (my $client = $listener->accept) {
                my $head = '';
                while ($head !~ /\r\n\r\n/) { sysread $client, $head, 4096, length $head or last }
                my ($path) = $head =~ /\A\S+ (\S+)/;
                my $body = 'backend ' . ($path // '') . "\n";
                print {$client} "HTTP/1.1 200 OK\r\nContent-Length: ", length $body, "\r\nConnection: close\r\n\r\n$body";
                close $client;
            }
        });
    }
    return;
}

# --- servers ----------------------------------------------------------------------------------------------------------

# Starts a command in the foreground with an environment, until its pid file is there: the process id.
sub start_server {
    my ($self, $env, $pid_file, @command) = @_;
    my $log = "$self->{root}/console." . ++$self->{consoles};
    my $pid = spawn(sub {
        %ENV = (%ENV, %$env);
        open STDOUT, '>>', $log;
        open STDERR, '>>', $log;
        exec {$command[0]} @command;
    });
    my $is_up = wait_for { -s $pid_file || !kill(0, $pid) || waitpid($pid, POSIX::WNOHANG()) == $pid } 30, 'a server to start';
    -s $pid_file or die "@command: " . Adaptive::Server::read_text($log),
        map { Adaptive::Server::read_text($_) } glob "$self->{root}/logs/error.log";
    push @{ $self->{servers} }, $pid;
    return $pid;
}

sub start {
    my ($self) = @_;
    my $root = $self->{root};
    return $self->start_server({ APACHE_RUN_DIR => "$root/run", APACHE_LOCK_DIR => "$root/lock", APACHE_LOG_DIR => "$root/logs",
        APACHE_PID_FILE => "$root/run/httpd.pid" }, "$root/run/httpd.pid", httpd(), '-f', $self->config, '-DFOREGROUND');
}

# A parent that is killed would leave its children behind, so it gets the time that it needs.
sub stop_server {
    my ($self, $pid) = @_;
    kill 'TERM', $pid;
    wait_for { waitpid($pid, POSIX::WNOHANG()) } 60, 'a server to end' or return 0;
    @{ $self->{servers} } = grep { $_ != $pid } @{ $self->{servers} // [] };
    return 1;
}

# The answer to a URL from an address and a port: status, some headers and the body.
sub answer {
    my ($self, $url, $address, $port, @more) = @_;
    my $run = run_command(30, qw(curl -s -i -k --max-time 20 --noproxy *), '--connect-to', "::$address:$port", @more, $url);
    my ($head, $body) = map { $_ // '' } (split /\r?\n\r?\n/, $run->{output}, 2)[ 0, 1 ];
    my ($status) = $head =~ m{\AHTTP/\S+ (\d+)};
    my @headers = map { /^((?:Location|X-From-Htaccess|ETag): .*?)\r?$/mi ? lc $1 : () } $head =~ /^.+$/mg;
    return join "\n", $status // "curl $run->{status}", (sort @headers), $body;
}

# Every file below the root with its size and the time of its last change, but for what the test itself writes.
sub state {
    my ($self) = @_;
    my %state;
    for (split /\n/, qx{find '$self->{root}' -not -name 'console.*' -not -path '$self->{root}' -printf '%p\t%y %m %s %T@ %C@\n'}) {
        my ($path, $what) = split /\t/;
        $state{$path} = $what;
    }
    return \%state;
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local ($@, $?, $!);
    $self->stop_server($_) for @{ $self->{servers} // [] };
    finish($_) for @{ $self->{backends} // [] };
    return;
}

1;
