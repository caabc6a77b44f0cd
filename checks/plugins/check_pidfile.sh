#!/bin/sh
# A plugin: is the process named in a pid file alive, and is it the right program? A complete
# example of a plugin in POSIX shell, see ephor-plugins(7). Needs /proc and no rights.

usage() {
    cat << 'END'
Usage: check_pidfile.sh -p FILE [-n NAME]
Checks that the process whose number stands in FILE is alive.

 -p FILE  the pid file
 -n NAME  the program's name must be NAME, as in /proc/PID/comm
 -h       this text (also --help)
 -V       the version (also --version)
END
}

unknown() {
    echo "PIDFILE UNKNOWN - $1"
    exit 3
}

critical() {
    echo "PIDFILE CRITICAL - $1"
    exit 2
}

file=
name=
case ${1-} in
--help) usage; exit 3 ;;
--version) echo "check_pidfile.sh (ephor)"; exit 3 ;;
esac
while getopts :p:n:hV option; do
    case $option in
    p) file=$OPTARG ;;
    n) name=$OPTARG ;;
    h) usage; exit 3 ;;
    V) echo "check_pidfile.sh (ephor)"; exit 3 ;;
    *) unknown "cannot use the option '-$OPTARG', see --help" ;;
    esac
done
shift $((OPTIND - 1))
[ $# -eq 0 ] || unknown "cannot use the argument '$1', see --help"
[ -n "$file" ] || unknown "which file? see --help"

[ -e "$file" ] || critical "$file does not exist"
pid=
read -r pid < "$file" 2> /dev/null || [ -n "$pid" ] || unknown "cannot read a number from $file"
case $pid in
'' | *[!0-9]* | ??????????*) unknown "'$pid' in $file is not a process number" ;;
esac
comm=
read -r comm 2> /dev/null < "/proc/$pid/comm" || critical "no process $pid (from $file)"
if [ -n "$name" ] && [ "$comm" != "$name" ]; then
    critical "process $pid is '$comm', not '$name' (from $file)"
fi

# Fields of /proc/PID/stat behind the name, which may hold blanks and brackets: 3 is the state,
# 22 the start in clock ticks since boot, 24 the resident pages.
read -r stat 2> /dev/null < "/proc/$pid/stat" || critical "process $pid has just ended"
rest=${stat##*) }
# shellcheck disable=SC2086 # the fields are to be split
set -- $rest
[ "$1" != Z ] || critical "process $pid ($comm) is dead and not collected by its parent"
read -r uptime _ < /proc/uptime
ticks=$(getconf CLK_TCK)
age=$((${uptime%%.*} - ${20} / ticks))
memory=$((${22} * $(getconf PAGESIZE)))
echo "PIDFILE OK - process $pid ($comm) has run for $age s | age=${age}s;;;0 memory=${memory}B;;;0"
exit 0
