package Adaptive::FastCGI;

# A small FastCGI application server: a fixed number of processes, each serving one request at a time.

use strict;
use warnings;

use Exporter 'import';
use POSIX ();

use Adaptive::Process;

our @EXPORT_OK = qw(start_fastcgi);

# Serves on the listening socket with $code->($environment, $input handle), which returns the response as CGI text.
# Returns the process ids.
sub start_fastcgi {
    my ($listener, $processes, $code) = @_;
    require FCGI;
    return map { spawn(sub { serve($listener, $code) }) } 1 .. $processes;
}

sub serve {
    my ($listener, $code) = @_;
    POSIX::dup2(fileno $listener, 0) // die "dup2: $!";    # where a FastCGI program expects its listening socket
    my (%environment, $in, $out, $err);
    ($in, $out, $err) = map { IO::Handle->new } 1 .. 3;
    my $request = FCGI::Request($in, $out, $err, \%environment);
    while ($request->Accept >= 0) {
        print {$out} $code->(\%environment, $in);
        $request->Finish;
    }
    return;
}

1;
