#!/bin/sh
# The smallest Debian of a release with a user who may use sudo, as a tar archive: base.sh RELEASE ARCHIVE. Kept from one run to the next.
# It comes from where this machine's apt has its packages from. Status 3: there is no such release.
set -eu

release=$1
archive=$2

# with a dot: the next run does not take half of it for the whole
work=$(dirname "$archive")/.base-$release
trap 'rm -rf "$work" "$archive.new"' EXIT
trap 'exit 130' INT TERM HUP
rm -rf "$work"
mkdir -p "$work"

indexes=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | sort -u)
here=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
main=$(echo "$indexes" | awk -v suite="$here" '$2 == suite && $3 == "main" { print $1; exit }')
security=$(echo "$indexes" | awk -v suite="$here-security" '$2 == suite && $3 == "main" { print $1; exit }')
[ -n "$main" ] || { echo "apt has no packages of Debian $here here, so there is nowhere to take a Debian from" >&2; exit 3; }

# with apt's own proxies and certificates
there()
{
    /usr/lib/apt/apt-helper download-file "$1" "$work/release" >/dev/null 2>&1
}
there "${main}dists/$release/InRelease" || { echo "apt's mirror has no Debian $release" >&2; exit 3; }

proxies=$(apt-config dump | grep -i '^Acquire::http.*::Proxy' || :)
http_proxy=
eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
[ -z "$http_proxy" ] || export http_proxy
case $main in
    https:*) more=ca-certificates,sudo ;;
    *)       more=sudo ;;
esac
debootstrap --variant=minbase --include="$more" "$release" "$work/root" "$main" >"$work/log" 2>&1 || {
    tail -n 5 "$work/log" >&2
    exit 1
}
{
    echo "deb $main $release main"
    ! there "${main}dists/$release-updates/InRelease" || echo "deb $main $release-updates main"
    [ -z "$security" ] || ! there "${security}dists/$release-security/InRelease" || echo "deb $security $release-security main"
} >"$work/root/etc/apt/sources.list"
[ -z "$proxies" ] || echo "$proxies" >"$work/root/etc/apt/apt.conf.d/10proxies"

sh "$(dirname "$0")/enter.sh" "$work/root" sh -eu -c '
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get dist-upgrade -y -q
    apt-get clean
    useradd -m -s /bin/bash admin
    echo "admin ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/admin
    ' >>"$work/log" 2>&1 || {
    tail -n 5 "$work/log" >&2
    exit 1
}
tar -C "$work/root" --numeric-owner -cf "$archive.new" .
mv "$archive.new" "$archive"
