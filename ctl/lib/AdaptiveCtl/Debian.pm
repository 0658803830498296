package AdaptiveCtl::Debian;

# Debian's way to choose an MPM: links in mods-enabled. Two of them cannot change at once, so there is a moment in which both MPMs
# have one, and then the guard in mpm_adaptive.load lets the other one run. At no moment is there none or two.

use strict;
use warnings;

use File::Basename qw(basename);

use AdaptiveCtl::Say;
use AdaptiveCtl::Site;
use AdaptiveCtl::Steps;

use constant OURS => AdaptiveCtl::Site::OURS;

my @OTHERS = qw(mpm_event mpm_worker mpm_prefork);

sub new {
    my ($class, $site) = @_;
    my $state = $site->{env}{APACHE_STATE_DIRECTORY} // $ENV{APACHE_STATE_DIRECTORY} // '/var/lib/apache2';
    return bless { site => $site, root => $site->{root}, marks => "$state/module" }, $class;
}

sub enabled   { my ($self) = @_; return grep { $self->has($_) } OURS, @OTHERS }
sub has       { my ($self, $mpm) = @_; return -e "$self->{root}/mods-enabled/$mpm.load" }
sub available { my ($self, $mpm) = @_; return -e "$self->{root}/mods-available/$mpm.load" }
sub remedy_two { my ($self, @mpms) = @_; return join ' or ', map {"a2dismod $_"} @mpms }
sub conf_file { my ($self) = @_; return "$self->{root}/mods-available/" . OURS . '.conf' }

# Which MPM runs with these links: another one wins.
sub chosen {
    my ($self) = @_;
    my @enabled = $self->enabled;
    my @others = grep { $_ ne OURS } @enabled;
    return @others ? @others : @enabled;
}

# What has to be there before anything is done.
sub require_installed {
    my ($self) = @_;
    my $load = "$self->{root}/mods-available/" . OURS . '.load';
    my $text = AdaptiveCtl::Steps::read_file($load)
        // fail("$load is missing: the module is not installed. Install the package libapache2-mod-mpm-adaptive, or \"make -f Makefile.apxs install\".");
    my ($module) = $text =~ m{^\s*LoadModule\s+mpm_adaptive_module\s+"?([^"\s]+)}m;
    $module && -e ($module =~ m{^/} ? $module : "$self->{root}/$module")
        or fail("$load names ", $module // 'no module', ', which is not there: install the module again.');
    for my $mpm (@OTHERS) {
        $text =~ /<IfFile\s+"?!mods-enabled\/\Q$mpm\E\.load"?>/i
            or fail("$load does not look whether $mpm is enabled, so that there would be two MPMs for a moment. "
                . 'It is of an older version, or was changed: install the module again.');
    }
    return;
}

sub link_step {
    my ($self, $do, $name) = @_;
    my $path = "$self->{root}/mods-enabled/$name";
    my $target = $do eq 'unlink' ? readlink($path) : "../mods-available/$name";
    if ($do eq 'link') {
        return if -e $path || !-e "$self->{root}/mods-available/$name";
        return if -l $path && readlink($path) eq $target;
        # of a package that is gone
        return ({ do => 'unlink', path => $path, target => readlink $path }, { do => 'link', path => $path, target => $target }) if -l $path;
    }
    elsif (!defined $target) {
        return if !-e $path;
        fail("$path is a file, not a link as a2enmod makes it. Move it to mods-available, and run a2enmod.");
    }
    return { do => $do, path => $path, target => $target };
}

# As a2enmod and a2dismod note who did it; a2query tells.
sub mark_steps {
    my ($self, $mpm, $state) = @_;
    return if !-d $self->{marks};
    my @steps;
    for my $dir (map { basename($_) } glob "$self->{marks}/*_by_*") {
        my $path = "$self->{marks}/$dir/$mpm";
        push @steps, { do => 'mark', path => $path, old => 1, new => 0 } if -e $path && $dir ne "${state}_by_admin";
    }
    my $path = "$self->{marks}/${state}_by_admin/$mpm";
    push @steps, { do => 'mark', path => $path, old => 0, new => 1 } if !-e $path;
    return @steps;
}

# From one MPM, or whichever is enabled, to another.
sub steps_to {
    my ($self, $mpm) = @_;
    my @leave = grep { $_ ne $mpm } $self->enabled;
    $self->available($mpm) or fail("$mpm is not installed: there is no $self->{root}/mods-available/$mpm.load.");
    if ($mpm eq OURS) { $self->require_installed }
    # another one takes over with its link, ours when the other one's is gone
    return (
        (map { $self->link_step('link', "$mpm.$_") } qw(conf load)),
        (map { my $old = $_; map { $self->link_step('unlink', "$old.$_") } qw(load conf) } @leave),
        $self->mark_steps($mpm, 'enabled'),
        (map { $self->mark_steps($_, 'disabled') } @leave),
    );
}

# Modules that are enabled and need an MPM that is going ("# Depends:").
sub dependents {
    my ($self, $mpm) = @_;
    return map { basename($_, '.load') }
        grep { (AdaptiveCtl::Steps::read_file($_) // '') =~ /^# Depends:.*\b\Q$mpm\E\b/m } glob "$self->{root}/mods-enabled/*.load";
}


1;
