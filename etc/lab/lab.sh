#!/bin/bash
# The demo lab: network namespaces on a bridge, two nodes with their own sshd and nginx, a
# controller and a client. Used by ./quickstart and by the tests.
#
#   lab.sh up DIR            make it; DIR gets keys, configuration, logs
#   lab.sh down DIR          take it away; nothing is left but DIR's logs
#   lab.sh status DIR        what runs, where the address is
#   lab.sh run NAME COMMAND  run a command in ctl, n1, n2 or cli (as it is seen there)
#   lab.sh stop-service DIR N | start-service DIR N | break-service DIR N | mend-service DIR N
#   lab.sh cut N | heal N    node N's link down, up
#   lab.sh drop N in|out     node N loses all packets one way; undrop N
#   lab.sh client            get the page through the virtual address
#
# LAB_PREFIX (default "ephor") names the namespaces, LAB_NET (default 10.77.0) the network.
set -euo pipefail
prefix=${LAB_PREFIX:-ephor}
net=${LAB_NET:-10.77.0}
vip=$net.100
here=$(cd "$(dirname "$0")" && pwd)

say() { printf '%s\n' "$*"; }
die() { printf 'lab: %s\n' "$*" >&2; exit 1; }
ns() { printf '%s-%s' "$prefix" "$1"; }
in_ns() { local n; n=$(ns "$1"); shift; ip netns exec "$n" "$@"; }

may_we() {
    [ "$(id -u)" = 0 ] || { say "lab: network namespaces need root; run it as root or with sudo" >&2; exit 77; }
    if ! ip netns add "$prefix-try" 2>/dev/null; then
        say "lab: network namespaces are not allowed here (a container without CAP_SYS_ADMIN?)" >&2
        exit 77
    fi
    ip netns del "$prefix-try"
    local tool
    for tool in sshd nginx ssh-keygen curl; do
        PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null || die "$tool is missing; ./quickstart installs it"
    done
}

make_host() { # NAME HOST-PART
    ip netns add "$(ns "$1")"
    ip link add "$1" netns "$(ns sw)" type veth peer name eth0 netns "$(ns "$1")"
    ip -n "$(ns sw)" link set "$1" master br0 up
    ip -n "$(ns "$1")" addr add "$net.$2/24" dev eth0
    ip -n "$(ns "$1")" link set eth0 up
    ip -n "$(ns "$1")" link set lo up
}

make_network() {
    ip netns add "$(ns sw)"
    ip -n "$(ns sw)" link add br0 type bridge stp_state 0 forward_delay 0
    ip -n "$(ns sw)" link set br0 up
    make_host ctl 1
    make_host n1 11
    make_host n2 12
    make_host cli 50
}

make_keys() { # DIR
    local n
    ssh-keygen -q -t ed25519 -N '' -C ephor-lab -f "$1/ssh_key"
    : >"$1/known_hosts"
    for n in 1 2; do
        mkdir -p "$1/n$n/www" "$1/n$n/tmp"
        ssh-keygen -q -t ed25519 -N '' -f "$1/n$n/host_key"
        cp "$1/ssh_key.pub" "$1/n$n/authorized_keys"
        chmod 600 "$1/n$n/authorized_keys"
        printf '%s %s\n' "$net.1$n" "$(cut -d' ' -f1,2 "$1/n$n/host_key.pub")" >>"$1/known_hosts"
        printf 'this is n%s\n' "$n" >"$1/n$n/www/index.html"
    done
}

write_node() { # DIR N
    cat >"$1/n$2/sshd_config" <<EOT
Port 22
HostKey /run/node/host_key
AuthorizedKeysFile /run/node/authorized_keys
PidFile /run/node/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
UseDNS no
PrintMotd no
EOT
    cat >"$1/n$2/nginx.conf" <<EOT
user root;
worker_processes 1;
pid /run/node/nginx.pid;
error_log /run/node/nginx.log;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path /run/node/tmp/body;
    proxy_temp_path /run/node/tmp/proxy;
    fastcgi_temp_path /run/node/tmp/fastcgi;
    uwsgi_temp_path /run/node/tmp/uwsgi;
    scgi_temp_path /run/node/tmp/scgi;
    server { listen 80; root /run/node/www; }
}
EOT
    cat >"$1/n$2/nginx-ctl" <<'EOT'
