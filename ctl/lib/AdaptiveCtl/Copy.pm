package AdaptiveCtl::Copy;

# A private copy of a server: its configuration with everything that it includes as one file, on ports of 127.0.0.1, under an MPM of
# choice. Contents, certificates and backends are the real ones; everything that httpd writes is below the copy's own directory.
#
#   my $copy = AdaptiveCtl::Copy->new($site, dir => '/tmp/private');
#   my $server = $copy->write(root => '/tmp/private/event', mpm => 'event');
#   # $server->{command}, {env}, {config}, {ports}, {pid_file}, {error_log}

use strict;
use warnings;

use File::Basename qw(dirname);
use File::Path qw(make_path);

use AdaptiveCtl::CopyCertificates;
use AdaptiveCtl::CopyLine;
use AdaptiveCtl::CopyNotes;
use AdaptiveCtl::CopyPorts;
use AdaptiveCtl::CopyRead;
use AdaptiveCtl::CopySites;
use AdaptiveCtl::Config;
use AdaptiveCtl::Say;
use AdaptiveCtl::Site;
use AdaptiveCtl::Steps;

my @MPMS = qw(event worker prefork adaptive);
my %OWN_NAME = (log => 'logs', place => 'run');

# Where children write, who are not root.
my $CHILDREN_WRITE = qr/^(?:davlockdb|davgenericlockdb|cachelockpath)$/;

