package AdaptiveCtl::Canary;

# The slow and safe way to compare: two instances of the site, one with mpm_event and one with mpm_adaptive, each with a share of the
# real traffic, for a day or a week. This writes down the commands for this machine; it runs none of them.
#
#   my $recipe = AdaptiveCtl::Canary::recipe($copy, share => 10);      # 10 % to mpm_adaptive
#   print AdaptiveCtl::Canary::text_of($recipe);
#   # $recipe->{steps}: [{ title, text, commands => [...], files => [{ path, text }] }]

use strict;
use warnings;

use Cwd qw(realpath);

use AdaptiveCtl::CanaryFront;
use AdaptiveCtl::CanarySample;
use AdaptiveCtl::CopyPorts;
use AdaptiveCtl::CopyRules qw(rule_of);
use AdaptiveCtl::Say;

use constant { SETUP => '/usr/share/doc/apache2/examples/setup-instance', FIRST_OFFSET => 10_000, SECOND_OFFSET => 11_000,
    HIGHEST_PORT => 65_535 };

my @INSTANCES = ({ name => 'canary-event', mpm => 'mpm_event', offset => FIRST_OFFSET },
    { name => 'canary-adaptive', mpm => 'mpm_adaptive', offset => SECOND_OFFSET });

# What one of the two says of itself: sample($text, pid => $parent); CanarySample.pm has the names.
sub sample { return AdaptiveCtl::CanarySample::sample(@_) }

# $copy: an AdaptiveCtl::Copy of the site. share: per cent of the traffic for mpm_adaptive; front: haproxy or balancer.
sub recipe {
    my ($copy, %opt) = @_;
    my $site = $copy->{site};
    my $share = $opt{share} // 10;
    usage_error("--share $share is not a number of per cent from 1 to 99.") if $share !~ /\A\d+\z/ || $share < 1 || $share > 99;
    my $front = $opt{front} // 'haproxy';
    usage_error("--front $front: haproxy or balancer.") if $front !~ /\A(?:haproxy|balancer)\z/;
    $site->{is_debian} && $site->{root} eq '/etc/apache2'
        or fail("the recipe is for Debian's /etc/apache2, and this server's configuration is $site->{config}. "
            . 'With another layout, copy the configuration twice, '
            . 'give each its own ServerRoot, Listen, PidFile, DefaultRuntimeDir and logs, and choose an MPM in each.');
    -e "$site->{root}/mods-available/mpm_adaptive.load"
        or fail("$site->{root}/mods-available/mpm_adaptive.load is missing: install the module first "
            . "(make -f Makefile.apxs install, or the package libapache2-mod-mpm-adaptive).");
    $copy->refuse_unsafe('event');
    my $job = { copy => $copy, site => $site, share => $share, front => $front, has_systemd => -d '/run/systemd/system',
        instances => instances($copy) };
    my @steps = (make_step($job), mpm_step($job), port_step($job), own_step($job), AdaptiveCtl::CanaryFront::proxy_step($job),
        start_step($job),
        AdaptiveCtl::CanaryFront::steps($job), look_step($job), back_step($job));
    return { steps => \@steps, instances => $job->{instances}, front => $front };
}

# Each with a port for each of the original's.
sub instances {
    my ($copy) = @_;
    my %taken;
    return [
        map {
            my $instance = $_;
            my $dir = "/etc/apache2-$instance->{name}";
            -e $dir and fail("$dir exists already: a canary has been set up before. Its last step (\"The way back\") removes it.");
            my %port;
            for my $port (sort { $a <=> $b } keys %{ $copy->{protocol} }) {
                my $wish = $port + $instance->{offset};
                $wish = $copy->{ports}->choose if $wish > HIGHEST_PORT || $taken{$wish} || !AdaptiveCtl::CopyPorts::is_free($wish);
                $taken{$wish} = 1;
                $port{$port} = $wish;
            }
            +{ %$instance, dir => $dir, port => \%port, run => "/var/run/apache2-$instance->{name}" }
        } @INSTANCES
    ];
}

# --- steps ------------------------------------------------------------------------------------------------------------

sub make_step {
    my ($job) = @_;
    return { title => 'Two instances beside the server that runs',
        text => 'Each is a copy of /etc/apache2 with its own logs, its own run directory and its own apache2ctl. '
            . 'Nothing of the running server changes.',
        commands => [ map { "sh @{[SETUP]} $_->{name}" } @{ $job->{instances} } ] };
}

