package Adaptive::Server;

# A private httpd with the MPM under test: its own server root in a temporary directory, free ports of 127.0.0.1, and nothing
# left behind, however the test ends.

use strict;
use warnings;

use Carp qw(croak);
use Exporter 'import';
use File::Copy qw(copy);
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX ();
use Socket qw(AF_UNIX SOCK_DGRAM pack_sockaddr_un);
use Test::Builder;
use Time::HiRes qw(sleep time);

use Adaptive::HTTP;
use Adaptive::Paths qw(build_dir httpd is_static module_file mpm);
use Adaptive::Wait;

our @EXPORT = (qw(mpm wait_for), @Adaptive::HTTP::EXPORT);

# Long enough for a machine that is busy with something else.
use constant { START_SECONDS => 15, STOP_SECONDS => 20, PORTS => 3 };

my @BASE_MODULES = qw(authz_core dir mime alias log_config env headers unixd);

# All living servers of this process, so that END finds them; weak, so that DESTROY still runs.
my %living;

# Pauses asked for so far.
my $pauses = 0;

# Ports that this process has for its servers, each with what keeps other tests from them.
my %reserved;

# See the fields below for what can be said; the values of mpm_conf and conf may contain @PORT@, @PORT2@, @PORT3@, @ROOT@ and
# @DOCROOT@; @CGI@ is what it takes to run scripts of the server root as /cgi/ (module cgid).
sub new {
    my ($class, %opt) = @_;
    my $self = bless {
        modules     => [],          # beyond the base set, by name: status, ssl, ...
        mpm         => mpm(),       # a list loads several, an empty one none
        mpm_conf    => '',          # right after the LoadModule line of the MPM
        conf        => '',          # at the end
        listen      => 1,           # 0: conf has its own Listen lines
        foreground  => 1,           # 0: the server detaches (or args say what it does)
        test_module => 0,           # loads mod_adaptive_test
        hooked      => 0,           # the build with pauses and faults: pause_at, fault (src/base/testhook.h)
        sanitized   => 0,           # the build under AddressSanitizer and UBSan: sanitizer_reports
        defines     => [],
        args        => [],
        env         => {},
        rlimit      => {},          # names as prlimit(1) has them: nofile, nproc
        wrapper     => [],          # a command line to start httpd with
        owner       => $$,
        mark        => 0,
        %opt,
    }, $class;
    $self->{root}  = tempdir('adaptive-XXXXXXXX', TMPDIR => 1);
    $self->{ports} = [ free_ports(PORTS) ];
    $living{$self} = $self;
    require Scalar::Util;
    Scalar::Util::weaken($living{$self});
    $self->make_root;
    $self->write_conf;
    return $self;
}

# Below the range that the kernel takes for outgoing connections, so that no client of another test grabs one meanwhile. They
# are this process's until it ends, or gives them back.
sub free_ports {
    my ($wanted) = @_;
    my @free;
    for (1 .. 1000) {
        my $port = 12_000 + int rand 20_000;
        next if !reserve($port);
        if (IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1)) {
            push @free, $port;
            return @free if @free == $wanted;
        }
        else {
            give_back($port);
        }
    }
    croak 'no free ports';
}

# A port that a server is to take later cannot be held by a socket of its own. What holds it is a name for which all tests that
# run at the same time compete: one of a unix socket without a file, which goes with its process, whatever ends that.
sub reserve {
    my ($port) = @_;
    return 0 if $reserved{$port};
    socket my $name, AF_UNIX, SOCK_DGRAM, 0 or croak "socket: $!";
    bind $name, pack_sockaddr_un("\0adaptive-test-port-$port") or return 0;
    $reserved{$port} = $name;
    return 1;
}

sub give_back {
    delete @reserved{@_};
    return;
}

sub make_root {
    my ($self) = @_;
    my $root = $self->{root};
    make_path(map {"$root/$_"} qw(conf logs run htdocs tmp));
    chmod 0755, $root;
    chmod 01777, "$root/tmp";
    make_path("$root/hooks");
    chmod 01777, "$root/hooks";
    write_file("$root/htdocs/index.html", "<html>It serves.</html>\n");
    write_file("$root/htdocs/1k.html", 'x' x 1023 . "\n");
    write_file("$root/conf/mime.types", "text/html html\ntext/plain txt\napplication/octet-stream bin\n");
    return;
}

sub write_file {
    my ($path, $text) = @_;
    open my $file, '>', $path or croak "$path: $!";
    print $file $text;
    close $file or croak "$path: $!";
    return;
}

