package AdaptiveCtl::Steps;

# What a switch changes in the file system, as a list of steps. Each is one system call that either happens or does not (symlink,
# unlink, rename), and can be undone, also by another process that knows only the journal: a step is plain data.
#
#   { do => 'link',   path => ..., target => ... }      a symbolic link comes
#   { do => 'unlink', path => ..., target => ... }      it goes
#   { do => 'write',  path => ..., old => ..., new => ... }     a file's text changes
#   { do => 'mark',   path => ..., old => 0 | 1, new => 0 | 1 } an empty file, of which only whether it is there counts

use strict;
use warnings;

use Cwd qw(realpath);
use File::Basename qw(basename dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Handle;

use AdaptiveCtl::Config;
use AdaptiveCtl::Say;

sub read_file {
    my ($path) = @_;
    open my $in, '<:raw', $path or return;
    local $/;
    return scalar(<$in>) // '';
}

# The new text is there as a whole or not at all, with the rights of the old file.
sub write_file {
    my ($path, $text) = @_;
    my $real = realpath($path) // $path;
    my $new  = "$real.adaptivectl-new";
    my @stat = stat $real;
    open my $out, '>:raw', $new or fail("cannot write $new: $!");
    chmod $stat[2] & 07777, $new if @stat;
    chown @stat[ 4, 5 ], $new    if @stat && $> == 0;
    my $why = print({$out} $text) && $out->flush ? undef : $!;
    # no power failure leaves an empty file
    $out->sync;
    close $out or $why //= $!;
    if (defined $why) {
        unlink $new;
        fail("cannot write $real: $why");
    }
    rename $new, $real or fail("cannot write $real: $!");
    return;
}

# From one text to the other, also when it is done already. What somebody else has written meanwhile is not overwritten: undoing may
# come days later.
sub change_text {
    my ($path, $from, $to) = @_;
    my $now = read_file($path) // '';
    return if $now eq $to;
    $now eq $from or fail("$path has been changed by somebody else meanwhile, so it is left as it is. See that it has the right LoadModule line of an MPM; "
        . 'then remove the .journal file below --state (/var/lib/adaptivectl), if there is one.');
    return write_file($path, $to);
}

sub set_mark {
    my ($path, $wanted) = @_;
    # a2query and a2enmod do without
    if (!$wanted) { unlink $path }
    else {
        eval { make_path(dirname($path)) };
        if (open my $file, '>>', $path) { close $file }
    }
    return;
}

sub has_link { my ($step) = @_; return -l $step->{path} && readlink($step->{path}) eq $step->{target} }

# Also when it is done already.
sub make_link {
    my ($step) = @_;
    return if has_link($step);
    symlink $step->{target}, $step->{path} or fail("cannot make the link $step->{path}: $!");
    return;
}

sub remove_link {
    my ($step) = @_;
    return if !has_link($step);
    unlink $step->{path} or fail("cannot remove the link $step->{path}: $!");
    return;
}

my %DO = (
    link   => { do => \&make_link,   undo => \&remove_link },
    unlink => { do => \&remove_link, undo => \&make_link },
    write  => { do => sub { change_text(@{ $_[0] }{qw(path old new)}) }, undo => sub { change_text(@{ $_[0] }{qw(path new old)}) } },
    mark   => { do => sub { set_mark($_[0]{path}, $_[0]{new}) },   undo => sub { set_mark($_[0]{path}, $_[0]{old}) } },
);

sub apply { my (@steps) = @_; $DO{ $_->{do} }{do}->($_)   for @steps;         return }
sub undo  { my (@steps) = @_; $DO{ $_->{do} }{undo}->($_) for reverse @steps; return }

sub text_of {
    my ($step) = @_;
    return "link $step->{path} -> $step->{target}" if $step->{do} eq 'link';
    return "remove the link $step->{path}"          if $step->{do} eq 'unlink';
    my %old = map { $_ => 1 } split /\n/, $step->{old};
    my %new = map { $_ => 1 } split /\n/, $step->{new};
    return join "\n    ", "change $step->{path}", (map {"- $_"} grep { !$new{$_} } split /\n/, $step->{old}),
        map {"+ $_"} grep { !$old{$_} } split /\n/, $step->{new};
}

# --- trying it beside the real one ----------------------------------------------------------------------------------

# A directory that looks like $root after the steps: links to everything that stays, and the changed files. It goes when the
# process ends. Only root can look into it, because what is linked may be secret.
sub imitation {
    my ($root, @steps) = @_;
    my $copy = tempdir('adaptivectl-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    my @changes = grep { $_->{do} ne 'mark' && index("$_->{path}", "$root/") == 0 } @steps;
    my %inside;
    for my $step (@changes) {
        my $dir = dirname(substr $step->{path}, 1 + length $root);
        while ($dir ne '.') { $inside{$dir} = 1; $dir = dirname($dir) }
    }
    for my $dir ('.', sort keys %inside) {
        mkdir "$copy/$dir" if $dir ne '.';
        for my $path (glob("\Q$root/$dir\E/*"), glob "\Q$root/$dir\E/.[!.]*") {
            my $name = $dir eq '.' ? basename($path) : "$dir/" . basename($path);
            symlink $path, "$copy/$name" if !$inside{$name};
        }
    }
    for my $step (@changes) {
        my $path = "$copy/" . substr $step->{path}, 1 + length $root;
        unlink $path;
        next if $step->{do} eq 'unlink';
        if ($step->{do} eq 'link') { symlink realpath(dirname($step->{path}) . "/$step->{target}"), $path }
        else {
            open my $out, '>:raw', $path or fail("cannot write $path: $!");
            print {$out} $step->{server_root} ? $step->{new} =~ s{^\s*ServerRoot\s.*$}{ServerRoot "$copy"}gmir : $step->{new};
            close $out or fail("cannot write $path: $!");
        }
    }
    return $copy;
}

# The configuration of a server as it will be after the steps, for Site.pm's questions: (root => ..., config => ...).
sub imitated {
    my ($site, @steps) = @_;
    my $copy = imitation($site->{root}, @steps, root_line_steps($site, @steps));
    return (root => $copy, config => $copy . substr $site->{config}, length $site->{root});
}

# Where the configuration itself says ServerRoot, the imitation has to say its own: steps for it alone. A file that is changed
# anyway is changed once more.
sub root_line_steps {
    my ($site, @steps) = @_;
    my @more;
    for my $directive (AdaptiveCtl::Config::read_all($site)) {
        next if lc $directive->{name} ne 'serverroot';
        my ($changed) = grep { $_->{do} eq 'write' && $_->{path} eq $directive->{file} } @steps;
        push @more, { do => 'write', path => $directive->{file}, new => ($changed ? $changed->{new} : read_file($directive->{file})),
            server_root => 1 };
    }
    return @more;
}

1;
