package AdaptiveCtl::Switch;

# From one MPM to another, or not at all.
#
# A reload after the MPM has changed ends httpd for good ("The MPM cannot be changed during restart"). So nothing changes while a
# server runs: it is tried on an imitation of the configuration, then the server is stopped, then the steps are made, then it is
# started. Who reloads in between (logrotate, certbot) finds no server.
#
#     plan -> try it beside -> journal -> stop -> steps -> test -> start -> compare answers -> done
#                                 |         any failure: stop, undo the steps, start as it was
#                                 v
#                              killed: whoever notices (the process that waits, or the next adaptivectl) does the same
#
# What must not be interrupted runs in a process of its own, which neither Ctrl-C nor the end of a terminal reaches.

use strict;
use warnings;

use POSIX ();

use AdaptiveCtl::Debian;
use AdaptiveCtl::Journal;
use AdaptiveCtl::OneFile;
use AdaptiveCtl::Say;
use AdaptiveCtl::Server;
use AdaptiveCtl::Site;
use AdaptiveCtl::Steps;

use constant OURS => AdaptiveCtl::Site::OURS;

sub layout { my ($site) = @_; return $site->{is_debian} ? AdaptiveCtl::Debian->new($site) : AdaptiveCtl::OneFile->new($site) }

sub enable {
    my ($site, $option) = @_;
    my $job = begin($site, $option);
    refuse_mod_php($job);
    return switch($job, OURS);
}

sub disable {
    my ($site, $option) = @_;
    my $job = begin($site, $option);
    my $to = $option->{to} // before($job);
    $to = "mpm_$to" if $to !~ /^mpm_/;
    $to =~ /^mpm_(?:event|worker|prefork|itk)$/ or usage_error("--to $to: this is no MPM; mpm_event, mpm_worker or mpm_prefork is.");
    return switch($job, $to);
}

# What all of it works on.
sub begin {
    my ($site, $option) = @_;
    my $job = { site => $site, option => $option, journal => AdaptiveCtl::Journal->new($site), dry_run => $option->{'dry-run'} };
    $job->{journal}->lock if !$job->{dry_run};
    if (my $left = $job->{journal}->read) {
        $job->{dry_run} and fail('a switch was interrupted: ', told($left), ' Without --dry-run it is undone first.');
        say_line('A switch was interrupted: ' . told($left) . ' It is undone first.');
        recover($job, $left);
    }
    $job->{layout} = layout($site);
    $job->{server} = AdaptiveCtl::Server->new($site, $option);
    return $job;
}

sub told { my ($left) = @_; return "from $left->{from} to $left->{to}, at " . localtime($left->{began}) . '.' }

# The MPM to go back to: what was noted, else what a2dismod or the file says, else event.
sub before {
    my ($job) = @_;
    # enabled beside ours, as a2enmod php8.2 does it
    my ($beside, @several) = grep { $_ ne OURS } $job->{layout}->enabled;
    return $beside if $beside && !@several;
    my $noted = $job->{journal}->before;
    return $noted if $noted;
    return $job->{layout}->before // 'mpm_event' if $job->{layout}->can('before');
    my ($marked, @more) = map {m{/(mpm_\w+)$}} glob "$job->{layout}{marks}/disabled_by_*/mpm_{event,worker,prefork}";
    return $marked && !@more ? $marked : 'mpm_event';
}

# What works with mpm_prefork only, mod_php above all: its names, '' if there is none.
sub prefork_only {
    my ($site, $layout) = @_;
    my @depend = $layout->dependents('mpm_prefork');
    return join ' ', @depend ? @depend : grep {/^php\d*_module$/} sort keys %{ $site->modules };
}

sub way_to_php_fpm {
    my ($names) = @_;
    return "apt-get install php-fpm, a2dismod $names, a2enmod proxy_fcgi setenvif, a2enconf php*-fpm";
}

sub refuse_mod_php {
    my ($job) = @_;
    my $names = prefork_only(@$job{qw(site layout)}) or return;
    fail("$names works with mpm_prefork only, because it is not thread-safe. Use php-fpm instead (on Debian: " . way_to_php_fpm($names)
        . '), then run this again. Nothing has been changed.');
}

# Whether the server is to be stopped and started: it runs, and nobody else sees to that.
sub restarts { my ($job) = @_; return $job->{is_running} && !$job->{option}{'no-restart'} }

