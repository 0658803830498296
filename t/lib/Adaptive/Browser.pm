package Adaptive::Browser;

# A headless Chromium, driven by chromedriver (W3C WebDriver, JSON over HTTP).

use strict;
use warnings;

use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 qw(decode_base64);

use Adaptive::Process qw(have_command spawn finish);
use Adaptive::Wait;

use constant { SECONDS => 60 };

my @PROGRAMS = qw(chromedriver chromium);

# Why there is none, '' if there is.
sub missing {
    my @missing = grep { !have_command($_) } @PROGRAMS;
    return @missing ? 'not installed: ' . join(', ', @missing) . ' (Debian: chromium-driver)' : '';
}

sub new {
    my ($class, %option) = @_;
    my $listener = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no port: $!";
    my $port = $listener->sockport;
    close $listener;
    my $self = bless { base => "http://127.0.0.1:$port", http => HTTP::Tiny->new(timeout => SECONDS, no_proxy => ['127.0.0.1']), dir => $option{dir} }, $class;
    $self->{driver} = spawn(sub {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        exec 'chromedriver', "--port=$port" or die;
    });
    wait_for { $self->{http}->get("$self->{base}/status")->{success} } SECONDS, 'chromedriver' or return;
    my @size = @{ $option{size} // [ 1280, 900 ] };
    my $session = $self->call(POST => '/session', { capabilities => { alwaysMatch => {
        browserName            => 'chrome',
        'goog:loggingPrefs'    => { browser => 'ALL' },
        'goog:chromeOptions'   => { binary => '/usr/bin/chromium', args => [ '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
            '--hide-scrollbars', '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1', "--window-size=$size[0],$size[1]", ($option{dir} ? "--user-data-dir=$option{dir}" : ()) ] },
    } } });
    $self->{session} = "/session/$session->{sessionId}";
    return $self;
}

# The value of the answer; an error dies.
sub call {
    my ($self, $method, $path, $body) = @_;
    my $answer = $self->{http}->request($method, $self->{base} . $path,
        { headers => { 'Content-Type' => 'application/json' }, $method eq 'POST' ? (content => JSON::PP::encode_json($body // {})) : () });
    my $value = eval { JSON::PP::decode_json($answer->{content})->{value} };
    die "chromedriver: $method $path: " . (ref $value eq 'HASH' ? $value->{message} : $answer->{content}) . "\n" if !$answer->{success};
    return $value;
}

sub go { my ($self, $url) = @_; return $self->call(POST => "$self->{session}/url", { url => $url }) }

# What a piece of JavaScript returns in the page.
sub js { my ($self, $code, @args) = @_; return $self->call(POST => "$self->{session}/execute/sync", { script => $code, args => \@args }) }

sub cdp { my ($self, $command, $params) = @_; return $self->call(POST => "$self->{session}/goog/cdp/execute", { cmd => $command, params => $params // {} }) }

# A window of that size, as a phone has it: no narrower than the viewport that the page asks for.
sub resize {
    my ($self, $width, $height, $is_mobile) = @_;
    return $self->cdp('Emulation.setDeviceMetricsOverride', { width => $width, height => $height, deviceScaleFactor => 1, mobile => $is_mobile ? JSON::PP::true : JSON::PP::false });
}

sub dark { my ($self, $scheme) = @_; return $self->cdp('Emulation.setEmulatedMedia', { features => [ { name => 'prefers-color-scheme', value => $scheme // 'dark' } ] }) }

# What the console has said since the last call: violations of the policy and failed loads, too.
sub console { my ($self) = @_; return map {"$_->{level}: $_->{message}"} @{ $self->call(POST => "$self->{session}/se/log", { type => 'browser' }) } }

sub press { my ($self, @keys) = @_; $self->cdp('Input.dispatchKeyEvent', { type => $_->[1], key => $_->[0], code => $_->[0], windowsVirtualKeyCode => $_->[2] }) for map { my $k = $_; map { [ $k->[0], $_, $k->[1] ] } qw(keyDown keyUp) } @keys; return }

# The whole page as a PNG file, or so much of its top: [width, height].
sub picture {
    my ($self, $file, $size) = @_;
    my $clip = $size ? { clip => { x => 0, y => 0, width => $size->[0], height => $size->[1], scale => 1 } } : {};
    my $png = $self->cdp('Page.captureScreenshot', { captureBeyondViewport => JSON::PP::true, %$clip })->{data};
    open my $out, '>:raw', $file or die "$file: $!";
    print {$out} decode_base64($png);
    close $out or die "$file: $!";
    return;
}

sub quit {
    my ($self) = @_;
    eval { $self->call(DELETE => $self->{session}) } if $self->{session};
    kill 'TERM', $self->{driver} if $self->{driver};
    waitpid $self->{driver}, 0 if $self->{driver};
    delete @$self{qw(session driver)};
    return;
}

sub DESTROY { local ($@, $?, $!); $_[0]->quit if $_[0]{driver}; return }

1;
