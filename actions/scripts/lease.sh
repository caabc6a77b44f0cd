# The lease loop. Sent to a node over one long-lived channel; needs a POSIX shell, ip and /proc.
# Protocol (one line each way):
#   any:    serve CONTROLLER SESSION                       once, at the start: whose shell this is
#   node:   ready UPTIME BOOT EPOCH nft|- WHY-NOT...       can it guard addresses?
#   any:    clock                                          are you there, and how late is it?
#   node:   clock UPTIME BOOT EPOCH
#   leader: hold SEQ EPOCH BOOT UNTIL CAP WORD ...         the complete set to hold now
#             +ADDR@DEV  =ADDR@DEV                         bare: the address has a lifetime
#             ^ADDR@DEV/UNTIL  ~ADDR@DEV/UNTIL             guarded: by nft, each with its own date
#   node:   held SEQ UPTIME BOOT EPOCH ADDR@DEV ...        what is held after that
#           guardless WHY...                               it cannot guard addresses any more
#           frozen WHY...  thawed                          before any answer, when that has changed:
#                                                          there is a file "freeze" in its folder
#           refused SEQ REASON...                          nothing was changed
#           outranked SEQ EPOCH REASON...                  likewise: others have the word
#           foreign SEQ ADDR@DEV                           before held: there, but not ours
#   leader: announce ADDR@DEV
#   node:   error TEXT                                     something else went wrong
# Every controller may keep its shell open; which one has the word is decided with each hold line. A
# new epoch takes it from whoever had it. Within an epoch it belongs to the controller that came
# first, and there to its latest SESSION: a number that rises for as long as that epoch lasts.
# UPTIME, UNTIL, CAP are centiseconds of this node's /proc/uptime. "+" and "^" acquire: they may
# create the address. "=" and "~" extend: they never do. Values are checked by patterns and never
# evaluated.
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
# Is there a file that says "hands off"? Told once.
frozen=
look_for_freeze() {
    was=$frozen frozen=''
    if [ -e $dir/freeze ]; then
        read -r frozen 2>/dev/null <$dir/freeze
        [ -n "$frozen" ] || frozen="it gives no reason"
    fi
    [ "$frozen" = "$was" ] || if [ -n "$frozen" ]; then say "frozen $frozen"; else say thawed; fi
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
    changed=yes
    parse "$1" || return
    [ -z "$nft" ] || guard_shut
    ip $fam addr del "$addr/$plen" dev "$dev" 2>/dev/null
}
set_life() { # $addr $dev for $left seconds
    if [ $fam = -4 ]; then
        label_of
        ip addr replace "$addr/32" dev "$dev" label "$mark" valid_lft "$left" preferred_lft "$left" 2>&1
    else
        ip -6 addr replace "$addr/128" dev "$dev" nodad valid_lft "$left" preferred_lft "$left" 2>&1
    fi
}

