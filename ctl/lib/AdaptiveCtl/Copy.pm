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
use AdaptiveCtl::CopyFile;
use AdaptiveCtl::CopyLogs;
use AdaptiveCtl::CopyNotes;
use AdaptiveCtl::CopyPorts;
use AdaptiveCtl::CopyRead;
use AdaptiveCtl::CopySites;
use AdaptiveCtl::Say;
use AdaptiveCtl::Site;
use AdaptiveCtl::Steps;

my @MPMS = qw(event worker prefork adaptive);

# Where children write, who are not root.
my $CHILDREN_WRITE = qr/^(?:davlockdb|davgenericlockdb|cachelockpath)$/;

sub new {
    my ($class, $site, %opt) = @_;
    my $self = bless { site => $site, dir => $opt{dir}, private => $opt{dir}, ports => AdaptiveCtl::CopyPorts->new,
        notes => AdaptiveCtl::CopyNotes->new, built_in => AdaptiveCtl::CopyRead::built_in($site) }, $class;
    $self->{own_mpm} = $self->find_own_mpm;
    $self->begin($self->{own_mpm});
    $self->{sites} = [ AdaptiveCtl::CopySites::sites_of($self->{hosts}, $self->{ports}, $self->{protocol}) ];
    @{ $self->{sites} } = grep { !$self->{dropped}{ $_->{key} } } @{ $self->{sites} };
    @{ $self->{sites} } or fail("$site->{config} has no Listen, or no virtual host that can be copied.");
    # the notes are those of the server as it is
    local @$self{qw(dir mpm_conf)} = ($opt{dir} // '/nonexistent', undef);
    AdaptiveCtl::CopyFile::lines($self);
    $self->{log_formats} = AdaptiveCtl::CopyLogs::formats($self->{items});
    $self->{access_logs} = [ AdaptiveCtl::CopyLogs::access_logs($self) ];
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
sub log_formats { my ($self) = @_; return $self->{log_formats} }
sub access_logs { my ($self) = @_; return @{ $self->{access_logs} } }
sub own_mpm { my ($self) = @_; return $self->{own_mpm} }

sub target_of { my ($self, $url) = @_; return AdaptiveCtl::CopySites::target_of($self->{sites}, $url) }

sub absolute { my ($self, $path) = @_; return $path =~ m{\A/} ? $path : "$self->{root}/$path" }

# Where the original writes: a directive that this tool does not know and that names such a place may do so.
sub find_write_dirs {
    my ($self) = @_;
    my $env = $self->{site}{env};
    my %dir = map { $_ => 1 } qw(/var/log /run /var/run /run/lock /var/lock /var/cache /var/tmp /tmp), "$self->{root}/logs",
        "$self->{root}/run", grep {defined} @$env{qw(APACHE_RUN_DIR APACHE_LOCK_DIR APACHE_LOG_DIR)};
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
    my @lines = AdaptiveCtl::CopyFile::lines($self);
    $self->make_directories($dir);
    my $config = "$dir/conf/httpd.conf";
    AdaptiveCtl::Steps::write_file($config, join '', map {"$_->[0]\n"} @lines);
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
    # the file has what the original's files hide, and logs have what is asked for
    make_path($dir, map({"$dir/$_"} qw(conf logs run tmp)), { mode => 0700 });
    # children are another user, who has to pass here; nobody may look into it
    chmod 0711, $dir;
    chmod 0755, map {"$dir/$_"} qw(run tmp);
    make_path(@{ $self->{directories} });
    return if $> != 0;
    chmod 0711, $self->{private} if defined $self->{private} && index("$dir/", "$self->{private}/") == 0;
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

1;