sub read_text {
    my ($path) = @_;
    open my $file, '<', $path or return '';
    local $/;
    return scalar(<$file>) // '';
}

# Writes the configuration again, for a restart: what is named replaces what new() was told.
sub write_conf {
    my ($self, %change) = @_;
    @$self{ keys %change } = values %change;
    my $text = $self->conf_text;
    my @port = @{ $self->{ports} };
    my %value = (
        PORT => $port[0], PORT2 => $port[1], PORT3 => $port[2], ROOT => $self->root, DOCROOT => $self->docroot);
    $text =~ s/\@CGI\@/cgi_conf()/eg;
    $text =~ s/\@(PORT[23]?|ROOT|DOCROOT)\@/$value{$1}/g;
    write_file($self->conf_file, $text);
    return $self;
}

# Which build of ours it loads.
sub variant {
    my ($self) = @_;
    return 'mpm_adaptive hooked'    if $self->{hooked};
    return 'mpm_adaptive sanitized' if $self->is_sanitized;
    return 'mpm_adaptive';
}

# Under `make asan` everything is.
sub is_sanitized { return $_[0]{sanitized} && mpm() eq 'adaptive' && !$ENV{ADAPTIVE_PRELOAD} }

# The environment in which our objects run under the sanitizers; Makefile.apxs says why these options.
sub sanitizer_env {
    my ($self) = @_;
    my $log = "$self->{root}/sanitizer";
    make_path($log);
    chmod 01777, $log;
    chomp(my @libraries = map {qx{cc -print-file-name=lib$_.so}} qw(asan ubsan));
    return (
        LD_PRELOAD    => join(':', @libraries),
        ASAN_OPTIONS  => "detect_leaks=0:halt_on_error=1:handle_segv=2:handle_sigbus=2:log_path=$log/asan",
        UBSAN_OPTIONS => "print_stacktrace=1:halt_on_error=1:log_path=$log/ubsan",
    );
}

# What they have reported so far.
sub sanitizer_reports { return map { read_text($_) } glob "$_[0]{root}/sanitizer/*" }

# A server loads its modules anew on each restart: of ours it gets copies, which no build replaces meanwhile.
sub module_path {
    my ($self, $name) = @_;
    my $built = module_file($name eq 'mpm_adaptive' ? $self->variant : $name);
    return $built if index($built, build_dir()) != 0;
    my $copy = "$self->{root}/conf/mod_$name.so";
    -e $copy or copy($built, $copy) or croak "$built: $!";
    return $copy;
}

sub load_lines {
    my ($self, @names) = @_;
    return join '', map { is_static($_) ? () : "LoadModule ${_}_module " . $self->module_path($_) . "\n" } @names;
}

sub conf_text {
    my ($self) = @_;
    my %seen;
    my @mpms    = map {"mpm_$_"} ref $self->{mpm} ? @{ $self->{mpm} } : $self->{mpm};
    my @modules = grep { !$seen{$_}++ } @BASE_MODULES, @{ $self->{modules} };
    push @modules, 'adaptive_test' if $self->{test_module};
    my $user   = $> == 0              ? "User www-data\nGroup www-data\n" : '';
    my $listen = $self->{listen}      ? "Listen 127.0.0.1:\@PORT\@\n"     : '';
    my $status = $seen{status}        ? status_conf()                     : '';
    return <<"CONF" . $self->{conf} . "\n";
ServerRoot "\@ROOT\@"
DefaultRuntimeDir "\@ROOT\@/run"
PidFile "\@ROOT\@/run/httpd.pid"
ErrorLog "\@ROOT\@/logs/error_log"
@{[$self->load_lines(@mpms)]}$self->{mpm_conf}
@{[$self->load_lines(@modules)]}
ServerName localhost
$listen$user
LogLevel warn
LogFormat "%h %P \\"%r\\" %>s %B" test
CustomLog "\@ROOT\@/logs/access_log" test
TypesConfig "\@ROOT\@/conf/mime.types"
DocumentRoot "\@DOCROOT\@"
<Directory "\@DOCROOT\@">
    Require all granted
</Directory>
$status
CONF
}

# Scripts of mod_cgid, in the server root, as /cgi/.
sub cgi_conf {
    return <<'CONF' =~ s/\n\z//r;
ScriptSock @ROOT@/cgisock
ScriptAlias /cgi/ @ROOT@/
<Directory "@ROOT@">
    Require all granted
</Directory>
CONF
}

sub status_conf {
    return <<'CONF';
ExtendedStatus On
<Location "/server-status">
    SetHandler server-status
</Location>
CONF
}

