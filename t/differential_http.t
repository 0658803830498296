# The same bytes get the same answer as from mpm_event, however they come: all at once, split where a parser may trip, or byte
# by byte. What a module sees of a request is compared, too (/echo).

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Time::HiRes qw(time usleep);

use Adaptive::Client;
use Adaptive::Server;

# A server that leaves bytes in the kernel, because it waits for more of them, is waited for that long.
use constant { TAKEN_MS => 20, PATIENCE => 30 };

# --- what clients send ---------------------------------------------------------------------------------------------

my $HOST = "Host: localhost\r\n";

sub get  { my (@fields) = @_; return join '', "GET /echo HTTP/1.1\r\n$HOST", (map {"$_\r\n"} @fields), "\r\n" }
sub post { my ($body, @fields) = @_; return join '', "POST /echo HTTP/1.1\r\n$HOST", (map {"$_\r\n"} @fields), "\r\n", $body }
sub with_length { my ($body, @fields) = @_; return post($body, 'Content-Length: ' . length $body, @fields) }
sub chunked { my ($body, @fields) = @_; return post($body, 'Transfer-Encoding: chunked', @fields) }
sub line { my ($line) = @_; return "$line\r\n$HOST\r\n" }
sub fields { my ($text) = @_; return "GET /echo HTTP/1.1\r\n$HOST$text\r\n" }

my $CLOSE  = get('Connection: close');
my $CHUNKS = "5\r\nabcde\r\n10;x=y\r\n0123456789abcdef\r\n0\r\n\r\n";
my $BIG    = join '', map { chr(33 + $_ % 90) } 1 .. 70_000;

