package Bench::Example::Beside;

# What pages of a server notice when something behind it hangs or is slow: the base of some examples. The one that derives says
#
#   app_path, app_rate, timeout_s
#   begin($server, $bench)  what there is besides, e.g. connections that stay; returns a part of the result

use strict;
use warnings;

use parent 'Bench::Example';

use AB::Requests;
use AB::Watch;
use Bench::OpenLoad;

use constant { PAGE_RATE => 50, CALM_S => 2, SECONDS => 10 };

sub app_rate { return 0 }
sub timeout_s { return 20 }
sub begin { return () }

sub run {
    my ($self, $server, $variant, $bench) = @_;
    my $seconds = CALM_S + Bench::Example::quick($bench, 1, SECONDS);
    my %result = $self->begin($server, $bench);
    my %how = (mode => 'new', timeout => $self->timeout_s, dir => $bench->{dir});
    my $app = $self->app_rate
        && Bench::OpenLoad->start($server->port, %how, path => $self->app_path, schedule => $self->app_rate . ":$seconds");
    my $pages = Bench::OpenLoad->start($server->port, %how, path => '/1k.html', schedule => PAGE_RATE . ":$seconds");
    my $watch = AB::Watch->new($server->tree);
    Bench::Change::attend(
        $pages, at => [[$seconds - 0.2, sub { $watch->look(memory => 1) }]], every => sub { $watch->look });
    my $found = AB::Requests::summary($pages->due_between(CALM_S, $seconds));
    %result = (%result, seen => [$pages, $watch], map { ("page_$_" => $found->{$_}) } keys %$found);
    if ($app) {
        my $of_app = AB::Requests::summary(@{ $app->requests });
        %result = (%result, map { ("app_$_" => $of_app->{$_}) } keys %$of_app);
    }
    return {
        %result, threads_before => $watch->first->{threads}, threads_peak => $watch->peak('threads'),
        children_peak => $watch->peak('children'), pss_peak => $watch->peak('pss_kib') / 1024 };
}

1;
