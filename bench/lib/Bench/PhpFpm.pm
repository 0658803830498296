package Bench::PhpFpm;

# PHP-FPM with a pool of so many processes.

use strict;
use warnings;

use parent 'Bench::Background';

use File::Temp qw(tempdir);

use AB::Machine qw(process_cpu_s slurp);
use Adaptive::Process qw(spawn);
use Adaptive::Server;
use Adaptive::Wait;

# Nothing where there is no php-fpm.
sub new {
    my ($class, %opt) = @_;
    my ($program) = grep { -x } map { my $dir = $_; ("$dir/php-fpm", reverse sort glob "$dir/php-fpm[0-9]*") }
        split(/:/, $ENV{PATH}), '/usr/sbin';
    return if !$program;
    my $dir = tempdir('php-fpm-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0755, $dir;
    my ($port) = Adaptive::Server::free_ports(1);
    my $user = $> == 0 ? "user = www-data\ngroup = www-data\n" : '';
    Adaptive::Server::write_file("$dir/fpm.conf", <<"CONF");
[global]
error_log = $dir/log
daemonize = no
[www]
${user}listen = 127.0.0.1:$port
listen.backlog = 4096
pm = static
pm.max_children = $opt{processes}
CONF
    my $pid = spawn(sub {
        open STDOUT, '>', "$dir/console";
        open STDERR, '>&', \*STDOUT;
        exec $program, '-n', '-F', '-y', "$dir/fpm.conf" or die "$program: $!";
    });
    my $self = bless { pid => $pid, port => $port, dir => $dir, owner => $$ }, $class;
    wait_for { Adaptive::Server::is_listening($port) } 10, 'php-fpm to listen'
        or die 'php-fpm does not listen: ' . (slurp("$dir/log") // '') . (slurp("$dir/console") // '') . "\n";
    return $self;
}

sub port { return $_[0]{port} }

sub cpu_s {
    my ($self) = @_;
    my $sum = 0;
    $sum += process_cpu_s($_) for $self->{pid}, split ' ', slurp("/proc/$self->{pid}/task/$self->{pid}/children") // '';
    return $sum;
}

1;
