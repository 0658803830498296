package AdaptiveCtl::CopyRead;

# Reads a configuration with everything that it includes as one list of lines, in the order in which httpd meets them: comments and
# sections stay, Use is replaced by the lines of its macro, and each line knows its file and its number. Which sections count under a
# given MPM is worked out from Define, LoadModule and IfModule, because the ports and names of the server depend on it.
#
#   { kind => 'directive' | 'open' | 'close' | 'comment', name, args => [...], text, file, line, active, sections => [...] }

use strict;
use warnings;

use AdaptiveCtl::Config;

use constant MOST_DEPTH => 40;

# Whether a condition holds. What is not known here (IfDirective, IfSection) counts.
my %CONDITION = (
    ifdefine  => sub { my ($state, $what) = @_; return exists $state->{defined}{$what} },
    ifmodule  => \&has_module,
    iffile    => sub { my ($state, $what) = @_; return -e AdaptiveCtl::Config::absolute($state, $what) },
    ifversion => sub { my ($state, @args) = @_; return version_fits($state->{version}, @args) },
);

sub has_module {
    my ($state, $what) = @_;
    my $mpm = AdaptiveCtl::Config::mpm_of_section({ name => 'IfModule', args => [$what] });
    return $mpm eq "mpm_$state->{mpm}" if $mpm;
    return $state->{loaded}{$what} || ($what =~ /\Amod_(\w+)\.c\z/ && $state->{loaded}{"$1_module"});
}

