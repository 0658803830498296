#!/bin/sh
# Runs a command in a root directory as on a machine of its own: enter.sh [--offline] ROOT COMMAND...
#
# It has mounts, processes and, with --offline, a loopback of its own, which end with it: nothing that the command starts is left behind.
# No terminal, nothing to read, and the 1,024 descriptors that many a login has. FRESH_ARCHIVES is a directory for apt's packages.
set -eu

if [ "$1" != --inside ]; then
    net=
    if [ "$1" = --offline ]; then
        net=--net
        shift
    fi
    exec unshare --mount --pid --fork --kill-child --uts --ipc $net sh "$0" --inside "$net" "$@"
fi

net=$2
root=$3
shift 3
[ -z "$net" ] || ip link set lo up
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --rbind /sys sys
mount --bind /dev dev
mount -t tmpfs tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount --bind dev/pts/ptmx dev/ptmx
mount -t tmpfs -o mode=755 tmpfs run
mkdir -p run/lock
chmod 1777 run/lock
[ -z "${FRESH_ARCHIVES-}" ] || mount --bind "$FRESH_ARCHIVES" var/cache/apt/archives
# A name that sudo finds, and the way to apt's mirror.
hostname fresh
rm -f etc/resolv.conf etc/hosts
cat /etc/resolv.conf >etc/resolv.conf
{ cat /etc/hosts; echo '127.0.0.1 fresh'; } >etc/hosts
pivot_root . mnt
umount -l mnt
cd /
ulimit -S -n 1024
# The first process waits for those that have lost their parents, too.
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8 perl -MPOSIX -e '
    open STDIN, "<", "/dev/null";
    my $child = fork // die "fork: $!";
    if (!$child) { setsid(); exec @ARGV or POSIX::_exit(127) }
    $SIG{$_} = sub { kill $_[0], $child } for qw(INT TERM HUP);
    while (1) {
        my $pid = wait;
        last if $pid < 0 && !$!{EINTR};
        exit($? & 127 ? 128 + ($? & 127) : $? >> 8) if $pid == $child;
    }' "$@"
