package Bench::Nginx;

# nginx with Debian's nginx.conf in a directory of its own: the reference from outside, and the backend to be proxied to.

use strict;
use warnings;

use parent -norequire, 'Bench::Server';

use AB::Machine qw(program);
use Bench::Server ();

sub new {
    my ($class, %opt) = @_;
    return $class->SUPER::new(nginx_listen => '', conf => '', worker_connections => 768, %opt);
}

sub command_line {
    my ($self) = @_;
    my @files = ('-p', $self->root, '-c', $self->conf_file, '-e', $self->root . '/logs/error_log');
    return (@{ $self->{wrapper} }, program('nginx'), @files);
}

sub reload_signal { return 'HUP' }

# Its workers have one thread each, unlike httpd's.
sub is_up {
    my ($self) = @_;
    my ($pid) = Adaptive::Server::read_text($self->root . '/run/httpd.pid') =~ /\A(\d+)\n/ or return 0;
    $self->{pid} = $pid;
    return scalar $self->direct_children;
}

sub conf_text {
    my ($self) = @_;
    my $user = $> == 0 ? 'user www-data;' : '';
    my $types = -r '/etc/nginx/mime.types' ? 'include /etc/nginx/mime.types;' : 'types { text/html html; }';
    my $temporary = join ' ', map { "${_}_temp_path \@ROOT\@/tmp/$_;" } qw(client_body proxy fastcgi uwsgi scgi);
    return <<"CONF";
daemon off;
$user
worker_processes auto;
pid \@ROOT\@/run/httpd.pid;
error_log \@ROOT\@/logs/error_log;
events {
    worker_connections $self->{worker_connections};
}
http {
    $temporary
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    $types
    default_type application/octet-stream;
    access_log \@ROOT\@/logs/access_log;
    gzip on;
    keepalive_requests $self->{max_keepalive_requests};
    server {
        listen 127.0.0.1:\@PORT\@ $self->{nginx_listen};
        root \@DOCROOT\@;
        $self->{conf}
    }
}
CONF
}

1;