sub version_fits {
    my ($version, @args) = @_;
    my ($operator, $wanted) = @args > 1 ? @args : ('=', @args);
    return 1 if $wanted !~ /\A[\d.]+\z/;
    my @have = split /\./, $version;
    my @want = split /\./, $wanted;
    my $order = 0;
    for my $n (0 .. $#want) { $order ||= ($have[$n] // 0) <=> $want[$n] }
    my %fits = ('=' => $order == 0, '==' => $order == 0, '>' => $order > 0, '>=' => $order >= 0, '<' => $order < 0, '<=' => $order <= 0);
    my $holds = $fits{ $operator =~ s/\A!//r } // 1;
    return $operator =~ /\A!/ ? !$holds : $holds;
}

sub holds {
    my ($state, $name, @args) = @_;
    my $condition = $CONDITION{ lc $name } or return 1;
    return $condition->($state, @args) if lc $name eq 'ifversion';
    my $what = $args[0] // '';
    my $is_not = $what =~ s/\A!\s*//;
    return ($condition->($state, $what) xor $is_not) ? 1 : 0;
}

# --- lines ------------------------------------------------------------------------------------------------------------

sub is_active { my ($state) = @_; return @{ $state->{sections} } ? $state->{sections}[-1]{active} : 1 }

sub add {
    my ($state, $line, %more) = @_;
    my $item = { file => $line->{file}, line => $line->{line}, text => $line->{text}, name => '', args => [], active => is_active($state),
        sections => [ @{ $state->{sections} } ], %more };
    push @{ $state->{items} }, $item;
    return $item;
}

sub read_line {
    my ($state, $line, $depth) = @_;
    my $text = $line->{text};
    return add($state, $line, kind => 'comment') if $text =~ /^\s*(?:#|$)/;
    if ($text =~ m{^\s*</(\w+)\s*>\s*$}) {
        my $open = pop @{ $state->{sections} };
        return add($state, $line, kind => 'close', name => $1, open => $open, active => $open ? $open->{active} : 1);
    }
    if ($text =~ /^\s*<(\w+)\s*(.*?)\s*>\s*$/) {
        my ($name, @args) = ($1, AdaptiveCtl::Config::words(AdaptiveCtl::Config::expand($state, $2)));
        my $active = is_active($state) && holds($state, $name, @args);
        push @{ $state->{sections} }, add($state, $line, kind => 'open', name => $name, args => \@args, active => $active);
        return;
    }
    my ($name, $rest) = $text =~ /^\s*(\S+)\s*(.*?)\s*$/;
    my @args = AdaptiveCtl::Config::words(AdaptiveCtl::Config::expand($state, $rest));
    return include($state, $line, $args[0], $depth) if $name =~ /^Include(?:Optional)?$/i && @args;
    return use_macro($state, $line, $depth, @args) if lc $name eq 'use' && @args;
    my $item = add($state, $line, kind => 'directive', name => $name, args => \@args);
    remember($state, lc $name, @args) if $item->{active};
    return;
}

# What later lines depend on.
sub remember {
    my ($state, $name, @args) = @_;
    return if !@args;
    if    ($name eq 'define')     { $state->{defined}{ $args[0] } = 1; $state->{variable}{ $args[0] } = $args[1] if defined $args[1] }
    elsif ($name eq 'undefine')   { delete $state->{defined}{ $args[0] }; delete $state->{variable}{ $args[0] } }
    elsif ($name eq 'serverroot') { $state->{root} = $args[0] }
    elsif ($name eq 'loadmodule') { $state->{loaded}{ $args[0] } = 1 if $args[0] !~ /\Ampm_\w+_module\z/ }
    return;
}

# What is not there stays as it is: httpd says so, or does not mind.
sub include {
    my ($state, $line, $pattern, $depth) = @_;
    my @files = $depth < MOST_DEPTH
        ? AdaptiveCtl::Config::files_of(AdaptiveCtl::Config::glob_quoted(AdaptiveCtl::Config::absolute($state, $pattern))) : ();
    @files = grep {-r} @files if !is_active($state);
    if (!@files || grep { !-r } @files) {
        add($state, $line, kind => 'directive', name => 'Include', args => [$pattern]);
        return;
    }
    add($state, $line, kind => 'comment', text => '# ' . $line->{text} =~ s/^\s+//r);
    read_file($state, $_, $depth + 1) for @files;
    return;
}

sub read_file {
    my ($state, $path, $depth) = @_;
    read_lines($state, $depth, map { { file => $path, line => $_->[0], text => $_->[1] } } AdaptiveCtl::Config::lines_of($path));
    return;
}

sub read_lines {
    my ($state, $depth, @lines) = @_;
    while (my $line = shift @lines) {
        if ($line->{text} =~ /^\s*<Macro\s+(.*?)\s*>\s*$/i) {
            my ($name, @parameters) = AdaptiveCtl::Config::words($1);
            my @body;
            while (@lines) {
                my $next = shift @lines;
                last if $next->{text} =~ m{^\s*</Macro\s*>}i;
                push @body, $next;
            }
            $state->{macro}{ lc $name } = { parameters => \@parameters, body => \@body } if is_active($state);
            add($state, $line, kind => 'comment', text => "# <Macro $name>: its lines stand where it is used");
            next;
        }
        read_line($state, $line, $depth);
    }
    return;
}

# The lines of a macro, with what its parameters stand for; the longest names first, as mod_macro does.
sub use_macro {
    my ($state, $line, $depth, $name, @values) = @_;
    my $macro = $state->{macro}{ lc $name };
    if (!$macro || $depth >= MOST_DEPTH) {
        add($state, $line, kind => 'directive', name => 'Use', args => [ $name, @values ]);
        return;
    }
    my @parameters = @{ $macro->{parameters} };
    my %value;
    @value{@parameters} = @values;
    my $any = join '|', map {quotemeta} sort { length $b <=> length $a } @parameters;
    add($state, $line, kind => 'comment', text => '# ' . $line->{text} =~ s/^\s+//r);
    read_lines($state, $depth + 1,
        map { { %$_, text => @parameters ? $_->{text} =~ s/($any)/$value{$1} \/\/ ''/ger : $_->{text} } } @{ $macro->{body} });
    return;
}

# What a server is built with: { loaded => { name => 1 }, version }.
sub built_in {
    my ($site) = @_;
    my %loaded = map { $_ => 1 } $site->capture($site->{httpd}, '-l')->{output} =~ /^\s+(\w+\.c)$/mg;
    $loaded{"$1_module"} = 1 for map { /\Amod_(\w+)\.c\z/ ? $1 : () } sort keys %loaded;
    my ($version) = $site->capture($site->{httpd}, '-v')->{output} =~ m{Apache/([\d.]+)};
    return { loaded => \%loaded, version => $version // '2.4' };
}

# All lines as they count under an MPM ("event"), and the state after them. with: more lines before the first.
sub read_all {
    my ($site, $mpm, $built_in) = @_;
    my @words = @{ $site->{defines} };
    my %defined;
    while (defined(my $word = shift @words)) {
        my $name = $word =~ /\A-D(.+)/ ? $1 : $word eq '-D' ? shift @words : next;
        $defined{$name} = 1 if defined $name;
    }
    my $state = { root => $site->{root}, variable => { %{ $site->{env} } }, defined => \%defined, sections => [], items => [], macro => {},
        mpm => $mpm, loaded => { %{ $built_in->{loaded} } }, version => $built_in->{version} };
    read_file($state, $site->{config}, 0);
    return $state;
}

1;
