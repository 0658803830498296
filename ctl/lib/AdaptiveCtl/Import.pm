package AdaptiveCtl::Import;

# What the settings of event, worker or prefork become: mostly nothing, and why. What protects something, or repairs something,
# stays.

use strict;
use warnings;

use Cwd ();

use AdaptiveCtl::Config;
use AdaptiveCtl::Journal;
use AdaptiveCtl::Say;
use AdaptiveCtl::Site;
use AdaptiveCtl::Steps;
use AdaptiveCtl::Switch;

use constant { OURS => AdaptiveCtl::Site::OURS, BEGIN_MARK => '# adaptivectl import: begin', END_MARK => '# adaptivectl import: end' };

# The most requests at a time that each has if nothing is said, and in Debian's file. Whoever wrote less wanted less.
my %USUAL_MOST = (mpm_event => 400, mpm_worker => 400, mpm_prefork => 256);
use constant { DEBIAN_MOST => 150, HTTPD_BACKLOG => 511, BACKLOG => 4096 };

my $FOLLOWS = 'children and threads follow the load';

# Of each directive: [whether it stays, why]. A function is asked with its number and the MPM.
my %RULES = (
    startservers     => [ 0, "$FOLLOWS within milliseconds, so nothing has to be there in advance" ],
    minsparethreads  => [ 0, 'a thread can be started within a millisecond, so none has to be kept idle' ],
    maxsparethreads  => [ 0, 'idle threads end by themselves when the load has not needed them for a while' ],
    minspareservers  => [ 0, 'threads take the place of processes, and are started within a millisecond' ],
    maxspareservers  => [ 0, 'idle threads end by themselves when the load has not needed them for a while' ],
    threadsperchild  => [ 0, 'a child has as many threads as it needs, up to a limit that is found' ],
    threadlimit      => [ 0, 'it is only the size of a table, and found' ],
    serverlimit      => [ 0, 'it is only the size of a table, and found' ],
    asyncrequestworkerfactor => [ 0, 'connections that wait hold no thread, so their number needs no limit but that of descriptors and memory' ],
    maxrequestworkers        => \&most_requests,
    maxclients               => \&most_requests,
    maxconnectionsperchild   => \&recycling,
    maxrequestsperchild      => \&recycling,
    threadstacksize          => [ 1, 'a module that needs large stacks needs them here as well' ],
    maxmemfree               => [ 1, 'it means the same' ],
    gracefulshutdowntimeout  => [ 1, 'it means the same: how long a graceful stop may take' ],
    listenbacklog            => \&backlog,
    listencoresbucketsratio  => [ 1, 'it means the same' ],
    sendbuffersize           => [ 1, 'it means the same' ],
    receivebuffersize        => [ 1, 'it means the same' ],
    coredumpdirectory        => [ 1, 'it means the same' ],
    enableexceptionhook      => [ 1, 'it means the same' ],
    scoreboardfile           => [ 1, 'it means the same' ],
    pidfile                  => [ 1, 'it means the same' ],
    mutex                    => [ 1, 'it means the same' ],
    acceptmutex              => [ 0, 'no mutex is needed to accept connections' ],
    threadspersocket         => [ 0, 'no MPM of httpd 2.4 has it' ],
);

sub most_requests {
    my ($value, $mpm) = @_;
    return [ 0, 'it is no number' ] if $value !~ /^\d+$/;
    return [ 0, "$value is what Debian's file has, not a wish of yours; the limit is found in memory, processors and tasks" ]
        if $value == DEBIAN_MOST;
    my $usual = $USUAL_MOST{$mpm} // 400;
    return [ 1, "$value is less than the usual $usual, so it seems to protect something behind the server (a database, say). If it does not, leave it out" ]
        if $value < $usual;
    return [ 0, "it was raised to make room; the limit is found in memory, processors and tasks. Keep it only if it protects something behind the server" ];
}

sub backlog {
    my ($value) = @_;
    return [ 1, 'it means the same' ] if $value !~ /^\d+$/ || $value < HTTPD_BACKLOG || $value > BACKLOG;
    return [ 0, 'the default is ' . BACKLOG . ', so that clients that come in the same instant find room' ];
}

sub recycling {
    my ($value) = @_;
    return [ 0, '0 is the default: children are not replaced' ] if $value eq '0';
    return [ 1, "children are replaced after $value connections, which helps against a module that leaks memory; nobody waits meanwhile. Leave it out if nothing leaks" ];
}