# Name and bytes. In names: "... so far" is not complete, and answered, if at all, when the client closes; "h2" goes to the
# port where HTTP/2 is spoken. What is not here, because event's answer depends on how it comes: a line beyond the limit that
# does not end, which httpd reads 8 KB at a time, and HTTP/2's preface in parts, which mod_http2 takes for a request.
my @CASES = (
    'a request'                      => get(),
    'a request that closes'          => $CLOSE,
    'a file'                         => "GET /1k.html HTTP/1.1\r\n$HOST\r\n",
    'a range of it'                  => "GET /1k.html HTTP/1.1\r\n${HOST}Range: bytes=5-9\r\n\r\n",
    'no such file'                   => "GET /none HTTP/1.1\r\n$HOST\r\n",
    'no host'                        => "GET /echo HTTP/1.1\r\n\r\n",
    'two hosts'                      => fields($HOST),
    'HEAD'                           => "HEAD /1k.html HTTP/1.1\r\n$HOST\r\n",
    'OPTIONS *'                      => line('OPTIONS * HTTP/1.1'),
    'TRACE'                          => line('TRACE / HTTP/1.1'),
    'CONNECT'                        => line('CONNECT localhost:443 HTTP/1.1'),
    'PUT'                            => "PUT /x HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc",
    'a method that nobody knows'     => line('X-Y_Z /echo HTTP/1.1'),
    'a method that is no token'      => line('G(T /echo HTTP/1.1'),
    'a method in small letters'      => line('get /echo HTTP/1.1'),
    'HTTP/1.0'                       => "GET /echo HTTP/1.0\r\n\r\n",
    'HTTP/1.0 that keeps'            => "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" x 2,
    'HTTP/1.2'                       => line('GET /echo HTTP/1.2'),
    'HTTP/2.0'                       => line('GET /echo HTTP/2.0'),
    'HTTP/0.9'                       => "GET /echo\r\n",
    'HTTP/0.9, and a field'          => "GET /echo\r\n$HOST\r\n",
    'http/1.1'                       => line('GET /echo http/1.1'),
    'no version but a blank'         => "GET /echo \r\n",
    'two blanks'                     => line('GET  /echo HTTP/1.1'),
    'a blank at the end'             => line('GET /echo HTTP/1.1 '),
    'a tab'                          => line("GET\t/echo HTTP/1.1"),
    'one word'                       => "nonsense\r\n",
    'a fragment'                     => line('GET /echo#a HTTP/1.1'),
    'a target without a slash'       => line('GET echo HTTP/1.1'),
    'a whole URL'                    => line('GET http://localhost/echo HTTP/1.1'),
    'a URL with a user'              => line('GET http://a@localhost/echo HTTP/1.1'),
    'a URL with a wrong port'        => line('GET http://localhost:x/echo HTTP/1.1'),
    'an encoded NUL'                 => line('GET /%00 HTTP/1.1'),
    'a NUL in the target'            => line("GET /echo\0 HTTP/1.1"),
    'a NUL in a field'               => fields("X: a\0b\r\n"),
    'a NUL as the first byte'        => "\0" . get(),
    'a control character in it'      => line("GET /echo?\x01 HTTP/1.1"),
    'bytes beyond ASCII'             => line("GET /echo?\xe4\xff HTTP/1.1"),
    'line feeds alone'               => get() =~ s/\r//gr,
    'a line feed alone in a field'   => fields("X: y\n"),
    'a CR in the request line'       => line("GET /echo\r HTTP/1.1"),
    'a CR in a field'                => fields("X: a\rb\r\n"),
    'two CRs at the end of a field'  => fields("X: a\r\r\n"),
    'CRs alone, so far'              => get() =~ s/\n//gr,
    'empty lines before it'          => "\r\n" x 3 . get(),
    '11 empty lines'                 => "\r\n" x 11,
    '10 of them, so far'             => "\r\n" x 10,
    'empty lines between two'        => get() . "\r\n" x 4 . $CLOSE,
    'a folded field'                 => fields("X: a\r\n b\r\n\tc \r\n"),
    'a fold that continues nothing'  => "GET /echo HTTP/1.1\r\n X: a\r\n\r\n",
    'a fold of blanks'               => fields("X: a\r\n  \t\r\n"),
    'folds up to the limit'          => fields('X: ' . 'a' x 4000 . "\r\n " . 'b' x 4000 . "\r\n"),
    'folds beyond it'                => fields('X: ' . 'a' x 4000 . "\r\n " . 'b' x 4300 . "\r\n"),
    'no colon'                       => fields("X\r\n"),
    'no name'                        => fields(": a\r\n"),
    'a blank before the colon'       => fields("X : a\r\n"),
    'no value'                       => fields("X:\r\nY: \t\r\n"),
    'a field twice'                  => fields("X: a\r\nx: b\r\n"),
    '99 fields more'                 => fields(join '', map {"X-$_: a\r\n"} 1 .. 99),
    '100 fields more'                => fields(join '', map {"X-$_: a\r\n"} 1 .. 100),
    'a request line up to the limit' => line('GET /echo?' . 'a' x (8190 - 19) . ' HTTP/1.1'),
    '... one more'                   => line('GET /echo?' . 'a' x (8191 - 19) . ' HTTP/1.1'),
    '... and beyond'                 => line('GET /echo?' . 'a' x (8192 - 19) . ' HTTP/1.1'),
    'a field up to the limit'        => fields('X: ' . 'a' x 8187 . "\r\n"),
    '... one byte more'              => fields('X: ' . 'a' x 8188 . "\r\n"),
    'a field beyond the limit'       => fields('X: ' . 'a' x 8189 . "\r\n"),
    'a field far beyond it'          => fields('X: ' . 'a' x 12_000 . "\r\n"),
    'a line without its end so far'  => 'GET /' . 'a' x 8000,
    'two pipelined'                  => get('X: 1') . $CLOSE,
    '50 pipelined'                   => join('', map { get("X: $_") } 1 .. 49) . $CLOSE,
    '10 with bodies'                 => join('', map { with_length('x' x $_) } 0 .. 9) . $CLOSE,
    'a request, and half of one so far'  => get() . "GET /echo HTTP/1.1\r\nHo",
    'nothing but a method so far'    => 'GET',
    'a request line so far'          => "GET /echo HTTP/1.1\r\n",
    'a head so far'                  => "GET /echo HTTP/1.1\r\n$HOST",
    'Content-Length: 0'              => with_length('') . $CLOSE,
    'Content-Length: 10'             => with_length('0123456789') . $CLOSE,
    'Content-Length: 70000'          => with_length($BIG) . $CLOSE,
    'a body so far'                  => post('abc', 'Content-Length: 10'),
    'Content-Length: +3'             => post('abc', 'Content-Length: +3'),
    'Content-Length: -3'             => post('abc', 'Content-Length: -3'),
    'Content-Length: 3 3'            => post('abc', 'Content-Length: 3 3'),
    'Content-Length: 3, 3'           => post('abc', 'Content-Length: 3, 3'),
    'Content-Length: 3 twice'        => post('abc', ('Content-Length: 3') x 2),
    'Content-Length: 2^63'           => post('abc', 'Content-Length: 9223372036854775808'),
    'Content-Length: 3 in a fold'    => post('abc', "Content-Length:\r\n 3"),
    'Content-Length: 003'            => post('abc', 'Content-Length: 003') . $CLOSE,
    'a body for nobody'              => with_length('abc') =~ s{/echo}{/none}r . $CLOSE,
    'a body with GET'                => "GET /echo HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc$CLOSE",
    'chunked'                        => chunked($CHUNKS) . $CLOSE,
    'chunked, 70000 bytes'           => chunked(sprintf("%x\r\n%s\r\n0\r\n\r\n", length $BIG, $BIG)) . $CLOSE,
    'chunked, with trailers'         => chunked("3\r\nabc\r\n0\r\nX: y\r\n\r\n") . $CLOSE,
    'chunked, no number'             => chunked("x\r\nabc\r\n0\r\n\r\n"),
    'chunked, a wrong number'        => chunked("2\r\nabc\r\n0\r\n\r\n"),
    'chunked, a line feed alone'     => chunked("3\nabc\n0\n\n"),
    'chunked, too large a number'    => chunked("ffffffffffffffffff\r\nabc"),
    'chunked, so far'                => chunked("5\r\nab"),
    'chunked, twice'                 => chunked($CHUNKS, 'Transfer-Encoding: chunked'),
    'another coding'                 => post('abc', 'Transfer-Encoding: gzip'),
    'both lengths'                   => chunked($CHUNKS, 'Content-Length: 3'),
    'both lengths, the other first'  => post($CHUNKS, 'Content-Length: 3', 'Transfer-Encoding: chunked'),
    'Expect'                         => with_length('abc', 'Expect: 100-continue') . $CLOSE,
    'Expect, chunked'                => chunked($CHUNKS, 'Expect: 100-continue') . $CLOSE,
    'Expect, unknown'                => with_length('abc', 'Expect: more'),
    'Expect, HTTP/1.0'               => with_length('abc', 'Expect: 100-continue') =~ s{HTTP/1.1}{HTTP/1.0}r,
    'a handshake so far'             => pack('H*', '16030100050100000100'),
    'a handshake with a line feed'   => pack('H*', '160301000a010000060303aabbccdd0d0a'),
    'a PROXY header'                 => "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n" . get(),
    'the preface of HTTP/2'          => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    'the first line of it'           => "PRI * HTTP/2.0\r\n",
    'Upgrade: h2c'                   => get('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk') . $CLOSE,
    'Upgrade: websocket'             => get('Connection: Upgrade', 'Upgrade: websocket') . $CLOSE,
    # answered although more of the head might come
    (map { ("only the line $_->[0]" => "$_->[1] HTTP/1.1\r\n") } (
        ['with a NUL'                => "GET /echo\0"],
        ['with a control character'  => "GET /echo\x01"],
        ['with a fragment'           => 'GET /echo#a'],
        ['with a relative target'    => 'GET echo'],
        ['with a user'               => 'GET http://a@localhost/echo'],
        ['with a wrong port'         => 'GET http://localhost:x/echo'],
        ['with *'                    => 'GET *'],
        ['CONNECT with a path'       => 'CONNECT /echo'],
        ['with a wrong method'       => 'G(T /echo'])),
    (map { ("no end behind $_->[0]" => "GET /echo HTTP/1.1\r\n$HOST$_->[1]") } (
        ['a NUL'                     => "X: a\0b\r\n"],
        ['a line feed alone'         => "X: a\n"],
        ['a control character'       => "X: a\x01b\r\nY: a\r\n"],
        ['no colon'                  => "X\r\nY: a\r\n"],
        ['a blank before the colon'  => "X : a\r\nY: a\r\n"],
        ['a CR in a field'           => "X: a\rb\r\nY: a\r\n"],
        ['an empty fold'             => "X: a\r\n \r\n"],
        ['a fold of blanks'          => "X: a\r\n \t \r\n"],
        ['folds beyond the limit'    => 'X: ' . 'a' x 4000 . "\r\n " . 'b' x 4186 . "\r\n"],
        ['101 fields'                => join '', map {"X-$_: a\r\n"} 1 .. 101],
        ['a field beyond the limit'  => 'X: ' . 'a' x 8189 . "\r\n"])),
    'no end behind a fold that continues nothing' => "GET /echo HTTP/1.1\r\n X: a\r\n",
    'folds just so long, so far'     => "GET /echo HTTP/1.1\r\n" . 'X: ' . 'a' x 4000 . "\r\n " . 'b' x 4184 . "\r\n",
    '100 fields so far'              => "GET /echo HTTP/1.1\r\n" . join('', map {"X-$_: a\r\n"} 1 .. 101),
    'h2: a request'                  => get() . $CLOSE,
    'h2: like the preface'           => "PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n",
    'h2: its first line so far'      => "PRI * HTTP/2.0\r\n",
    'h2: at once, with SETTINGS, GOAWAY' => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . pack('H*', '000000040000000000' . '0000080700000000000000000000000000'),
);

