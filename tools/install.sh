#!/bin/sh
# Puts the module in place and activates nothing; see the target install in Makefile.apxs. On Debian a2enmod finds it then.
set -eu

module=$1
target=$DESTDIR$LIBEXECDIR
available=$DESTDIR$SYSCONFDIR/mods-available

install -d "$target"
# Under another name first: a running server has the old file mapped and must not see it change.
install -m 644 "$module" "$target/.mod_mpm_adaptive.so.new"
mv -f "$target/.mod_mpm_adaptive.so.new" "$target/mod_mpm_adaptive.so"
echo "Installed $target/mod_mpm_adaptive.so"

if [ -e /etc/debian_version ]; then
    install -d "$available"
    cat >"$available/mpm_adaptive.load" <<LOAD
# Conflicts: mpm_event mpm_worker mpm_prefork
LoadModule mpm_adaptive_module $LIBEXECDIR/mod_mpm_adaptive.so
LOAD
    # An administrator's changes to it stay.
    [ -e "$available/mpm_adaptive.conf" ] || install -m 644 "$(dirname "$0")/mpm_adaptive.conf" "$available"
    echo "Installed $available/mpm_adaptive.load and mpm_adaptive.conf"
    if [ -e "$DESTDIR$SYSCONFDIR/mods-enabled/mpm_adaptive.load" ]; then
        cat <<NEXT

mpm_adaptive is enabled; to run this build, as root:

    apachectl configtest && systemctl reload apache2
NEXT
        exit 0
    fi
    # The lines are to be typed as they stand, so they name the MPM that is enabled.
    mpm=mpm_event
    for other in mpm_worker mpm_prefork; do
        [ ! -e "$DESTDIR$SYSCONFDIR/mods-enabled/$other.load" ] || mpm=$other
    done
    cat <<NEXT

Nothing is activated yet. To switch from $mpm, as root:

    a2dismod $mpm && a2enmod mpm_adaptive
    apachectl configtest && systemctl restart apache2

Back again: a2dismod mpm_adaptive && a2enmod $mpm, then the second line.
NEXT
    for php in "$DESTDIR$SYSCONFDIR"/mods-enabled/php*.load; do
        [ ! -e "$php" ] || echo "mod_php works with mpm_prefork only: move to php-fpm, and a2dismod $(basename "$php" .load) first."
    done
else
    cat <<NEXT

Nothing is activated yet. In httpd's configuration, replace the LoadModule line of the MPM in use (on Fedora and RHEL in
conf.modules.d/00-mpm.conf) by

    LoadModule mpm_adaptive_module $LIBEXECDIR/mod_mpm_adaptive.so

then check with apachectl configtest, and stop and start the server.
Where it is loaded already, a reload runs this build.
NEXT
fi
