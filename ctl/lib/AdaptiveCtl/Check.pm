package AdaptiveCtl::Check;

# Which MPM is active, what stands in the way of ours, what is different under it, and what it would find on this machine. Changes
# nothing.

use strict;
use warnings;

use AdaptiveCtl::Config;
use AdaptiveCtl::Journal;
use AdaptiveCtl::Say;
use AdaptiveCtl::Server;
use AdaptiveCtl::Site;
use AdaptiveCtl::Steps;
use AdaptiveCtl::Switch;

use constant { OURS => AdaptiveCtl::Site::OURS, FEW_DESCRIPTORS => 4096 };

# Modules with processes of their own: while these end and start with a reload, new connections wait (README).
my @HELPERS = qw(cgid_module fcgid_module wsgi_module);

# A kind of line: bad needs somebody, note is good to know.
sub report { my ($found, $kind, $text) = @_; push @$found, { kind => $kind, text => $text }; return }

sub check {
    my ($site, $option) = @_;
    my $job = { site => $site, layout => AdaptiveCtl::Switch::layout($site), server => AdaptiveCtl::Server->new($site, $option),
        journal => AdaptiveCtl::Journal->new($site), found => [] };
    $job->{errors} = $site->errors_of;
    $job->{modules} = $site->modules;
    $job->{directives} = [ AdaptiveCtl::Config::read_all($site) ];
    what_is_active($job);
    conflicts($job);
    unsafe_modules($job);
    skipped_sections($job);
    lines_that_bind($job);
    descriptors($job);
    helpers($job);
    what_it_finds($job);
    my @bad = grep { $_->{kind} eq 'bad' } @{ $job->{found} };
    for (@bad, grep { $_->{kind} ne 'bad' } @{ $job->{found} }) {
        say_line(($_->{kind} eq 'bad' ? 'PROBLEM: ' : 'note: ') . $_->{text}, '  ');
    }
    my $is_ours = join(' ', $job->{layout}->chosen) eq OURS;
    say_line(@bad ? (@bad == 1 ? 'One problem' : scalar(@bad) . ' problems') . ' to be solved first.'
        : $is_ours ? 'Nothing is wrong.' : 'Nothing stands in the way: adaptivectl enable.');
    return @bad ? 1 : 0;
}

sub what_is_active {
    my ($job) = @_;
    my ($site, $server) = @$job{qw(site server)};
    my $chosen = join(' and ', $job->{layout}->chosen) || 'no MPM';
    say_line("httpd: $site->{httpd}, configuration $site->{config}");
    say_line("MPM of the configuration: $chosen");
    if ($server->is_running) {
        my $runs = $server->mpm_running;
        say_line("MPM that runs: " . ($runs || 'cannot be seen by this user') . " (process $server->{pid}"
            . ($server->{unit} ? ", $server->{unit})" : ')'));
        report($job->{found}, bad => "the configuration has $chosen, but $runs runs. " . ($runs eq OURS
                ? 'Reloads are refused until that is decided (ADP0106). '
                : 'The next reload (logrotate and certbot do one) ends httpd: "The MPM cannot be changed during restart". ') . 'Stop and start it now, or: adaptivectl ' . ($chosen eq OURS ? 'enable' : 'disable') . '.')
            if $runs && $runs ne $chosen && $chosen !~ / and |^no /;
    }
    else { say_line('MPM that runs: none, httpd does not run') }
    if (my $left = $job->{journal}->read) {
        report($job->{found}, bad => 'a switch was interrupted: ' . AdaptiveCtl::Switch::told($left) . ' The next enable or disable undoes it first.');
    }
    return;
}

