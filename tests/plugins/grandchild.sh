#!/bin/sh
# Ends at once but leaves a child that holds standard output; $1 is a file for its pid.
sleep 600 &
echo $! > "$1"
echo "PARENT OK | left=1"
exit 0
