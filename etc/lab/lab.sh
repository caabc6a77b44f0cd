#!/bin/bash
# The demo lab: a controller (or several: LAB_CONTROLLERS, up to 5), two nodes with their own sshd
# and nginx, and a client, as network namespaces on one bridge. ./quickstart shows it, the end-to-end tests work in it.
#
# It does not start ephord (see "daemon"), touches no interface, firewall or service of the host,
# and ends only processes that it started. A node is a network, mount, process and host name
# namespace: the end of its first process ends all of it.
#
# LAB_PREFIX (default "ephor") begins the names of all namespaces, so that labs can run side by
# side; /run/PREFIX-lab tells the folder and the processes of the lab that is up.
set -euo pipefail
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C

readonly EXIT_SKIP=77
prefix=${LAB_PREFIX:-ephor}
record=/run/$prefix-lab
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=

usage() {
    cat <<'TEXT'
Usage: lab.sh VERB [ARGUMENT]...
  up DIR               make the lab (anew, if it is up); keys, configuration and logs are in DIR
  down [DIR]           end it, and remove all that it made
  status               what runs, and who holds the address 10.77.0.100
  daemon PORT [NAME]   run ephord as the controller NAME (c1; or c2 ... c5), its page on
                       127.0.0.1:PORT of the host (EPHORD and LISTEN_EXEC name the programs;
                       default: ../../build)
  stop-service N       stop nginx on node N (1 or 2); start-service N starts it
  kill-service N       kill nginx on node N with SIGKILL
  break-service N      stop it and break its configuration: it cannot start
  mend-service N       mend its configuration; it is started by whoever looks after it
  cut N, heal N        pull and plug the network cable of node N, or of a controller (c1 ...)
  drop N in|out        lose all that it receives, or sends; undrop N ends both
  on N COMMAND...      run a command on node N
  in NAME COMMAND...   run a command in the network of c1 ..., n1, n2 or cli
  client               ask for the page at the virtual address once, as the client
TEXT
}

say() {
    printf '%s\n' "$*"
}

die() {
    printf 'lab: %s\n' "$*" >&2
    exit 1
}

skip() {
    printf 'lab: %s\n' "$*" >&2
    exit $EXIT_SKIP
}

try_network() {
    ip netns add "$prefix-try" && ip netns del "$prefix-try"
}

need_rights() {
    [ "$(id -u)" = 0 ] || skip "the lab needs root, for network namespaces: use sudo"
    local tool problem
    if ! problem=$(unshare --mount --pid --uts --fork true 2>&1 && try_network 2>&1); then
        skip "namespaces are not allowed here (in a container?): $problem"
    fi
    for tool in ip nft nginx sshd ssh-keygen curl nsenter; do
        command -v $tool >/dev/null || die "$tool is missing; ./quickstart installs it"
    done
}

recorded() {
    readlink "$record/dir"
}

find_lab() {
    [ -n "$dir" ] || dir=$(recorded) || die "no lab '$prefix' is up"
    [ -d "$dir" ] || die "the folder $dir of the lab '$prefix' is gone"
}

check_node() {
    case ${1:-} in
    1 | 2) ;;
    *) die "'${1:-}' is no node: 1 or 2" ;;
    esac
}

# The host of a node's number, or of a controller's name.
host_of() {
    case ${1:-} in
    1 | 2) echo "n$1" ;;
    c[1-5]) echo "$1" ;;
    *) die "'${1:-}' is no node (1 or 2) and no controller (c1 to c5)" ;;
    esac
}

home_of() { # CONTROLLER: the folder of its files
    if [ "$1" = c1 ]; then echo "$dir"; else echo "$dir/$1"; fi
}

# ---------------------------------------------------------------- the network

make_host() { # NAME HOST-PART
    ip netns add "$prefix-$1"
    ip link add "$1" netns "$prefix-sw" type veth peer name eth0 netns "$prefix-$1"
    ip -n "$prefix-sw" link set "$1" master br0 up
    ip -n "$prefix-$1" addr add "10.77.0.$2/24" dev eth0
    ip -n "$prefix-$1" link set eth0 up
    ip -n "$prefix-$1" link set lo up
}

make_network() {
    ip netns add "$prefix-sw"
    ip -n "$prefix-sw" link add br0 type bridge stp_state 0 forward_delay 0
    ip -n "$prefix-sw" link set br0 up
    local n
    for n in $(seq "${LAB_CONTROLLERS:-1}"); do make_host "c$n" "$n"; done
    make_host n1 11
    make_host n2 12
    make_host cli 50
}

remove_network() {
    local name
    for name in cli n2 n1 c5 c4 c3 c2 c1 sw; do
        [ ! -e "/run/netns/$prefix-$name" ] || ip netns del "$prefix-$name"
    done
}

