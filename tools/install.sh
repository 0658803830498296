#!/bin/sh
# Puts the module and adaptivectl in place and activates nothing; see the target install in Makefile.apxs.
set -eu

module=$1
loadgen=$2
here=$(dirname "$0")
target=$DESTDIR$LIBEXECDIR
available=$DESTDIR$SYSCONFDIR/mods-available
prefix=$DESTDIR$PREFIX

install -d "$target"
# Under another name first: a running server has the old file mapped and must not see it change.
install -m 644 "$module" "$target/.mod_mpm_adaptive.so.new"
mv -f "$target/.mod_mpm_adaptive.so.new" "$target/mod_mpm_adaptive.so"
echo "Installed $target/mod_mpm_adaptive.so"

install -d "$prefix/sbin" "$prefix/libexec/adaptivectl" "$prefix/share/man/man8" "$prefix/share/bash-completion/completions"
install -m 755 "$here/../ctl/adaptivectl" "$prefix/sbin"
install -m 755 "$loadgen" "$prefix/libexec/adaptivectl"
for part in AdaptiveCtl AB; do
    install -d "$prefix/share/adaptivectl/$part"
    install -m 644 "$here/../ctl/lib/$part"/* "$prefix/share/adaptivectl/$part"
done
install -m 644 "$here/../ctl/completion.bash" "$prefix/share/bash-completion/completions/adaptivectl"
# A page that does not say when it was made is the same each time that it is made.
version=$(sed -n "s/^#define ADP_VERSION \"\(.*\)\"$/\1/p" "$here/../src/base/version.h")
pod2man --section=8 --center=mod_mpm_adaptive --release="$version" --date="version $version" "$here/../ctl/adaptivectl.pod" \
    >"$prefix/share/man/man8/adaptivectl.8"
chmod 644 "$prefix/share/man/man8/adaptivectl.8"
echo "Installed $prefix/sbin/adaptivectl, with its manual page"

# Debian's httpd, not one from source on Debian
if [ -e /etc/debian_version ] && [ "$SYSCONFDIR" = /etc/apache2 ]; then
    install -d "$available"
    sed "s|@LIBEXECDIR@|$LIBEXECDIR|" "$here/mpm_adaptive.load" >"$available/mpm_adaptive.load"
    chmod 644 "$available/mpm_adaptive.load"
    # An administrator's changes to it stay.
    [ -e "$available/mpm_adaptive.conf" ] || install -m 644 "$here/mpm_adaptive.conf" "$available"
    echo "Installed $available/mpm_adaptive.load and mpm_adaptive.conf"
fi

if [ -e "$DESTDIR$SYSCONFDIR/mods-enabled/mpm_adaptive.load" ]; then
    cat <<NEXT

mpm_adaptive is enabled; to run this build, as root:

    apachectl configtest && systemctl reload apache2
NEXT
    exit 0
fi
cat <<NEXT

Nothing is activated yet. As root:

    adaptivectl check       what stands in the way, what it would find here
    adaptivectl enable      switches to it; goes back by itself if anything fails
    adaptivectl disable     goes back to what was there before

Where it is loaded already, a reload runs this build.
NEXT
