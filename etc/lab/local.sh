#!/bin/bash
# The demo without namespaces: one nginx on a high port of this machine, as the user who runs it.
#
#   local.sh up DIR PORT     PORT is the status page's, nginx gets the next one
#   local.sh down DIR | stop DIR | start DIR
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

up() { # DIR PORT
    mkdir -p "$1/tmp"
    echo "demo" >"$1/index.html"
    cat >"$1/nginx.conf" <<EOT
worker_processes 1;
pid $1/nginx.pid;
error_log $1/nginx.log;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $1/tmp/body; proxy_temp_path $1/tmp/proxy; fastcgi_temp_path $1/tmp/fastcgi;
    uwsgi_temp_path $1/tmp/uwsgi; scgi_temp_path $1/tmp/scgi;
    server { listen 127.0.0.1:$(($2 + 1)); root $1; }
}
EOT
    cat >"$1/ephor.conf" <<EOT
# A local service: checked, and restarted when it fails.
name = "demo";
local : { state_dir = "$1/state"; socket = "$1/ctl.sock"; };
http : { listen = [ "127.0.0.1:$2" ]; };
nodes : { here : { address = "127.0.0.1"; transport = "local"; }; };
checks : { http : { type = "http"; url = "http://\$ADDRESS\$:$(($2 + 1))/"; interval = "1s"; timeout = "1s"; }; };
services : {
  web : { members = ( { node = "here"; } ); checks = [ "http" ];
          restart = [ "/usr/sbin/nginx", "-c", "$1/nginx.conf" ]; };
};
EOT
    start "$1"
}
start() { nginx -c "$1/nginx.conf" -e "$1/nginx.log"; }
stop() { [ ! -s "$1/nginx.pid" ] || kill "$(cat "$1/nginx.pid")"; }
down() { stop "$1" 2>/dev/null || true; }

verb=${1:-help}
case $verb in
up) up "$2" "$3" ;;
start | stop | down) $verb "$2" ;;
*) sed -n '2,6p' "$0" | sed 's/^# \{0,1\}//' ;;
esac
