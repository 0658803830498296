# make run: wherever somebody has cloned to, the sample site works, or it says why not before it starts.

use strict;
use warnings;

use lib 't/lib';
use Adaptive::HTTP;
use Adaptive::Paths qw(build_dir httpd libexecdir);
use Adaptive::Process;
use Adaptive::Server ();
use Adaptive::Wait;
use Cwd qw(getcwd);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};

# As make has it: relative to the checkout, in whose name there may be a blank, which make would not bear.
my $BUILD = $ENV{ADAPTIVE_BUILD} // '.build';
my @SCRIPT = ('sh', getcwd() . '/tools/sample-site.sh');

# Neither of which others may enter, as /root.
sub closed_dir {
    my ($name) = @_;
    my $dir = tempdir('adaptive-XXXXXXXX', TMPDIR => 1, CLEANUP => 1) . "/$name";
    make_path($dir);
    chmod 0700, $dir;
    return $dir;
}

sub environment {
    my ($port) = @_;
    my $preload = $ENV{ADAPTIVE_PRELOAD};
    return (MODULE => build_dir() . '/mod_mpm_adaptive.so', LIBEXECDIR => libexecdir(), PORT => $port, HTTPD => httpd(),
        $preload ? (LD_PRELOAD => $preload) : ());
}

# What it says until it serves, and the page that it serves.
sub serve {
    my ($dir, $port) = @_;
    my $console = "$dir/console";
    local %ENV = (%ENV, environment($port));
    my $pid = spawn(sub {
        open STDOUT, '>', $console or die "$console: $!";
        open STDERR, '>&', \*STDOUT;
        chdir $dir or die "$dir: $!";
        exec @SCRIPT, 'run' or die "sh: $!";
    });
    my $page = '';
    wait_for { ($page = http_get("http://127.0.0.1:$port/"))->{status} } 20, 'an answer';
    my $log = Adaptive::Server::read_text($console);
    finish($pid);
    return { page => $page, said => $log };
}

subtest 'in a directory that is closed to others and has a blank in its name' => sub {
    my ($port) = Adaptive::Server::free_ports(1);
    my $served = serve(closed_dir('a clone'), $port);
    is $served->{page}{status}, 200, 'the page is served' or diag $served->{said};
    like $served->{said}, qr{^ +http://127\.0\.0\.1:$port/$}m, 'where is said';
    like $served->{said}, qr{cannot reach .*/a clone/run-$port: serving from /}, 'and that it is served from elsewhere' if $> == 0;
    my ($target) = $served->{page}{body} =~ /<code>make -f Makefile\.apxs (\w+) PORT=$port</;
    ok $target, 'the page says how to put load on it, with the right port' or return;
    my $dry = run_command(60, 'make', '-n', '-f', 'Makefile.apxs', $target, "PORT=$port");
    is $dry->{status}, 0, 'which this makefile knows' or diag $dry->{output};
};

subtest 'nowhere to serve from' => sub {
    plan skip_all => 'only root has to serve as another user' if $> != 0;
    my $dir = closed_dir('clone');
    my ($port) = Adaptive::Server::free_ports(1);
    local %ENV = (%ENV, environment($port), TMPDIR => $dir);
    my $result = run_command(30, @SCRIPT, "$dir/run");
    isnt $result->{status}, 0, 'is refused';
    like $result->{output}, qr{can reach neither \Q$dir/run-$port\E nor \Q$dir\E/.*chmod o\+x.*TMPDIR=}s, 'with the reason and a remedy';
    unlike $result->{output}, qr/Serving/, 'before anything is served';
};

subtest 'make without a word' => sub {
    my $result = run_command(60, 'make', '-n', "BUILD=$BUILD");
    is $result->{status}, 0, 'is make all' or diag $result->{output};
    my $run = run_command(60, 'make', '-n', 'run', "BUILD=$BUILD");
    like $run->{output}, qr/packages\.sh run/, 'and other targets are there too';
};

done_testing;
