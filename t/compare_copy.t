# The private copy of a site (adaptivectl compare): it serves what the original serves, and writes nowhere but into its own directory.

use strict;
use warnings;

use lib 't/lib', 'ctl/lib';
use File::Temp qw(tempdir);
use Test::More;
use Adaptive::Files;
use Adaptive::Paths qw(httpd libexecdir module_file);
use Adaptive::Process;
use Adaptive::Server ();
use Adaptive::Tree;
use Adaptive::Wait qw(ok_within);
use Adaptive::WholeSite;
use AdaptiveCtl::Copy;
use AdaptiveCtl::Site;

plan skip_all => 'about mpm_adaptive' if ($ENV{MPM} // 'adaptive') ne 'adaptive';
plan skip_all => 'needs curl' if !have_command('curl');
plan skip_all => 'this httpd is without ' . Adaptive::WholeSite::missing() if Adaptive::WholeSite::missing();

sub copy_of {
    my ($config) = @_;
    my $dir = tempdir('adaptive-copy-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $site = AdaptiveCtl::Site->new({ config => $config, httpd => httpd() });
    return (AdaptiveCtl::Copy->new($site, dir => $dir), $dir);
}

# A site of a few lines, which is only read.
sub small_site {
    my ($lines) = @_;
    my $root = tempdir('adaptive-site-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0755, $root;
    mkdir "$root/$_" for qw(conf more);
    my @modules = map { Adaptive::WholeSite::load_line($_) } qw(mpm_event authz_core authz_host log_config proxy proxy_http);
    put_file("$root/conf/httpd.conf", join '', qq{ServerRoot "$root"\n}, @modules, "ServerName main.example.org\n", $lines);
    return $root;
}

sub text_of { return Adaptive::Server::read_text($_[0]) }

sub notes_like {
    my ($copy, $kind, $pattern, $name) = @_;
    my @notes = map {"$_->{kind}: $_->{text}"} $copy->notes;
    return ok((grep {/\A$kind: .*$pattern/} @notes), $name) || diag join "\n", @notes;
}

my $w = Adaptive::WholeSite->new;
my ($port, $tls) = @$w{qw(port tls_port)};
my @urls = (
    (map {"http://www.example.org:$port$_"} '/', '/folder', '/short', '/missing', '/mapped/folder', '/backend/x?y=1', '/unix/z',
        '/self/folder/', '/port.cgi',
        '/wsgi'),
    "http://other.example.net:$port/", "http://macro.example.org:$port/", "http://macro.example.org:$port/away/x",
    "https://www.example.org:$tls/",
);

my (%original, @original_at_address, $original_without_port);
subtest 'the original' => sub {
    my $pid = $w->start;
    for my $url (@urls) { $original{$url} = $w->answer($url, '127.0.0.1', $url =~ /\Ahttps/ ? $tls : $port) }
    $original_without_port = $w->answer("http://www.example.org:$port/port.cgi", '127.0.0.1', $port, '-H', 'Host: www.example.org');
    push @original_at_address, $w->answer("http://www.example.org:$port/", '127.0.0.2', $port);
    like $original{"http://www.example.org:$port/short"}, qr/\A200\n.*x-from-htaccess: yes.*This is app/s, 'has .htaccess';
    like $original{"http://www.example.org:$port/mapped/folder"}, qr/\A200\n.*A folder/s, 'has a map';
    like $original{"http://www.example.org:$port/folder"}, qr{^location: http://www\.example\.org:$port/folder/}m, 'redirects to its port';
    like $original_at_address[0], qr/This is address/, 'tells addresses apart';
    like $original{"https://www.example.org:$tls/"}, qr/This is tls/, 'speaks TLS';
    is_deeply [ grep { $original{$_} =~ /\Acurl/ } @urls ], [], 'answers everything';
    # a server that does not run writes nothing
    ok $w->stop_server($pid), 'ends';
};

for my $mpm (qw(event adaptive)) {
    subtest "its copy under mpm_$mpm" => sub {
        my $before = $w->state;
        my ($copy, $dir) = copy_of($w->config);
        my $server = $copy->write(root => "$dir/$mpm", mpm => $mpm, module => module_file('mpm_adaptive'));
        is $server->{ports}{$port}, ($copy->target_of("http://www.example.org:$port/"))[0]{private_port},
            'has one port for the usual address';
        my $pid = $w->start_server($server->{env}, $server->{pid_file}, @{ $server->{command} });
        like text_of("/proc/$pid/maps"), qr/mod_mpm_$mpm\.so/, 'runs';
        unlike text_of("/proc/$pid/maps"), qr/mod_mpm_(?!$mpm)\w+\.so/, 'with this MPM alone';
        for my $url (@urls) {
            my ($target, $why) = $copy->target_of($url);
            next if !ok $target, "$url is somebody's" or !$target && diag $why;
            is $w->answer($url, '127.0.0.1', $target->{private_port}), $original{$url}, "$url: the same answer";
        }
        is $w->answer("http://www.example.org:$port/port.cgi", '127.0.0.1', $server->{ports}{$port}, '-H', 'Host: www.example.org'),
            $original_without_port, 'the port that a script sees without one in Host';
        my ($address) = grep { $_->{address} eq '127.0.0.2' } $copy->sites;
        is $w->answer("http://www.example.org:$port/", '127.0.0.1', $address->{private_port}), $original_at_address[0],
            'what was another address';
        ok $w->stop_server($pid), 'ends';
        ok -s "$dir/$mpm/logs/$_", "the copy wrote its own $_" for qw(error.log macro.log tls.log logs-of-app.log customlog.piped);
        is_deeply $w->state, $before, 'nothing has changed outside of the copy';
    };
}

subtest 'ports stay while they are free' => sub {
    my ($copy, $dir) = copy_of($w->config);
    my $first = $copy->write(root => "$dir/1", mpm => 'event')->{ports};
    is_deeply $copy->write(root => "$dir/2", mpm => 'event')->{ports}, $first, 'the same';
    my $taken = listener($first->{$port});
    my $second = $copy->write(root => "$dir/3", mpm => 'event')->{ports};
    isnt $second->{$port}, $first->{$port}, 'another for the one that is taken';
    is $second->{$tls}, $first->{$tls}, 'the others stay';
    is(($copy->target_of("http://www.example.org:$port/"))[0]{private_port}, $second->{$port}, 'targets know');
};

subtest 'what the reader is told' => sub {
    my ($copy) = copy_of($w->config);
    my $conf = quotemeta $w->root . '/etc';
    notes_like($copy, 'different',
        qr{ErrorLog "\|.*/bin/log" \($conf/sites/1-app\.conf:5\) is a program: the copy writes a file instead\.}, 'a piped log');
    notes_like($copy, 'different', qr/ErrorLog syslog:local7 .*writes to syslog/, 'syslog');
    notes_like($copy, 'different', qr/RewriteMap places .*starts a program/, 'a map that is a program');
    notes_like($copy, 'backend', qr{ProxyPass /backend/ .*the real backend http://127\.0\.0\.1:$w->{backend_port}}, 'a backend');
    notes_like($copy, 'backend', qr{ProxyPass /unix/ .*the real backend unix:.*backend\.sock}, 'a backend at a socket');
    notes_like($copy, 'different', qr{ProxyPass /self/ .*in the copy, to the copy}, 'a proxy to itself');
};

subtest 'whose a URL is' => sub {
    my ($copy) = copy_of($w->config);
    my ($target) = $copy->target_of("http://www.example.org:$port/a/b?c=d#e");
    is "$target->{scheme} $target->{host} $target->{path}", "http www.example.org:$port /a/b?c=d", 'scheme, Host and path';
    is(($copy->target_of("https://localhost:$tls"))[0]{path}, '/', 'no path is the root; the machine itself is the first host');
    my ($none, $why) = $copy->target_of("http://stranger.org:$port/");
    is $none, undef, 'a name that is nobody\'s';
    like $why, qr{no virtual host of this configuration answers there; it has .*http://macro\.example\.org:$port}, 'is told, with those that there are';
    like(($copy->target_of('ftp://www.example.org/'))[1], qr/is not a URL of a web server/, 'another protocol');
};

subtest 'settings of the MPM' => sub {
    my $root = small_site("Listen 127.0.0.1:8080\nMaxRequestWorkers 77\n<IfModule mpm_event_module>\nThreadsPerChild 11\n</IfModule>\n"
            . "<IfModule mpm_adaptive_module>\nAdaptiveHold 7s\n</IfModule>\n");
    my ($copy, $dir) = copy_of("$root/conf/httpd.conf");
    my $own = text_of($copy->write(root => "$dir/own", mpm => 'event')->{config});
    like $own, qr/^MaxRequestWorkers 77$/m, 'what the site says stays';
    like $own, qr/^ThreadsPerChild 11$/m, 'that of the MPM\'s own section as well';
    my $given = text_of($copy->write(root => "$dir/given", mpm => 'event',
        mpm_conf => "MaxRequestWorkers 50\nThreadsPerChild 5\n")->{config});
    is join(' ', $given =~ /^(?:MaxRequestWorkers|ThreadsPerChild) \d+$/mg), 'MaxRequestWorkers 50 ThreadsPerChild 5',
        'unless the comparison says something else';
    my $adaptive = $copy->write(root => "$dir/adaptive", mpm => 'adaptive', module => module_file('mpm_adaptive'));
    like text_of($adaptive->{config}), qr/^AdaptiveHold 7s$/m, 'each MPM has its own';
};

subtest 'settings of MPMs in Debian\'s files' => sub {
    my $t = Adaptive::Tree->new(layout => 'debian');
    my $mods = $t->confdir . '/mods-available';
    Adaptive::Tree::write_text("$mods/mpm_event.conf", "ThreadsPerChild 10\nMaxRequestWorkers 40\n");
    Adaptive::Tree::write_text("$mods/mpm_worker.conf", "ThreadsPerChild 12\nMaxRequestWorkers 48\n");
    Adaptive::Tree::write_text("$mods/mpm_adaptive.conf", "<IfModule mpm_adaptive_module>\nMaxRequestWorkers 99\n</IfModule>\n");
    local $ENV{APACHE_CONFDIR} = $t->confdir;
    my ($copy, $dir) = copy_of($t->config);
    my %settings = (event => '10 40', worker => '12 48', adaptive => '99');
    for my $mpm (sort keys %settings) {
        my $text = text_of($copy->write(root => "$dir/$mpm", mpm => $mpm, module => module_file('mpm_adaptive'))->{config});
        is join(' ', $text =~ /^\s*(?:ThreadsPerChild|MaxRequestWorkers) (\d+)$/mg), $settings{$mpm},
            "mpm_$mpm has its own, enabled or not";
        is scalar(() = $text =~ /^\s*LoadModule mpm_\w+_module/mg), 1, 'and is the only one';
    }
};

subtest 'addresses of all kinds' => sub {
    my @hosts = ('*:8080', '_default_:8081', '[::]:8081', '192.0.2.1:8080', '192.0.2.2', '[2001:db8::1]:8082', '*');
    my $root = small_site(join '', "Listen 8080\nListen [::]:8081\nListen 192.0.2.1:8082\nListen 8443 https\n",
        map {"<VirtualHost $hosts[$_]>\nServerName h$_.example.org\n</VirtualHost>\n"} 0 .. $#hosts);
    my ($copy, $dir) = copy_of("$root/conf/httpd.conf");
    my $server = $copy->write(root => "$dir/1", mpm => 'event');
    my $text = text_of($server->{config});
    is_deeply [ grep { !/^Listen 127\.0\.0\.1:\d+(?: https)?$/ } $text =~ /^\s*(Listen .*)$/mg ], [], 'nothing listens elsewhere';
    is scalar(() = $text =~ /^Listen 127\.0\.0\.1:$server->{ports}{8443} https$/mg), 1, 'a protocol stays';
    is_deeply [ grep { !/^(?:\*(?::\d+)?\s*)+$/ } $text =~ /^<VirtualHost (.*)>$/mg ], [], 'virtual hosts are told apart by port alone';
    isnt $server->{ports}{'192.0.2.1:8080'}, $server->{ports}{8080}, 'one that had an address has a port of its own';
};

subtest 'left out, or told' => sub {
    my $root = small_site(<<'CONF');
Listen 8080
<IfModule systemd_module>
    IdleShutdown 10
</IfModule>
<IfModule no_such_module>
    SecAuditLog /var/log/audit.log
    SecDataDir /var/cache/modsec
    FancyTrackFile /var/log/fancy/track
</IfModule>
<Location /private>
    Require local
</Location>
CONF
    my ($copy, $dir) = copy_of("$root/conf/httpd.conf");
    notes_like($copy, 'different', qr/Require local .*all clients of the copy are 127\.0\.0\.1/, 'conditions on the client\'s address');
    my $text = text_of($copy->write(root => "$dir/1", mpm => 'event')->{config});
    like $text, qr{^\s*SecAuditLog "\Q$dir\E/1/logs/audit\.log"$}m, 'the logs of other modules';
    like $text, qr{^\s*SecDataDir "\Q$dir\E/1/tmp/modsec"$}m, 'their directories';
    like $text, qr/^# IdleShutdown/m, 'systemd';
    is_deeply [ grep { !index $_, '/var' } $text =~ /^\s*(?!#)\S+ "?([^"\s]+)/mg ], ['/var/log/fancy/track'],
        'a directive that nobody knows stays';
};

subtest 'secrets' => sub {
    my $root = small_site("Listen 8080\nProxyPass /a http://user:Tops3cret\@127.0.0.1:1/\n");
    my ($copy, $dir) = copy_of("$root/conf/httpd.conf");
    notes_like($copy, 'backend', qr{ProxyPass /a http://\.\.\.\@127\.0\.0\.1:1/ .*the real backend http://\.\.\.\@127\.0\.0\.1:1},
        'who is asked, without its password');
    $copy->write(root => "$dir/1", mpm => 'event');
    my %mode = map { $_ => sprintf '%o', (stat "$dir/1/$_")[2] & 07777 } '.', qw(conf logs);
    is_deeply \%mode, { '.' => '711', conf => '700', logs => '700' }, 'nobody else reads the copy\'s file and its logs';
    my %without = (
        'DBDParams "host=db user=web password=Tops3cret"' => 'DBDParams "host=db user=web password=..."',
        'ProxyPass / ajp://a:1/ secret="Tops3 cret" retry=0' => 'ProxyPass / ajp://a:1/ secret=... retry=0',
        'ProxyPass / http://127.0.0.1:1/ keepalive=On' => 'ProxyPass / http://127.0.0.1:1/ keepalive=On');
    is_deeply { map { $_ => AdaptiveCtl::CopyNotes::without_secrets($_) } keys %without }, \%without, 'of lines of all kinds';
};

subtest 'an error leads to the original' => sub {
    my $root = small_site("Listen 8080\nInclude more/*.conf\n");
    put_file("$root/more/a.conf", "# a comment\n<IfModule mpm_adaptive_module>\n    NoSuchDirective on\n</IfModule>\n");
    my ($copy, $dir) = copy_of("$root/conf/httpd.conf");
    is eval { $copy->write(root => "$dir/1", mpm => 'adaptive', module => module_file('mpm_adaptive')); 1 }, undef,
        'what another MPM does not accept';
    like $@->{text}, qr{with mpm_adaptive:.*on line 3 of \Q$root\E/more/a\.conf:.*NoSuchDirective}s, 'is told with its file and line';
    is eval { $copy->write(root => "$dir/2", mpm => 'netware'); 1 }, undef, 'an MPM that there is not';
    like $@->{text}, qr/mpm_netware cannot be compared: choose one of event/, 'is refused';
};

subtest 'keys with a pass phrase' => sub {
    my $root = small_site(join '', "Listen 8443 https\nListen 8080\n", Adaptive::WholeSite::load_line('ssl'),
        "<VirtualHost *:8443>\nServerName www.example.org\nSSLEngine on\n",
        "SSLCertificateFile cert.pem\nSSLCertificateKeyFile key.pem\n</VirtualHost>\n");
    put_file("$root/cert.pem", "a certificate\n");
    put_file("$root/key.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
    my ($copy, $dir) = copy_of("$root/conf/httpd.conf");
    notes_like($copy, 'left_out', qr/VirtualHost \*:8443.*key\.pem .*is encrypted, and nobody is there to type/, 'are told');
    my $text = text_of($copy->write(root => "$dir/1", mpm => 'event')->{config});
    unlike $text, qr/^\s*(?:SSL|Listen .*https)/m, 'and their hosts left out';
    is_deeply [ map {"$_->{scheme} $_->{port}"} $copy->sites ], ['http 8080'], 'what is left answers';
};

subtest 'the status of mpm_adaptive' => sub {
    my $root = small_site("Listen 8080\n<IfModule mpm_adaptive_module>\nAdaptiveStatusSocket /run/original.sock adm\n"
            . "AdaptiveStatusListen 127.0.0.1:8042\n</IfModule>\n");
    my ($copy, $dir) = copy_of("$root/conf/httpd.conf");
    my $text = text_of($copy->write(root => "$dir/1", mpm => 'adaptive', module => module_file('mpm_adaptive'))->{config});
    like $text, qr{^AdaptiveStatusSocket "\Q$dir\E/1/run/adaptive-status\.sock" adm$}m, 'its own socket';
    like $text, qr/^AdaptiveStatusListen 127\.0\.0\.1:(?!8042)\d+$/m, 'its own port';
};

subtest 'mod_php' => sub {
    my $root = small_site("Listen 8080\n");
    my ($copy, $dir) = copy_of("$root/conf/httpd.conf");
    put_file("$root/conf/httpd.conf", text_of("$root/conf/httpd.conf") . "LoadModule php_module modules/libphp.so\n");
    is eval { $copy->write(root => "$dir/1", mpm => 'event'); 1 }, undef, 'under a threaded MPM';
    like $@->{text}, qr/php_module \(.*httpd\.conf:\d+\) works with mpm_prefork only.*php-fpm/, 'is refused, with the way out';
};

subtest 'somebody who is not root' => sub {
    plan skip_all => 'needs root to become somebody else' if $> != 0;
    chmod 0600, $w->root . '/key/key.pem';
    chmod 0777, $w->root;
    my $dir = tempdir('adaptive-copy-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    chown 65534, 65534, $dir;
    my $result = "$dir/result";
    my $pid = spawn(sub {
        ($), $() = ('65534 65534', 65534);
        ($<, $>) = (65534, 65534);
        my $site = AdaptiveCtl::Site->new({ config => $w->config, httpd => httpd() });
        my $copy = AdaptiveCtl::Copy->new($site, dir => $dir);
        my $server = eval { $copy->write(root => "$dir/1", mpm => 'event') } or die ref $@ ? $@->{text} : $@;
        put_file("$result.new", join "\n", $server->{ports}{$port}, map {"$_->{kind}: $_->{text}"} $copy->notes);
        rename "$result.new", $result;
        %ENV = (%ENV, %{ $server->{env} });
        exec { $server->{command}[0] } @{ $server->{command} };
    });
    ok_within { -s "$dir/1/run/httpd.pid" } 30, 'has a copy that runs';
    my ($private, $notes) = split /\n/, text_of($result), 2;
    is $w->answer("http://www.example.org:$port/short", '127.0.0.1', $private), $original{"http://www.example.org:$port/short"},
        'and serves';
    like $notes, qr/^different: User www-data .*left out: without root's rights/m, 'as this user';
    like $notes, qr/^left_out: <VirtualHost \*:$tls> .*key\.pem .*cannot be read by this user/m, 'without what it may not read';
    ok $w->stop_server($pid), 'ends';
};

done_testing;
