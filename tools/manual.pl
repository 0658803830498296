#!/usr/bin/perl
# Makes the manual page docs/manual/mpm_adaptive.html from docs/mpm_adaptive.xml: the structure and the class names are those of the pages
# of httpd's manual. Usage: manual.pl FILE.xml >FILE.html. Core modules only. The same input gives the same bytes.

use strict;
use warnings;
use utf8;

use constant HTTPD => 'https://httpd.apache.org/docs/2.4';

# Modules whose page has another name than they, and programs that have one at httpd.
my %PAGE = (core => 'core', worker => 'worker', event => 'event', prefork => 'prefork');
my %PROGRAM = map { $_ => 1 } qw(httpd apachectl apxs);

# --- reading ---------------------------------------------------------------------------------

my %CHARACTER = (lt => '<', gt => '>', amp => '&', quot => '"', apos => "'");

sub unescaped {
    my ($text) = @_;
    $text =~ s{&(\w+|\#\d+|\#x[0-9a-fA-F]+);}{
        my $name = $1;
        $name =~ /\A\#x(.*)/ ? chr hex $1 : $name =~ /\A\#(.*)/ ? chr $1 : $CHARACTER{$name} // die "&$name; is not known\n";
    }gex;
    return $text;
}

# A tree of { name, attributes, content => [ trees and strings ] }.
sub parsed {
    my ($xml) = @_;
    my $root = { name => '', content => [] };
    my @open = $root;
    $xml =~ s/<!--.*?-->//gs;
    while ($xml =~ /\G(?:<\?.*?\?>|<!DOCTYPE[^>]*>|<(\/?)([\w-]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+))/gcs) {
        my ($end, $name, $attributes, $empty, $text) = ($1, $2, $3, $4, $5);
        if (defined $text) {
            push @{ $open[-1]{content} }, unescaped($text);
        }
        elsif (defined $name && $end) {
            die "</$name> ends <$open[-1]{name}>\n" if $open[-1]{name} ne $name;
            pop @open;
        }
        elsif (defined $name) {
            my %attribute = map { unescaped($_) } $attributes =~ /([\w:-]+)="([^"]*)"/g;
            my $element = { name => $name, attributes => \%attribute, content => [] };
            push @{ $open[-1]{content} }, $element;
            push @open, $element if !$empty;
        }
    }
    die 'not well-formed near: ' . substr($xml, pos $xml // 0, 60) . "\n" if (pos $xml // 0) < length $xml;
    die "<$open[-1]{name}> has no end\n" if @open > 1;
    return grep { ref } @{ $root->{content} };
}

sub children {
    my ($element, $name) = @_;
    return grep { ref && $_->{name} eq $name } @{ $element->{content} };
}

sub child { return (children(@_))[0] }

sub text_of {
    my ($node) = @_;
    return !defined $node ? '' : ref $node ? join '', map { text_of($_) } @{ $node->{content} } : $node;
}

