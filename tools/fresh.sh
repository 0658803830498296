#!/bin/sh
# README's commands, as they stand there, and the Debian package, in systems that have just been installed: make -f Makefile.apxs fresh.
#
# RELEASES of Debian (bookworm trixie). Those that apt's mirror does not have are left out.
# PARTS (root user package): README as root, README as a user with sudo, the package.
# FRESH_DIR is where the systems are (.build/fresh, some gigabytes). What stays there: a new system of each release, as an archive, and
# the packages that apt got. With KEEP=1 the systems stay, too, as they were at the end.
#
# What the commands said stays in FRESH_DIR/log. The systems get what is committed. Nothing outside of FRESH_DIR changes, and no process is left behind (tools/fresh/enter.sh).
# Status 77: it cannot run here.
set -eu

# What make hands down is about this checkout.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
releases=${RELEASES:-bookworm trixie}
parts=${PARTS:-root user package}
tools=$(dirname "$0")/fresh

cannot()
{
    echo "fresh cannot run here: $*" >&2
    exit 77
}

[ "$(id -u)" = 0 ] || cannot 'it makes whole systems, which only root may'
command -v apt-get >/dev/null || cannot 'it needs apt, and the mirror that apt uses'
sh "$tools/../packages.sh" fresh || cannot 'packages are missing, see above'
unshare --mount --pid --fork --uts --ipc --net true || cannot 'this root may not have mounts, processes and a loopback of its own'
[ -d .git ] || cannot 'it clones the checkout that it is started in, and this is none'

mkdir -p "${FRESH_DIR:=.build/fresh}"
FRESH_DIR=$(cd "$FRESH_DIR" && pwd)
# Two would be in each other's way: apt locks its cache, and there is one port 8080.
exec 9>"$FRESH_DIR/lock"
flock -n 9 || cannot "another one is at work in $FRESH_DIR"
work=$FRESH_DIR/work
rm -rf "$work"
trap '[ -n "${KEEP-}" ] || rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
git diff --quiet HEAD || echo 'Note: what is not committed is not tried.'

# new_system NAME OWNER: in $root, with a repository to clone, which git wants to be the owner's
new_system()
{
    root=$work/$release-$1
    mkdir -p "$root"
    tar -C "$root" -xf "$FRESH_DIR/$release.tar"
    mkdir -p "$root/srv/fresh"
    touch "$root/etc/fresh-root"
    git clone -q --bare . "$root/srv/mod_mpm_adaptive.git"
    cp README.md "$tools"/*.pl "$tools"/*.t "$root/srv/fresh"
    mkdir -p "$root/srv/log"
    chmod 1777 "$root/srv/log"
    # without lists of packages nobody has installed a Debian, and those of the archive may be old
    enter sh -c "apt-get update -q && chown -R $2: /srv/mod_mpm_adaptive.git" >"$work/log" 2>&1 || { cat "$work/log"; return 1; }
}

enter()
{
    FRESH_ARCHIVES=$FRESH_DIR/archives-$release sh "$tools/enter.sh" "$root" "$@"
}

done_with_system()
{
    mkdir -p "$FRESH_DIR/log/$release"
    cp -r "$root/srv/log/." "$FRESH_DIR/log/$release"
    [ -n "${KEEP-}" ] || rm -rf "$root"
}

readme()
{
    new_system "readme-$1" "$2"
    enter perl /srv/fresh/readme.pl "$2"
}

package()
{
    new_system build admin
    enter perl /srv/fresh/build.pl || return 1
    built=$work/$release-built
    cp -r "$root/srv/built" "$built"
    done_with_system
    new_system package root
    # Nothing but the loopback is there later: apt has it all in its cache then.
    enter sh -eu -c 'export DEBIAN_FRONTEND=noninteractive
        apt-get install -y -q --no-install-recommends perl procps
        apt-get install -y -q -d --no-install-recommends apache2 apache2-bin apache2-data apache2-utils libapache2-mod-php' \
        >"$work/log" 2>&1 || { cat "$work/log"; return 1; }
    cp -r "$built"/* "$root/srv/fresh"
    FRESH_ARCHIVES=$FRESH_DIR/archives-$release sh "$tools/enter.sh" --offline "$root" perl /srv/fresh/package.t /srv/fresh
}

failed=
summary=
# note RELEASE PART RESULT
note()
{
    summary="$summary
$1, $2: $3"
}

mkdir -p "$work"
for release in $releases; do
    mkdir -p "$FRESH_DIR/archives-$release"
    if [ ! -e "$FRESH_DIR/$release.tar" ]; then
        echo "== $release: a new system, made with debootstrap"
        began=$(date +%s)
        status=0
        sh "$tools/base.sh" "$release" "$FRESH_DIR/$release.tar" || status=$?
        if [ "$status" = 3 ]; then
            note "$release" 'new system' 'left out, there is no such release here'
            continue
        elif [ "$status" != 0 ]; then
            failed=yes
            note "$release" 'new system' 'failed'
            continue
        fi
        note "$release" 'new system' "made in $(($(date +%s) - began)) s"
    fi
    for part in $parts; do
        echo "== $release: $part"
        began=$(date +%s)
        result=passed
        case $part in
            root)    readme root root ;;
            user)    readme user admin ;;
            package) package ;;
            *)       echo "PARTS are root, user and package, not $part" >&2; exit 2 ;;
        esac || result=FAILED
        [ $result = passed ] || failed=yes
        note "$release" "$part" "$result in $(($(date +%s) - began)) s"
        done_with_system
    done
done
echo "== summary$summary"
[ -z "$failed" ]