#!/bin/sh
# The service script of a lab node. /run/node is this node's own folder.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
pid() { cat /run/node/nginx.pid 2>/dev/null; }
runs() { p=$(pid) && [ -n "$p" ] && kill -0 "$p" 2>/dev/null; }
case $1 in
start)
    runs && exit 0
    exec nginx -c /run/node/nginx.conf -p /run/node
    ;;
stop)
    runs || exit 0
    p=$(pid)
    kill -QUIT "$p"
    n=0
    while kill -0 "$p" 2>/dev/null; do
        n=$((n + 1))
        [ $n -lt 50 ] || { kill -KILL "$p"; break; }
        sleep 0.1
    done
    ;;
restart) "$0" stop && exec "$0" start ;;
status) runs ;;
*) echo "usage: $0 start|stop|restart|status" >&2; exit 2 ;;
esac
EOT
    chmod 755 "$1/n$2/nginx-ctl"
}

# A node is its network namespace and a mount namespace with a /run of its own.
start_node() { # DIR N
    in_ns "n$2" unshare -m sh -c '
        mount --make-rprivate / && mount -t tmpfs -o mode=755 tmpfs /run &&
        mkdir -p /run/sshd /run/node && mount --bind "$1" /run/node &&
        exec /usr/sbin/sshd -f /run/node/sshd_config -E /run/node/sshd.log' sh "$1/n$2"
    local tries=0
    until [ -s "$1/n$2/sshd.pid" ]; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || die "sshd of n$2 does not start; see $1/n$2/sshd.log"
        sleep 0.05
    done
    on_node "$1" "$2" /run/node/nginx-ctl start
}

on_node() { # DIR N COMMAND...: as a process of that node
    local dir=$1 n=$2
    shift 2
    nsenter -t "$(cat "$dir/n$n/sshd.pid")" -n -m "$@"
}

write_conf() { # DIR
    cat >"$1/ephor.conf" <<EOT
# The lab: nginx on two nodes behind one address.
name = "lab";
local : { state_dir = "$1/state"; socket = "$1/ctl.sock"; user = "64100";
          users : { checker = "64101"; quorum = "64102"; actor = "64103"; status = "64104"; }; };
http : { listen = [ "$net.1:7480" ]; };
ssh : { user = "root"; key = "$1/ssh_key"; known_hosts = "$1/known_hosts"; };
nodes : {
  n1 : { address = "$net.11"; checks = [ "ping" ]; };
  n2 : { address = "$net.12"; checks = [ "ping" ]; };
};
checks : {
  http : { type = "http"; url = "http://\$ADDRESS\$/"; interval = "1s"; timeout = "1s"; retry = "300ms"; };
  ping : { scope = "node"; command = [ "check_ping", "-H", "\$ADDRESS\$", "-w", "500,40%", "-c", "900,90%", "-p", "2" ];
           interval = "5s"; timeout = "5s"; failover = false; };
  through : { type = "http"; scope = "vip"; url = "http://\$ADDRESS\$/"; interval = "2s"; timeout = "1s"; failover = false; };
};
vips : { web : { address = "$vip"; interface = "eth0"; }; };
services : {
  web : { members = ( { node = "n1"; priority = 100; }, { node = "n2"; priority = 50; } );
          checks = [ "http", "through" ]; vips = [ "web" ];
          restart = [ "/run/node/nginx-ctl", "restart" ]; };
};
EOT
}

