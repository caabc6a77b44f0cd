#!/bin/sh
# A plugin with a child that ignores SIGTERM; $1 is a file for the child's pid.
sh -c 'trap "" TERM; echo $$ > "$1"; while :; do sleep 1; done' sh "$1" &
wait