sub verdict {
    my ($directive, $mpm) = @_;
    my $rule = $RULES{ lc $directive->{name} } or return;
    return ref $rule eq 'CODE' ? $rule->($directive->{args}[0] // '', $mpm) : $rule;
}

# The directives of an MPM that count no more when it goes: those in its IfModule sections and in Debian's file of it; of files that
# are named, all. Others go on counting where they stand.
sub settings_of {
    my ($site, $mpm, @files) = @_;
    my $its_file = "$site->{root}/mods-available/$mpm.conf";
    my $is_its = sub {
        my ($directive) = @_;
        my @mpms = grep {defined} map { AdaptiveCtl::Config::mpm_of_section($_) } @{ $directive->{sections} };
        return scalar grep { $_ eq $mpm } @mpms if @mpms;
        return 0 if grep { $_->{name} =~ /^IfModule$/i && ($_->{args}[0] // '') =~ /^!(?:mpm_|mod_mpm_)/ } @{ $directive->{sections} };
        return @files || $directive->{file} =~ m{/\Q$mpm\E\.conf$};
    };
    my @all = @files ? AdaptiveCtl::Config::read_files($site, @files)
        # Debian's file, also when the MPM is not enabled any more; else it is met twice
        : (AdaptiveCtl::Config::read_all($site), AdaptiveCtl::Config::read_files($site, $site->{is_debian} && -e $its_file ? $its_file : ()));
    my %seen;
    return grep { verdict($_, $mpm) && $is_its->($_) && !$seen{ Cwd::realpath($_->{file}) . ":$_->{line}" }++ } @all;
}

sub import_settings {
    my ($site, $option, @files) = @_;
    -r or usage_error("import: $_ cannot be read: $!.") for @files;
    my $layout = AdaptiveCtl::Switch::layout($site);
    my $journal = AdaptiveCtl::Journal->new($site);
    my $mpm = $option->{from} // which_mpm($layout, $journal);
    $mpm = "mpm_$mpm" if $mpm !~ /^mpm_/;
    $USUAL_MOST{$mpm} or usage_error("import: --from $mpm: mpm_event, mpm_worker or mpm_prefork can be imported.");
    my @settings = settings_of($site, $mpm, @files);
    if (!@settings) {
        say_line("There are no settings of $mpm" . (@files ? " in @files" : '') . ': nothing to be imported.');
        return 0;
    }
    my $block = block_of($mpm, @settings);
    print $block, "\n";
    return write_block($site, $layout, $block, $option->{'dry-run'});
}

sub which_mpm {
    my ($layout, $journal) = @_;
    my ($other) = grep { $_ ne OURS } $layout->enabled;
    return $other // $journal->before // 'mpm_event';
}

# Comment lines inside the block, no longer than a terminal's.
sub commented {
    my ($text) = @_;
    my ($lines, $line) = ('', '    #');
    for my $word (split ' ', $text) {
        if (length($line) + 1 + length $word > 100) { $lines .= "$line\n"; $line = '    #  ' }
        $line .= " $word";
    }
    return "$lines$line\n";
}

sub block_of {
    my ($mpm, @settings) = @_;
    my $text = BEGIN_MARK . " (from $mpm)\n<IfModule mpm_adaptive_module>\n";
    for my $directive (@settings) {
        my ($stays, $why) = @{ verdict($directive, $mpm) };
        my $name = lc $directive->{name} eq 'maxclients' ? 'MaxRequestWorkers'
            : lc $directive->{name} eq 'maxrequestsperchild' ? 'MaxConnectionsPerChild' : $directive->{name};
        my $line = join ' ', $name, map { /[\s"]/ ? '"' . s/(["\\])/\\$1/gr . '"' : $_ } @{ $directive->{args} };
        $text .= commented("$directive->{file}:$directive->{line}: " . ($stays ? 'kept: ' : 'not needed any more, because ') . "$why.");
        $text .= $stays ? "    $line\n" : "    #$line\n";
    }
    return "$text</IfModule>\n" . END_MARK . "\n";
}

# Into Debian's mpm_adaptive.conf, or the file whose LoadModule line chooses the MPM; in place of an older import.
sub write_block {
    my ($site, $layout, $block, $dry_run) = @_;
    my $file = $layout->conf_file;
    my $old  = AdaptiveCtl::Steps::read_file($file) // '';
    my ($begin, $end) = (quotemeta BEGIN_MARK, quotemeta END_MARK);
    my $rest = $old =~ s/\n?^$begin.*?^$end\n//gmsr;
    my $new  = $rest . ($rest eq '' || $rest =~ /\n\z/ ? '' : "\n") . ($rest eq '' ? '' : "\n") . $block;
    my $step = { do => 'write', path => $file, old => $old, new => $new };
    if ($dry_run) {
        say_line("Would be written to $file.");
        return 0;
    }
    -w $file || !-e $file && -w $site->{root} or fail("$file may not be changed by this user: run it as root (sudo adaptivectl import).");
    AdaptiveCtl::Steps::apply($step);
    my $errors = $site->errors_of;
    if ($errors && $errors !~ /No MPM|More than one MPM/) {
        AdaptiveCtl::Steps::undo($step);
        fail("httpd does not accept the configuration with it, so $file is as it was:\n\n$errors");
    }
    say_line("Written to $file. It counts from the next reload on, once mpm_adaptive runs.");
    return 0;
}

1;
