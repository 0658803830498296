#!/bin/sh
# Installs the Debian packages that a make target needs, after naming them. Does nothing when all are there, and on a system
# without dpkg only says what to look for.
set -eu

build='gcc libc6-dev apache2-bin apache2-dev perl'
check="$build apache2 apache2-utils chromium-driver curl faketime libapache2-mod-perl2 libapache2-mod-wsgi-py3
    libfcgi-perl libio-socket-ssl-perl libssl-dev nghttp2-client openssl slowhttptest util-linux"

case ${1-} in
    run)     wanted=$build ;;
    check)   wanted=$check ;;
    bench)   wanted="$build apache2-utils libssl-dev linux-perf nghttp2-client nginx openssl strace wrk" ;;
    analyze) wanted="$build clang-tidy cppcheck" ;;
    deb)     wanted="$build build-essential debhelper dpkg-dev git libssl-dev" ;;
    fresh)   wanted='debootstrap git iproute2 perl util-linux' ;;
    *)       echo "usage: $0 run|check|bench|analyze|deb|fresh" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "This is no Debian; on Debian the packages would be:" $wanted
    exit 0
fi

missing=
for package in $wanted; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "Installing with apt-get:$missing"
echo "Services that come with them (apache2, nginx) are not started, neither now nor at boot."
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "This needs root, and there is no sudo. As root: apt-get install$missing" >&2
        exit 1
    }
    as_root=sudo
fi

# What starts at boot, by systemd's links and by those of System V.
boot_links()
{
    for link in /etc/systemd/system/*.wants/* /etc/rc[2-5].d/S*; do
        [ ! -L "$link" ] || echo "$link"
    done
}

# policy-rc.d keeps services from being started by their installation. One that is there may let them: it stands aside.
before=$(boot_links)
status=0
trap : INT TERM HUP
$as_root sh -eu -s $missing <<'ROOT' || status=$?
policy=/usr/sbin/policy-rc.d
restore()
{
    rm -f $policy
    [ ! -e $policy.aside ] || mv $policy.aside $policy
}
trap restore EXIT
trap 'exit 130' INT TERM HUP
[ -e $policy.aside ] || [ ! -e $policy ] || mv $policy $policy.aside
printf '#!/bin/sh\nexit 101\n' >$policy
chmod 755 $policy
export DEBIAN_FRONTEND=noninteractive
# The script comes on standard input: nobody else may read that. A mirror that does not answer need not matter.
apt-get update -q </dev/null || :
apt-get install -y -q --no-install-recommends "$@" </dev/null
ROOT

# Also after a failure: half of what was asked for may be there.
new=
for link in $(boot_links); do
    printf '%s\n' "$before" | grep -qxF "$link" || new="$new $link"
done
[ -n "$new" ] || exit "$status"

# Links of systemd go; of those of System V update-rc.d keeps that somebody wanted them gone.
$as_root sh -eu -s $new <<'ROOT'
for link; do
    case $link in
        /etc/systemd/*) rm -f "$link" ;;
        *) [ ! -L "$link" ] || update-rc.d "${link##*/S[0-9][0-9]}" disable ;;
    esac
done
ROOT
services=$(for link in $new; do basename "$link" .service; done | sed 's/^S[0-9][0-9]//' | sort -u | tr '\n' ' ')
echo "Not started, and disabled at boot: ${services% }"
exit "$status"