my (@names, %bytes);
while (my ($name, $bytes) = splice @CASES, 0, 2) { push @names, $name; $bytes{$name} = $bytes }

# --- how they send it ----------------------------------------------------------------------------------------------

sub whole { return $_[0] }

# Cuts at these places.
sub cut {
    my ($bytes, @places) = @_;
    my ($from, @pieces) = (0);
    for my $place (sort { $a <=> $b } grep { $_ > 0 && $_ < length $bytes } @places) {
        push @pieces, substr $bytes, $from, $place - $from if $place > $from;
        $from = $place;
    }
    return @pieces, substr $bytes, $from;
}

# Before and behind each of these, the first and the last 150 times, and where buffers end.
sub parts {
    my ($bytes) = @_;
    my @places;
    while ($bytes =~ /[\r\n\0]|: ?|HTTP/g) { push @places, $-[0], $+[0] }
    splice @places, 150, -150 if @places > 300;
    return cut($bytes, @places, 8000, 8192, 16_000, length($bytes) - 1);
}

# One by one the first 250 and the last 50, and those where buffers and limits end.
sub each_byte {
    my ($bytes) = @_;
    return cut($bytes, 1 .. 250, 8185 .. 8215, length($bytes) - 50 .. length($bytes), map { 3000 * $_ } 1 .. length($bytes) / 3000);
}

