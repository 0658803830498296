#!/bin/sh
# Serves a sample site in the foreground from a server root of its own: sample-site.sh DIRECTORY.
# MODULE, LIBEXECDIR, HTTPD and PORT come from the makefile.
set -eu

case $PORT in
    *[!0-9]* | '') good=no ;;
    *) [ "$PORT" -ge 1 ] && [ "$PORT" -le 65535 ] && good=yes || good=no ;;
esac
if [ $good = no ]; then
    echo "PORT \"$PORT\" is not a port: a number from 1 to 65535, for example PORT=8081" >&2
    exit 1
fi

# One directory a port: two sites of one checkout must not share it.
root=$1-$PORT
source=$(dirname "$0")/sample-site

if perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new("127.0.0.1:$ARGV[0]")' "$PORT"; then
    echo "Port $PORT is taken. Another one: make -f Makefile.apxs run PORT=$((PORT + 1))" >&2
    exit 1
fi

umask 022
mkdir -p "$root"
root=$(cd "$root" && pwd)

# Children of a server that root starts are unprivileged; they must be able to reach the files, from / down: /root and most
# home directories are closed to them.
user=
reaches()
{
    setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups test -x "$1" 2>/dev/null
}

if [ "$(id -u)" = 0 ]; then
    for user in www-data apache nobody ''; do
        id "$user" >/dev/null 2>&1 && break
    done
    [ -n "$user" ] || { echo 'There is no user for the children: none of www-data, apache and nobody' >&2; exit 1; }
    if ! reaches "$root"; then
        closed=$root
        root=$(mktemp -d)
        chmod 755 "$root"
        trap 'rm -rf "$root"' EXIT
        if ! reaches "$root"; then
            echo "$user can reach neither $closed nor $root, so no page could be served." >&2
            echo 'Give way to one of them (chmod o+x on the directories above), or name another with TMPDIR=' >&2
            exit 1
        fi
        echo "$user cannot reach $closed: serving from $root"
    fi
fi

mkdir -p "$root/logs" "$root/htdocs"
for page in "$source"/*.html; do
    sed "s/@PORT@/$PORT/g" "$page" >"$root/htdocs/${page##*/}"
done
rm -f "$root/logs/error_log"

"$HTTPD" -l >"$root/static-modules" 2>/dev/null || true
load()
{
    for name; do
        grep -q "mod_$name\\.c" "$root/static-modules" ||
            echo "LoadModule ${name}_module $LIBEXECDIR/mod_$name.so"
    done
}

{
    cat <<CONF
ServerRoot "$root"
DefaultRuntimeDir "$root/logs"
PidFile "$root/logs/httpd.pid"
ErrorLog "$root/logs/error_log"
LoadModule mpm_adaptive_module "$MODULE"
$(load unixd authz_core authz_host dir mime log_config status)
${user:+User $user}
${user:+Group $(id -gn "$user")}
Define PORT $PORT
CONF
    cat "$source/httpd.conf"
} >"$root/httpd.conf"

echo "Serving $root/htdocs with mpm_adaptive"
echo "    http://127.0.0.1:$PORT/"
echo "    http://127.0.0.1:$PORT/adaptive-status   what it does and why"
echo "    http://127.0.0.1:$PORT/server-status"
echo "Log: $root/logs/error_log. Ctrl-C stops it."

# Whatever ends this script ends httpd first.
"$HTTPD" -d "$root" -f "$root/httpd.conf" -DFOREGROUND &
httpd=$!
trap 'kill $httpd 2>/dev/null' INT TERM HUP
while kill -0 $httpd 2>/dev/null; do
    status=0
    wait $httpd || status=$?
done
[ -s "$root/logs/error_log" ] || exit $status
[ "$status" = 0 ] || [ "$status" -ge 128 ] || { tail -n 5 "$root/logs/error_log" >&2; exit "$status"; }