sub line_of { return text_of(@_) =~ s/\s+/ /gr =~ s/\A | \z//gr }

# --- writing ---------------------------------------------------------------------------------

my ($OWN, %own_directive);      # the module of this page, and what it has entries for

sub escaped {
    my ($text) = @_;
    my %entity = ('<' => '&lt;', '>' => '&gt;', '&' => '&amp;', '"' => '&quot;');
    return $text =~ s/([<>&"])/$entity{$1}/gr;
}

sub inner {
    my ($element) = @_;
    return join '', map { html($_) } @{ $element->{content} };
}

sub link_to {
    my ($href, $label) = @_;
    return defined $href ? '<a href="' . escaped($href) . "\">$label</a>" : $label;
}

sub module_page {
    my ($name) = @_;
    return $name eq $OWN ? undef : $PAGE{$name} || $name =~ /\Amod_/ ? HTTPD . "/mod/$name.html" : undef;
}

sub directive_link {
    my ($name, $module) = @_;
    return "#\L$name" if $own_directive{$name} && $module eq $OWN;
    die "there is no entry for $name\n" if $module eq $OWN;
    return $module ? module_page($module) . "#\L$name" : undef;
}

sub directive {
    my ($element) = @_;
    my $name = line_of($element);
    return '<code class="directive">' . link_to(directive_link($name, $element->{attributes}{module} // ''), escaped($name)) . '</code>';
}

sub module {
    my ($element) = @_;
    my $name = line_of($element);
    return '<code class="module">' . link_to(module_page($name), escaped($name)) . '</code>';
}

sub program {
    my ($element) = @_;
    my $name = line_of($element);
    return '<code class="program">' . link_to($PROGRAM{$name} ? HTTPD . "/programs/$name.html" : undef, escaped($name)) . '</code>';
}

# Lines of a configuration or of a shell, without the blanks that the XML file has around them.
sub trimmed_lines {
    my ($text) = @_;
    $text =~ s/\A\s*\n//;
    $text =~ s/\s+\z//;
    return $text;
}

sub titled_box {
    my ($element, $class) = @_;
    my @content = @{ $element->{content} };
    my $title = child($element, 'title');
    my $body = join '', map { html($_) } grep { !ref || $_->{name} ne 'title' } @content;
    my $head = $title ? '<h3>' . inner($title) . '</h3>' : '';
    return "<div class=\"$class\">$head$body</div>";
}

sub example {
    my ($element) = @_;
    my $body = trimmed_lines(inner($element)) =~ s/\s*\n\s*/\n/gr =~ s/\A\s+//r;
    return "<div class=\"example\"><p><code>\n$body\n</code></p></div>";
}

# Cells are read aloud, and stacked on a narrow screen, with the heading of their column.
sub table {
    my ($element) = @_;
    my (@heads, @rows);
    for my $row (children($element, 'tr')) {
        my @cells = grep { ref } @{ $row->{content} };
        @heads = map { line_of($_) } @cells if !@heads;
        my @html = map {
            my $label = $cells[$_]{name} eq 'td' ? ' data-label="' . escaped($heads[$_]) . '"' : ' scope="col"';
            "<$cells[$_]{name}$label>" . inner($cells[$_]) . "</$cells[$_]{name}>";
        } 0 .. $#cells;
        push @rows, '<tr' . ($cells[0]{name} eq 'th' ? ' class="header"' : '') . '>' . join('', @html) . "</tr>\n";
    }
    return "<table class=\"bordered\">\n" . join('', @rows) . '</table>';
}

sub related {
    my ($element) = @_;
    my @modules = map { '<li>' . module($_) . "</li>\n" } map { children($_, 'module') } children($element, 'modulelist');
    my @directives = map { '<li>' . directive($_) . "</li>\n" } map { children($_, 'directive') } children($element, 'directivelist');
    return "<table class=\"related\"><tr><th>Related Modules</th><th>Related Directives</th></tr>\n<tr><td><ul>\n@{[ join '', @modules ]}</ul></td>"
        . "<td><ul>\n@{[ join '', @directives ]}</ul></td></tr></table>";
}

my $depth = 1;

sub permalink {
    my ($id) = @_;
    return " <a class=\"permalink\" href=\"#$id\" title=\"Permanent link\">\x{b6}</a>";
}

sub section {
    my ($element) = @_;
    my $title = child($element, 'title');
    my $id = $element->{attributes}{id} or die "a section without an id\n";
    my $level = ++$depth;
    my $body = join '', map { html($_) } grep { !ref || $_->{name} ne 'title' } @{ $element->{content} };
    $depth--;
    my $heading = "<h$level id=\"$id\">" . inner($title) . permalink($id) . "</h$level>";
    return $level > 2 ? "$heading$body" : to_top() . "<div class=\"section\">\n$heading$body</div>\n";
}

sub to_top { return "<div class=\"top\"><a href=\"#page-header\" title=\"To the top\">\x{25b2}</a></div>\n" }

my %HTML = (
    directive => \&directive,
    module    => \&module,
    program   => \&program,
    example   => \&example,
    table     => \&table,
    related   => \&related,
    section   => \&section,
    highlight => sub { '<pre class="highlight">' . escaped(trimmed_lines(text_of($_[0]))) . '</pre>' },
    note      => sub { titled_box($_[0], $_[0]{attributes}{type} // 'note') },
    br        => sub { '<br />' },
    a         => sub {
        my %attribute = %{ $_[0]{attributes} };
        return '<a id="' . escaped($attribute{id}) . '">' . inner($_[0]) . '</a>' if $attribute{id};
        return link_to($attribute{href}, inner($_[0]));
    },
    map {
        my $name = $_;
        $name => sub { "<$name>" . inner($_[0]) . "</$name>" }
    } qw(p ul ol li dl dt dd em strong code var)
);

sub html {
    my ($node) = @_;
    return escaped($node) if !ref $node;
    my $write = $HTML{ $node->{name} } or die "<$node->{name}> is not known\n";
    return $write->($node);
}

sub row {
    my ($dictionary, $anchor, $label, $value) = @_;
    return '' if $value eq '';
    return '<tr><th>' . link_to(HTTPD . "/mod/$dictionary-dict.html#$anchor", "$label:") . "</th><td>$value</td></tr>\n";
}

sub inner_line { return !$_[0] ? '' : inner($_[0]) =~ s/\s+/ /gr =~ s/\A | \z//gr }

sub see_also {
    my ($class, @links) = @_;
    return '' if !@links;
    return "<h3>See also</h3>\n<ul class=\"$class\">\n" . join('', map { '<li>' . inner_line($_) . "</li>\n" } @links) . "</ul>\n";
}

sub directive_entry {
    my ($element) = @_;
    my $name = line_of(child($element, 'name'));
    my $id = lc $name;
    my $code = sub { my $html = inner_line($_[0]); $html eq '' ? '' : "<code>$html</code>" };
    my $default = child($element, 'default');
    # words are no code
    my $is_code = $default && line_of($default) =~ /\A\Q$name\E /;
    return to_top()
        . "<div class=\"directive-section\"><h2 id=\"$id\">" . ($id ne $name ? "<span id=\"$name\">$name</span>" : $name) . ' Directive' . permalink($id) . "</h2>\n"
        . "<table class=\"directive\">\n"
        . row('directive', 'Description', 'Description', inner_line(child($element, 'description')))
        . row('directive', 'Syntax', 'Syntax', $code->(child($element, 'syntax')))
        . row('directive', 'Default', 'Default', $is_code ? $code->($default) : inner_line($default))
        . row('directive', 'Context', 'Context', join ', ', map { escaped(line_of($_)) } children(child($element, 'contextlist'), 'context'))
        . row('directive', 'Status', 'Status', 'MPM')
        . row('directive', 'Module', 'Module', $OWN)
        . "</table>\n"
        . inner(child($element, 'usage'))
        . see_also('seealso', children($element, 'seealso'))
        . "</div>\n";
}

sub menu {
    return '<p class="menu">' . join(' | ', map { link_to(@$_) }
            ['../user/directives.md', 'Directives'], ['../user/tuning.md', 'Tuning'], ['../user/troubleshooting.md', 'Troubleshooting'],
            ['../user/messages.md', 'Messages'], ['../user/status.md', 'Status'], [HTTPD . '/', 'httpd']) . '</p>';
}

sub page {
    my ($module) = @_;
    my @entries = sort { lc line_of(child($a, 'name')) cmp lc line_of(child($b, 'name')) } children($module, 'directivesynopsis');
    $OWN = line_of(child($module, 'name'));
    %own_directive = map { line_of(child($_, 'name')) => 1 } grep { !$_->{attributes}{location} } @entries;
    my @sections = children($module, 'section');
    my $summary = inner(child($module, 'summary'));
    my $topics = join '', map { "<li>\x{25bc} " . link_to("#$_->{attributes}{id}", inner_line(child($_, 'title'))) . "</li>\n" } @sections;
    my $toc = join '', map {
        my $name = line_of(child($_, 'name'));
        my $location = $_->{attributes}{location};
        '<li>' . ($location ? "\x{25b6} " : "\x{25bc} ") . link_to($location ? module_page($location) . "#\L$name" : "#\L$name", $name) . "</li>\n";
    } @entries;
    return <<"HTML";
<!DOCTYPE html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<!-- made from docs/$OWN.xml by tools/manual.pl: change that, and run make -f Makefile.apxs manual -->
<title>$OWN - MPM for Apache HTTP Server 2.4</title>
<link rel="stylesheet" href="style/manual.css" />
</head>
<body>
<div id="page-header">
@{[ menu() ]}
<p class="apache">mod_mpm_adaptive for Apache HTTP Server 2.4</p>
</div>
<div id="path">${\link_to(HTTPD . '/', 'HTTP Server 2.4')} &gt; ${\link_to(HTTPD . '/mod/', 'Modules')} &gt; $OWN</div>
<div id="page-content">
<div id="preamble"><h1>MPM $OWN</h1>
<table class="module">
@{[ row('module', 'Description', 'Description', inner_line(child($module, 'description')))
  . row('module', 'Status', 'Status', inner_line(child($module, 'status')))
  . row('module', 'ModuleIdentifier', "Module\x{a0}Identifier", inner_line(child($module, 'identifier')))
  . row('module', 'SourceFile', "Source\x{a0}File", inner_line(child($module, 'sourcefile')))
  . row('module', 'Compatibility', 'Compatibility', inner_line(child($module, 'compatibility'))) ]}</table>
<h3>Summary</h3>
$summary</div>
<div id="quickview"><h3>Topics</h3>
<ul id="topics">
$topics</ul>
<h3 class="directives">Directives</h3>
<ul id="toc">
$toc</ul>
@{[ see_also('seealso', children($module, 'seealso')) ]}</div>
@{[ join '', map { section($_) } @sections ]}@{[ join '', map { directive_entry($_) } grep { !$_->{attributes}{location} } @entries ]}</div>
<div id="footer">
<p class="apache">Licensed under the <a href="https://www.apache.org/licenses/LICENSE-2.0">Apache License, Version 2.0</a>.</p>
@{[ menu() ]}
</div>
</body>
</html>
HTML
}

my ($path) = @ARGV;
defined $path or die "usage: $0 FILE.xml >FILE.html\n";
open my $file, '<:encoding(UTF-8)', $path or die "$path: $!\n";
my $xml = do { local $/; <$file> };
my ($module) = eval { parsed($xml) } or die "$path: " . ($@ || "nothing is in it\n");
my $html = eval { page($module) } or die "$path: $@";
binmode STDOUT, ':encoding(UTF-8)';
print $html or die "standard output: $!\n";