up() { # DIR
    may_we
    mkdir -p "$1"
    local dir
    dir=$(cd "$1" && pwd)
    down "$dir" >/dev/null 2>&1 || true
    rm -rf "$dir"/n1 "$dir"/n2 "$dir"/ssh_key* "$dir"/state
    make_network
    make_keys "$dir"
    local n
    for n in 1 2; do
        write_node "$dir" $n
        start_node "$dir" $n
    done
    write_conf "$dir"
    chmod 755 "$dir"
    mkdir -p "$dir/state"
    say "lab: up in $dir"
}

# Every process whose network namespace is one of ours, by pid.
processes_of() { ip netns pids "$(ns "$1")" 2>/dev/null || true; }

down() { # DIR
    local name pid
    for name in ctl n1 n2 cli; do
        for pid in $(processes_of $name); do kill "$pid" 2>/dev/null || true; done
    done
    for name in ctl n1 n2 cli sw; do
        local tries=0
        while [ -n "$(processes_of $name)" ] && [ $tries -lt 100 ]; do
            tries=$((tries + 1))
            [ $tries -ne 60 ] || for pid in $(processes_of $name); do kill -KILL "$pid" 2>/dev/null || true; done
            sleep 0.05
        done
        ip netns del "$(ns $name)" 2>/dev/null || true
    done
    say "lab: down"
}

status() { # DIR
    local n
    for n in 1 2; do
        printf 'n%s: sshd %s, nginx %s, address %s\n' $n \
            "$(kill -0 "$(cat "$1/n$n/sshd.pid" 2>/dev/null || echo x)" 2>/dev/null && echo up || echo down)" \
            "$(on_node "$1" $n /run/node/nginx-ctl status 2>/dev/null && echo up || echo down)" \
            "$(ip -n "$(ns n$n)" -o addr show to "$vip" 2>/dev/null | grep -q . && echo HELD || echo -)"
    done
}

# One-way loss: a qdisc on the node's end for what it sends, on the bridge's end for what it gets.
drop() { # N in|out
    case $2 in
    out) tc -n "$(ns "n$1")" qdisc replace dev eth0 root netem loss 100% 2>/dev/null ||
            in_ns "n$1" nft -f - <<<"table netdev lab { chain out { type filter hook egress device eth0 priority 0; drop; }; }" ;;
    in) in_ns "n$1" nft -f - <<<"table netdev lab { chain in { type filter hook ingress device eth0 priority 0; drop; }; }" ;;
    *) die "drop N in|out" ;;
    esac
}
undrop() { # N
    tc -n "$(ns "n$1")" qdisc del dev eth0 root 2>/dev/null || true
    in_ns "n$1" nft delete table netdev lab 2>/dev/null || true
}

verb=${1:-help}
[ $# -eq 0 ] || shift
case $verb in
up | down | status) [ $# -eq 1 ] || die "$verb DIR"; $verb "$1" ;;
run) name=$1; shift; in_ns "$name" "$@" ;;
on) dir=$1 n=$2; shift 2; on_node "$dir" "$n" "$@" ;;
stop-service) on_node "$1" "$2" /run/node/nginx-ctl stop ;;
start-service) on_node "$1" "$2" /run/node/nginx-ctl start ;;
kill-service) on_node "$1" "$2" sh -c 'kill -KILL $(cat /run/node/nginx.pid) $(pgrep -P "$(cat /run/node/nginx.pid)")' ;;
break-service) echo 'nonsense;' >>"$1/n$2/nginx.conf"; on_node "$1" "$2" /run/node/nginx-ctl stop ;;
mend-service) sed -i '/^nonsense;$/d' "$1/n$2/nginx.conf"; on_node "$1" "$2" /run/node/nginx-ctl start ;;
cut) ip -n "$(ns sw)" link set "n$1" down ;;
heal) ip -n "$(ns sw)" link set "n$1" up ;;
drop) drop "$1" "$2" ;;
undrop) undrop "$1" ;;
client) in_ns cli curl -s -m 2 "http://$vip/" ;;
*) sed -n '2,16s/^# \{0,1\}//p' "$here/lab.sh"; [ "$verb" = help ] ;;
esac