sub root      { return $_[0]{root} }
sub docroot   { return "$_[0]{root}/htdocs" }
sub conf_file { return "$_[0]{root}/conf/httpd.conf" }
sub port      { return $_[0]{ports}[ ($_[1] // 1) - 1 ] }
sub url       { return 'http://127.0.0.1:' . $_[0]->port . $_[1] }
sub pid       { return $_[0]{pid} }

# --- pauses and faults of the hooked build -------------------------------------------------------------------------

# From now on every thread that comes to ADP_PAUSE(name) waits there until release(name).
sub pause_at {
    my ($self, $name) = @_;
    unlink "$self->{root}/hooks/at.$name";
    # The size tells one pause from the next: who still waits for the last one to end goes on, though it never looks between the two.
    my $file = "$self->{root}/hooks/pause.$name";
    write_file("$file.new", 'x' x ++$pauses);
    rename "$file.new", $file or die "$file: $!";
    return;
}

# Waits until a thread is there: its process.
sub wait_paused {
    my ($self, $name, $seconds) = @_;
    my ($pid) = wait_for { read_text("$self->{root}/hooks/at.$name") =~ /^(\d+)$/m ? $1 : 0 } $seconds, "a thread to pause at $name";
    return $pid;
}

# How many threads have come there since pause_at.
sub paused {
    my ($self, $name) = @_;
    return scalar(() = read_text("$self->{root}/hooks/at.$name") =~ /^\d+$/mg);
}

sub release {
    my ($self, @names) = @_;
    unlink map {"$self->{root}/hooks/pause.$_"} @names;
    return;
}

# ADP_FAULT(name) is true from now on, or no longer.
sub fault {
    my ($self, $name, $on) = @_;
    my $file = "$self->{root}/hooks/fault.$name";
    return $on ? write_file($file, '') : unlink $file;
}

# What the server wrote to its console: everything before it has opened its error log.
sub output { return read_text("$_[0]{root}/logs/console") }

sub error_log { return read_text("$_[0]{root}/logs/error_log") }

sub access_log { return read_text("$_[0]{root}/logs/access_log") }

sub log_mark {
    my ($self) = @_;
    return $self->{mark} = -s "$self->{root}/logs/error_log" // 0;
}

sub log_since_mark {
    my ($self) = @_;
    my $log = $self->error_log;
    return length $log > $self->{mark} ? substr $log, $self->{mark} : '';
}

# Waits until the error log, from the last log_mark on, has a match; returns that part of the log.
sub wait_log {
    my ($self, $pattern, $seconds) = @_;
    return wait_for { my $log = $self->log_since_mark; $log =~ $pattern ? $log : '' } $seconds, "the log to have $pattern";
}

sub command_line {
    my ($self, @args) = @_;
    my @limits = map {"--$_=$self->{rlimit}{$_}"} sort keys %{ $self->{rlimit} };
    return (
        @limits ? ('prlimit', @limits) : (),
        @{ $self->{wrapper} },
        httpd(), '-d', $self->root, '-f', $self->conf_file, (map {"-D$_"} @{ $self->{defines} }), @args);
}

# Forks a process that becomes httpd with its console in the given file.
sub spawn_httpd {
    my ($self, $console, @args) = @_;
    my @command = $self->command_line(@args);
    my $pid = fork // croak "fork: $!";
    return $pid if $pid;
    $self->{owner} = 0;
    # Signals from the terminal are for the test, which then stops the server.
    setpgrp;
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE USR1 WINCH);
    delete @ENV{qw(LD_PRELOAD PERL5LIB)};
    $ENV{ADP_HOOK_DIR} = "$self->{root}/hooks" if $self->{hooked};
    my %sanitizer = $self->is_sanitized ? $self->sanitizer_env : ();
    @ENV{ keys %sanitizer } = values %sanitizer;
    @ENV{ keys %{ $self->{env} } } = values %{ $self->{env} };
    $ENV{LD_PRELOAD} = join ':', grep {defined} $ENV{ADAPTIVE_PRELOAD}, $ENV{LD_PRELOAD} if $ENV{ADAPTIVE_PRELOAD};
    # Marks all processes of this server, whatever becomes of them.
    $ENV{ADAPTIVE_SERVER} = $self->root;
    open STDIN, '<', '/dev/null';
    open STDOUT, '>>', $console;
    open STDERR, '>&', \*STDOUT;
    no warnings 'exec';
    exec { $command[0] } @command;
    print STDERR "exec $command[0]: $!\n";
    POSIX::_exit(127);
}

# Runs httpd to its end, for -t and the like: { status, output }.
sub run_httpd {
    my ($self, @args) = @_;
    my $console = "$self->{root}/logs/run_httpd";
    unlink $console;
    my $pid = $self->spawn_httpd($console, @args);
    my $status;
    wait_for { waitpid($pid, POSIX::WNOHANG()) == $pid ? (($status = $?), 1)[1] : 0 } START_SECONDS, "httpd @args to end"
        or kill 'KILL', $pid;
    my $output = read_text($console);
    keep_sanitizer_reports($output);
    return { status => defined $status ? $status >> 8 || $status : 255, output => $output };
}

# Starts the server: true when it listens and a child has threads; false when it does not get there (see output, error_log).
sub try_start {
    my ($self) = @_;
    croak 'started already' if $self->{started} && $self->tree_pids;
    delete @$self{qw(pid exit_status)};
    unlink "$self->{root}/run/httpd.pid", "$self->{root}/logs/console";
    $self->{mark}    = -s "$self->{root}/logs/error_log" // 0;
    $self->{started} = $self->spawn_httpd(
        "$self->{root}/logs/console", @{ $self->{args} }, $self->{foreground} ? '-DFOREGROUND' : ());
    my $outcome = wait_for {
        $self->is_up ? 'up' : defined $self->exit_status && ($self->{foreground} || $self->{exit_status}) ? 'ended' : '';
    } START_SECONDS, 'the server to start';
    return $outcome eq 'up';
}

sub start {
    my ($self) = @_;
    return $self if $self->try_start;
    my $console = $self->output;
    my @log     = split /^/, $self->log_since_mark;
    $self->kill_all;
    croak "the server did not start\n$console" . join '', @log > 40 ? @log[ -40 .. -1 ] : @log;
}

sub is_up {
    my ($self) = @_;
    my ($pid) = read_text("$self->{root}/run/httpd.pid") =~ /\A(\d+)\n/ or return 0;
    kill 0, $pid or return 0;
    $self->{pid} = $pid;
    return 0 if $self->{listen} && !is_listening($self->port);
    return threads_of($pid) > 1 || $self->child_pids > 0;
}

# From the kernel's table: a connection made to find out would be counted by the server.
sub is_listening {
    my ($port) = @_;
    my $hex = sprintf '%04X', $port;
    return (read_text('/proc/net/tcp') . read_text('/proc/net/tcp6')) =~ /^\s*\d+: [0-9A-F]+:$hex [0-9A-F]+:0000 0A /m;
}

# The server's own status as wait(2) has it, once it has ended (of a server that detached: that of the process we started).
sub exit_status {
    my ($self) = @_;
    if (!defined $self->{exit_status} && $self->{started} && waitpid($self->{started}, POSIX::WNOHANG()) == $self->{started}) {
        $self->{exit_status} = $?;
    }
    return $self->{exit_status};
}

sub alive {
    my ($self) = @_;
    $self->exit_status;
    return $self->{pid} && kill(0, $self->{pid}) ? 1 : 0;
}

sub stat_of {
    my ($pid) = @_;
    my ($state, $ppid, $threads) = read_text("/proc/$pid/stat") =~ /\A\d+ \(.*\) (\w) (\d+) (?:\S+ ){15}(\d+)/s or return;
    return { state => $state, ppid => $ppid, threads => $threads };
}

sub threads_of {
    my ($pid) = @_;
    my $stat = stat_of($pid);
    return $stat && $stat->{state} ne 'Z' ? $stat->{threads} : 0;
}

sub all_children {
    my ($self) = @_;
    return split ' ', read_text("/proc/$self->{pid}/task/$self->{pid}/children");
}

# Without those that the parent has for itself: the desk, which shows the server's state, and who reads the next configuration.
sub direct_children {
    my ($self) = @_;
    return grep { read_text("/proc/$_/comm") ne "adp-desk\n" && read_text("/proc/$_/cmdline") !~ /\0-t\0/ } $self->all_children;
}

sub desk_pids {
    my ($self) = @_;
    return grep { read_text("/proc/$_/comm") eq "adp-desk\n" } $self->all_children;
}

# The server's children that serve. Their threads tell them from the processes of other modules (mod_cgid's daemon, piped logs).
sub child_pids {
    my ($self) = @_;
    return grep { threads_of($_) > 1 } $self->direct_children;
}

# Which of these children are not there any more; there may be others besides.
sub ended_of {
    my ($self, @children) = @_;
    my %lives = map { $_ => 1 } $self->child_pids;
    return grep { !$lives{$_} } @children;
}

# All its processes, until go_on().
sub stand_still {
    my ($self) = @_;
    my @pids = $self->tree_pids;
    kill 'STOP', @pids;
    wait_for { @pids == grep { stat_of($_)->{state} eq 'T' } @pids } 15, 'the server to stand still';
    $self->{stopped} = \@pids;
    return;
}

sub go_on { my ($self) = @_; kill 'CONT', @{ delete $self->{stopped} }; return }

# The server's other children: processes of modules.
sub daemon_pids {
    my ($self) = @_;
    my %child = map { $_ => 1 } $self->child_pids;
    return grep { !$child{$_} } $self->direct_children;
}

sub zombie_pids {
    my ($self) = @_;
    return grep { my $stat = stat_of($_); $stat && $stat->{state} eq 'Z' } $self->all_children;
}

# Every living process that descends from the server, also those that were detached from it.
sub tree_pids {
    my ($self) = @_;
    my $sign = "ADAPTIVE_SERVER=$self->{root}\0";
    return grep { $_ != $$ && index(read_text("/proc/$_/environ"), $sign) >= 0 } map { m{/(\d+)\z} } glob '/proc/[0-9]*';
}

sub signal {
    my ($self, $name) = @_;
    return kill $name, $self->{pid};
}

# Graceful restart; true when a child of the new generation is there and, as far as mod_status can tell, serves.
sub graceful { return $_[0]->renew('USR1') }

sub restart { return $_[0]->renew('HUP') }

sub renew {
    my ($self, $signal) = @_;
    my %old = map { $_ => 1 } $self->child_pids;
    my $generation = $self->generation;
    $self->signal($signal);
    return wait_for {
        (grep { !$old{$_} } $self->child_pids) && (!defined $generation || ($self->generation // -1) > $generation);
    } START_SECONDS, "new children after $signal";
}

sub generation {
    my ($self) = @_;
    return if !$self->{listen} || !grep { $_ eq 'status' } @{ $self->{modules} };
    return $self->auto->{ParentServerMPMGeneration};
}

# mod_status' ?auto as a hash.
sub auto {
    my ($self) = @_;
    my $body = http_get($self->url('/server-status?auto'))->{body};
    return { $body =~ /^([^:\n]+): ?(.*)$/mg };
}

# TERM; true when the whole process tree has gone by itself in time.
sub stop {
    my ($self) = @_;
    return 1 if !$self->{started};
    $self->signal('TERM') if $self->{pid};
    my $gone = $self->wait_gone(STOP_SECONDS);
    $self->kill_all;
    return $gone;
}

sub wait_gone {
    my ($self, $seconds) = @_;
    return wait_for { defined $self->exit_status && !$self->tree_pids } $seconds, 'all processes of the server to end';
}

sub kill_all {
    my ($self) = @_;
    my @pids;
    my $deadline = time + 5;
    while ((@pids = $self->tree_pids) && time < $deadline) {
        kill 'KILL', @pids;
        $self->exit_status;
        sleep 0.02;
    }
    $self->exit_status;
    delete $self->{started};
    return;
}

# A sanitizer's report may have gone to a file that is about to be deleted: it is kept where `make asan` looks.
sub keep_sanitizer_reports {
    my (@texts) = @_;
    my $dir     = $ENV{ADAPTIVE_SANITIZER_DIR} or return;
    my @reports = grep {/ERROR: \w+Sanitizer|: runtime error: /} map { split /^/ } @texts;
    write_file("$dir/log-$$-" . time, join '', @reports) if @reports;
    return;
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$ || $self->{destroyed}++;
    local ($?, $@, $!);
    if ($self->{started}) {
        $self->signal('TERM') if $self->{pid};
        my $deadline = time + 5;
        while ($self->tree_pids && time < $deadline) {
            $self->exit_status;
            sleep 0.02;
        }
        $self->kill_all;
    }
    keep_sanitizer_reports($self->error_log, $self->output);
    if ($ENV{ADAPTIVE_KEEP}) {
        Test::Builder->new->diag("server root kept: $self->{root}");
    }
    else {
        remove_tree($self->{root}, { safe => 0, error => \my $ignored });
    }
    give_back(@{ $self->{ports} });
    delete $living{$self};
    return;
}

END {
    local $?;
    $_->DESTROY for grep {defined} values %living;
}

# An interrupted test ends through END.
for my $name (qw(INT TERM HUP)) {
    $SIG{$name} = sub { exit 128 + POSIX->can("SIG$name")->() };
}

1;
