package Bench::Change::Status;

# What it costs to look: small files as fast as clients ask for them, while somebody asks for the status page ten times a second.

use strict;
use warnings;

use parent -norequire, 'Bench::Change';

use IO::Socket::INET;
use IO::Socket::UNIX;
use Time::HiRes qw(sleep time);

use AB::Stats qw(median);
use Adaptive::Process qw(finish spawn);
use Bench::Change ();
use Bench::Users;

use constant { USERS => 200, WARM_S => 2, SECONDS => 5, LOOKS_PER_S => 10 };

my %FORM = (page => '', json => '?json', metrics => '?metrics', desk => '?json');

sub name { return 'status' }
sub title { return sprintf '%d kept-alive clients without a pause, and %d looks at the status page a second', USERS, LOOKS_PER_S }
sub variants { return qw(none page json metrics desk) }
sub contenders { return qw(adaptive) }
sub server { return { conf => "    <Location /adaptive-status>\n        SetHandler adaptive-status\n    </Location>\n" } }
sub needs_little { return 0 }

sub columns {
    return ([rate => 'answers/s', '%.0f'], [cpu_us => 'CPU us/request', '%.1f'], [p99_ms => 'p99 ms', '%.1f'], [look_ms => 'a look takes ms', '%.1f'], [looks => 'looks', '%d']);
}

# Ten a second, on a connection each; how long each took goes to a file.
sub look_on {
    my ($server, $variant, $file) = @_;
    open my $out, '>', $file or die "$file: $!\n";
    $out->autoflush(1);
    my $next = time;
    while (1) {
        my $begun = time;
        my $socket = $variant eq 'desk' ? IO::Socket::UNIX->new(Peer => $server->root . '/run/adaptive-status.sock')
            : IO::Socket::INET->new(PeerHost => '127.0.0.1', PeerPort => $server->port);
        if ($socket) {
            print {$socket} "GET /adaptive-status$FORM{$variant} HTTP/1.0\r\nHost: localhost\r\n\r\n";
            $socket->flush;
            my ($bytes, $all) = ('', 0);
            while (my $n = sysread $socket, $bytes, 65536) { $all += $n }
            printf {$out} "%.3f\n", 1000 * (time - $begun) if $all > 1000;
        }
        $next += 1 / LOOKS_PER_S;
        sleep $next - time if $next > time;
    }
}

sub run {
    my ($self, $server, $variant, $bench) = @_;
    my $file = "$bench->{dir}/looks";
    unlink $file;
    my $looker = $variant eq 'none' ? 0 : spawn(sub { look_on($server, $variant, $file) });
    my $cpu_s = $server->tree->cpu_s;
    my $found = Bench::Users->start($server->port, path => '/1k.html', users => USERS, warm_s => WARM_S, seconds => SECONDS, keep => 1)->result;
    my $used_s = $server->tree->cpu_s - $cpu_s;
    finish($looker) if $looker;
    my @looks = -e $file ? split ' ', do { local (@ARGV, $/) = $file; <> } : ();
    return {
        (map { $_ => $found->{$_} } qw(rate p99_ms failed)), cpu_us => $used_s * 1e6 / $found->{answered},
        looks => scalar @looks, look_ms => @looks ? scalar median(@looks) : undef };
}

# Against the rounds in which nobody looks.
sub notes {
    my ($self, $runs) = @_;
    my ($none) = grep { $runs->{variant_of}{$_} eq 'none' } @{ $runs->{labels} };
    my $base = $none && Bench::Change::middle($runs->{results}{$none}) or return;
    return map {
        my $middle = Bench::Change::middle($runs->{results}{$_});
        sprintf '%s: %.3f x the answers and %.3f x the processor time per request of the rounds without', $_, $middle->{rate} / $base->{rate}, $middle->{cpu_us} / $base->{cpu_us};
    } grep { $runs->{variant_of}{$_} ne 'none' && $base->{rate} } @{ $runs->{labels} };
}

1;