my @WAYS = (['at once' => \&whole], ['in parts' => \&parts], ['byte by byte' => \&each_byte]);

# How many bytes of whom the server has not taken, by the client's port.
sub untaken {
    my ($server) = @_;
    my %untaken;
    my @ports = map { sprintf '%04X', $server->port($_) } 1, 2;
    my $ours = join '|', @ports;
    open my $in, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!";
    while (<$in>) {
        /^\s*\d+: [0-9A-F]{8}:(?:$ours) [0-9A-F]{8}:([0-9A-F]{4}) [0-9A-F]{2} [0-9A-F]+:([0-9A-F]+)/ or next;
        $untaken{ hex $1 } = hex $2;
    }
    return \%untaken;
}

# Until the server has taken what was sent, or leaves it where it is; then nobody waits for that any more.
sub until_taken {
    my ($server, $left, @clients) = @_;
    my @ports = grep { !$left->{$_} } map { $_->sock->sockport } @clients;
    my $deadline = time + TAKEN_MS / 1000;
    while (@ports) {
        my $untaken = untaken($server);
        @ports = grep { $untaken->{$_} } @ports;
        last if time > $deadline;
        usleep 1000 if @ports;
    }
    $left->{$_} = 1 for @ports;
    return;
}

# The next piece of each client at the same time, so that all of it takes no longer than the longest.
sub send_all {
    my ($server, $clients, $pieces) = @_;
    my %left;
    while (my @names = grep { @{ $pieces->{$_} } } keys %$pieces) {
        for my $name (@names) {
            $clients->{$name}->send(shift @{ $pieces->{$name} }) or @{ $pieces->{$name} } = ();
        }
        until_taken($server, \%left, map { $clients->{$_} } @names);
    }
    return;
}

