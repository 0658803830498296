# Two instances of a site with a share of the traffic each (adaptivectl compare --canary): every command of the recipe is run, on a
# private copy of /etc, and the figures of both servers are read.

use strict;
use warnings;

use lib 't/lib', 'ctl/lib';
use Cwd qw(abs_path);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;
use Adaptive::Files;
use Adaptive::Paths qw(httpd module_file);
use Adaptive::Process;
use Adaptive::Server ();
use Adaptive::Wait qw(ok_within);
use AdaptiveCtl::Ask;
use AdaptiveCtl::Canary;
use AdaptiveCtl::Copy;
use AdaptiveCtl::Site;

plan skip_all => 'about mpm_adaptive' if ($ENV{MPM} // 'adaptive') ne 'adaptive';

sub text_of { return Adaptive::Server::read_text($_[0]) }

sub refused { my ($code) = @_; return eval { $code->(); 1 } ? 'nothing was refused' : ref $@ ? $@->{text} : $@ }

my $AUTO = <<'AUTO';
127.0.0.1
ServerVersion: Apache/2.4.65 (Debian)
ServerMPM: event
ServerUptimeSeconds: 620
Total Accesses: 4711
CPUUser: 1.5
CPUSystem: .25
CPUChildrenUser: 2
CPUChildrenSystem: .25
Uptime: 620
BusyWorkers: 7
IdleWorkers: 43
Processes: 2
ConnsTotal: 90
Scoreboard: W__.
AUTO

subtest 'samples' => sub {
    my $event = AdaptiveCtl::Canary::sample($AUTO);
    is_deeply { map { $_ => $event->{$_} } qw(kind requests busy threads children connections uptime_s cpu_s pss_kib) },
        { kind => 'mod_status', requests => 4711, busy => 7, threads => 50, children => 2, connections => 90, uptime_s => 620, cpu_s => 4,
            pss_kib => undef }, 'of mod_status';
    my $json = '{"schema_version":1,"server":{"uptime_seconds":7.5,"parent_pid":4999999},"threads":{"running":31,"busy":23},'
        . '"requests":{"total":99,"shed_total":2,"refused_total":3},"connections":{"total":40},"children":{"list":[{},{}]}}';
    my $adaptive = AdaptiveCtl::Canary::sample($json);
    is_deeply { map { $_ => $adaptive->{$_} } qw(kind requests busy threads children connections shed uptime_s cpu_s parent_pid) },
        { kind => 'adaptive', requests => 99, busy => 23, threads => 31, children => 2, connections => 40, shed => 5, uptime_s => 7.5,
            cpu_s => undef, parent_pid => 4_999_999 },
        'of mpm_adaptive';
    my $own = AdaptiveCtl::Canary::sample($AUTO, pid => $$);
    cmp_ok $own->{pss_kib}, '>', 1000, 'memory of the processes';
    cmp_ok $own->{cpu_s}, '<', 600, 'and their processor time';
    like refused(sub { AdaptiveCtl::Canary::sample('<html>') }), qr/neither the JSON of mpm_adaptive .* nor the text of mod_status/,
        'of something else';
    like refused(sub { AdaptiveCtl::Canary::sample('{"schema_version":1,') }),
        qr/JSON of the status cannot be read: not JSON at character/, 'half a JSON';
    like refused(sub { AdaptiveCtl::Canary::sample('{"schema_version":9}') }), qr/has schema 9/, 'a schema that is not known';
};

my $is_possible = $> == 0 && -e AdaptiveCtl::Canary::SETUP() && -e '/etc/apache2/apache2.conf'
    && run_command(30, qw(unshare -m -p -f --kill-child --mount-proc true))->{status} == 0;
my @missing = grep { !-e module_file($_) } qw(remoteip mpm_event);

# --- in namespaces of its own: mounts, and processes, which all end with it -------------------------------------------

# Private copies of the directories that the recipe changes; they go with the namespace.
sub private_machine {
    my ($top, @ports) = @_;
    my @places = qw(/etc /usr/local/sbin /var/log /run /var/lib/apache2);
    for my $place (@places) {
        make_path("$top$place");
        run_command(60, 'cp', '-a', '--', "$place/.", "$top$place") if $place !~ m{/run|/log};
    }
    make_path("$top/etc/haproxy", "$top/run/lock", "$top/var/log/apache2");
    symlink abs_path('ctl/adaptivectl'), "$top/usr/local/sbin/adaptivectl";
    my $etc = "$top/etc/apache2";
    unlink glob("$etc/mods-enabled/mpm_*"), glob("$etc/mods-enabled/{php,perl,wsgi,fcgid}*"), glob("$etc/sites-enabled/*"),
        glob("$etc/conf-enabled/*");
    put_file("$etc/mods-available/mpm_adaptive.load",
        text_of('tools/mpm_adaptive.load') =~ s{\S+/mod_mpm_adaptive\.so}{module_file('mpm_adaptive')}ger);
    put_file("$etc/mods-available/mpm_adaptive.conf", text_of('tools/mpm_adaptive.conf'));
    symlink "../mods-available/$_", "$etc/mods-enabled/$_" for qw(mpm_event.load mpm_event.conf status.load);
    put_file("$etc/ports.conf", join '', map {"Listen $_\n"} @ports);
    make_path("$top/www");
    put_file("$top/www/index.html", "It serves.\n");
    put_file("$etc/sites-enabled/site.conf", join '',
        map {"<VirtualHost *:$_>\nServerName www.example.org\nDocumentRoot $top/www\nErrorDocument 404 $_\n</VirtualHost>\n"} @ports);
    put_file("$etc/conf-enabled/more.conf", <<"CONF");
ServerName main.example.org
LogFormat "%h %p \\"%r\\" %>s" short
CustomLog \${APACHE_LOG_DIR}/short.log short
CustomLog /var/log/apache2/shared.log short
<Location /server-status>
    SetHandler server-status
    Require local
</Location>
<Directory $top/www>
    Require all granted
</Directory>
CONF
    for my $place (@places) { run_command(30, 'mount', '--bind', "$top$place", $place)->{status} == 0 or die "mount $place" }
    return;
}

# What went wrong with a command: nothing, if it has done what it should.
sub ran {
    my ($command) = @_;
    my $run = run_command(90, 'sh', '-c', $command);
    return $run->{status} == 0 && !$run->{timed_out} ? '' : "$run->{status} $run->{output}";
}

sub pid_in { my ($file) = @_; my ($pid) = text_of($file) =~ /(\d+)/; return $pid }

# Everything below /etc/apache2 and what lies beside it.
sub listing { return join '', qx{find /etc /usr/local/sbin -newermt 1970-01-02 \\( -type f -o -type l \\) -printf '%p %s %l\n' | sort} }

sub get {
    my ($port, @more) = @_;
    return run_command(20, qw(curl -s --max-time 10 --noproxy *), @more, "http://127.0.0.1:$port/")->{output};
}

sub recipe_works {
    my ($front) = @_;
    my ($first, $second) = Adaptive::Server::free_ports(2);
    my $top = tempdir('adaptive-canary-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0755, $top;
    private_machine($top, $first, $second);
    is ran('apache2ctl start'), '', 'the site runs';
    my $before = listing();
    my $site = AdaptiveCtl::Site->new({ config => '/etc/apache2/apache2.conf', httpd => httpd() });
    my $copy = AdaptiveCtl::Copy->new($site, dir => "$top/copy");
    my $recipe = AdaptiveCtl::Canary::recipe($copy, share => 40, front => $front);
    my @steps = @{ $recipe->{steps} };
    my $back = pop @steps;
    my ($event, $adaptive) = @{ $recipe->{instances} };
    my $text = AdaptiveCtl::Canary::text_of($recipe);
    like $text, qr/^1\. Two instances.*^    # sh \S+setup-instance canary-event$/ms, 'is a text with commands';
    like $text, qr{^    # adaptivectl compare --canary-read event=\S+:\d+/server-status,\S+pid --canary-read adaptive=\S+sock }m, '... and the report';
    like $text, qr/^ +bind \S*:$first\b/m, '... and the addresses of the site' if $front eq 'haproxy';
    like $text, qr{more\.conf:\d+: CustomLog /var/log/apache2/shared\.log short$}m, 'a place that all would share is named';
    for my $step (@steps) {
        for my $file (@{ $step->{files} // [] }) { put_file($file->{path}, $file->{text}) }
        for my $command (grep { !/^apt-get/ } @{ $step->{commands} }) {
            is ran($command), '', "$step->{title}: $command";
        }
    }
    like get($first), qr/It serves/, 'the site still serves';
    my %pid = map { $_->{name} => pid_in("$_->{run}/apache2.pid") } @{ $recipe->{instances} };
    like text_of("/proc/$pid{'canary-event'}/maps"), qr/mod_mpm_event/, 'event is one instance';
    like text_of("/proc/$pid{'canary-adaptive'}/maps"), qr/mod_mpm_adaptive/, 'adaptive the other';
    my @direct = $front eq 'haproxy' ? '--haproxy-protocol' : ();
    like get($_->{port}{$first}, @direct), qr/It serves/, "$_->{mpm} answers at its own port" for $event, $adaptive;
    if ($front eq 'haproxy') {
        # the address of the client decides who is asked
        get($first, '--interface', "127.0.0.$_") for 1 .. 40;
        for my $instance ($event, $adaptive) {
            my %client = map { $_ => 1 } text_of("/var/log/apache2-$instance->{name}/short.log") =~ /^(127\.0\.0\.\d+) /mg;
            cmp_ok scalar keys %client, '>', 1, "$instance->{mpm} has some of the clients, and knows their addresses";
        }
    }
    my $sample = AdaptiveCtl::Canary::sample((AdaptiveCtl::Ask::exchange({ socket => "$adaptive->{run}/adaptive-status.sock" }))[1]);
    is $sample->{parent_pid}, $pid{'canary-adaptive'}, 'the state of adaptive is read';
    cmp_ok $sample->{pss_kib}, '>', 1000, 'with its memory';
    my $auto = run_command(20, qw(curl -s --max-time 10 --noproxy *), @direct,
        "http://127.0.0.1:$event->{port}{$first}/server-status?auto")->{output};
    is AdaptiveCtl::Canary::sample($auto, pid => $pid{'canary-event'})->{kind}, 'mod_status', 'so is that of event' or diag $auto;

    for my $command (@{ $back->{commands} }) {
        is ran($command), '', "back: $command";
    }
    ok_within { get($first) =~ /It serves/ } 20, 'the site serves as before';
    ok_within { !grep { kill 0, $_ } values %pid } 30, 'the instances have ended';
    is listing(), $before, 'and nothing of them is left';
    is ran('apache2ctl stop'), '', 'the site ends';
    my $pid_file = '/run/apache2/apache2.pid';
    ok_within { !-e $pid_file } 30, 'its process as well';
    return;
}

if (my $front = $ENV{ADAPTIVE_CANARY_FRONT}) {
    recipe_works($front);
    done_testing;
    exit !Test::More->builder->is_passing;
}

for my $front (qw(haproxy balancer)) {
    subtest "the recipe with $front" => sub {
        plan skip_all => 'needs root, Debian\'s apache2 and namespaces of its own' if !$is_possible;
        plan skip_all => "this httpd is without @missing" if @missing;
        plan skip_all => 'needs haproxy' if $front eq 'haproxy' && !have_command('haproxy');
        plan skip_all => 'needs curl' if !have_command('curl');
        local $ENV{ADAPTIVE_CANARY_FRONT} = $front;
        # the shell reaps processes whose parent has ended
        my $run = run_command(280, qw(unshare -m -p -f --kill-child --mount-proc), 'sh', '-c', '"$@"; exit $?', 'sh', $^X, $0);
        is $run->{status}, 0, 'each of its commands works' or diag $run->{output};
        note $run->{output};
    };
}

subtest 'where there is no recipe' => sub {
    my $root = tempdir('adaptive-site-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    put_file("$root/httpd.conf", "ServerRoot $root\nLoadModule mpm_event_module " . module_file('mpm_event') . "\nListen 8080\n");
    my $copy = AdaptiveCtl::Copy->new(AdaptiveCtl::Site->new({ config => "$root/httpd.conf", httpd => httpd() }), dir => "$root/copy");
    like refused(sub { AdaptiveCtl::Canary::recipe($copy) }),
        qr{for Debian's /etc/apache2, and this server's configuration is \Q$root\E/httpd\.conf}, 'another layout';
    like refused(sub { AdaptiveCtl::Canary::recipe($copy, share => 100) }), qr/--share 100 is not/, 'everything is no share';
    like refused(sub { AdaptiveCtl::Canary::recipe($copy, front => 'nginx') }), qr/--front nginx: haproxy or balancer/,
        'something else in front';
};

done_testing;
