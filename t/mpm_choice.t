# One MPM, two, none: the server says what is the matter, and its informational options work.

use strict;
use warnings;

use lib 't/lib';
use Adaptive::Paths qw(libexecdir);
use Adaptive::Server;
use Test::More;

my $mpm = mpm();

sub ask {
    my ($server, @args) = @_;
    my $result = $server->run_httpd(@args);
    is $result->{status}, 0, "httpd @args" or diag $result->{output};
    return $result->{output};
}

subtest 'informational options' => sub {
    my $server = Adaptive::Server->new(modules => ['status']);
    is ask($server, '-t'), "Syntax OK\n", '-t has nothing else to say';
    like ask($server, '-V'), qr/^Server MPM: +$mpm$/m,              '-V names the MPM';
    like ask($server, '-V'), qr/^  threaded: +yes /m,               '-V knows that it has threads';
    like ask($server, '-V'), qr/^    forked: +yes \(variable/m,     '-V knows that it forks as it likes';
    like ask($server, '-M'), qr/^ mpm_${mpm}_module \(shared\)$/m,  '-M lists the module';
    like ask($server, '-l'), qr/^  core\.c$/m,                      '-l lists the static modules';
    like ask($server, '-L'), qr/^ThreadsPerChild \(mod_mpm_$mpm\.c\)/m, '-L lists its directives'
        if $mpm eq 'adaptive';
    like ask($server, '-S'), qr/^ServerRoot: /m,                    '-S shows the settings';
    like ask($server, '-t', '-DDUMP_RUN_CFG'), qr/^PidFile: /m,     '-t -DDUMP_RUN_CFG too';
    like ask($server, '-v'), qr/^Server version: /m,                '-v';
    is http_get($server->start->url('/'))->{status}, 200, 'and the same configuration serves';
    is ask($server, '-t'), "Syntax OK\n", '-t beside the running server';
    is http_get($server->url('/'))->{status}, 200, 'which does not mind';
    ok $server->stop, 'it stops';
};

# An exit status above 127 would be a signal's: a crash.
sub refuses {
    my ($mpms, @messages) = @_;
    my $server = Adaptive::Server->new(mpm => $mpms);
    my $what = join(' and then ', @$mpms) || 'no MPM';
    for my $args (['-t'], ['-V'], ['-DFOREGROUND']) {
        my $result = $server->run_httpd(@$args);
        next if "@$args" eq '-V' && $result->{status} == 0;
        cmp_ok $result->{status}, '>',  0,   "$what: refused with @$args";
        cmp_ok $result->{status}, '<=', 127, "$what: without a crash";
        like $result->{output}, $_, "$what: a clear message" for @messages;
    }
    return;
}

subtest 'two MPMs, none' => sub {
    my $other = $mpm eq 'worker' ? 'event' : 'worker';
    refuses([$mpm, $other], qr/More than one MPM loaded/);
    refuses([$other, $mpm], qr/More than one MPM loaded|\Q$mpm\E.*\Q$other\E|\Q$other\E.*\Q$mpm\E/i);
    if ($mpm eq 'adaptive') {
        my @both = (qr/More than one MPM loaded/,
            qr/ADP0114: mpm_adaptive is loaded beside another MPM, mpm_$other:.* keep mpm_adaptive: a2dismod mpm_$other; to keep mpm_$other: a2dismod mpm_adaptive/);
        refuses([$other, $mpm], @both);
        refuses([$mpm, $other], @both);
    }
    refuses([], qr/No MPM loaded/);
};

# As Debian's "a2enmod php8.2" leaves it: prefork is there because mod_php depends on it.
subtest 'mod_php and its MPM' => sub {
    plan skip_all => 'about a message of mod_mpm_adaptive' if $mpm ne 'adaptive';
    my ($php) = glob libexecdir() . '/libphp*.so' or plan skip_all => 'needs mod_php (libapache2-mod-php)';
    for my $mpms ([qw(adaptive prefork)], [qw(prefork adaptive)]) {
        my $server = Adaptive::Server->new(mpm => $mpms, mpm_conf => "LoadModule php_module $php\n");
        my $result = $server->run_httpd('-t');
        isnt $result->{status}, 0, "@$mpms: refused";
        like $result->{output},
            qr/ADP0114: mpm_adaptive .*, mpm_prefork: .*keep mpm_adaptive: a2dismod 'php\*' mpm_prefork .*; to keep mpm_prefork: a2dismod mpm_adaptive/,
            'both are named, with what has to be disabled in which order';
    }
};

subtest 'the same MPM twice' => sub {
    my $server = Adaptive::Server->new(mpm => [$mpm, $mpm]);
    my $result = $server->run_httpd('-t');
    is $result->{status}, 0, 'is once';
    like $result->{output}, qr/module mpm_${mpm}_module is already loaded, skipping/, 'and httpd says so';
};

done_testing;