# ---- The guard: packets from and to an address in `owned` pass only while it is in `alive`, and the
# kernel takes it out of there to the millisecond. The address itself ends a little later, should
# somebody flush the rules. Elements of `owned` end, too, after the address has certainly gone: what is
# left behind blocks nothing for long, and at no time what is only forwarded. On all interfaces: Linux
# answers on each for any address.
BEHIND_S=2 OWNED_MS=20000 LATE_CS=5
slow=0 # how long telling the kernel takes here, in centiseconds, when that is not next to nothing
guard_rules() {
    cat <<'EOF'
table inet ephor1 {
    set owned4 { type ipv4_addr; flags timeout; }
    set alive4 { type ipv4_addr; flags timeout; }
    set owned6 { type ipv6_addr; flags timeout; }
    set alive6 { type ipv6_addr; flags timeout; }
    chain in {
        type filter hook prerouting priority -310; policy accept;
        iif lo accept
        ip daddr @owned4 ip daddr != @alive4 fib daddr type local drop
        ip6 daddr @owned6 ip6 daddr != @alive6 fib daddr type local drop
    }
    chain out {
        type filter hook postrouting priority 310; policy accept;
        oif lo accept
        ip saddr @owned4 ip saddr != @alive4 fib saddr type local drop
        ip6 saddr @owned6 ip6 saddr != @alive6 fib saddr type local drop
    }
}
table arp ephor1 {
    set owned4 { type ipv4_addr; flags timeout; }
    set alive4 { type ipv4_addr; flags timeout; }
    chain in {
        type filter hook input priority -310; policy accept;
        arp daddr ip @owned4 arp daddr ip != @alive4 drop
    }
    chain out {
        type filter hook output priority 310; policy accept;
        arp saddr ip @owned4 arp saddr ip != @alive4 drop
    }
}
EOF
}
# Can addresses be guarded here? -> $nft, or $why_not
probe_guard() {
    nft="" why_not="nft is not installed"
    for p in /usr/sbin/nft /sbin/nft /usr/bin/nft; do [ -n "$nft" ] || [ ! -x $p ] || nft=$p; done
    [ -n "$nft" ] || return
    why_not=$("$nft" -c -f - 2>&1 <<EOF
$(guard_rules)
EOF
    ) && return
    nft="" why_not=${why_not%%
*}
    [ -n "$why_not" ] || why_not="nft does not work"
}
# Run nft with the commands $1, all or none. -> $problem
nft_run() {
    problem=$("$nft" -f - 2>&1 <<EOF
$1
EOF
    ) || { problem=${problem%%
*}; return 1; }
}
guard_ready() { # if one table is there, both are: they came in one go
    "$nft" list chain inet ephor1 out >/dev/null 2>&1 || nft_run "$(guard_rules)"
}
# The tables that know $addr, and its kind -> $tables $v
guard_of() {
    v=${fam#-} tables=inet
    [ "$v" = 6 ] || tables="inet arp"
}
# Commands that keep $addr in the guard until $date -> $commands. Fails when that is past. The time
# counts from when the kernel is told, so that what that takes is left out.
guard_commands() { # "" to extend what is alive, or "new"
    left_ms=$(((date - uptime - slow) * 10)) commands=''
    [ $left_ms -gt 0 ] || return 1
    guard_of
    for t in $tables; do
        commands="${commands}add element $t ephor1 owned$v { $addr }
delete element $t ephor1 owned$v { $addr }
add element $t ephor1 owned$v { $addr timeout $((left_ms + OWNED_MS))ms }
${1:+add element $t ephor1 alive$v { $addr \}}
delete element $t ephor1 alive$v { $addr }
add element $t ephor1 alive$v { $addr timeout ${left_ms}ms }
"
    done
}
# Was the kernel told in the time that was reckoned with? If not, the end is later than it should be:
# with what it takes now, it has to be told again.
in_time() { # it began at $begun
    now
    took=$((uptime - begun))
    if [ $took -le $((slow + LATE_CS)) ]; then
        [ $took -gt $LATE_CS ] || slow=0
        return 0
    fi
    slow=$took
    return 1
}
guard_delete() { # $addr from these sets; it need not be there
    guard_of
    commands=''
    for t in $tables; do
        for set in "$@"; do
            commands="${commands}add element $t ephor1 $set$v { $addr }
delete element $t ephor1 $set$v { $addr }
"
        done
    done
    nft_run "$commands"
}
guard_shut() { # $addr
    guard_delete alive
}
guard_forget() { # $addr is to be held without the guard
    guard_delete owned alive
}
# ^ADDR@DEV/UNTIL -> $addr $dev $date
parse_guarded() {
    parse "${1%/*}" || return 1
    date=${1##*/}
    case $date in ''|*[!0-9]*) return 1 ;; esac
}
# Keep the addresses $extended, which are here, for all their dates in one go. What was meant to end
# at a date must not end later because this took its time: then it is done again. One whose time was
# over makes it fail as a whole; then each gets its own turn, and those that fail go.
guard_extend() {
    tries=0
    while [ $tries -lt 3 ]; do
        tries=$((tries + 1))
        now; begun=$uptime all=''
        for word in $extended; do
            parse_guarded "$word" && guard_commands "" || return 1
            all=$all$commands
        done
        nft_run "$all" || return 1
        ! in_time || return 0
    done
    return 1
}
extend_guarded() {
    [ -n "$extended" ] || return
    kept=$extended
    if ! guard_extend; then
        several=$extended kept=''
        for extended in $several; do
            if guard_extend; then kept="$kept $extended"; else drop "${extended%/*}"; fi
        done
    fi
    for word in $kept; do
        parse_guarded "$word"
        left=$(((date - uptime + 99) / 100 + BEHIND_S))
        problem=$(set_life) || say "error $word: $problem"
    done
}
acquire_guarded() { # ADDR@DEV/UNTIL
    changed=yes
    parse_guarded "$1" || { say "error malformed address $1"; return; }
    tries=0
    while [ $tries -lt 3 ]; do
        tries=$((tries + 1))
        now; begun=$uptime
        guard_commands new || return
        if ! nft_run "$commands" && ! { guard_ready && nft_run "$commands"; }; then
            say "guardless $problem"
            return
        fi
        left=$(((date - uptime + 99) / 100 + BEHIND_S))
        problem=$(set_life) || { guard_shut; say "error $1: $problem"; return; }
        if in_time; then
            [ $there = ours ] || tell_all # at once; the leader has it said again
            return
        fi
    done
    drop "$addr@$dev"
}
hold_guarded() { # the words of a line
    extended=
    [ -n "$nft" ] || probe_guard # it may have come since
    if [ -z "$nft" ]; then say "guardless $why_not"; return; fi
    for word in "$@"; do
        how=${word%"${word#?}"}; w=${word#?}
        case $how in ^|"~") ;; *) continue ;; esac
        if ! parse_guarded "$w"; then say "error malformed address $w"; continue; fi
        if [ "$how" = ^ ]; then
            look
            if [ $there = foreign ]; then say "foreign $seq ${w%/*}"; else acquire_guarded "$w"; fi
        else
            case $ours in *" ${w%/*} "*) extended="$extended $w" ;; esac
        fi
    done
    extend_guarded
}
hold_bare() { # UNTIL, the words of a line
    changed=yes
    until=$1; shift
    for word in "$@"; do
        how=${word%"${word#?}"}; w=${word#?}
        case $how in +|=) ;; *) continue ;; esac
        if ! parse "$w"; then say "error malformed address $w"; continue; fi
        now; left=$(((until - uptime) / 100)); [ $left -ge 1 ] || break
        look
        case $there in
        foreign) say "foreign $seq $w"; continue ;;
        none) [ "$how" = + ] || continue ;;
        esac
        [ -z "$nft" ] || [ "$how" != + ] || guard_forget
        if ! problem=$(set_life); then say "error $w: $problem"; continue; fi
        [ $there = ours ] || tell_all
    done
}
# What the words name -> $keep; is any bare, or guarded -> $bare $guarded; their latest date -> $latest
look_over() {
    keep=' ' bare='' guarded='' latest=$until
    for word in "$@"; do
        w=${word#?}
        case $word in
        [+=]*) bare=yes ;;
        *) guarded=yes date=${w##*/}; w=${w%/*}
           case $date in ''|*[!0-9]*) continue ;; esac
           [ "$date" -le "$latest" ] || latest=$date ;;
        esac
        keep="$keep$w "
    done
}
hold() { # EPOCH BOOT UNTIL CAP words...
    e=$1 b=$2 until=$3 cap=$4; shift 4
    if [ "$b" != "$boot" ]; then say "refused $seq the node was started anew"; return; fi
    if ! take_word "$e"; then say "outranked $seq $epoch $reason"; return; fi
    look_over "$@"
    now
    if [ -n "$bare" ] && [ $(((until - uptime) / 100)) -lt 1 ]; then say "refused $seq too late"; return; fi
    if [ $# -gt 0 ] && [ $((latest - uptime)) -le 0 ]; then say "refused $seq too late"; return; fi
    if [ $((latest - uptime)) -gt "$cap" ]; then say "refused $seq dated too far ahead"; return; fi
    if ! list_ours; then say "refused $seq the addresses cannot be listed"; return; fi
    changed=''
    for w in $ours; do case $keep in *" $w "*) ;; *) drop "$w" ;; esac; done
    [ -z "$guarded" ] || hold_guarded "$@"
    [ -z "$bare" ] || hold_bare "$until" "$@"
    if [ -n "$changed" ] && ! list_ours; then say "refused $seq the addresses cannot be listed"; return; fi
    now
    say "held $seq $uptime $boot $epoch$ours"
}