# All that a node gets is seen on its own interface, all that it sends on its port of the bridge.
drop() { # HOST in|out
    local namespace=$prefix-$1 device=eth0
    case ${2:-} in
    in) ;;
    out) namespace=$prefix-sw device=$1 ;;
    *) die "drop N in|out" ;;
    esac
    ip netns exec "$namespace" nft -f - <<TEXT
add table netdev lab_$1
add chain netdev lab_$1 lost { type filter hook ingress device $device priority 0; policy drop; }
TEXT
}

undrop() { # HOST
    local name
    for name in "$1" sw; do
        ip netns exec "$prefix-$name" nft delete table netdev "lab_$1" 2>/dev/null || true
    done
}

# ---------------------------------------------------------------- nodes

make_keys() {
    local n
    ssh-keygen -q -t ed25519 -N '' -C "$prefix-lab" -f "$dir/ssh_key"
    : >"$dir/known_hosts"
    for n in 1 2; do
        mkdir -p "$dir/n$n/tmp"
        ssh-keygen -q -t ed25519 -N '' -C "n$n" -f "$dir/n$n/host_key"
        cp "$dir/ssh_key.pub" "$dir/n$n/authorized_keys"
        printf '10.77.0.1%s %s\n' "$n" "$(cut -d' ' -f1,2 "$dir/n$n/host_key.pub")" \
            >>"$dir/known_hosts"
    done
}

write_nginx() { # N
    cat >"$dir/n$1/nginx.conf" <<TEXT
worker_processes 1;
pid /run/node/nginx.pid;
error_log /run/node/nginx.log;
events {
    worker_connections 256;
}
http {
    access_log off;
    client_body_temp_path /run/node/tmp/body;
    proxy_temp_path /run/node/tmp/proxy;
    fastcgi_temp_path /run/node/tmp/fastcgi;
    uwsgi_temp_path /run/node/tmp/uwsgi;
    scgi_temp_path /run/node/tmp/scgi;
    server {
        listen 0.0.0.0:80;
        default_type text/plain;
        location / {
            return 200 "this is n$1\n";
        }
    }
}
TEXT
}

write_node() { # N
    cat >"$dir/n$1/sshd_config" <<'TEXT'
Port 22
HostKey /run/node/host_key
AuthorizedKeysFile /run/node/authorized_keys
PidFile /run/node/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UseDNS no
PrintMotd no
MaxStartups 100
TEXT
    cat >"$dir/n$1/passwd" <<'TEXT'
root:x:0:0:root:/run/home:/bin/sh
sshd:x:100:65534::/run/sshd:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
TEXT
    printf 'root:*:19000:0:99999:7:::\n' >"$dir/n$1/shadow"
    chmod 600 "$dir/n$1/shadow" "$dir/n$1/authorized_keys"
    install -m 755 "$here/nginx-ctl" "$here/node-init" "$dir/n$1/"
    write_nginx "$1"
}

start_node() { # N
    local tries=0
    setsid ip netns exec "$prefix-n$1" \
        unshare --mount --pid --uts --fork --kill-child \
        "$dir/n$1/node-init" "$dir/n$1" "n$1" </dev/null >"$dir/n$1/init.log" 2>&1 &
    until [ -e "$dir/n$1/ready" ]; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || die "node n$1 does not start: $(tail -n 3 "$dir/n$1/init.log")"
        sleep 0.05
    done
    cp "$dir/n$1/init.pid" "$record/n$1.pid"
}

# The host's number of the node's first process, if it runs and is in the node's network.
node_pid() { # N
    local pid
    pid=$(cat "$record/n$1.pid" 2>/dev/null) || return 1
    is_in "$pid" "n$1" && printf '%s\n' "$pid"
}

is_in() { # PID NAME
    [ -n "$1" ] && [ -e "/run/netns/$prefix-$2" ] &&
        [ "$(readlink "/proc/$1/ns/net")" = "net:[$(stat -Lc %i "/run/netns/$prefix-$2")]" ]
}

end_process() { # PID: and wait until it is gone
    local tries=0
    kill -KILL "$1" 2>/dev/null || return 0
    while kill -0 "$1" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || die "process $1 does not end"
        sleep 0.02
    done
}

on_node() { # N COMMAND...
    local pid
    pid=$(node_pid "$1") || die "node n$1 does not run"
    shift
    nsenter --target "$pid" --mount --net --pid --uts -- "$@"
}

break_service() { # N
    grep -q '^nonsense' "$dir/n$1/nginx.conf" || echo 'nonsense;' >>"$dir/n$1/nginx.conf"
    on_node "$1" /run/node/nginx-ctl stop
}

# ---------------------------------------------------------------- the whole

