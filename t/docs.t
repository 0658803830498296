# Documents: each link leads somewhere, and each command that README shows exists.

use strict;
use warnings;

use lib 't/lib';
use File::Basename qw(dirname);
use Test::More;
use Adaptive::Server;

my @documents = glob '*.md src/*.md bench/*.md docs/*/*.md docs/*/*/*.md';
cmp_ok scalar @documents, '>=', 10, 'there are documents';
for my $document (@documents) {
    my $text = Adaptive::Server::read_text($document);
    my @links = grep { !/^(?:https?:|#)/ } $text =~ /\]\(([^)\s]+)\)/g;
    is_deeply [ grep { !-e dirname($document) . '/' . s/#.*//r } @links ], [], "$document: its links lead to files";
}

my $make = Adaptive::Server::read_text('Makefile.apxs');
my %target = map { $_ => 1 } $make =~ /^([a-z-]+):/mg;
for my $document ('README.md', 'CONTRIBUTING.md', 'bench/README.md') {
    my @used = Adaptive::Server::read_text($document) =~ /make -f Makefile\.apxs ([a-z-]+)/g;
    is_deeply [ grep { !$target{$_} } @used ], [], "$document: its commands are targets of the makefile";
}
unlike Adaptive::Server::read_text('README.md'), qr/@[A-Z]+@/, 'README has all its figures';

done_testing;
