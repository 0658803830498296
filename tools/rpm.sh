#!/bin/sh
# Builds the RPM packages: rpm.sh DIRECTORY. The source archive has what git tracks, with changes that are not committed.
# On a system without httpd-devel's macros (Debian, to try the spec) these are made up from apxs, and nothing is said of dependencies;
# what comes out then is for looking at, not for installing.
set -eu

spec=packaging/rpm/mod_mpm_adaptive.spec
command -v rpmbuild >/dev/null || { echo 'rpmbuild is missing: install rpm-build (Debian: rpm)' >&2; exit 1; }
mkdir -p "$1"
target=$(cd "$1" && pwd)
apxs=${APXS:-apxs}

# What make hands down is about this checkout.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES BUILD DESTDIR PREFIX CFLAGS CPPFLAGS LDFLAGS APXS
# Not below the checkout: its name may have a blank in it, which make would not bear.
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
trap 'exit 130' INT TERM HUP

name=mod_mpm_adaptive-$(sed -n 's/^Version: *//p' $spec)
mkdir -p "$top/SOURCES"
git ls-files -z | perl -0 -ne 'chomp; print "$_\0" if -e || -l' \
    | tar --null --files-from=- --transform="s,^,$name/,S" --owner=0 --group=0 --sort=name -czf "$top/SOURCES/$name.tar.gz"

set -- --define "_topdir $top"
if [ -z "$(rpm --eval '%{?_httpd_apxs}')" ]; then
    apxs=$(command -v "$apxs") || { echo 'apxs is missing: install httpd-devel, or apache2-dev to try it on Debian' >&2; exit 1; }
    echo "There is no macros.httpd on this system: built for $apxs, to look at."
    # tools/install.sh has files for Debian, too.
    set -- "$@" --nodeps --define "_httpd_apxs $apxs" --define "_httpd_moddir $("$apxs" -q LIBEXECDIR)" \
        --define '_httpd_mmn 20120211' --define '_localstatedir /var' --define '_unpackaged_files_terminate_build 0'
fi

rm -f "$target"/*.rpm
rpmbuild -ba "$@" $spec >"$target/rpmbuild.log" 2>&1 || {
    tail -n 25 "$target/rpmbuild.log" >&2
    echo "The build failed; its log is $target/rpmbuild.log" >&2
    exit 1
}
find "$top/RPMS" "$top/SRPMS" -name '*.rpm' -exec cp {} "$target" \;

if command -v rpmlint >/dev/null; then
    rpmlint "$target"/*.rpm || :
fi
(cd "$target" && ls -l -- *.rpm)