sub conflicts {
    my ($job) = @_;
    my ($site, $layout) = @$job{qw(site layout)};
    my @enabled = $layout->enabled;
    my $is_guarded = $site->{is_debian} && !grep { $_ eq OURS } $layout->chosen;
    if (@enabled > 1) {
        my @others = grep { $_ ne OURS } @enabled;
        my $both = join ' and ', @enabled;
        report($job->{found}, bad => "$both are enabled. " . ($is_guarded && @others == 1 && @enabled == 2
            ? OURS . " stands back, so that $others[0] runs. " : 'httpd does not start with two MPMs. ')
            . 'Decide for one: ' . $layout->remedy_two(@enabled) . ($is_guarded && @others == 1 && !$layout->dependents($others[0]) ? ', or adaptivectl enable.' : '.'));
    }
    report($job->{found}, bad => 'no MPM is enabled, so httpd does not start: adaptivectl enable.') if !@enabled && $site->{is_debian};
    report($job->{found}, bad => "httpd does not accept the configuration as it is:\n" . $job->{errors} =~ s/^/    /gmr =~ s/\s+\z//r)
        if $job->{errors} && @enabled == 1;
    if (!grep { $_ eq OURS } @enabled) {
        my $missing = eval { $site->{is_debian} ? $layout->require_installed : $layout->steps_to(OURS); '' } // failure();
        report($job->{found}, bad => $missing) if $missing;
    }
    return;
}

sub unsafe_modules {
    my ($job) = @_;
    my $names = AdaptiveCtl::Switch::prefork_only(@$job{qw(site layout)});
    report($job->{found}, bad => "$names is not thread-safe and works with mpm_prefork only. php-fpm works with every MPM and needs less memory: "
            . AdaptiveCtl::Switch::way_to_php_fpm($names) . '.') if $names;
    report($job->{found}, bad => 'mpm_itk needs mpm_prefork: processes of different users. php-fpm with a pool for each user does that with every MPM.')
        if $job->{modules}{mpm_itk_module};
    report($job->{found}, note => 'mod_cgi starts each CGI program from a process with many threads, which is slow; mod_cgid does not (a2dismod cgi, a2enmod cgid).')
        if $job->{modules}{cgi_module};
    report($job->{found}, note => 'mod_perl is loaded: its threads need memory (PerlInterpMax bounds them), and Perl code in it has to be thread-safe, '
            . 'as under mpm_event.') if $job->{modules}{perl_module};
    return;
}

# Blocks that httpd skips under ours.
sub skipped_sections {
    my ($job) = @_;
    my (%seen, @blocks);
    for my $directive (@{ $job->{directives} }) {
        for my $section (@{ $directive->{sections} }) {
            my $mpm = AdaptiveCtl::Config::mpm_of_section($section);
            next if !$mpm || $mpm eq OURS;
            my $key = "$section->{file}:$section->{line}";
            push @blocks, $seen{$key} = { at => $key, name => $section->{args}[0], lines => [] } if !$seen{$key};
            push @{ $seen{$key}{lines} }, $directive->{name};
        }
    }
    report($job->{found}, note => "<IfModule $_->{name}> at $_->{at} is skipped under mpm_adaptive: " . join(', ', @{ $_->{lines} })
            . '. "adaptivectl import" tells what becomes of it.') for @blocks;
    my @loose = grep { $_->{name} =~ /^Adaptive[A-Z]/ && !is_inside_ours($_) } @{ $job->{directives} };
    report($job->{found}, note => "$_->{name} at $_->{file}:$_->{line} stands outside of <IfModule mpm_adaptive_module>: every other MPM refuses it, "
            . 'and going back would fail.') for @loose;
    return;
}

sub is_inside_ours {
    my ($directive) = @_;
    return scalar grep { (AdaptiveCtl::Config::mpm_of_section($_) // '') eq OURS } @{ $directive->{sections} };
}

# Numbers that will hold ours down as they held the others.
sub lines_that_bind {
    my ($job) = @_;
    my $is_ours = join(' ', $job->{layout}->chosen) eq OURS;
    for my $directive (@{ $job->{directives} }) {
        next if $directive->{name} !~ /^(?:MaxRequestWorkers|MaxClients|ServerLimit)$/i;
        next if grep { $_->{name} =~ /^IfModule$/i } @{ $directive->{sections} } and !is_inside_ours($directive);
        # Debian's block of the other MPM goes with it
        next if !$is_ours && $directive->{file} =~ m{/mpm_(?:event|worker|prefork)\.conf$};
        report($job->{found}, note => "$directive->{name} $directive->{args}[0] at $directive->{file}:$directive->{line} bounds how many requests are "
                . 'served at a time. Leave it out, unless it protects something behind the server.');
    }
    return;
}

sub descriptors {
    my ($job) = @_;
    my $limit = $job->{server}{descriptors} // return;
    return if $limit !~ /^\d+$/ || $limit >= FEW_DESCRIPTORS;
    report($job->{found}, note => "each process of the server may have $limit descriptors, so it has no more connections than about that. More: "
            . ($job->{site}{is_debian} ? "APACHE_ULIMIT_MAX_FILES='ulimit -n 65536' in $job->{site}{root}/envvars, then a stop and a start."
            : $job->{server}{unit} ? "LimitNOFILE=65536 in a drop-in of $job->{server}{unit} (systemctl edit)." : '"ulimit -n" before it is started.'));
    return;
}

sub helpers {
    my ($job) = @_;
    my @helpers = map { s/_module$//r } grep { $job->{modules}{$_} } @HELPERS;
    push @helpers, 'piped logs' if grep { $_->{name} =~ /^(?:CustomLog|ErrorLog|TransferLog|GlobalLog)$/i && ($_->{args}[0] // '') =~ /^\|/ } @{ $job->{directives} };
    push @helpers, 'RewriteMap prg:' if grep { lc $_->{name} eq 'rewritemap' && ($_->{args}[1] // '') =~ /^prg:/ } @{ $job->{directives} };
    report($job->{found}, note => 'processes of ' . join(', ', @helpers) . ' end with each reload, so new connections wait until the new children are '
            . 'there: some tenths of a second, as under event.') if @helpers;
    return;
}

# The module itself says what it finds, with the descriptors that the server has.
sub what_it_finds {
    my ($job) = @_;
    my ($site, $layout) = @$job{qw(site layout)};
    my %there;
    if (join(' ', $layout->chosen) ne OURS) {
        my $steps = eval { [ $layout->steps_to(OURS) ] } or return;
        %there = AdaptiveCtl::Steps::imitated($site, @$steps);
    }
    my $ulimit = ($job->{server}{descriptors} // '') =~ /^(\d+)$/ ? "ulimit -Sn $1 2>/dev/null; " : '';
    my $result = $site->capture('sh', '-c', $ulimit . 'exec "$@"', 'sh', $site->httpd_command(%there), '-t', '-D', 'DUMP_MPM_ADAPTIVE');
    my ($text) = $result->{output} =~ /^(mpm_adaptive \S+: .*?)(?=^\S|\z)/ms or return;
    my ($first, @numbers) = split /\n/, $text;
    say_line($first, '  ');
    print "$_\n" for @numbers;
    say_line("  (a service has limits of its own: the control group of $job->{server}{unit} counts when it is started by systemd)") if $job->{server}{unit};
    return;
}

1;
