# The manual: docs/mpm_adaptive.xml has what the sources and httpd know, its page is made from it, and its links lead somewhere.

use strict;
use warnings;
use utf8;

use lib 't/lib';
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Uncompress::Gunzip qw(gunzip);
use Test::More;
use Adaptive::Server;

my $XML  = 'docs/mpm_adaptive.xml';
my $HTML = 'docs/manual/mpm_adaptive.html';

sub text_of {
    my ($path) = @_;
    open my $file, '<:encoding(UTF-8)', $path or die "$path: $!";
    local $/;
    return scalar <$file>;
}

# What is wrong with the tags, attributes and entities of an XML document; '' if nothing is.
sub faults_of {
    my ($text) = @_;
    my @open;
    my $entity = qr/&(?:lt|gt|amp|quot|apos|#\d+|#x[0-9a-fA-F]+);/;
    my $value  = qr/"(?:[^"<&]|$entity)*"/;
    while ($text =~ m{\G(?:<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^>]*>|<(/?)([\w-]+)((?:\s+[\w:-]+=$value)*)\s*(/?)>|(?:[^<&]|$entity)+)}gcs) {
        my ($end, $name, $attributes, $empty) = ($1, $2, $3, $4);
        next if !defined $name;
        my %seen;
        $seen{$_}++ for $attributes =~ /([\w:-]+)=/g;
        return "<$name> has an attribute twice" if grep { $_ > 1 } values %seen;
        return "</$name> ends <" . ($open[-1] // '') . '>' if $end && ($open[-1] // '') ne $name;
        $end ? pop @open : $empty ? () : push @open, $name;
    }
    my $at = pos $text // 0;
    return $at < length $text ? 'near: ' . substr $text, $at, 60 : @open ? "<$open[-1]> has no end" : '';
}

my ($xml, $html) = (text_of($XML), text_of($HTML));

subtest 'form' => sub {
    is faults_of('<a b="1">&amp;<c /></a>'), '', 'the check accepts what is well-formed';
    isnt faults_of($_), '', "... and not $_" for '<a>', '<a></b>', '<a b=1></a>', '<a>&</a>', '<a b="1" b="2"></a>', '<a>&nbsp;</a>';
    is faults_of($xml),  '', "$XML is well-formed";
    is faults_of($html), '', "$HTML is well-formed";
    my %count;
    $count{$_}++ for $html =~ /\bid="([^"]+)"/g;
    is_deeply [ grep { $count{$_} > 1 } sort keys %count ], [], 'no id is there twice';
};

# httpd's DTD comes with apache2-doc, some files of it compressed. The entities of HTML are the W3C's; none is used.
subtest 'validity' => sub {
    my ($style) = grep { -e "$_/modulesynopsis.dtd" } '/usr/share/doc/apache2-doc/manual/style', '/usr/share/httpd/manual/style';
    plan skip_all => 'needs xmllint and the DTD of httpd (libxml2-utils, apache2-doc)' if !$style || qx{xmllint --version 2>&1} !~ /using libxml/;
    my $dir = tempdir(CLEANUP => 1);
    mkdir "$dir/$_" or die "$dir/$_: $!" for qw(style mod);
    for my $file (glob "$style/*.dtd $style/*.dtd.gz $style/*.ent") {
        gunzip($file => \my $text, Transparent => 1) or die "$file: no gzip";
        $text =~ s/<!ENTITY % (HTML\w+) PUBLIC.*?>\s*%\1;//gs;
        my ($name) = $file =~ m{([^/]+?)(?:\.gz)?\z};
        open my $out, '>', "$dir/style/$name" or die "$name: $!";
        print $out $text or die "$name: $!";
        close $out or die "$name: $!";
    }
    symlink Cwd::abs_path($XML), "$dir/mod/mpm_adaptive.xml" or die "$dir: $!";
    is qx{cd '$dir/mod' && xmllint --nonet --noout --valid mpm_adaptive.xml 2>&1}, '', 'it is valid as a page of httpd\'s manual';
};

subtest 'the page' => sub {
    my $dir = tempdir(CLEANUP => 1);
    is system("$^X tools/manual.pl $XML >$dir/page.html"), 0, 'it can be made';
    ok text_of("$dir/page.html") eq $html, "$HTML is what tools/manual.pl makes (make -f Makefile.apxs manual)";
    my ($css) = $html =~ /<link rel="stylesheet" href="([^"]+)"/;
    ok -s dirname($HTML) . "/$css", 'its stylesheet is there';
    unlike text_of(dirname($HTML) . "/$css"), qr/\burl\(|\@import/, '... and loads nothing else';
    unlike $html, qr/<(?:script|img)\b|\bon\w+="/, 'nor does the page';
};

