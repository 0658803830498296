# Every file of conf-examples/ is a configuration that passes -t without a word and serves: those of before/ under the MPM that each
# names, the others under ours, and without a complaint under event for who switches back.

use strict;
use warnings;

use lib 't/lib';
use Adaptive::Server;
use Test::More;

# Children are told from helper processes by their threads, which those of prefork do not have.
{
    package ServerOfAnyMpm;
    our @ISA = 'Adaptive::Server';
    sub child_pids { my ($self) = @_; return $self->{mpm} eq 'prefork' ? $self->direct_children : $self->SUPER::child_pids }
}

my @examples = glob 'conf-examples/*.conf';
my @before   = glob 'conf-examples/before/*.conf';
cmp_ok scalar @examples, '>=', 13, 'there are examples';
cmp_ok scalar @before, '>=', 10, '... and what they replace';
is_deeply [ grep { !-e s{before/}{}r } @before ], [], 'each of these has a file that says what is left of it';

my $index = Adaptive::Server::read_text('conf-examples/README.md');
my %linked = map { ("conf-examples/$_" => 1) } $index =~ /\]\(([^)#]+)\)/g;
is_deeply [ grep { !$linked{$_} } @examples, @before ], [], 'the table of the examples has them all';
is_deeply [ grep { !-e } sort keys %linked ], [], '... and no others';

# The guards are for our name; what they guard is meant for any threaded MPM.
sub text_of {
    my ($path) = @_;
    my $text = Adaptive::Server::read_text($path);
    my $mpm = mpm();
    $text =~ s/<IfModule mpm_adaptive_module>/<IfModule mpm_${mpm}_module>/g;
    # Our own directives mean nothing to others.
    $text =~ s/^ *Adaptive.*\n//mg if $mpm ne 'adaptive';
    return $text;
}

# At the end, so that what the file has for modules is in force.
sub server_with {
    my ($mpm, $text) = @_;
    return ServerOfAnyMpm->new(mpm => $mpm, modules => [qw(status proxy proxy_http proxy_fcgi)], conf => $text);
}

sub is_accepted {
    my ($server, $what) = @_;
    return is_deeply $server->run_httpd('-t'), { status => 0, output => "Syntax OK\n" }, $what;
}

sub serves {
    my ($mpm, $text) = @_;
    my $server = server_with($mpm, $text);
    is_accepted($server, '-t has nothing to complain about');
    $server->start;
    is http_get($server->url('/1k.html'))->{status}, 200, 'it serves';
    is $server->auto->{ServerMPM}, $mpm, "with mpm_$mpm";
    unlike $server->error_log, qr/:(?:warn|error|crit|alert|emerg)\]/, 'no complaint in the error log';
    ok $server->stop, 'it stops';
    return;
}

for my $path (@examples) {
    subtest $path => sub { serves(mpm(), text_of($path)) };
}

for my $path (@before) {
    subtest $path => sub {
        my $text = Adaptive::Server::read_text($path);
        my ($mpm) = $text =~ /^<IfModule mpm_(\w+)_module>/m;
        like $mpm // '', qr/\A(?:event|worker|prefork)\z/, 'it says for which MPM it is' or return;
        serves($mpm, $text);
        # Whoever leaves it where it is when switching to ours keeps a configuration that loads.
        is_accepted(server_with(mpm(), $text), 'it does not disturb the MPM under test');
    };
}

# Somebody who switches back keeps a configuration that loads.
for my $path (grep { text_of($_) =~ /<IfModule/ } @examples) {
    is_accepted(server_with('event', Adaptive::Server::read_text($path)), "$path does not disturb mpm_event");
}

done_testing;
