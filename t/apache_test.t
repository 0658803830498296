# Runs the Apache::Test suite in t/apache-test/: one server for all of its files, each of which is a subtest here.
# Apache::Test does not start a server as root, so it gets a copy that an unprivileged user owns.

use strict;
use warnings;

use lib 't/lib';
use Adaptive::Paths qw(httpd is_static module_file mpm);
use Adaptive::Server ();
use Cwd qw(getcwd);
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use POSIX ();
use Test::More;
use TAP::Parser;

eval { require Apache::Test; 1 } or plan skip_all => 'needs Apache::Test (libapache2-mod-perl2)';

my @modules = qw(authz_core dir mime alias log_config env headers setenvif deflate include expires rewrite status info perl);
my $top     = tempdir('adaptive-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
my $owner   = $$;
my ($port, $echo_port) = Adaptive::Server::free_ports(2);

# What Apache::Test takes its LoadModule lines from. The user may not be able to reach our build.
sub write_modules {
    my @names = ('mpm_' . mpm(), grep { !is_static($_) } @modules);
    my $copy  = "$top/mod_mpm_adaptive.so";
    copy(module_file('mpm_adaptive'), $copy) or die "copy: $!" if mpm() eq 'adaptive';
    my %file = ((map { $_ => module_file($_) } @names), mpm_adaptive => $copy);
    Adaptive::Server::write_file("$top/modules.conf", join '', map {"LoadModule ${_}_module $file{$_}\n"} @names);
    return;
}

# Apache::Test asks apxs more than a hundred times; this answers from what it said once.
sub write_apxs {
    my %value = (qx{apxs -q} =~ /^(\w+)=(.*)$/mg);
    my $cases = join '', map { (my $quoted = $value{$_}) =~ s/'/'\\''/g; "$_) echo '$quoted';;\n" } sort keys %value;
    Adaptive::Server::write_file("$top/apxs", "#!/bin/sh\ncase \$2 in\n$cases*) exec apxs \"\$@\";;\nesac\n");
    chmod 0755, "$top/apxs";
    return;
}

# A command line as the unprivileged user that it needs, in the suite's directory.
sub as_user {
    my (@command) = @_;
    my @prefix = $> == 0 ? qw(setpriv --reuid www-data --regid www-data --clear-groups) : ();
    return [ 'env', '-C', "$top/t", @prefix, @command ];
}

# Apache::Test tells much; it is of interest when something fails.
sub quietly {
    my (@command) = @_;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>>', "$top/console";
        open STDERR, '>&', \*STDOUT;
        no warnings 'exec';
        exec @command;
        POSIX::_exit(127);
    }
    waitpid $pid, 0;
    return $? == 0;
}

sub start_server {
    my $command = as_user('perl', 'TEST', '-httpd', "$top/httpd", '-apxs', "$top/apxs", '-httpd_conf', "$top/modules.conf",
        '-top_dir', $top, '-t_dir', "$top/t", '-servername', '127.0.0.1', '-port', $port, '-start-httpd');
    return quietly(@$command);
}

sub stop_server { return quietly(@{ as_user('perl', 'TEST', '-stop-httpd') }) }

# Apache::Test wants a file to start; this one starts httpd as the other tests do, with a sanitizer's runtime if asked to.
sub write_httpd {
    my $env = $ENV{ADAPTIVE_PRELOAD} ? "LD_PRELOAD='$ENV{ADAPTIVE_PRELOAD}' " : '';
    Adaptive::Server::write_file("$top/httpd", "#!/bin/sh\n${env}exec @{[httpd()]} \"\$@\"\n");
    chmod 0755, "$top/httpd";
    return;
}

sub run_file {
    my ($name) = @_;
    my $parser = TAP::Parser->new({ exec => as_user('perl', $name) });
    while (my $result = $parser->next) {
        ok $result->is_ok, $result->description =~ s/^- //r if $result->is_test;
    }
    ok !$parser->has_problems, "$name came to its end";
    return;
}

@ENV{qw(MPM ADAPTIVE_ECHO_PORT)} = (mpm(), $echo_port);
chmod 0755, $top;
system('cp', '-R', getcwd() . '/t/apache-test', "$top/t") == 0 or die 'cp failed';
write_modules();
write_apxs();
write_httpd();
system('chown', '-R', 'www-data:', $top) == 0 or die 'chown failed' if $> == 0;

my $started = start_server();
END { stop_server() if $started && $$ == $owner }
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

my $error_log = "$top/t/logs/error_log";
ok $started, 'the server starts' or do { diag map { Adaptive::Server::read_text($_) } "$top/console", $error_log; done_testing; exit };
subtest $_ => sub { run_file($_) } for map { s{.*/}{}r } sort glob 't/apache-test/*.t';

my $stopped = stop_server();
$started = 0;
ok $stopped, 'the server stops' or diag Adaptive::Server::read_text("$top/console");
unlike Adaptive::Server::read_text($error_log), qr/exit signal|:(?:crit|alert|emerg)\]/, 'nothing bad in its error log';

done_testing;
