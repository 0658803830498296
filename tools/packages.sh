#!/bin/sh
# Installs the Debian packages that a make target needs, after naming them. Does nothing when all are there, and on a system
# without dpkg only says what to look for.
set -eu

build='gcc libc6-dev apache2-bin apache2-dev perl'
check="$build apache2 apache2-utils curl faketime libapache2-mod-perl2 libapache2-mod-wsgi-py3
    libfcgi-perl libio-socket-ssl-perl nghttp2-client openssl util-linux"

case ${1-} in
    run)     wanted=$build ;;
    check)   wanted=$check ;;
    bench)   wanted="$build apache2-utils linux-perf nghttp2-client nginx openssl strace wrk" ;;
    analyze) wanted="$build clang-tidy cppcheck" ;;
    *)       echo "usage: $0 run|check|bench|analyze" >&2; exit 2 ;;
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
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "This needs root, and there is no sudo. As root: apt-get install$missing" >&2
        exit 1
    }
    as_root=sudo
fi

# The packages bring services (apache2 on port 80, nginx): policy-rc.d keeps them from being started by their installation.
$as_root sh -eu -s $missing <<'ROOT'
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
# The script comes on standard input: nobody else may read that. A mirror that does not answer need not matter.
apt-get update -q </dev/null || :
apt-get install -y -q --no-install-recommends "$@" </dev/null
ROOT

case " $missing " in
    *' apache2 '* | *' nginx '*)
        echo 'The services of apache2 and nginx were not started; at the next boot they would be (systemctl disable apache2 nginx).' ;;
esac
