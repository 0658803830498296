#!/bin/sh
# Removes what install.sh has put in place. Not while it is enabled: the server would be left without an MPM.
set -eu

here=$(dirname "$0")
conf=$DESTDIR$SYSCONFDIR
prefix=$DESTDIR$PREFIX

refuse()
{
    cat >&2 <<WHY
mpm_adaptive is enabled ($1).
Without its file the server would not start again. Go back to another MPM first, then uninstall:

    adaptivectl disable
WHY
    exit 1
}

[ ! -e "$conf/mods-enabled/mpm_adaptive.load" ] || refuse "$conf/mods-enabled/mpm_adaptive.load"
# Elsewhere than on Debian a line of some file loads it; a line that is no comment.
line=$(grep -rsEl '^[[:space:]]*LoadModule[[:space:]]+mpm_adaptive_module' "$conf" --include='*.conf' | head -n 1 || :)
[ -z "$line" ] || refuse "$line"

rm -f "$DESTDIR$LIBEXECDIR/mod_mpm_adaptive.so" "$conf/mods-available/mpm_adaptive.load"
rm -f "$prefix/sbin/adaptivectl" "$prefix/share/man/man8/adaptivectl.8" "$prefix/share/bash-completion/completions/adaptivectl"
rm -rf "$prefix/share/adaptivectl" "$prefix/libexec/adaptivectl"
echo 'Removed mod_mpm_adaptive.'

# As a package that is removed but not purged: an administrator's changes stay.
settings=$conf/mods-available/mpm_adaptive.conf
if [ ! -e "$settings" ] || cmp -s "$settings" "$here/mpm_adaptive.conf"; then
    rm -f "$settings"
else
    echo "Kept $settings, which is not as it was installed."
fi
