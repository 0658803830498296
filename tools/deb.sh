#!/bin/sh
# Builds the Debian package: deb.sh DIRECTORY. Twice, from copies in two places, to see that the same sources make the same bytes.
# The copies have what git tracks, with changes that are not committed: nothing else that lies in the checkout gets into a package.
set -eu

mkdir -p "$1"
target=$(cd "$1" && pwd)

# What make hands down is about this checkout.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES BUILD DESTDIR PREFIX CFLAGS CPPFLAGS LDFLAGS APXS
# Not below the checkout: its name may have a blank in it, which make would not bear.
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
trap 'exit 130' INT TERM HUP

# build NAME WHAT [VARIABLE=VALUE...]: in $top/NAME
build()
{
    name=$1
    what=$2
    shift 2
    mkdir -p "$top/$name/source"
    git ls-files -z | perl -0 -ne 'chomp; print "$_\0" if -e || -l' | tar --null -cf - -T - | tar -xf - -C "$top/$name/source"
    (
        cd "$top/$name/source"
        export "$@"
        dpkg-buildpackage --build="$what" -us -uc
    ) >"$target/$name.log" 2>&1 || {
        tail -n 25 "$target/$name.log" >&2
        echo "The build failed; its log is $target/$name.log" >&2
        exit 1
    }
}

rm -rf "$target"/*
echo 'Building the package ...'
build first full LC_ALL=C.UTF-8
echo 'Building it again, elsewhere and in another time zone ...'
build the-second-one binary LC_ALL=C TZ=Pacific/Kiritimati

different=
for deb in "$top"/first/*.deb; do
    cmp "$deb" "$top/the-second-one/${deb##*/}" || different=yes
done
find "$top/first" -maxdepth 1 -type f -exec cp {} "$target" \;
if [ -n "$different" ]; then
    cp -r "$top/the-second-one" "$target"
    echo "The same sources made different packages: compare those in $target/the-second-one" >&2
    exit 1
fi
echo 'Both builds are the same to the byte.'

if command -v lintian >/dev/null; then
    lintian --allow-root --fail-on error,warning --pedantic "$target"/*.changes
    echo 'lintian has nothing to object.'
else
    echo 'lintian is not installed, so nobody has looked at the package.'
fi
(cd "$target" && ls -l -- *.deb)
