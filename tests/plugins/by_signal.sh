#!/bin/sh
# Dies by the signal named in $1, after a word.
echo "dying"
kill -s "$1" $$
sleep 5
