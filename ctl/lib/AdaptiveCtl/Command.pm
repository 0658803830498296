package AdaptiveCtl::Command;

# The command line: which command with which options, and how its end is told.

use strict;
use warnings;

use Getopt::Long qw(GetOptionsFromArray);

use AdaptiveCtl::Check;
use AdaptiveCtl::Import;
use AdaptiveCtl::Say;
use AdaptiveCtl::Site;
use AdaptiveCtl::Status;
use AdaptiveCtl::Switch;

my @USUAL   = qw(config=s httpd=s state=s dry-run|n help|h);
my @RESTART = qw(service=s no-restart drain-seconds=i);

my %COMMANDS = (
    enable  => { run => \&AdaptiveCtl::Switch::enable,  options => [@RESTART] },
    disable => { run => \&AdaptiveCtl::Switch::disable, options => [ @RESTART, 'to=s' ] },
    check   => { run => \&AdaptiveCtl::Check::check,    options => ['service=s'], reads => 1 },
    import  => { run => \&AdaptiveCtl::Import::import_settings, options => ['from=s'], files => 1 },
    compare => {
        # it brings more modules than the others need
        run => sub {
            eval { require AdaptiveCtl::Compare; 1 }
                or fail("compare needs more of Perl than is installed here; install the package perl: $@");
            return AdaptiveCtl::Compare::compare(@_);
        },
        options => [qw(url=s@ log=s@ log-format=s host=s against=s@ module=s output=s rounds=i seconds=i warm-up=i rate=f scale=f most-rate=f connections=i
            new-connections minutes=i timeout=i canary share=i front=s canary-read=s@)],
    },
    status  => {
        run => sub { AdaptiveCtl::Status::status($_[1]) },
        options => [qw(socket=s url=s json watch|w interval=s check warning=s critical=s)],
        without_site => 1,
        reads        => 1,
    },
);

my $USAGE = <<'USAGE';
usage: adaptivectl enable   [--dry-run] [--no-restart] [--drain-seconds N] [--service UNIT]
       adaptivectl disable  [--to MPM] [--dry-run] [--no-restart] [--drain-seconds N] [--service UNIT]
       adaptivectl check    [--service UNIT]
       adaptivectl import   [--from MPM] [--dry-run] [FILE...]
       adaptivectl status   [--json | --watch [--interval S] | --check [--warning P] [--critical P]] [--socket PATH | --url URL]
       adaptivectl compare  (--url URL... | --log FILE) [--rate N | --scale F] [--rounds N] [--seconds S] [--against MPM[:FILE]]... [--output DIR]
       adaptivectl compare  --canary [--share PERCENT] [--front haproxy|balancer]
       adaptivectl compare  --canary-read NAME=PLACE --canary-read NAME=PLACE [--minutes N] [--output DIR]
       adaptivectl help | version

  enable    switches the server to mpm_adaptive: tests the configuration, stops the server, switches, starts it,
            checks that it answers, and goes back to what was there before if anything fails
  disable   goes back to the MPM that was there before, in the same way (--to mpm_event: to that one)
  check     which MPM is active, what conflicts, what is skipped or not safe, what this machine allows
  status    how the server is, what limits it, what it did last, who holds threads: once, live, as JSON, or for a monitor
  compare   copies the configuration to ports of 127.0.0.1, replays URLs or an access log there against the present MPM and
            mpm_adaptive in turn, and writes a report; the server that runs is not touched
  import    writes what the settings of event, worker or prefork become, with the reason for each

  With every command: --config FILE (httpd.conf, apache2.conf), --httpd PROGRAM, --state DIRECTORY.
  The manual page adaptivectl(8) has the rest.
USAGE

sub version { return $AdaptiveCtl::Site::VERSION }

# Options may stand before the command.
sub command_first {
    my (@words) = @_;
    return @words if !@words || $words[0] !~ /\A-/;
    my ($place) = grep { $COMMANDS{ $words[$_] } } 0 .. $#words;
    return @words if !defined $place;
    my ($command) = splice @words, $place, 1;
    return ($command, @words);
}

sub parse {
    my ($name, @args) = command_first(@_);
    usage_error("no command is given.\n\n$USAGE") if !defined $name;
    my $command = $COMMANDS{$name} or usage_error("there is no command \"$name\".\n\n$USAGE");
    my (%option, @wrong);
    Getopt::Long::Configure(qw(no_auto_abbrev no_ignore_case));
    {
        local $SIG{__WARN__} = sub { push @wrong, map { s/\s+\z//r } @_ };
        GetOptionsFromArray(\@args, \%option, @USUAL, @{ $command->{options} });
    }
    usage_error("$name: " . lcfirst(join '; ', @wrong) . ".\n\n$USAGE") if @wrong;
    usage_error("$name takes no argument, but \"$args[0]\" is given.\n\n$USAGE") if @args && !$command->{files};
    usage_error("$name: --drain-seconds $option{'drain-seconds'} is less than 0.\n\n$USAGE") if ($option{'drain-seconds'} // 0) < 0;
    return ($command, \%option, @args);
}

# Ends with the exit status: 0 done, 1 not done, or check found something that needs somebody, 2 asked in a wrong way.
sub run {
    my ($name, @args) = @_;
    my $status = eval {
        if (($name // '') =~ /\A(?:help|--help|-h)\z/) { print $USAGE; return 0 }
        if (($name // '') =~ /\A(?:version|--version)\z/) { print 'adaptivectl ' . version() . "\n"; return 0 }
        my ($command, $option, @files) = parse($name, @args);
        # whoever reads may have seen enough; only what changes something goes on without a reader
        $SIG{PIPE} = 'DEFAULT' if $command->{reads};
        if ($option->{help}) { print $USAGE; return 0 }
        return $command->{run}->($command->{without_site} ? undef : AdaptiveCtl::Site->new($option), $option, @files);
    };
    return $status // 0 if !$@;
    die $@ if !ref $@;
    print STDERR "adaptivectl: $@->{text}", $@->{text} =~ /\n\z/ ? '' : "\n";
    return $@->{status};
}

1;
