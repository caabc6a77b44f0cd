#!/bin/sh
# Stands in for ephord: the same, with an /etc/hosts of its own (HOME/hosts) and a disk that gives
# I/O errors while HOME/io-errors is there.
home=$(dirname "$3") # --foreground --config HOME/ephor.conf
build=$(dirname "$LISTEN_EXEC")/../..
[ -e "$home/hosts" ] || printf '127.0.0.1 localhost\n10.77.0.11 app.lab\n' >"$home/hosts"
export home build
# shellcheck disable=SC2016 # for the inner shell
exec unshare --mount --propagation private sh -c '
    mount --bind "$home/hosts" /etc/hosts
    export LD_PRELOAD="$build/tests/lab/eio.so" EIO_IN="$home/state" EIO_WHILE="$home/io-errors"
    export ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0"
    exec "$build/ephord" "$@"' sh "$@"