write_conf() {
    local n home
    for n in $(seq "${LAB_CONTROLLERS:-1}"); do
        home=$(home_of "c$n")
        mkdir -p "$home"
        sed -e "s|@DIR@|$dir|g; s|@HOME@|$home|g" "$here/ephor.conf.in" >"$home/ephor.conf"
    done
}

up() {
    local n
    need_rights
    dir=$(realpath -m "$1")
    [ ${#dir} -le 90 ] || die "the path $dir is too long for a socket in it"
    if [ "$(recorded)" != "$dir" ] && is_up; then
        die "a lab '$prefix' is up in $(recorded); end it, or set LAB_PREFIX"
    fi
    end_lab # what a killed one left
    mkdir -p "$record" "$dir"
    remove_files
    ln -sfn "$dir" "$record/dir"
    chmod 755 "$dir"
    make_network
    make_keys
    write_conf
    for n in 1 2; do
        write_node $n
        start_node $n
    done
    say "lab: '$prefix' is up in $dir"
}

is_up() {
    node_pid 1 >/dev/null || node_pid 2 >/dev/null
}

end_lab() {
    local n pid
    for n in 1 2 3 4 5; do
        pid=$(cat "$record/ephord-c$n.pid" 2>/dev/null || true)
        if is_in "$pid" "c$n"; then end_process "$pid"; fi
    done
    for n in 1 2; do
        if pid=$(node_pid $n); then end_process "$pid"; fi
    done
    remove_network
    rm -rf "$record"
}

remove_files() {
    rm -rf "$dir/n1" "$dir/n2" "$dir/c2" "$dir/c3" "$dir/c4" "$dir/c5" "$dir/state" "$dir/cluster"
    rm -f "$dir"/{ssh_key,ssh_key.pub,known_hosts,ephor.conf,ctl.sock}
}

down() { # [DIR]
    [ "$(id -u)" = 0 ] || skip "the lab needs root: use sudo"
    dir=${1:-$(recorded || true)}
    if [ -z "$dir" ]; then
        remove_network
        say "lab: '$prefix' is not up"
        return
    fi
    # the processes and namespaces are those of the record: of another folder's lab, perhaps
    if [ ! -e "$record" ] || [ "$(recorded)" = "$dir" ]; then end_lab; fi
    remove_files
    rmdir --ignore-fail-on-non-empty "$dir" 2>/dev/null || true
    say "lab: '$prefix' is down"
}

status() {
    local n sshd nginx vip
    for n in 1 2; do
        sshd=down nginx=down vip=-
        if node_pid $n >/dev/null; then
            sshd=up
            if on_node $n /run/node/nginx-ctl status; then nginx=up; fi
            if on_node $n ip -o addr show to 10.77.0.100 | grep -q .; then vip=10.77.0.100; fi
        fi
        say "n$n: sshd $sshd, nginx $nginx, address $vip"
    done
}

daemon() { # PORT [CONTROLLER]
    local build name=${2:-c1}
    build=${BUILD:-$here/../../build}
    echo $$ >"$record/ephord-$name.pid"
    exec "${LISTEN_EXEC:-$build/listen_exec}" "127.0.0.1:$1" "/run/netns/$prefix-$name" \
        "${EPHORD:-$build/ephord}" --foreground --config "$(home_of "$name")/ephor.conf"
}

verb=${1:-help}
[ $# -eq 0 ] || shift
case $verb in
up)
    [ $# -eq 1 ] || die "up DIR"
    up "$1"
    ;;
down) down "$@" ;;
help | --help | -h) usage ;;
client) ip netns exec "$prefix-cli" curl -sS --max-time 2 http://10.77.0.100/ ;;
in)
    [ $# -ge 2 ] || die "in NAME COMMAND"
    name=$1
    shift
    exec ip netns exec "$prefix-$name" "$@"
    ;;
status)
    find_lab
    status
    ;;
daemon)
    [ $# -eq 1 ] || [ $# -eq 2 ] || die "daemon PORT [CONTROLLER]"
    find_lab
    daemon "$@"
    ;;
cut | heal | drop | undrop)
    host=$(host_of "${1:-}")
    find_lab
    case $verb in
    cut) ip -n "$prefix-sw" link set "$host" down ;;
    heal) ip -n "$prefix-sw" link set "$host" up ;;
    drop | undrop) $verb "$host" "${2:-}" ;;
    esac
    ;;
on | *-service)
    check_node "${1:-}"
    find_lab
    case $verb in
    on) on_node "$@" ;;
    break-service) break_service "$1" ;;
    mend-service) write_nginx "$1" ;;
    start-service | stop-service | kill-service) on_node "$1" /run/node/nginx-ctl "${verb%-service}" ;;
    *) die "unknown verb '$verb'; try: lab.sh help" ;;
    esac
    ;;
*)
    usage >&2
    die "unknown verb '$verb'"
    ;;
esac
