#!/bin/sh
# The same, but the child leaves the process group for some seconds.
setsid sleep "$1" &
echo "PARENT OK"
exit 0