# Links, as a2enmod makes them: a2enmod itself keeps notes that all instances share.
sub mpm_step {
    my ($job) = @_;
    my @commands;
    for my $instance (@{ $job->{instances} }) {
        push @commands, "rm -f $instance->{dir}/mods-enabled/mpm_*",
            map { "ln -s ../mods-available/$instance->{mpm}.$_ $instance->{dir}/mods-enabled/" }
                grep { -e "$job->{site}{root}/mods-available/$instance->{mpm}.$_" } qw(load conf);
    }
    return { title => 'One MPM for each', text => '', commands => \@commands };
}

# Which files of the configuration have directives of some kind: paths below /etc/apache2, as setup-instance copies them.
sub files_with {
    my ($job, $kind, $pattern) = @_;
    my %file;
    for my $item (grep { $_->{active} && $_->{kind} eq $kind && $_->{name} =~ $pattern } @{ $job->{copy}{items} }) {
        my $real = realpath($item->{file}) // $item->{file};
        $file{$real} = 1;
    }
    return sort keys %file;
}

sub port_step {
    my ($job) = @_;
    my $root = $job->{site}{root};
    my @files = do {
        my %seen;
        grep { !$seen{$_}++ } files_with($job, 'directive', qr/^Listen$/i), files_with($job, 'open', qr/^VirtualHost$/i);
    };
    my @outside = grep { index($_, "$root/") != 0 } @files;
    my @inside  = grep { index($_, "$root/") == 0 } @files;
    my @commands;
    for my $instance (@{ $job->{instances} }) {
        my @edits = map {
            my ($old, $new) = ($_, $instance->{port}{$_});
            ("s/^([[:space:]]*Listen[[:space:]]+)([^[:space:]]*:)?$old([[:space:]]|\$)/\\1127.0.0.1:$new\\3/I",
                "/^[[:space:]]*<VirtualHost/I s/[^[:space:]<>]+:$old([[:space:]>])/*:$new\\1/g")
        } sort { $b <=> $a } keys %{ $instance->{port} };
        push @commands, shell_words('sed', '-i', '-E', (map { ('-e', $_) } @edits),
            map { $instance->{dir} . substr $_, length $root } @inside) if @inside;
        # what is written down there leads all instances to the files of the first
        push @commands, map { shell_words('sed', '-i', '-E', "s|^([[:space:]]*ServerRoot[[:space:]]+).*|\\1$instance->{dir}|I",
            $instance->{dir} . substr $_, length $root) }
            grep { index($_, "$root/") == 0 } files_with($job, 'directive', qr/^ServerRoot$/i);
    }
    my $text = 'Each listens on 127.0.0.1 alone: '
        . join('; ', map { my $i = $_; "$i->{mpm}: " . join(', ', map {"$i->{port}{$_} for $_"} sort { $a <=> $b } keys %{ $i->{port} }) }
        @{ $job->{instances} }) . '.';
    $text .= ' These files are outside of /etc/apache2, so that all instances share them; copy them into each instance and '
        . 'change the ports there: ' . join(', ', @outside) . '.' if @outside;
    $text .= ' Virtual hosts that are told apart by address alone are not any more: give them names.'
        if grep { $job->{copy}{ports}->own_addresses($_) } keys %{ $job->{copy}{protocol} };
    return { title => 'Ports of their own', text => $text, commands => \@commands };
}