# Without what differs from one server to the next.
sub masked {
    my ($answer) = @_;
    $answer =~ s/^(Date|Last-Modified|ETag): [^\r]*\r\n/$1\r\n/mg;
    $answer =~ s/^Allow: \K([^\r]*)/join ',', sort split ',', $1/meg;
    $answer =~ s/ at localhost Port \d+/ at localhost/g;
    return $answer;
}

# What the server says before the client closes, which is waited for if it is known, and after it.
sub answer_of {
    my ($client, $expected) = @_;
    my $deadline = time + PATIENCE;
    while (defined $expected && masked(${ $client->buffer }) ne $expected) {
        $client->fill($deadline) or last;
    }
    my $open = masked(${ $client->buffer });
    $client->half_close;
    ok $client->closed, 'the server closes, too' or diag 'it does not';
    return defined $expected ? ($open, masked(${ $client->buffer })) : masked(${ $client->buffer });
}

sub clients_of {
    my ($server, $cut) = @_;
    my (%clients, %pieces);
    for my $name (@names) {
        $clients{$name} = Adaptive::Client->new($server->port($name =~ /^h2/ ? 2 : 1));
        $pieces{$name}  = [ $name =~ /at once/ ? $bytes{$name} : $cut->($bytes{$name}) ];
    }
    send_all($server, \%clients, \%pieces);
    return \%clients;
}

# --- two servers ---------------------------------------------------------------------------------------------------

# A thread for each client: they all wait at the same time. No module has a process_connection hook that is not httpd's.
sub new_server {
    my ($mpm) = @_;
    return Adaptive::Server->new(
        mpm         => $mpm,
        modules     => [qw(adaptive_echo http2 reqtimeout)],
        mpm_conf    => "StartServers 1\nThreadsPerChild 200\nThreadLimit 200\nMaxRequestWorkers 200\n",
        conf        => <<'CONF')->start;
Listen 127.0.0.1:@PORT2@
KeepAlive On
KeepAliveTimeout 100
MaxKeepAliveRequests 100
Timeout 100
RequestReadTimeout header=100 body=100
ServerTokens Prod
LogLevel crit
<VirtualHost *:@PORT2@>
    Protocols h2c http/1.1
    H2Direct on
</VirtualHost>
CONF
}

my ($event, $ours) = (new_server('event'), new_server(mpm()));
my $by_event = clients_of($event, \&whole);
my %expected = map { $_ => scalar answer_of($by_event->{$_}) } @names;

is scalar(grep { length $expected{$_} } grep { !/so far/ } @names), scalar(grep { !/so far/ } @names), 'event answers all that is complete';

for my $case (['event', $event], ['ours', $ours]) {
    my ($whose, $server) = @$case;
    for my $way (@WAYS) {
        my ($how, $cut) = @$way;
        subtest "$whose, $how" => sub {
            my $clients = clients_of($server, $cut);
            for my $name (@names) {
                my ($open, $all) = answer_of($clients->{$name}, $name =~ /so far/ ? '' : $expected{$name});
                is $open, $expected{$name}, "$name: the answer" if $name !~ /so far/;
                is $all,  $expected{$name}, "$name: all that comes";
            }
        };
    }
}

ok $_->stop, 'the server stops' for $event, $ours;
done_testing;
