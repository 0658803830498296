#!/bin/sh
# Removes what install.sh has put in place. Not while it is enabled: the server would be left without an MPM.
set -eu

conf=$DESTDIR$SYSCONFDIR

if [ -e "$conf/mods-enabled/mpm_adaptive.load" ]; then
    echo 'mpm_adaptive is enabled; switch first: a2dismod mpm_adaptive && a2enmod mpm_event' >&2
    exit 1
fi
rm -f "$DESTDIR$LIBEXECDIR/mod_mpm_adaptive.so" "$conf/mods-available/mpm_adaptive.load"
echo 'Removed mod_mpm_adaptive.'

# As a package that is removed but not purged: an administrator's changes stay.
settings=$conf/mods-available/mpm_adaptive.conf
if [ ! -e "$settings" ] || cmp -s "$settings" "$(dirname "$0")/mpm_adaptive.conf"; then
    rm -f "$settings"
else
    echo "Kept $settings, which is not as it was installed."
fi
