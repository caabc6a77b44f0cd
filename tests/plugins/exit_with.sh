#!/bin/sh
# Says $2 and exits with status $1.
[ -n "$2" ] && echo "$2"
exit "$1"
