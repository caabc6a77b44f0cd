#!/bin/bash
# The demo without namespaces: one nginx on a high port of this machine, as the user who runs it,
# guarded over the transport "local". ./quickstart uses it where the lab is not possible.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
notes=/tmp/ephor-$(id -u) # where orders are remembered for users who cannot write /run
[ ! -d "/run/user/$(id -u)" ] || notes=/run/user/$(id -u)/ephor

usage() {
    cat <<'TEXT'
Usage: local.sh VERB DIR
  up DIR PORT            write DIR/ephor.conf (its page on PORT), start nginx on PORT + 1
  start, stop, restart   nginx alone
  down                   end nginx, and remove all that was made
TEXT
}

write_files() { # PORT
    mkdir -p "$dir/tmp"
    [ -e "$notes" ] || : >"$dir/notes-are-ours"
    cat >"$dir/nginx.conf" <<TEXT
worker_processes 1;
pid $dir/nginx.pid;
error_log $dir/nginx.log;
events {
    worker_connections 64;
}
http {
    access_log off;
    client_body_temp_path $dir/tmp/body;
    proxy_temp_path $dir/tmp/proxy;
    fastcgi_temp_path $dir/tmp/fastcgi;
    uwsgi_temp_path $dir/tmp/uwsgi;
    scgi_temp_path $dir/tmp/scgi;
    server {
        listen 127.0.0.1:$(($1 + 1));
        default_type text/plain;
        location / {
            return 200 "this is the demo\n";
        }
    }
}
TEXT
    cat >"$dir/ephor.conf" <<TEXT
# A local service: checked, and restarted when it fails.
name = "demo";
local : { state_dir = "$dir/state"; socket = "$dir/ctl.sock"; user = ""; operator_group = ""; };
http : { listen = [ "127.0.0.1:$1" ]; };
nodes : {
    here : { address = "127.0.0.1"; transport = "local"; };
};
checks : {
    http : {
        type = "http"; url = "http://\$ADDRESS\$:$(($1 + 1))/";
        interval = "1s"; timeout = "1s";
    };
};
services : {
    web : {
        members = ( { node = "here"; } );
        checks = [ "http" ];
        restart = [ "$here/local.sh", "restart", "$dir" ];
    };
};
TEXT
}

start() {
    nginx -q -c "$dir/nginx.conf" -e "$dir/nginx.log"
}

stop() {
    local pid tries=0
    pid=$(cat "$dir/nginx.pid" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || return 1
        sleep 0.05
    done
}

verb=${1:-help}
if [ $# -lt 2 ]; then
    usage
    [ "$verb" = help ] || [ "$verb" = --help ]
    exit
fi
dir=$(cd "$2" && pwd)
case $verb in
up)
    write_files "$3"
    start
    ;;
start) start ;;
stop) stop ;;
restart)
    stop
    start
    ;;
down)
    stop
    [ ! -e "$dir/notes-are-ours" ] || rm -rf "$notes"
    rm -rf "$dir/tmp" "$dir/state"
    rm -f "$dir"/{nginx.conf,nginx.pid,nginx.log,ephor.conf,ctl.sock,notes-are-ours}
    ;;
*)
    usage >&2
    exit 2
    ;;
esac