announce() { # ADDR@DEV
    parse "$1" || { say "error malformed address $1"; return; }
    look # late lines must not lead clients to a node that has lost the address
    [ $there != ours ] || tell_all
}
# That $addr is on $dev. Both kinds of announcement at once: arping stays for a second after each, and
# what is said so late may not be true any more.
tell_all() {
    if [ $fam = -6 ]; then
        ping -6 -c 1 -W 1 -I "$addr" ff02::1%"$dev" >/dev/null 2>&1 9>&- &
    elif command -v arping >/dev/null 2>&1; then
        arping -q -c 1 -A -I "$dev" "$addr" >/dev/null 2>&1 9>&- &
        arping -q -c 1 -U -I "$dev" "$addr" >/dev/null 2>&1 9>&- &
    elif command -v busybox >/dev/null 2>&1 && busybox arping --help >/dev/null 2>&1; then
        busybox arping -q -c 1 -A -I "$dev" "$addr" >/dev/null 2>&1 9>&- &
        busybox arping -q -c 1 -U -I "$dev" "$addr" >/dev/null 2>&1 9>&- &
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
probe_guard
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
    look_for_freeze
    [ -n "$frozen" ] || say thawed
    look_up_word
    now
    if [ -n "$nft" ]; then say "ready $uptime $boot $epoch nft"; else say "ready $uptime $boot $epoch - $why_not"; fi
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
        look_for_freeze
        look_up_word
        now
        say "clock $uptime $boot $epoch"
        ;;
    hold)
        look_for_freeze
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
