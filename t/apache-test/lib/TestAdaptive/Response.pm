package TestAdaptive::Response;

# mod_perl handlers by the name after /perl/.

use strict;
use warnings;

use APR::Const -compile => qw(SUCCESS);
use APR::Pool ();
use APR::SockAddr ();
use APR::Table ();
use Apache2::Connection ();
use Apache2::Const -compile => qw(OK NOT_FOUND SERVER_ERROR :mpmq);
use Apache2::MPM ();
use Apache2::RequestIO ();
use Apache2::RequestRec ();
use Apache2::RequestUtil ();
use Apache2::SubRequest ();

my %handlers = map { $_ => TestAdaptive::Response->can($_) }
    qw(body dies filtered flushes forwards headers includes mpm pid sleeps);

sub handler {
    my ($r) = @_;
    my ($name) = $r->uri =~ m{^/perl/(\w+)};
    my $code = $handlers{$name} or return Apache2::Const::NOT_FOUND;
    $r->content_type('text/plain');
    return $code->($r) // Apache2::Const::OK;
}

# What the MPM answers to its queries, one name and number a line.
sub mpm {
    my ($r) = @_;
    $r->print('NAME ', Apache2::MPM->show, "\n");
    for my $name (qw(MAX_DAEMON_USED IS_THREADED IS_FORKED HARD_LIMIT_DAEMONS HARD_LIMIT_THREADS MAX_THREADS
        MIN_SPARE_DAEMONS MIN_SPARE_THREADS MAX_SPARE_DAEMONS MAX_SPARE_THREADS MAX_REQUESTS_DAEMON MAX_DAEMONS)) {
        my $answer = Apache2::MPM->query(Apache2::Const->can("MPMQ_$name")->());
        $r->print("$name $answer\n");
    }
    return;
}

sub pid {
    my ($r) = @_;
    $r->print($$);
    return;
}

# Gives the request's body back.
sub body {
    my ($r) = @_;
    while ($r->read(my $buffer, 65536)) {
        $r->print($buffer);
    }
    return;
}

sub headers {
    my ($r) = @_;
    my $in = $r->headers_in;
    $r->headers_out->set('X-Connection' => $r->connection->client_addr->port);
    $r->headers_out->add('X-Twice' => $_) for 1, 2;
    $r->print("$_: $in->{$_}\n") for sort keys %$in;
    return;
}

# Without a length, in pieces that leave at once.
sub flushes {
    my ($r) = @_;
    for my $piece (1 .. 50) {
        $r->print("piece $piece\n");
        $r->rflush;
    }
    return;
}

sub filtered {
    my ($r) = @_;
    $r->print("to be filtered\n" x 1000);
    return;
}

sub forwards {
    my ($r) = @_;
    $r->internal_redirect('/perl/pid');
    return;
}

sub includes {
    my ($r) = @_;
    $r->print("before\n");
    $r->lookup_uri('/plain.txt')->run;
    $r->print("after\n");
    return;
}

sub sleeps {
    my ($r) = @_;
    my ($ms) = ($r->args // '') =~ /(\d+)/;
    select undef, undef, undef, $ms / 1000;
    $r->print("slept $ms\n");
    return;
}

sub dies { die "as it was told to\n" }

1;
