# The lease loop. Sent to a node over one long-lived channel; needs a POSIX shell, ip and /proc.
# Protocol (one line each way):
#   node:   ready UPTIME BOOT EPOCH                        once, at the start
#   leader: hold SEQ EPOCH BOOT UNTIL CAP [+|=]ADDR@DEV ...   the complete set to hold now
#   node:   held SEQ UPTIME BOOT EPOCH ADDR@DEV ...        what is held after that
#           refused SEQ REASON...                          nothing was changed
#           foreign SEQ ADDR@DEV                           before held: there, but not ours
#   leader: announce ADDR@DEV
#   node:   error TEXT                                     something else went wrong
# UPTIME, UNTIL, CAP are centiseconds of this node's /proc/uptime. "+" acquires: it may create the
# address. "=" extends: it never does. Values are checked by patterns and never evaluated.
# End of input: exit; addresses stay and end by their own lifetime.
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH
LC_ALL=C; export LC_ALL
umask 077
dir=/run/ephor
label=ephor
boot= ; read -r boot </proc/sys/kernel/random/boot_id

now() { # -> $uptime, centiseconds
    read -r uptime rest </proc/uptime
    uptime=${uptime%.*}${uptime#*.}
}
say() { printf '%s\n' "$*"; }

# $epoch: the highest one seen. Returns 1 if $1 is lower.
see_epoch() {
    epoch=0
    [ -r $dir/epoch ] && read -r epoch <$dir/epoch
    case $epoch in ''|*[!0-9]*) epoch=0 ;; esac
    [ "$1" -lt "$epoch" ] && return 1
    if [ "$1" -gt "$epoch" ]; then
        printf '%s\n' "$1" >$dir/epoch.new.$$ && mv $dir/epoch.new.$$ $dir/epoch || return 1
        epoch=$1
    fi
    return 0
}
locked() { # run "$@" while no other shell of ours changes anything
    if command -v flock >/dev/null 2>&1; then
        exec 9>>$dir/lock && flock -w 2 9 || { say "refused $seq another session holds the lock"; return; }
        "$@"
        exec 9>&-
    else
        tries=0
        until mkdir $dir/lock.d 2>/dev/null; do
            tries=$((tries + 1))
            if [ $tries -gt 20 ]; then rmdir $dir/lock.d 2>/dev/null; tries=0; fi
            sleep 0.1 2>/dev/null || sleep 1
        done
        "$@"
        rmdir $dir/lock.d
    fi
}

# Is the word ADDR@DEV well-formed? -> $addr $dev $plen $fam
parse() {
    addr=${1%@*}; dev=${1#*@}
    case $addr in ''|*[!0-9a-fA-F.:]*) return 1 ;; esac
    case $dev in ''|*[!0-9A-Za-z._-]*) return 1 ;; esac
    case $addr in *:*) plen=128 fam=-6 ;; *) plen=32 fam=-4 ;; esac
    return 0
}
# The label of our addresses on $dev: at most 15 bytes.
label_of() {
    mark=$dev:$label
    [ ${#mark} -le 15 ] || mark=$dev:eph
    [ ${#mark} -le 15 ] || mark=$dev:e
}
# Does this line of `ip -o addr show` show an address with our mark? IPv4: the label. IPv6 has no
# labels: a /128 with a lifetime and without duplicate address detection.
is_marked() { # "N: DEV FAMILY ADDR/LEN REST..."
    case $1 in
    *" inet "*) case $1 in *" $dev:ephor"*|*" $dev:eph\\ "*|*" $dev:e\\ "*) return 0 ;; esac ;;
    *"/128 "*" nodad "*) case $1 in *"valid_lft forever"*) ;; *) return 0 ;; esac ;;
    esac
    return 1
}
# What is at $addr on any interface: none, ours (on $dev, with our mark), foreign. -> $there
look() {
    there=none
    found=$(ip $fam -o addr show to "$addr/$plen" 2>/dev/null)
    [ -n "$found" ] || return 0
    there=foreign
    case $found in *" $dev "*) is_marked "$found" && there=ours ;; esac
}
# All of ours -> $ours: " ADDR@DEV ADDR@DEV ". Fails when they cannot be listed: "none" would be
# taken for a release.
list_ours() {
    ours=' '
    listed=$(ip -o addr show 2>&1) || return 1
    while IFS= read -r found; do
        dev=${found#*: }; dev=${dev%% *}; dev=${dev%@*}
        is_marked "$found" || continue
        addr=${found#*inet* }; addr=${addr%%/*}
        ours="$ours$addr@$dev "
    done <<EOF
$listed
EOF
}

drop() { # ADDR@DEV
    parse "$1" && ip $fam addr del "$addr/$plen" dev "$dev" 2>/dev/null
}
set_life() { # $addr $dev for $left seconds
    if [ $fam = -4 ]; then
        label_of
        ip addr replace "$addr/32" dev "$dev" label "$mark" valid_lft "$left" preferred_lft "$left" 2>&1
    else
        ip -6 addr replace "$addr/128" dev "$dev" nodad valid_lft "$left" preferred_lft "$left" 2>&1
    fi
}

hold() { # EPOCH BOOT UNTIL CAP words...
    e=$1 b=$2 until=$3 cap=$4; shift 4
    if [ "$b" != "$boot" ]; then say "refused $seq the node was started anew"; return; fi
    if ! see_epoch "$e"; then say "refused $seq epoch $e is old, $epoch was seen (if Ephor was set up anew: rm -r $dir there)"; return; fi
    now
    left=$(((until - uptime) / 100))
    if [ $# -gt 0 ] && [ $left -lt 1 ]; then say "refused $seq too late"; return; fi
    if [ $((until - uptime)) -gt "$cap" ]; then say "refused $seq dated too far ahead"; return; fi
    keep=' '
    for word in "$@"; do keep="$keep${word#?} "; done
    if ! list_ours; then say "refused $seq the addresses cannot be listed"; return; fi
    for w in $ours; do case $keep in *" $w "*) ;; *) drop "$w" ;; esac; done
    for word in "$@"; do
        how=${word%"${word#?}"}; w=${word#?}
        if ! parse "$w"; then say "error malformed address $w"; continue; fi
        now; left=$(((until - uptime) / 100)); [ $left -ge 1 ] || break
        look
        case $there in
        foreign) say "foreign $seq $w"; continue ;;
        none) [ "$how" = + ] || continue ;;
        esac
        problem=$(set_life) || say "error $w: $problem"
    done
    if ! list_ours; then say "refused $seq the addresses cannot be listed"; return; fi
    now
    say "held $seq $uptime $boot $epoch$ours"
}

