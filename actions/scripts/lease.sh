# The lease loop. Sent to a node over one long-lived channel; needs a POSIX shell, ip and /proc.
# Protocol (one line each way):
#   any:    serve CONTROLLER SESSION                       once, at the start: whose shell this is
#   node:   ready UPTIME BOOT EPOCH
#   any:    clock                                          are you there, and how late is it?
#   node:   clock UPTIME BOOT EPOCH
#   leader: hold SEQ EPOCH BOOT UNTIL CAP [+|=]ADDR@DEV ...   the complete set to hold now
#   node:   held SEQ UPTIME BOOT EPOCH ADDR@DEV ...        what is held after that
#           refused SEQ REASON...                          nothing was changed
#           outranked SEQ EPOCH REASON...                  likewise: others have the word
#           foreign SEQ ADDR@DEV                           before held: there, but not ours
#   leader: announce ADDR@DEV
#   node:   error TEXT                                     something else went wrong
# Every controller may keep its shell open; which one has the word is decided with each hold line. A
# new epoch takes it from whoever had it. Within an epoch it belongs to the controller that came
# first, and there to its latest SESSION: a number that rises for as long as that epoch lasts.
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

# The highest epoch seen -> $epoch, and who has the word in it -> $who $which.
look_up_word() {
    epoch=0 which=0 seen=0 who=""
    [ ! -r $dir/word ] || read -r epoch who which <$dir/word
    [ ! -r $dir/epoch ] || read -r seen <$dir/epoch
    case $epoch$which in ''|*[!0-9]*) epoch=0 which=0 who="" ;; esac
    case $seen in ''|*[!0-9]*) seen=0 ;; esac
    [ "$seen" -le "$epoch" ] || { epoch=$seen which=0; who=""; }
}
# Has this session the word in epoch $1, or does it take it now? If not -> $reason.
take_word() {
    look_up_word
    if [ "$1" -lt "$epoch" ]; then
        reason="epoch $1 is old, $epoch was seen (if Ephor was set up anew: rm -r $dir there)"
    elif [ "$1" -gt "$epoch" ] || [ -z "$who" ]; then
        reason=
    elif [ "$who" != "$controller" ]; then
        reason="$who leads in epoch $1"
    elif [ "$session" -lt "$which" ]; then
        reason="a later session of $who was opened"
    elif [ "$session" -eq "$which" ]; then
        return 0
    else
        reason=
    fi
    [ -z "$reason" ] || return 1
    reason="cannot write $dir"
    printf '%s\n' "$1 $controller $session" >$dir/word.new && mv $dir/word.new $dir/word || return 1
    printf '%s\n' "$1" >$dir/epoch.new && mv $dir/epoch.new $dir/epoch || return 1
    epoch=$1
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
    if ! take_word "$e"; then say "outranked $seq $epoch $reason"; return; fi
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
    look # late lines must not lead clients to a node that has lost the address
    [ $there = ours ] || return
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
# One shell for each controller: the last one to start stays. Others of it lost their connection.
serve() {
    old=
    [ ! -r "$dir/lease.$controller" ] || read -r old <"$dir/lease.$controller"
    case $old in ''|"$$"|*[!0-9]*) ;; *)
        case $(tr '\0' ' ' 2>/dev/null </proc/"$old"/cmdline) in *ephor-lease*) kill "$old" 2>/dev/null ;; esac ;;
    esac
    printf '%s\n' $$ >"$dir/lease.$controller"
    look_up_word
    now
    say "ready $uptime $boot $epoch"
}
set -f
seq=0 session=0 controller=""
while read -r verb a1 rest; do
    case $verb in
    serve)
        case $a1$rest in *[!0-9A-Za-z._-]*) say "error malformed line"; exit 1 ;; esac
        case $rest in ''|*[!0-9]*) say "error malformed line"; exit 1 ;; esac
        controller=$a1 session=$rest
        locked serve
        ;;
    clock)
        look_up_word
        now
        say "clock $uptime $boot $epoch"
        ;;
    hold)
        seq=$a1
        case $seq in ''|*[!0-9]*) say "error malformed line"; continue ;; esac
        set -- $rest
        [ $# -ge 4 ] || { say "refused $seq malformed line"; continue; }
        case $1$3$4 in *[!0-9]*) say "refused $seq malformed number"; continue ;; esac
        [ -n "$controller" ] || { say "refused $seq whose shell is this?"; continue; }
        locked hold "$@"
        ;;
    announce) announce "$a1" ;;
    *) say "error unknown line" ;;
    esac
done
exit 0
