package Adaptive::Paths;

# Where this machine's httpd, its modules and our build are. The makefile puts what apxs says into the environment; without it
# apxs is asked once.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';

our @EXPORT_OK = qw(build_dir httpd libexecdir module_file is_static mpm);

my (%asked, %static);

sub ask_apxs {
    if (!%asked) {
        my $answer = $ENV{ADAPTIVE_APXS_ANSWER} // qx{apxs -q LIBEXECDIR SBINDIR PROGNAME};
        @asked{qw(libexecdir sbindir progname)} = split /\n|;;/, $answer;
        die "apxs does not answer: install apache2-dev (httpd-devel on Fedora and RHEL)\n" if !$asked{progname};
    }
    return \%asked;
}

sub httpd      { return $ENV{HTTPD} // join '/', @{ ask_apxs() }{qw(sbindir progname)} }
sub libexecdir { return ask_apxs()->{libexecdir} }
sub build_dir  { return abs_path($ENV{ADAPTIVE_BUILD} // '.build') // die "no build directory: run make first\n" }

# The MPM under test; event and worker serve to compare.
sub mpm { return $ENV{MPM} // 'adaptive' }

sub is_static {
    my ($name) = @_;
    if (!%static) {
        %static = (none => 1, map { $_ => 1 } qx{@{[httpd()]} -l} =~ /(\w+)\.c$/mg);
    }
    return $static{"mod_$name"};
}

sub module_file {
    my ($name) = @_;
    return build_dir() . '/mod_mpm_adaptive.so'    if $name eq 'mpm_adaptive';
    return build_dir() . '/t/hooked/mod_mpm_adaptive.so' if $name eq 'mpm_adaptive hooked';
    return build_dir() . '/t/asan/mod_mpm_adaptive.so'   if $name eq 'mpm_adaptive sanitized';
    return build_dir() . "/t/mod_$name.so" if $name =~ /\Aadaptive_|_test\z/;
    return libexecdir() . "/mod_$name.so";
}

1;
