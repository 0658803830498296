package AdaptiveCtl::CopyRules;

# What becomes of each directive in a private copy of a server: those that name a place to write to get another place, those that
# would reach the running server, another machine or the service manager are left out. Data alone; CopyLine.pm does it.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(rule_of is_mpm_setting mpm_takes reads_only LEFT_OUT_MODULES);

# top: the copy says it once, before everything else. log: a file or a program. file, directory: a path to write to. cache: a kind of
# cache with its path. Everything else is CopyLine's own.
my %KIND = (
    (map { $_ => 'top' } qw(pidfile defaultruntimedir scoreboardfile coredumpdirectory)),
    (map { $_ => 'log' } qw(errorlog customlog transferlog globallog forensiclog scriptlog rewritelog cookielog secauditlog secauditlog2
        secdebuglog secguardianlog jklogfile passengerlogfile luadebuglog)),
    (map { $_ => 'file' } qw(lockfile rewritelock sslmutex scriptsock davlockdb davgenericlockdb cachelockpath wsgisocketprefix
        fcgidprocesstablefile ldapsharedcachefile jkshmfile)),
    (map { $_ => 'directory' } qw(cacheroot fcgidipcdir fastcgiipcdir secdatadir secuploaddir sectmpdir secauditlogstoragedir doslogdir
        passengerinstanceregistrydir pagespeedfilecachepath pagespeedlogdir modpagespeedfilecachepath modpagespeedlogdir)),
    (map { $_ => 'cache' } qw(sslsessioncache sslstaplingcache authncachesocache cachesocache)),
    (map { $_ => 'drop' } qw(port namevirtualhost)),
    (map { $_ => 'backend' } qw(proxypass proxypassmatch proxypassreverse balancermember proxyremote proxyremotematch sethandler addhandler
        rewriterule dbdparams dbdriver authldapurl fastcgiexternalserver jkworkersfile)),
    (map { $_ => 'user' } qw(user group)),
    (map { $_ => 'own' } qw(listen mutex loadmodule define adaptivestatussocket adaptivestatuslisten rewritemap extfilterdefine
        wsgidaemonprocess require allow usecanonicalphysicalport)),
);

# Left out, and why.
my %LEFT_OUT = (
    remoteipproxyprotocol => 'the copy\'s clients do not speak the PROXY protocol',
    chrootdir             => 'the copy does not change its root directory; paths are read from the real one',
    dosemailnotify        => 'the copy sends no mail',
    dossystemcommand      => 'the copy starts no programs of mod_evasive',
    idleshutdown          => 'mod_systemd is left out',
    acceptmutex           => 'httpd 2.4 does not know it',
);

my %LEFT_OUT_MODULES = (
    md_module           => [ qr/^(?:MD[A-Z]\w*)$/i,     'certificates are not the copy\'s business' ],
    systemd_module      => [ qr/^IdleShutdown$/i,        'the copy is not a service of systemd' ],
    heartbeat_module    => [ qr/^Heartbeat(?:Address)$/i, 'the copy does not announce itself to a balancer' ],
    heartmonitor_module => [ qr/^Heartbeat(?:Listen|Storage|MaxServers)$/i, 'the copy does not listen for other servers' ],
    privileges_module   => [ qr/^(?:VHost(?:User|Group|Secure|Privs|CGIMode|CGIPrivs)|DTracePrivileges|PrivilegesMode)$/i,
        'the copy does not switch privileges' ],
    mpm_itk_module      => [
        qr/^(?:AssignUserID(?:Expr)?|AssignGroupIDExpr|MaxClientsVHost|NiceValue|Limit[UG]IDRange|EnableCapabilities)$/i,
        'it needs mpm_prefork' ],
);
sub LEFT_OUT_MODULES { return \%LEFT_OUT_MODULES }

# Of a directive's name: its kind and, for what is left out, why. Nothing for a directive without a rule.
sub rule_of {
    my ($name) = @_;
    my $lower = lc $name;
    return ('left_out', $LEFT_OUT{$lower}) if $LEFT_OUT{$lower};
    return ($KIND{$lower}) if $KIND{$lower};
    for my $module (sort keys %LEFT_OUT_MODULES) {
        my ($pattern, $why) = @{ $LEFT_OUT_MODULES{$module} };
        return ('module_left_out', $module =~ s/_module\z//r, $why) if $name =~ $pattern;
    }
    return;
}

# --- MPMs -------------------------------------------------------------------------------------------------------------

my @THREADED = qw(startservers minsparethreads maxsparethreads threadsperchild threadlimit serverlimit maxrequestworkers maxclients
    maxconnectionsperchild maxrequestsperchild);
my @PREFORK = qw(startservers minspareservers maxspareservers serverlimit maxrequestworkers maxclients maxconnectionsperchild
    maxrequestsperchild);
my %TAKES = (
    event    => { map { $_ => 1 } @THREADED, 'asyncrequestworkerfactor' },
    worker   => { map { $_ => 1 } @THREADED },
    prefork  => { map { $_ => 1 } @PREFORK },
    adaptive => { map { $_ => 1 } @THREADED, 'asyncrequestworkerfactor' },
);
my %SETTING = map { %$_ } values %TAKES;

sub is_mpm_setting { my ($name) = @_; return $SETTING{ lc $name } || $name =~ /^Adaptive[A-Z]/i }

sub mpm_takes {
    my ($mpm, $name) = @_;
    return $mpm eq 'adaptive' if $name =~ /^Adaptive[A-Z]/i;
    return $TAKES{$mpm}{ lc $name };
}

# --- paths that are only read -----------------------------------------------------------------------------------------

my $READS = qr/^(?:DocumentRoot|(?:Script)?Alias(?:Match)?|SSL\w+|Auth\w+|Proxy\w*|BalancerMember|SetHandler|AddHandler|Include(?:Optional)?
    |Load(?:Module|File)|ServerRoot|Redirect\w*|Rewrite(?:Rule|Cond|Base|Map)|ErrorDocument|Require|Header|RequestHeader|MIMEMagicFile
    |TypesConfig|WSGI(?:ScriptAlias\w*|ImportScript|DispatchScript|PythonPath|PythonHome)|UserDir|Virtual(?:Document|Script)Root\w*
    |FallbackResource|DirectoryIndex|CacheFile|MMapFile|Directory(?:Match)?|Files(?:Match)?|Location(?:Match)?|If|ElseIf|IfFile|Else
    |Lua\w+|Perl\w+)$/xi;

sub reads_only { my ($name) = @_; return $name =~ $READS }

1;
