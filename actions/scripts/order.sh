# One command on a node. Constant program; everything else comes on standard input:
#   node:   ready UPTIME BOOT EPOCH
#   leader: EPOCH BOOT UNTIL ORDER KEY TIMEOUT ARGC        then ARGC lines, one argument each
#   node:   output lines of the command, each behind "| "
#           exit N          how it ended (or how the same order ended before: never done twice)
#           unknown         the same order was begun before and its end is not known
#           late            too late by this node's clock, nothing was done
#           refused TEXT    nothing was done
#           outranked EPOCH TEXT   likewise: who leads now has a later epoch
# UPTIME and UNTIL are centiseconds of /proc/uptime. KEY names what the order is about.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
LC_ALL=C; export LC_ALL
umask 077
dir=/run/ephor
say() { printf '%s\n' "$*"; }
now() { read -r uptime rest </proc/uptime; uptime=${uptime%.*}${uptime#*.}; }
# A controller that guards its own machine as an ordinary user: a folder that is that user's alone.
if [ ! -w $dir ] && [ ! -w /run ]; then
    user=$(id -u)
    dir=/tmp/ephor-$user
    [ ! -d "/run/user/$user" ] || dir=/run/user/$user/ephor
    mkdir $dir 2>/dev/null
    if [ ! -O $dir ] || [ -h $dir ]; then say "refused $dir belongs to somebody else"; exit 1; fi
fi
mkdir -p $dir 2>/dev/null
if [ ! -w $dir ]; then say "refused cannot write $dir as $(id -un)"; exit 1; fi
read -r boot </proc/sys/kernel/random/boot_id
epoch=0; [ -r $dir/epoch ] && read -r epoch <$dir/epoch
now
say "ready $uptime $boot ${epoch:-0}"
read -r e b until order key timeout argc || exit 1
case $e$until$order$timeout$argc in ''|*[!0-9]*) say "refused malformed numbers"; exit 1 ;; esac
case $key in ''|*[!0-9A-Za-z._-]*) say "refused malformed key"; exit 1 ;; esac
set --
n=0
while [ $n -lt "$argc" ]; do
    IFS= read -r word || { say "refused arguments are missing"; exit 1; }
    set -- "$@" "$word"
    n=$((n + 1))
done
if [ -e $dir/freeze ]; then say "refused this node is frozen: $dir/freeze is there"; exit 1; fi
# One order at a time for each key, so that its memory is true.
if command -v flock >/dev/null 2>&1; then
    exec 9>>"$dir/order.$key.lock"
    flock -w "$timeout" 9 || { say "refused an earlier order still runs"; exit 1; }
fi
epoch=0; [ -r $dir/epoch ] && read -r epoch <$dir/epoch
[ "$b" = "$boot" ] || { say "refused the node was started anew"; exit 1; }
[ "$e" -ge "${epoch:-0}" ] || { say "outranked $epoch epoch $e is old, $epoch was seen (if Ephor was set up anew: rm -r $dir there)"; exit 1; }
last=0 result=
[ -r "$dir/order.$key" ] && read -r last result <"$dir/order.$key"
case $last in ''|*[!0-9]*) last=0 ;; esac
if [ "$last" -gt "$order" ]; then say "refused a newer order was carried out (if Ephor was set up anew: rm -r $dir there)"; exit 1; fi
if [ "$last" -eq "$order" ]; then
    case $result in
    begun) say "unknown" ;;
    *) say "exit $result" ;;
    esac
    exit 0
fi
now
[ "$uptime" -lt "$until" ] || { say "late"; exit 1; }
printf '%s begun\n' "$order" >"$dir/order.$key.new" && mv "$dir/order.$key.new" "$dir/order.$key" ||
    { say "refused cannot write $dir/order.$key"; exit 1; }
limit=
command -v timeout >/dev/null 2>&1 && limit="timeout -k 2 $timeout"
# A daemon that the command leaves behind may keep our pipe: a reader of its own drains it then,
# and neither holds us up nor lets the daemon die of a broken pipe.
pipe=$dir/order.$key.pipe out=$dir/order.$key.out
rm -f "$pipe" "$out"
mkfifo "$pipe" || { say "refused cannot make $pipe"; exit 1; }
(
    exec 9>&- >"$out" 2>/dev/null
    n=0
    while [ $n -lt 20 ] && IFS= read -r line; do
        printf '| %.500s\n' "$line"
        n=$((n + 1))
    done
    exec cat >/dev/null
) <"$pipe" &
reader=$!
$limit "$@" </dev/null >"$pipe" 2>&1 9>&-
status=$?
n=0
while kill -0 $reader 2>/dev/null && [ $n -lt 5 ]; do
    sleep 0.1 2>/dev/null || sleep 1
    n=$((n + 1))
done
printf '%s %s\n' "$order" "$status" >"$dir/order.$key.new" && mv "$dir/order.$key.new" "$dir/order.$key"
cat "$out"
rm -f "$pipe" "$out"
say "exit $status"
