package Adaptive::Ordinary;

# Ordinary clients that go on beside whatever a test does to a server: each is a process that repeats one thing (a page over
# TLS, HTTP/2, a WebSocket, an upload, a slow download) and notes every time that it was not served as it should be.

use strict;
use warnings;

use File::Temp ();
use Time::HiRes qw(sleep time);

use Adaptive::Client;
use Adaptive::HTTP;
use Adaptive::Process;
use Adaptive::WebSocket qw(OP_TEXT);

# start(name => sub { ... dies with a reason if it was not served ... })
sub start {
    my ($class, $name, $once) = @_;
    my $self = bless { name => $name, file => File::Temp->new }, $class;
    $self->{pid} = spawn(sub {
        open my $out, '>>', $self->{file}->filename or die "$!";
        $out->autoflush(1);
        my $told = 0;
        local $SIG{TERM} = sub { $told = 1 };
        while (!$told) {
            my $begin = time;
            my $error = eval { $once->(); 1 } ? '' : $@ || 'died';
            $error =~ s/\s+/ /g;
            printf {$out} "%.3f %.3f %s\n", $begin, time, $error;
            sleep 0.05;
        }
    });
    return $self;
}

# Lets it finish what it has begun: { name, good, bad => [ { begin, end, reason } ] }.
sub result {
    my ($self) = @_;
    kill 'TERM', $self->{pid};
    waitpid $self->{pid}, 0;
    open my $in, '<', $self->{file}->filename or die "$!";
    my %result = (name => $self->{name}, good => 0, bad => []);
    while (my $line = <$in>) {
        my ($begin, $end, $reason) = $line =~ /\A(\S+) (\S+) (.*)$/ or next;
        $reason eq '' ? $result{good}++ : push @{ $result{bad} }, { begin => $begin, end => $end, reason => $reason };
    }
    return \%result;
}

# --- what they do ---------------------------------------------------------------------------------------------------

sub expect {
    my ($response, $status, $length) = @_;
    $response->{status} == $status or die "status $response->{status} instead of $status: " . ($response->{body} // '') . "\n";
    !defined $length || length $response->{body} == $length or die 'length ' . length($response->{body}) . " instead of $length\n";
    return;
}

# A few requests on a connection. The server may close it between two, which loses nothing.
sub pages {
    my ($port, $path, $length, %opt) = @_;
    return sub {
        my $client = Adaptive::Client->new($port, %opt);
        for my $n (1 .. 5) {
            my $response = $client->get($path);
            return if $n > 1 && $response->{status} == 0 && ${ $client->buffer } eq '';
            expect($response, 200, $length);
        }
        return;
    };
}

# curl, unlike h2load, asks again for what a child that is going has refused with its GOAWAY, as browsers do.
sub http2 {
    my ($url, $length) = @_;
    return sub {
        my $run = run_command(60, qw(curl -s -k --http2 -w), "%{http_version} %{http_code} %{size_download}\n", qw(-o /dev/null),
            "$url?[1-20]");
        my $good = () = $run->{output} =~ /^2 200 $length$/mg;
        $good == 20 or die "curl ($run->{status}): $run->{output}\n";
        return;
    };
}

sub websocket {
    my ($port, $path) = @_;
    return sub {
        my $ws = Adaptive::WebSocket->connect($port, $path);
        for my $n (1 .. 20) {
            my $answer = $ws->text("number $n");
            $answer eq "number $n" or die "frame $n echoed as '$answer'\n";
        }
        return;
    };
}

# PUT, then GET of the same bytes (mod_dav).
sub upload {
    my ($port, $path, $bytes) = @_;
    my $body = join '', map { chr(97 + rand 26) } 1 .. $bytes;
    return sub {
        my $put = Adaptive::Client->new($port)->request('PUT', $path, body => $body, keep => 0);
        $put->{status} == 201 || $put->{status} == 204 or die "PUT: status $put->{status}, $put->{body}\n";
        my $got = Adaptive::Client->new($port)->get($path, keep => 0);
        $got->{status} == 200 && $got->{body} eq $body or die "GET after PUT: status $got->{status}\n";
        return;
    };
}

# Takes its time, but never as long as Timeout between two reads.
sub slow_download {
    my ($port, $path, $length) = @_;
    return sub {
        my $client = Adaptive::Client->new($port, rcvbuf => 4096);
        my $until  = time + 2;
        $client->send(Adaptive::Client::request_text('GET', $path, keep => 0));
        while (time < $until) {
            sysread $client->sock, ${ $client->buffer }, 2048, length ${ $client->buffer } or last;
            sleep 0.05;
        }
        expect($client->response, 200, $length);
        return;
    };
}

1;