sub switch {
    my ($job, $to) = @_;
    my ($site, $layout) = @$job{qw(site layout)};
    my @now = $layout->enabled;
    if (@now == 1 && $now[0] eq $to) { return already($job, $to) }
    my $from = join(' and ', $layout->chosen) || 'no MPM';
    $job->{from} = $from;
    $job->{to}   = $to;
    $job->{steps} = [ $layout->steps_to($to) ];
    $job->{is_running} = $job->{server}->is_running;
    say_line(($job->{dry_run} ? 'Would switch' : 'Switching') . " from $from to $to"
        . ($job->{is_running} ? " (httpd runs as process $job->{server}{pid})." : ' (httpd does not run).'));
    require_rights($job);
    try_beside($job);
    require_restart($job);
    return show_plan($job) if $job->{dry_run};
    return guarded($job);
}

# The configuration has it. Whether the server that runs has it, too, is another question.
sub already {
    my ($job, $to) = @_;
    my $server = $job->{server};
    my $runs = $server->mpm_running;
    if ($server->is_running && $runs && $runs ne $to) {
        say_line("$to is enabled, but the server that runs (process $server->{pid}) still has $runs. A reload would end it.");
        return 1 if $job->{dry_run};
        $job->{from} = $runs;
        $job->{to}   = $to;
        $job->{steps} = [];
        $job->{is_running} = 1;
        require_restart($job);
        return guarded($job);
    }
    say_line("$to is active already" . ($server->is_running ? '.' : ', and httpd does not run.'));
    return 0;
}

sub require_rights {
    my ($job) = @_;
    my $site = $job->{site};
    return if $site->may_write;
    my $text = "the configuration below $site->{root} may not be changed by this user: run it as root (sudo adaptivectl ...).";
    $job->{dry_run} ? say_line("Note: $text") : fail($text);
    return;
}

# Whether the configuration that would result is a good one, while the server that runs knows nothing of it.
sub try_beside {
    my ($job) = @_;
    my $site = $job->{site};
    my %there = AdaptiveCtl::Steps::imitated($site, @{ $job->{steps} });
    my $errors = $site->errors_of(%there);
    if (index($site->{config}, "$site->{root}/") != 0 || !$errors && $site->mpm_of(%there) ne $job->{to}) {
        say_step('cannot be tried beside the real configuration, because that names its own files; it will be tested when the server is stopped');
        return;
    }
    $errors =~ s/\Q$there{root}\E/$site->{root}/g;
    fail("with $job->{to} httpd does not accept the configuration. Nothing has been changed. It says:\n\n$errors") if $errors;
    say_step("the configuration with $job->{to} is accepted by httpd (tried on a copy)");
    return;
}

sub require_restart {
    my ($job) = @_;
    return if !$job->{is_running};
    if ($job->{option}{'no-restart'}) {
        say_line("Note: the server that runs keeps $job->{from}. A reload before it is stopped and started ends it: "
            . '"The MPM cannot be changed during restart".');
        return;
    }
    my $obstacle = $job->{server}->obstacle or return;
    fail("$obstacle Nothing has been changed. With --no-restart only the configuration changes; no reload may come before the stop and the start then.");
}

sub show_plan {
    my ($job) = @_;
    my $restart = restarts($job);
    say_step(shell_words($job->{server}->control('stop'))) if $restart;
    say_step(AdaptiveCtl::Steps::text_of($_)) for grep { $_->{do} ne 'mark' } @{ $job->{steps} };
    say_step(shell_words($job->{server}->control('start')) . ', and see that it answers as before') if $restart;
    say_line('Nothing has been changed.');
    return 0;
}

# --- what must not be interrupted ------------------------------------------------------------------------------------

sub guarded {
    my ($job) = @_;
    local $| = 1;
    my $pid = fork // fail("cannot start a process: $!");
    if (!$pid) {
        POSIX::setsid();
        $SIG{$_} = 'IGNORE' for qw(INT HUP TERM QUIT);
        my $done = eval { note($job); perform($job); 1 };
        print STDERR 'adaptivectl: ', failure(), "\n" if !$done;
        POSIX::_exit($done ? 0 : 1);
    }
    local $SIG{INT} = local $SIG{TERM} = local $SIG{HUP} = sub { print "\nIt is being finished, or undone; this takes a moment.\n" };
    1 while waitpid($pid, 0) == -1 && $!{EINTR};
    my $status = $?;
    my $left = $job->{journal}->read;
    return $status & 127 ? 1 : $status >> 8 if !$left;
    say_line($status & 127 ? 'It was killed in the middle. What it did is undone.' : 'It did not come to its end. What it did is undone.');
    recover($job, $left);
    return 1;
}