sub new {
    my ($class, $site, %opt) = @_;
    my $self = bless { site => $site, dir => $opt{dir}, ports => AdaptiveCtl::CopyPorts->new, notes => AdaptiveCtl::CopyNotes->new,
        built_in => AdaptiveCtl::CopyRead::built_in($site) }, $class;
    $self->{own_mpm} = $self->find_own_mpm;
    $self->begin($self->{own_mpm});
    $self->{sites} = [ AdaptiveCtl::CopySites::sites_of($self->{hosts}, $self->{ports}, $self->{protocol}) ];
    @{ $self->{sites} } = grep { !$self->{dropped}{ $_->{key} } } @{ $self->{sites} };
    @{ $self->{sites} } or fail("$site->{config} has no Listen, or no virtual host that can be copied.");
    # the notes are those of the server as it is
    local @$self{qw(dir mpm_conf)} = ($opt{dir} // '/nonexistent', undef);
    $self->lines;
    $self->{access_logs} = [ $self->find_access_logs ];
    return $self;
}

# httpd says it, if this user may read everything that the configuration names; else the configuration does.
sub find_own_mpm {
    my ($self) = @_;
    my ($mpm) = $self->{site}->mpm_of =~ /\Ampm_(\w+)\z/;
    return $mpm if defined $mpm;
    my $state = AdaptiveCtl::CopyRead::read_all($self->{site}, '', $self->{built_in});
    ($mpm) = map { ($_->{args}[0] // '') =~ /\Ampm_(event|worker|prefork|adaptive)_module\z/ ? $1 : () }
        grep { $_->{active} && lc $_->{name} eq 'loadmodule' } @{ $state->{items} };
    return $mpm // fail("$self->{site}{config} chooses no MPM: " . $self->{site}->errors_of);
}

# What the configuration says under an MPM.
sub begin {
    my ($self, $mpm) = @_;
    my $state = AdaptiveCtl::CopyRead::read_all($self->{site}, $mpm, $self->{built_in});
    $self->{mpm} = $mpm;
    @$self{qw(items root)} = @$state{qw(items root)};
    $self->{variable} = $state->{variable};
    $self->{hosts} = [ AdaptiveCtl::CopySites::hosts_of($self->{items}) ];
    $self->{protocol} = AdaptiveCtl::CopySites::listens_of($self->{items});
    for my $host (grep { $_->{item} } @{ $self->{hosts} }) { $self->{ports}->see_host($_) for @{ $host->{item}{args} } }
    $self->{write_dirs} = [ $self->find_write_dirs ];
    @$self{qw(dropped more names used listened closed)} = ({}, {}, {}, {}, {}, {});
    AdaptiveCtl::CopyCertificates::check($self);
    return;
}

sub note { my ($self, @note) = @_; $self->{notes}->add(@note) if $note[1]{active}; return }

sub notes { my ($self) = @_; return $self->{notes}->all }
sub sites { my ($self) = @_; return @{ $self->{sites} } }
sub own_mpm { my ($self) = @_; return $self->{own_mpm} }

sub target_of { my ($self, $url) = @_; return AdaptiveCtl::CopySites::target_of($self->{sites}, $url) }

sub absolute { my ($self, $path) = @_; return $path =~ m{\A/} ? $path : "$self->{root}/$path" }

# Where the original writes: a directive that this tool does not know and that names such a place may do so.
sub find_write_dirs {
    my ($self) = @_;
    my $env = $self->{site}{env};
    my %dir = map { $_ => 1 } qw(/var/log /run /var/run /run/lock /var/lock /var/cache /var/tmp /tmp), "$self->{root}/logs", "$self->{root}/run",
        grep {defined} @$env{qw(APACHE_RUN_DIR APACHE_LOCK_DIR APACHE_LOG_DIR)};
    for my $item (grep { $_->{name} =~ /^(?:PidFile|ErrorLog|DefaultRuntimeDir)$/i && ($_->{args}[0] // '') =~ m{/} } @{ $self->{items} }) {
        next if $item->{args}[0] =~ /\A\|/;
        my $path = $self->absolute($item->{args}[0]);
        $dir{ lc $item->{name} eq 'defaultruntimedir' ? $path : dirname($path) } = 1;
    }
    return sort grep { $_ ne '/' } keys %dir;
}

# --- places in the copy -----------------------------------------------------------------------------------------------

# A name that no other path has taken.
sub own_name {
    my ($self, $what, $wanted) = @_;
    return $self->{names}{$what} if $self->{names}{$what};
    (my $name = $wanted) =~ s/[^\w.-]+/_/g;
    $name =~ s/\A[.]+//;
    $name = 'file' if $name eq '';
    my $n = 1;
    my $free = $name;
    $free = $name . '.' . ++$n while $self->{used}{$free};
    $self->{used}{$free} = 1;
    return $self->{names}{$what} = $free;
}

sub log_for { my ($self, $what, $name) = @_; return "$self->{dir}/logs/" . $self->own_name("log $what", $name) }

sub place_for {
    my ($self, $path, $directive) = @_;
    my ($name) = $path =~ m{([^/]+)/*\z};
    my $below = $directive =~ $CHILDREN_WRITE ? 'tmp' : 'run';
    return "$self->{dir}/$below/" . $self->own_name("$directive " . $self->absolute($path), $name // 'file');
}

# A directory that exists, and that the server's children may write to.
sub directory_for {
    my ($self, $path) = @_;
    my ($name) = $path =~ m{([^/]+)/*\z};
    my $dir = "$self->{dir}/tmp/" . $self->own_name('directory ' . $self->absolute($path), $name // 'directory');
    push @{ $self->{directories} }, $dir;
    return $dir;
}

# --- the file ---------------------------------------------------------------------------------------------------------

# What the copy says before the original has said anything.
sub head {
    my ($self) = @_;
    my $dir = $self->{dir};
    my $module = $self->module_line;
    my @lines = ('# A private copy of ' . $self->{site}{config} . ', made by adaptivectl compare. It serves on 127.0.0.1 alone.',
        "ServerRoot \"$self->{site}{root}\"", $module ? $module : (),
        "DefaultRuntimeDir \"$dir/run\"", "PidFile \"$dir/run/httpd.pid\"", "CoreDumpDirectory \"$dir/run\"", "ErrorLog \"$dir/logs/error.log\"");
    push @lines, "ScoreBoardFile \"$dir/run/scoreboard\"" if grep { $_->{active} && lc $_->{name} eq 'scoreboardfile' } @{ $self->{items} };
    return @lines;
}

# Modules whose own idea of where to write is not below DefaultRuntimeDir.
sub tail {
    my ($self) = @_;
    my $dir = $self->{dir};
    my %has = map { lc $_->{name} => 1 } grep { $_->{active} } @{ $self->{items} };
    my @sections = (
        [ 'fcgid_module', [ FcgidIPCDir => "$dir/run/fcgidsock" ], [ FcgidProcessTableFile => "$dir/run/fcgid_shm" ] ],
        [ 'wsgi_module',   [ WSGISocketPrefix => "$dir/run/wsgi" ] ],
        [ 'dav_fs_module', [ DavLockDB => "$dir/tmp/DavLock" ] ],
        [ 'evasive20_module', [ DOSLogDir => "$dir/tmp" ] ],
    );
    return map {
        my ($module, @directives) = @$_;
        my @missing = grep { !$has{ lc $_->[0] } } @directives;
        @missing ? ("<IfModule $module>", (map {"    $_->[0] \"$_->[1]\""} @missing), '</IfModule>') : ()
    } @sections;
}

# The one LoadModule of an MPM; nothing if httpd is built with it.
sub module_line {
    my ($self) = @_;
    my $mpm = $self->{mpm};
    my ($static) = map { /\A(?:mod_mpm_)?(event|worker|prefork|adaptive)\.c\z/ ? $1 : () } sort keys %{ $self->{built_in}{loaded} };
    return if defined $static && $static eq $mpm;
    fail("$self->{site}{httpd} is built with mpm_$static, so that no other MPM can be loaded; compare needs an httpd that is built with --enable-mpms-shared=all.")
        if defined $static;
    my @paths = map { $self->absolute($_->{args}[1]) } grep { lc $_->{name} eq 'loadmodule' && defined $_->{args}[1] } @{ $self->{items} };
    my ($named) = grep { m{/mod_mpm_\Q$mpm\E\.so\z} } @paths;
    my %seen;
    my ($found) = grep {-e} defined $self->{module} && $mpm eq 'adaptive' ? $self->{module} : (defined $named ? $named : ()),
        map {"$_/mod_mpm_$mpm.so"} grep { !$seen{$_}++ } map { dirname($_) } @paths;
    $found // fail("mod_mpm_$mpm.so is not there, neither beside the modules of $self->{site}{config}" . (defined $self->{module} && $mpm eq 'adaptive' ? " nor at $self->{module}" : '')
        . '; install it, or name it.');
    return "LoadModule mpm_${mpm}_module \"$found\"";
}

# Debian keeps the settings of an MPM that is not enabled in mods-available.
sub settings_of_other {
    my ($self) = @_;
    my $file = "$self->{site}{root}/mods-available/mpm_$self->{mpm}.conf";
    return if defined $self->{mpm_conf} || !$self->{site}{is_debian} || -e "$self->{site}{root}/mods-enabled/mpm_$self->{mpm}.conf" || !-r $file;
    return map { { file => $file, line => $_->[0], text => $_->[1] } } AdaptiveCtl::Config::lines_of($file);
}

# All lines, each with where it comes from: [text, file, line].
sub lines {
    my ($self) = @_;
    @$self{qw(listened names used directories)} = ({}, {}, {}, []);
    $self->{used}{'error.log'} = 1;
    my @lines = map { [$_] } $self->head;
    if (defined $self->{mpm_conf}) { push @lines, map { [$_] } "# the MPM's settings of this comparison", split /\n/, $self->{mpm_conf} }
    push @lines, map { [ $_->{text}, $_->{file}, $_->{line} ] } $self->settings_of_other;
    my $from = '';
    for my $item (@{ $self->{items} }) {
        if ($item->{file} ne $from) { push @lines, [ "# --- $item->{file}", $item->{file}, $item->{line} ]; $from = $item->{file} }
        push @lines, map { [ $_, $item->{file}, $item->{line} ] } AdaptiveCtl::CopyLine::rewrite($self, $item);
    }
    return (@lines, map { [$_] } $self->tail);
}

# Refuses what cannot run under this MPM; its own message would come in the middle of a round.
sub refuse_unsafe {
    my ($self, $mpm) = @_;
    return if $mpm eq 'prefork';
    my ($php) = grep { $_->{active} && lc $_->{name} eq 'loadmodule' && ($_->{args}[0] // '') =~ /\Aphp\d*_module\z/ } @{ $self->{items} };
    fail("$php->{args}[0] ($php->{file}:$php->{line}) works with mpm_prefork only, because it is not thread-safe. Use php-fpm instead; "
        . '"adaptivectl check" says how.') if $php;
    return;
}

# Writes the copy for one MPM into a directory, which comes into being.
sub write {
    my ($self, %opt) = @_;
    my ($dir, $mpm) = @opt{qw(root mpm)};
    grep { $_ eq $mpm } @MPMS or usage_error("mpm_$mpm cannot be compared: choose one of " . join(', ', @MPMS) . '.');
    $self->{ports}->renew;
    local $self->{dir} = $dir;
    local @$self{qw(mpm_conf module)} = @opt{qw(mpm_conf module)};
    $self->begin($mpm);
    $self->refuse_unsafe($mpm);
    my @lines = $self->lines;
    $self->make_directories($dir);
    my $config = "$dir/conf/httpd.conf";
    AdaptiveCtl::Steps::write_file($config, join '', map {"$_->[0]\n"} @lines);
    # it may hold what the original's files hide
    chmod 0600, $config;
    $self->{origin}{$config} = [ map { defined $_->[1] ? "line $_->[2] of $_->[1]" : 'a line of the copy itself' } @lines ];
    $self->update_sites;
    my @command = ($self->{site}->httpd_command(config => $config), '-DFOREGROUND');
    my $server = { root => $dir, config => $config, command => \@command, env => $self->environment, ports => $self->{ports}->table,
        pid_file => "$dir/run/httpd.pid", error_log => "$dir/logs/error.log" };
    my $errors = $self->errors_of($server);
    fail("httpd does not accept a copy of $self->{site}{config} with mpm_$mpm:\n\n$errors") if $errors;
    return $server;
}

sub update_sites {
    my ($self) = @_;
    for my $site (@{ $self->{sites} }) {
        $site->{private_port} = $self->{ports}->private($site->{address}, $site->{port});
    }
    return;
}

sub make_directories {
    my ($self, $dir) = @_;
    make_path($dir, map {"$dir/$_"} qw(conf logs run tmp));
    chmod 0755, $dir, map {"$dir/$_"} qw(conf logs run tmp);
    make_path(@{ $self->{directories} });
    return if $> != 0;
    my ($user, $group) = map { my $name = $_; (grep { $_->{active} && lc $_->{name} eq $name } @{ $self->{items} })[-1] } qw(user group);
    my $uid = number_of($user, sub { scalar getpwnam $_[0] }) // return;
    my $gid = number_of($group, sub { scalar getgrnam $_[0] }) // -1;
    chown $uid, $gid, "$dir/tmp", @{ $self->{directories} };
    return;
}

# "www-data" or "#33".
sub number_of {
    my ($item, $ask) = @_;
    my $name = $item ? $item->{args}[0] : undef;
    return if !defined $name;
    return $name =~ /\A#(-?\d+)\z/ ? $1 : $ask->($name);
}

sub environment {
    my ($self) = @_;
    my $dir = $self->{dir};
    return { %{ $self->{site}{env} }, APACHE_RUN_DIR => "$dir/run", APACHE_LOCK_DIR => "$dir/run", APACHE_LOG_DIR => "$dir/logs",
        APACHE_PID_FILE => "$dir/run/httpd.pid", TMPDIR => "$dir/tmp" };
}

# What httpd -t says of a copy that has been written, '' if it is content; in terms of the original's files.
sub errors_of {
    my ($self, $server) = @_;
    local $self->{site}{env} = $server->{env};
    return $self->in_original_terms($self->{site}->errors_of(config => $server->{config}));
}

sub in_original_terms {
    my ($self, $text) = @_;
    for my $config (sort keys %{ $self->{origin} // {} }) {
        my $origin = $self->{origin}{$config};
        $text =~ s{\bline (\d+) of \Q$config\E}{$origin->[$1 - 1] // $&}ge;
        $text =~ s{\Q$config\E:(\d+)}{($origin->[$1 - 1] // $&) =~ s/\Aline (\d+) of (.*)\z/$2:$1/r}ge;
    }
    return $text;
}

# --- logs -------------------------------------------------------------------------------------------------------------

# The log formats that have a name: { combined => '%h ...' }.
sub log_formats {
    my ($self) = @_;
    return { map { $_->{args}[1] => unquoted($_->{args}[0]) } grep { $_->{active} && lc $_->{name} eq 'logformat' && defined $_->{args}[1] } @{ $self->{items} } };
}

sub unquoted { my ($text) = @_; return $text =~ s/\\(["\\])/$1/gr }

# Which file is written by which hosts, in which format: { path, format, keys => [...] }; key '' is the main server.
sub access_logs { my ($self) = @_; return @{ $self->{access_logs} } }

sub find_access_logs {
    my ($self) = @_;
    my ($named, %log) = ($self->log_formats);
    for my $item (grep { $_->{active} && $_->{name} =~ /^(?:CustomLog|TransferLog|GlobalLog)$/i && @{ $_->{args} } } @{ $self->{items} }) {
        next if $item->{args}[0] =~ /\A\|/;
        my $path = $self->absolute($item->{args}[0]);
        my $format = lc $item->{name} eq 'transferlog' ? undef : $item->{args}[1];
        my $log = $log{$path} //= { path => $path, format => defined $format ? $named->{$format} // unquoted($format) : '%h %l %u %t "%r" %>s %b', keys => [] };
        my $section = AdaptiveCtl::CopySites::host_section($item);
        push @{ $log->{keys} }, $section ? $section->{key} : '';
    }
    return map { $log{$_} } sort keys %log;
}

1;
