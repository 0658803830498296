package AdaptiveCtl::Server;

# A server that runs (or not): its process, what it listens on, how it answers, how it is stopped and started. The kernel tells
# all of it, so that no status page and no client program is needed.

use strict;
use warnings;

use Cwd qw(realpath);
use File::Basename qw(basename);
use IO::Socket::IP;
use Socket qw(AF_INET6 inet_ntop);

use AdaptiveCtl::Say;
use AdaptiveCtl::Steps;

use constant { POLL_SECONDS => 0.05, START_SECONDS => 30, COMPARE_SECONDS => 10, ENDING_SECONDS => 2, STOP_SECONDS => 30, ANSWER_SECONDS => 10, DRAIN_SECONDS => 5 };

sub new {
    my ($class, $site, $option) = @_;
    my $self = bless { site => $site, unit => $option->{service}, drain => $option->{'drain-seconds'} // DRAIN_SECONDS }, $class;
    $self->{pid_file} = $self->find_pid_file;
    $self->look;
    return $self;
}

sub read_text { return AdaptiveCtl::Steps::read_file($_[0]) // '' }

# Waits until a condition is true. What it was, or false after so many seconds.
sub wait_until {
    my ($seconds, $condition) = @_;
    my $end = time + $seconds;
    while (1) {
        my $late  = time > $end;
        my $value = $condition->();
        return $value if $value || $late;
        select undef, undef, undef, POLL_SECONDS;
    }
}

# Asked of httpd: a PidFile may stand anywhere in the configuration. An invalid one has none, but Debian's envvars may.
sub find_pid_file {
    my ($self) = @_;
    my $site = $self->{site};
    my ($file) = $site->ask([ '-t', '-D', 'DUMP_RUN_CFG' ])->{output} =~ /^PidFile: "(.*)"$/m;
    return $file // $site->{env}{APACHE_PID_FILE} // "$site->{root}/logs/httpd.pid";
}

# Notes the process that the PidFile names, if it is one of this httpd's, with what is needed to start it again.
sub look {
    my ($self) = @_;
    delete $self->{pid};
    my ($pid) = read_text($self->{pid_file}) =~ /^(\d+)\s*$/ or return;
    # not readable: somebody else's, which only root may stop
    my $exe = readlink "/proc/$pid/exe";
    return if !kill(0, $pid) && !$!{EPERM};
    return if defined $exe && basename($exe =~ s/ \(deleted\)\z//r) ne basename(realpath($self->{site}{httpd}));
    $self->{pid}     = $pid;
    $self->{command} = [ split /\0/, read_text("/proc/$pid/cmdline") ];
    $self->{unit} //= unit_of($pid);
    my %limit = read_text("/proc/$pid/limits") =~ /^Max (open files)\s+(\d+)/m;
    $self->{descriptors} = $limit{'open files'};
    return $pid;
}

sub is_running { return defined $_[0]{pid} }

# The systemd service that a process belongs to.
sub unit_of {
    my ($pid) = @_;
    return if !-d '/run/systemd/system';
    my ($unit) = read_text("/proc/$pid/cgroup") =~ m{/system\.slice/(?:.*/)?([^/\n]+\.service)}m or return;
    # one that was started by hand below cron or a supervisor is not what that unit stands for
    my ($main) = (qx{systemctl show -p MainPID --value '$unit' 2>/dev/null} // '') =~ /^(\d+)/;
    return ($main // 0) == $pid ? $unit : undef;
}

# The MPM that a process runs, by the file that it has mapped: the configuration may have changed since.
sub mpm_running {
    my ($self) = @_;
    return '' if !$self->is_running;
    my %mpm = map { $_ => 1 } read_text("/proc/$self->{pid}/maps") =~ m{/mod_(mpm_\w+)\.so}g;
    # ours may be there only to say that it stood back
    delete $mpm{mpm_adaptive} if keys %mpm > 1;
    return join ' and ', sort keys %mpm;
}

# Addresses on which a process listens: those of its sockets that the kernel lists as listening.
sub listeners {
    my ($self) = @_;
    return () if !$self->is_running;
    my %mine = map { (readlink($_) // '') =~ /^socket:\[(\d+)\]/ ? ($1 => 1) : () } glob "/proc/$self->{pid}/fd/*";
    my %found;
    for my $file (qw(tcp tcp6)) {
        for (split /\n/, read_text("/proc/$self->{pid}/net/$file")) {
            my (undef, $local, undef, $state, @more) = split;
            next if ($state // '') ne '0A' || !$mine{ $more[5] };
            my ($address, $port) = split /:/, $local;
            $found{ text_address($address) . ' ' . hex $port } = 1;
        }
    }
    return map { [split] } sort keys %found;
}

# "0100007F" and its IPv6 sibling, 32-bit words in the machine's order. Where all addresses are meant, the one of loopback.
sub text_address {
    my ($hex) = @_;
    my $bytes = join '', map { pack 'L', hex } $hex =~ /(.{8})/g;
    return length $bytes == 4
        ? ($bytes eq "\0" x 4  ? '127.0.0.1' : join '.', unpack 'C4', $bytes)
        : ($bytes eq "\0" x 16 ? '::1'       : inet_ntop(AF_INET6, $bytes));
}

sub shown { my ($address, $port) = @_; return $address =~ /:/ ? "[$address]:$port" : "$address:$port" }

# How it answers: { "127.0.0.1:80" => 200 }. 0: it does not. TLS answers plain HTTP as well, with 400.
sub answers {
    my ($self) = @_;
    return { map { shown(@$_) => answer(@$_) } $self->listeners };
}

sub answer {
    my ($address, $port) = @_;
    my $socket = IO::Socket::IP->new(PeerHost => $address, PeerPort => $port, Timeout => ANSWER_SECONDS) or return 0;
    local $SIG{ALRM} = sub { die "late\n" };
    my $line = eval {
        alarm ANSWER_SECONDS;
        print {$socket} "HEAD / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: adaptivectl\r\nConnection: close\r\n\r\n";
        $socket->flush;
        my $first = readline $socket;
        alarm 0;
        $first;
    };
    alarm 0;
    return ($line // '') =~ m{^HTTP/\d\.\d (\d{3})} ? $1 : 0;
}

# --- stopping and starting ----------------------------------------------------------------------------------------

# Why it cannot be stopped and started here, '' if it can.
sub obstacle {
    my ($self) = @_;
    return '' if !$self->is_running || $self->{unit};
    return "the server runs as process $self->{pid} of another user: run this as root."
        if !kill 0, $self->{pid};
    my @how = grep {/^(?:-D)?(?:FOREGROUND|NO_DETACH|DEBUG|ONE_PROCESS)$/ || $_ eq '-X'} @{ $self->{command} };
    return "the server (process $self->{pid}) runs in the foreground (@how), so whatever started it has to stop and start it."
        if @how || $self->{pid} == 1;
    return '';
}

# "systemctl stop apache2", or with the server's own program.
sub control {
    my ($self, $what) = @_;
    return ('systemctl', $what, $self->{unit}) if $self->{unit};
    my $site = $self->{site};
    return ('apache2ctl', $what) if $site->{is_debian} && $site->{httpd} eq '/usr/sbin/apache2';
    my @args = @{ $self->{command} // [] };
    shift @args;
    # as it was started, without what it was told to do then
    for (my $i = 0; $i < @args; $i++) {
        splice @args, $i--, 2 if $args[$i] eq '-k';
    }
    my ($program, @usual) = $site->httpd_command;
    return ($program, (@args ? @args : @usual), '-k', $what);
}

sub run_control {
    my ($self, $what) = @_;
    my $site = $self->{site};
    local $ENV{APACHE_CONFDIR} = $site->{root} if $site->{is_debian};
    return $site->capture($self->control($what));
}

sub is_alive {
    my ($pid) = @_;
    return -d "/proc/$pid" && read_text("/proc/$pid/stat") !~ /\) [ZX] /;
}

# Whether it is going, as a command to stop it that was given a moment ago makes it: it lets go of its sockets first.
sub is_ending {
    my ($self) = @_;
    return wait_until(ENDING_SECONDS, sub { $self->look && !$self->listeners });
}

# What somebody who was killed had started ("apache2ctl stop") may still be at it.
sub wait_for_session {
    my ($session) = @_;
    return if !$session;
    wait_until(STOP_SECONDS, sub { !grep { (split ' ', read_text($_) =~ s{^.*\) }{}r)[3] == $session } glob '/proc/[0-9]*/stat' });
    return;
}

# Requests that are under way get some seconds. '' or what went wrong.
sub stop {
    my ($self) = @_;
    my $pid = $self->{pid} // return '';
    my $said = '';
    if ($self->{unit}) {
        $said = $self->run_control('stop')->{output};
    }
    else {
        $said = $self->run_control('graceful-stop')->{output} if $self->{drain} > 0;
        wait_until($self->{drain}, sub { !is_alive($pid) }) if $self->{drain} > 0;
        # "-k stop" would look for the PidFile, which a graceful stop has removed
        kill 'TERM', $pid if is_alive($pid);
    }
    wait_until(STOP_SECONDS, sub { !is_alive($pid) }) or return "process $pid does not end. $said";
    delete $self->{pid};
    return '';
}

# '' or what went wrong. It may be one that somebody else has started meanwhile.
sub start {
    my ($self) = @_;
    my $result = $self->run_control('start');
    wait_until($result->{status} ? 1 : START_SECONDS, sub { $self->look }) or return "it does not start: $result->{output}";
    return '';
}

# Waits until it answers where it did before, as it did before. '' or what differs.
sub compare_answers {
    my ($self, $before) = @_;
    my $differs = '';
    wait_until(COMPARE_SECONDS, sub {
        $differs = '';
        $self->look or do { $differs = 'the server has ended'; return };
        my $now = $self->answers;
        $differs = 'it does not listen on any port yet' if !%$now && !%$before;
        for my $where (sort keys %$before) {
            my ($old, $new) = ($before->{$where}, $now->{$where});
            next if !$old || $new && ($new < 500 || $old >= 500);
            $differs .= ($differs ? '; ' : '')
                . (!defined $new ? "nobody listens on $where" : !$new ? "$where does not answer" : "$where answers $new instead of $old");
        }
        return !$differs;
    });
    return $differs;
}

1;
