package AdaptiveCtl::CanaryFront;

# What divides the real traffic between the two instances of a canary: HAProxy in front of both, which takes over the ports and passes
# on connections as they are, or mod_proxy_balancer in the server that runs, which keeps them.

use strict;
use warnings;

use AdaptiveCtl::Steps;

use constant { HAPROXY_CONF => '/etc/haproxy/canary.cfg', BALANCER_CONF => '/etc/apache2/conf-available/canary.conf' };

sub is_haproxy { return $_[0]{front} eq 'haproxy' }

# The instances have to know the clients' addresses.
sub proxy_step {
    my ($job) = @_;
    my $lines = is_haproxy($job) ? "RemoteIPProxyProtocol On\n" : "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1\n";
    return { title => 'The addresses of clients', text => (is_haproxy($job)
            ? 'HAProxy tells them in the PROXY protocol. With it a port speaks nothing else: ask it with "curl --haproxy-protocol".'
            : 'mod_proxy tells them in a header.'),
        commands => [ map { my $dir = $_->{dir};
            ("ln -sf ../mods-available/remoteip.load $dir/mods-enabled/remoteip.load",
                "printf '%s\\n' " . join(' ', map {"'$_'"} split /\n/, $lines) . " >$dir/conf-enabled/canary.conf") }
            @{ $job->{instances} } ] };
}

# apache2ctl does not wait for the end, systemctl does.
sub until_gone { my ($pid_file) = @_; return "while [ -e $pid_file ]; do sleep 0.1; done" }

sub steps { my ($job) = @_; return is_haproxy($job) ? haproxy_step($job) : balancer_step($job) }

sub ports { my ($job) = @_; return sort { $a <=> $b } keys %{ $job->{copy}{protocol} } }

# The addresses of the server that runs, and no others: what listens on 127.0.0.1 is not for everybody. A Listen without an address means
# IPv4 and IPv6, which are two for HAProxy.
sub binds {
    my ($job, $port) = @_;
    my @listens = grep { $_->{active} && lc $_->{name} eq 'listen' } @{ $job->{copy}{items} };
    my %bind;
    for my $text (map { $_->{args}[0] // () } @listens) {
        my ($address, $its) = $text =~ /\A(?:(.*):)?(\d+)\z/ or next;
        next if $its != $port;
        my $is_any = !defined $address || $address =~ /\A(?:\*|\[::\])?\z/;
        $bind{ $is_any || $address eq '0.0.0.0' ? ":$port" : "$address:$port" } = 1;
        $bind{":::$port v6only"} = 1 if $is_any && length(AdaptiveCtl::Steps::read_file('/proc/net/if_inet6') // '');
    }
    return sort keys %bind;
}

sub haproxy_step {
    my ($job) = @_;
    my ($event, $adaptive) = @{ $job->{instances} };
    # without a maxconn it takes as many as its descriptors allow
    my $text = "defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 10m\n    timeout server 10m\n";
    for my $port (ports($job)) {
        $text .= "\nlisten port_$port\n" . join('', map {"    bind $_\n"} binds($job, $port)) . "    balance source\n    hash-type consistent\n"
            . "    server event 127.0.0.1:$event->{port}{$port} weight @{[100 - $job->{share}]} send-proxy check-send-proxy check\n"
            . "    server adaptive 127.0.0.1:$adaptive->{port}{$port} weight $job->{share} send-proxy check-send-proxy check\n";
    }
    my $stop = $job->{has_systemd} ? 'systemctl stop apache2'
        : 'apache2ctl stop; ' . until_gone($job->{site}{env}{APACHE_PID_FILE} // '/var/run/apache2/apache2.pid');
    return { title => "Let the traffic in: $job->{share} % for mpm_adaptive",
        text => 'HAProxy passes on connections without looking into them, TLS as well, and a client stays with its instance. '
            . 'Between the last two commands nobody serves, for about a second. '
            . 'Other shares: change both weights and start HAProxy again.',
        files => [ { path => HAPROXY_CONF, text => $text } ],
        commands => [ 'apt-get install haproxy', 'haproxy -c -f ' . HAPROXY_CONF, $stop,
            'haproxy -D -p /run/haproxy-canary.pid -f ' . HAPROXY_CONF ] };
}

sub balancer_step {
    my ($job) = @_;
    my ($event, $adaptive) = @{ $job->{instances} };
    my ($http) = grep { $job->{copy}{protocol}{$_} ne 'https' } ports($job);
    my $text = "<Proxy balancer://canary>\n"
        . "    BalancerMember http://127.0.0.1:$event->{port}{$http} route=event loadfactor=@{[100 - $job->{share}]}\n"
        . "    BalancerMember http://127.0.0.1:$adaptive->{port}{$http} route=adaptive loadfactor=$job->{share}\n</Proxy>\n"
        . "ProxyPreserveHost On\nProxyPass /server-status !\nProxyPass / balancer://canary/\n";
    return { title => "Let the traffic in: $job->{share} % for mpm_adaptive",
        text => 'The server that runs keeps the connections to clients and TLS, and passes on requests; so this compares less than HAProxy '
            . 'does: slow clients and idle connections stay with the MPM that runs now. Virtual hosts that have a ProxyPass of their own '
            . 'are not divided, and redirects from http to https have to be made here, not in the instances.',
        files => [ { path => BALANCER_CONF, text => $text } ],
        commands => [ (new_modules($job) ? join ' ', 'a2enmod', new_modules($job) : ()), 'a2enconf canary', 'apache2ctl configtest',
            $job->{has_systemd} ? 'systemctl restart apache2' : 'apache2ctl restart' ] };
}

# Those that mod_proxy_balancer needs and that are not enabled.
sub new_modules {
    my ($job) = @_;
    my $enabled = "$job->{site}{root}/mods-enabled";
    return grep { !-e "$enabled/$_.load" } qw(proxy proxy_http slotmem_shm proxy_balancer lbmethod_byrequests);
}

sub undo_commands {
    my ($job) = @_;
    return ('pid=$(cat /run/haproxy-canary.pid); kill $pid; while kill -0 $pid 2>/dev/null; do sleep 0.1; done',
        'rm -f /run/haproxy-canary.pid ' . HAPROXY_CONF, $job->{has_systemd} ? 'systemctl start apache2' : 'apache2ctl start')
        if is_haproxy($job);
    return ('a2disconf canary', 'rm -f ' . BALANCER_CONF,
        (new_modules($job) ? join ' ', 'a2dismod', reverse new_modules($job) : ()),
        $job->{has_systemd} ? 'systemctl reload apache2' : 'apache2ctl graceful');
}

1;