# --- directives ------------------------------------------------------------------------------

sub plain {
    my ($text) = @_;
    my %character = (lt => '<', gt => '>', amp => '&', quot => '"', '#181' => "\x{b5}");
    return $text =~ s/<[^>]+>//gr =~ s/&([^;]+);/$character{$1} \/\/ die "&$1;"/ger =~ s/\s+/ /gr =~ s/\A | \z//gr;
}

my (%entry, @order);
for my $synopsis ($xml =~ m{<directivesynopsis\b.*?</directivesynopsis>}gs) {
    my ($location) = $synopsis =~ /\A<directivesynopsis location="(\w+)"/;
    my ($name)     = $synopsis =~ m{<name>(\w+)</name>} or die "no name: $synopsis";
    $entry{$name} = { location => $location, text => plain($synopsis), map { $_ => $synopsis =~ m{<$_>(.*?)</$_>}s ? plain($1) : undef } qw(description syntax default usage) };
    push @order, $name;
}

subtest 'entries' => sub {
    cmp_ok scalar @order, '>=', 30, 'there are entries';
    is_deeply \@order, [ sort { lc $a cmp lc $b } @order ], 'they stand in the order of the alphabet, each once';
    for my $name (grep { !$entry{$_}{location} } @order) {
        my $e = $entry{$name};
        is_deeply [ grep { !length($e->{$_} // '') } qw(description syntax usage) ], [], "$name: description, syntax and usage";
        like $e->{syntax}, qr/\A$name \S/, "$name: the syntax begins with its name";
        ok defined $e->{default} || $name eq 'Listen', "$name: its default is said";
        unlike $e->{default} // '', qr/\A(?!$name )\w+ \d/, "$name: ... and is its own";
    }
};

subtest 'sources' => sub {
    my @own = Adaptive::Server::read_text('src/config/directives.c') =~ /^    (?:INTEGER_DIRECTIVE|SIZE_DIRECTIVE|TIME_DIRECTIVE|SWITCH_DIRECTIVE|AP_INIT_TAKE12?)\(\s*"(\w+)"/mg;
    cmp_ok scalar @own, '>=', 14, 'the module has directives';
    is_deeply [ grep { !$entry{$_} } @own ], [], 'each has an entry';
    is_deeply [ grep { my $name = $_; /^Adaptive/ && !grep { $_ eq $name } @own } @order ], [], 'and each Adaptive... entry has a directive';
};

subtest 'httpd -L' => sub {
    plan skip_all => 'needs mpm_adaptive' if mpm() ne 'adaptive';
    my $result = Adaptive::Server->new(mpm_conf => '')->run_httpd('-L');
    my %owner  = $result->{output} =~ /^(\w+) \((\S+?)\.c\)$/mg;
    my @own    = grep { $owner{$_} eq 'mod_mpm_adaptive' } sort keys %owner;
    cmp_ok scalar @own, '>=', 20, 'httpd lists directives of this module';
    is_deeply [ grep { !$entry{$_} } @own ], [], 'each has an entry';
    # the one that only a httpd knows that was built for it
    my @unknown = grep { !$owner{$_} && $_ ne 'EnableExceptionHook' && !$entry{$_}{location} } @order;
    is_deeply \@unknown, [], 'and httpd knows each that has an entry';
    my %elsewhere = map { $owner{$_} => 1 } grep { $owner{$_} && !$entry{$_}{location} && $owner{$_} ne 'mod_mpm_adaptive' } @order;
    is_deeply [ sort keys %elsewhere ], ['core'], 'those of other modules are the core\'s';
    is $owner{$_}, $entry{$_}{location}, "$_ is of $entry{$_}{location}" for grep { $entry{$_}{location} && $owner{$_} } @order;
};

subtest 'event and worker' => sub {
    my ($manual) = grep {-d} '/usr/share/doc/apache2-doc/manual/en/mod', '/usr/share/httpd/manual/mod';
    plan skip_all => 'needs the manual of httpd (apache2-doc)' if !$manual;
    for my $mpm (qw(event worker)) {
        my ($toc) = text_of((glob "$manual/$mpm.html*")[0]) =~ m{<ul id="toc">(.*?)</ul>}s;
        is_deeply [ grep { !$entry{$_} } map { plain($_) =~ s/\s//gr } $toc =~ m{<a [^>]*>(.*?)</a>}gs ], [], "each directive of $mpm has an entry";
    }
};

subtest 'defaults' => sub {
    my %table;
    for my $row (Adaptive::Server::read_text('docs/user/directives.md') =~ /^\| (`[^|]* \| [^|]*) \|/mg) {
        my ($names, $default) = split /\s*\|\s*/, $row;
        $table{$_} = $default for $names =~ /`(\w+)`/g;
    }
    my @compared = grep { $entry{$_} && $table{$_} =~ /\A`[^`]+`\z/ } sort keys %table;
    cmp_ok scalar @compared, '>=', 8, 'docs/user/directives.md gives defaults';
    is $entry{$_}{default}, "$_ " . $table{$_} =~ s/`//gr, "$_: its default is that of docs/user/directives.md" for @compared;

    # what the module says when it refuses a value
    my $source = Adaptive::Server::read_text('src/config/directives.c') =~ s/"\s*\n\s*"//gr;
    my %said = $source =~ /write for example (Adaptive\w+) \S+?(?: or Adaptive\w+ \S+?)?, or leave the line out \((\w+%?)/g;
    cmp_ok scalar keys %said, '>=', 5, 'the sources name defaults';
    is $entry{$_}{default}, "$_ $said{$_}", "$_: ... and that of the sources" for sort keys %said;

    my %number = Adaptive::Server::read_text('src/config/resolve.c') =~ /^#define (\w+)\s+(\d+)$/mg;
    %number = (%number, Adaptive::Server::read_text('src/config/resolve.h') =~ /^#define (\w+)\s+(\d+)$/mg);
    for (
        [ThreadsPerChild   => qw(DEFAULT_THREADS_PER_CHILD HTTP2_THREADS_PER_CHILD)], [MaxRequestWorkers => 'MOST_DEFAULT_THREADS'],
        [StartServers      => qw(LEAST_START_SERVERS MOST_START_SERVERS)],            [MinSpareThreads   => 'HEARTBEAT_MIN_SPARE'],
        [ServerLimit       => qw(MOST_DEFAULT_THREADS LEAST_DEFAULT_CHILDREN RESOLVE_MOST_SERVER_LIMIT)], [ThreadLimit => 'RESOLVE_MOST_THREAD_LIMIT'],
    ) {
        my ($name, @constants) = @$_;
        like $entry{$name}{usage}, qr/\b$number{$_}\b/, "$name: $_ is $number{$_}" for @constants;
    }
};

# --- links -----------------------------------------------------------------------------------

# The names that places in a document can be linked to by.
sub anchors_of {
    my ($path) = @_;
    return map { $_ => 1 } text_of($path) =~ /\bid="([^"]+)"/g if $path =~ /\.html\z/;
    return map { lc($_) =~ s/[^\w\- ]//gr =~ s/ /-/gr => 1 } map { s/`//gr } text_of($path) =~ /^#+ (.+)$/mg;
}

sub dead_links {
    my ($from, @links) = @_;
    return grep {
        my ($path, $anchor) = /\A([^#]*)(?:#(.+))?\z/s;
        my $file = $path eq '' ? $from : dirname($from) . "/$path";
        my %anchor = -e $file && defined $anchor && $file =~ /\.(?:md|html)\z/ ? anchors_of($file) : ();
        !-e $file || (defined $anchor && !$anchor{$anchor});
    } grep { !/\Ahttps?:/ } @links;
}

subtest 'links' => sub {
    my @links = $html =~ /\bhref="([^"]+)"/g;
    cmp_ok scalar @links, '>=', 100, 'the page has links';
    is_deeply [ dead_links($HTML, @links) ], [], 'they lead to files, and to places in these';
    is_deeply [ grep { /\Ahttps?:/ && !m{\Ahttps://(?:httpd|www)\.apache\.org/} } @links ], [], 'to nobody else but httpd';
    for my $document (glob 'docs/user/*.md') {
        is_deeply [ dead_links($document, text_of($document) =~ /\]\(([^)\s]+)\)/g) ], [], "$document: its links lead to places";
    }
};

subtest 'what is named exists' => sub {
    my %message = map { $_ => 1 } text_of('docs/user/messages.md') =~ /^### (ADP\d{4})$/mg;
    my %key = map { $_ => 1 } map { /\b(Adaptive\w+)\b/g } text_of('docs/user/status.md') =~ /^\| ([^|]*) \|/mg;
    for my $path ($XML, 'docs/user/tuning.md', 'docs/user/troubleshooting.md') {
        my $text = text_of($path);
        is_deeply [ grep { !$message{$_} } $text =~ /\b(ADP\d{4})\b/g ], [], "$path: its messages are in docs/user/messages.md";
        # a name may stand for several, as the pattern of a command
        is_deeply [ grep { my $name = $_; !$entry{$name} && !grep { /\A\Q$name\E/ } keys %key } $text =~ /\b(Adaptive[A-Z]\w+)\b/g ], [],
            "$path: its directives and keys exist";
    }
};

done_testing;