announce() { # ADDR@DEV
    parse "$1" || { say "error malformed address $1"; return; }
    if [ $fam = -6 ]; then
        ping -6 -c 1 -W 1 -I "$addr" ff02::1%"$dev" >/dev/null 2>&1 &
    elif command -v arping >/dev/null 2>&1; then
        (arping -q -c 1 -A -I "$dev" "$addr"; arping -q -c 1 -U -I "$dev" "$addr") >/dev/null 2>&1 &
    elif command -v busybox >/dev/null 2>&1 && busybox arping --help >/dev/null 2>&1; then
        (busybox arping -q -c 1 -A -I "$dev" "$addr"; busybox arping -q -c 1 -U -I "$dev" "$addr") >/dev/null 2>&1 &
    else # the kernel announces all addresses when the interface gets its own MAC again
        echo 1 >/proc/sys/net/ipv4/conf/"$dev"/arp_notify 2>/dev/null
        read -r mac </sys/class/net/"$dev"/address && ip link set dev "$dev" address "$mac" 2>/dev/null
    fi
}

# The real ip: BusyBox has one of its own that knows no lifetimes.
program=
for p in /usr/sbin/ip /sbin/ip /usr/bin/ip /bin/ip; do
    [ -z "$program" ] && [ -x $p ] && case $($p -V 2>&1) in *iproute2*) program=$p ;; esac
done
if [ -z "$program" ]; then say "error this node has no ip command (install iproute2)"; exit 1; fi
ip() { "$program" "$@"; }
# A controller that guards its own machine as an ordinary user: a folder that is that user's alone.
if [ ! -w $dir ] && [ ! -w /run ]; then
    user=$(id -u)
    dir=/tmp/ephor-$user
    [ ! -d "/run/user/$user" ] || dir=/run/user/$user/ephor
    mkdir $dir 2>/dev/null
    if [ ! -O $dir ] || [ -h $dir ]; then say "error $dir belongs to somebody else"; exit 1; fi
fi
mkdir -p $dir 2>/dev/null
if [ ! -w $dir ]; then say "error cannot write $dir as $(id -un)"; exit 1; fi
# A newer session ends the older one; the last one to start stays.
if [ -r $dir/lease.pid ]; then
    read -r old <$dir/lease.pid
    case $old in ''|*[!0-9]*) ;; *)
        case $(tr '\0' ' ' </proc/"$old"/cmdline 2>/dev/null) in *ephor-lease*) kill "$old" 2>/dev/null ;; esac ;;
    esac
fi
printf '%s\n' $$ >$dir/lease.pid
epoch=0; [ -r $dir/epoch ] && read -r epoch <$dir/epoch
now
say "ready $uptime $boot ${epoch:-0}"
set -f
while read -r verb a1 rest; do
    case $verb in
    hold)
        seq=$a1
        case $seq in ''|*[!0-9]*) say "error malformed line"; continue ;; esac
        set -- $rest
        [ $# -ge 4 ] || { say "refused $seq malformed line"; continue; }
        case $1$3$4 in *[!0-9]*) say "refused $seq malformed number"; continue ;; esac
        locked hold "$@"
        ;;
    announce) announce "$a1" ;;
    *) say "error unknown line" ;;
    esac
done
exit 0