sub note {
    my ($job) = @_;
    my $server = $job->{server};
    $job->{journal}->write({ from => $job->{from}, to => $job->{to}, began => time, steps => $job->{steps}, session => $$,
        running => restarts($job) ? 1 : 0, unit => $server->{unit}, command => $server->{command} });
    return;
}

sub perform {
    my ($job) = @_;
    my $server = $job->{server};
    my $restart = restarts($job);
    my $before = $restart ? $server->answers : {};
    $job->{journal}->note_before($job->{from}) if $job->{to} eq OURS && $job->{from} =~ /^mpm_\w+$/;
    my $wrong = $restart ? stop_server($server) : '';
    $wrong ||= make_steps($job);
    $wrong ||= start_server($job, $before) if $restart;
    if ($wrong) {
        say_line("This failed: $wrong");
        my $still = undo($job, $before, $restart);
        fail($still ? "and going back failed as well: $still Look at the error log, and start the server by hand: "
                . shell_words($server->control('start'))
            : "it is as it was before: $job->{from}" . ($restart ? ' serves.' : '.'));
    }
    $job->{journal}->done;
    $job->{journal}->forget_before if $job->{to} ne OURS;
    tell_result($job, $restart);
    return;
}

sub stop_server {
    my ($server) = @_;
    say_step(shell_words($server->control('stop')));
    return $server->stop;
}

# '' or what is wrong.
sub make_steps {
    my ($job) = @_;
    my $site = $job->{site};
    for my $step (@{ $job->{steps} }) {
        say_step(AdaptiveCtl::Steps::text_of($step)) if $step->{do} ne 'mark';
        eval { AdaptiveCtl::Steps::apply($step); 1 } or return failure();
    }
    my $errors = $site->errors_of;
    return "httpd does not accept the configuration:\n$errors" if $errors;
    my $mpm = $site->mpm_of;
    return $mpm eq $job->{to} ? '' : "the configuration has $mpm then, not $job->{to}.";
}

sub start_server {
    my ($job, $before) = @_;
    my $server = $job->{server};
    say_step(shell_words($server->control('start')));
    my $wrong = $server->start || $server->compare_answers($before);
    return $wrong if $wrong;
    my $runs = $server->mpm_running;
    return $runs eq '' || $runs eq $job->{to} || $job->{steps_undone} ? '' : "the server that runs has $runs.";
}

# '' or why it is not as it was.
sub undo {
    my ($job, $before, $restart) = @_;
    my $server = $job->{server};
    say_step("going back to $job->{from}");
    $server->look;
    my $runs = $server->mpm_running;
    my $wrong = $restart && $server->is_running && $runs ne $job->{from} ? $server->stop : '';
    eval { AdaptiveCtl::Steps::undo(@{ $job->{steps} }); 1 } or return failure();
    $job->{steps_undone} = 1;
    $wrong ||= start_server($job, $before) if $restart && !$server->is_running;
    $job->{journal}->done if !$wrong;
    return $wrong;
}

# After somebody was killed: what the journal has is undone, and the server runs again if it ran before.
sub recover {
    my ($job, $left) = @_;
    my $server = $job->{server} // AdaptiveCtl::Server->new($job->{site}, { service => $left->{unit} });
    $server->{unit} //= $left->{unit};
    AdaptiveCtl::Steps::undo(@{ $left->{steps} });
    AdaptiveCtl::Server::wait_for_session($left->{session});
    if ($left->{running} && ($server->is_ending || ($server->mpm_running || $left->{from}) ne $left->{from})) {
        my $wrong = $server->stop;
        fail($wrong) if $wrong;
    }
    if ($left->{running} && !$server->is_running) {
        $server->{command} = $left->{command};
        say_step(shell_words($server->control('start')));
        my $wrong = $server->start;
        fail("the server was stopped by the interrupted switch, and $wrong") if $wrong;
    }
    $job->{journal}->done;
    say_line("It is as it was before: $left->{from}.");
    return;
}

sub tell_result {
    my ($job, $restart) = @_;
    my $to = $job->{to};
    if ($restart) {
        my $answers = $job->{server}->answers;
        my @told = map {"$_ answers $answers->{$_}"} grep { $answers->{$_} } sort keys %$answers;
        say_line("$to serves (process $job->{server}{pid})" . (@told ? ': ' . join(', ', @told) : '') . '.');
    }
    else { say_line("$to is enabled, and will run from the next start on.") }
    say_line($to eq OURS ? 'Back again: adaptivectl disable. Old MPM settings: adaptivectl import.' : 'To mpm_adaptive again: adaptivectl enable.');
    return;
}

1;