# Places that are written down instead of ${APACHE_RUN_DIR} and the like: two servers must not both have them.
sub own_step {
    my ($job) = @_;
    my @shared;
    for my $item (grep { $_->{active} && $_->{kind} eq 'directive' } @{ $job->{copy}{items} }) {
        my ($kind) = rule_of($item->{name});
        next if !defined $kind || $kind !~ /^(?:top|log|file|directory|cache)$/ || $item->{text} =~ /\$\{APACHE_/;
        my $path = $item->{args}[0] // next;
        next if $path !~ m{/} || $path eq '/dev/null' || $path =~ /\A(?:\||syslog|journald|memcache|redis)/;
        push @shared, "    $item->{file}:$item->{line}: " . $item->{text} =~ s/^\s+|\s+$//gr;
    }
    return if !@shared;
    return { title => 'Places that all instances would share', commands => [],
        text => 'These lines name a place that the copies would use as well. Change them in each instance (below /etc/apache2-...), '
            . "or what is written there is mixed up:\n"
            . join "\n", @shared };
}

sub start_step {
    my ($job) = @_;
    my @commands = map {
        ("apache2ctl-$_->{name} configtest",
            $job->{has_systemd} ? "systemctl start apache2\@$_->{name}.service" : "apache2ctl-$_->{name} start")
    } @{ $job->{instances} };
    return { title => 'Start both', text => 'They serve already, but nobody asks them yet.', commands => \@commands };
}

sub stop_commands {
    my ($job) = @_;
    return map {
        $job->{has_systemd} ? "systemctl stop apache2\@$_->{name}.service"
            : "apache2ctl-$_->{name} stop; " . AdaptiveCtl::CanaryFront::until_gone("$_->{run}/apache2.pid")
    } @{ $job->{instances} };
}

sub look_step {
    my ($job) = @_;
    my ($event, $adaptive) = @{ $job->{instances} };
    my ($port) = map { $event->{port}{$_} } sort { $a <=> $b } grep { $job->{copy}{protocol}{$_} ne 'https' } keys %{ $event->{port} };
    my $proxy = $job->{front} eq 'haproxy' ? ' --haproxy-protocol' : '';
    my @commands = "adaptivectl status --json --socket $adaptive->{run}/adaptive-status.sock";
    push @commands, "curl -s$proxy 'http://127.0.0.1:$port/server-status?auto'"
        if defined $port && grep { $_->{active} && ($_->{args}[0] // '') eq 'status_module' } @{ $job->{copy}{items} };
    my $place = $job->{front} eq 'haproxy' ? 'proxy+http' : 'http';
    my @report = @commands < 2 ? () : "adaptivectl compare --canary-read event=$place://127.0.0.1:$port/server-status,$event->{run}/apache2.pid"
        . " --canary-read adaptive=$adaptive->{run}/adaptive-status.sock --minutes 1440";
    return { title => 'Look at both', commands => \@commands, report => \@report,
        text => 'Whenever you like; the figures since the start are what to compare: requests, busy threads, processor time and memory '
            . 'for each request. The access logs are '
            . join(' and ', map {"/var/log/apache2-$_->{name}"} $event, $adaptive)
            . '; %D in their LogFormat makes response times comparable.'
            . ' An answer of 301, 403 or 404 means that the first virtual host of the port does not show mod_status to 127.0.0.1: exempt '
            . '/server-status from its redirects and rules in the instance.' };
}

sub back_step {
    my ($job) = @_;
    my @names = map { $_->{name} } @{ $job->{instances} };
    return { title => 'The way back',
        text => 'The server is as it was, in a second; then the instances go. Their logs go with them, so save what you want to keep.',
        commands => [ AdaptiveCtl::CanaryFront::undo_commands($job), stop_commands($job),
            map { my $name = $_;
                ("rm -rf /etc/apache2-$name /var/log/apache2-$name /var/run/apache2-$name /var/lock/apache2-$name",
                    "rm -f /etc/logrotate.d/apache2-$name /etc/default/apache-htcacheclean-$name /etc/init.d/apache2-$name"
                        . " /usr/local/sbin/*-$name") } @names ] };
}

# --- as a text --------------------------------------------------------------------------------------------------------

sub text_of {
    my ($recipe) = @_;
    my ($text, $n) = ('', 0);
    for my $step (@{ $recipe->{steps} }) {
        $text .= ++$n . ". $step->{title}\n\n";
        $text .= AdaptiveCtl::Say::wrapped($step->{text}, '') . "\n\n" if $step->{text} ne '';
        for my $file (@{ $step->{files} // [] }) { $text .= "$file->{path}:\n\n" . $file->{text} =~ s/^(?=.)/    /gmr . "\n" }
        $text .= join('', map {"    # $_\n"} @{ $step->{commands} }) . "\n" if @{ $step->{commands} };
        $text .= "A report of the next day, with both beside each other:\n\n" . join('', map {"    # $_\n"} @{ $step->{report} }) . "\n"
            if @{ $step->{report} // [] };
    }
    return $text;
}

1;
