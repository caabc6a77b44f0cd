#!/bin/sh
# Prints four megabytes in one line, then performance data that nobody will see.
echo "FLOOD begins"
head -c 4000000 /dev/zero | tr '\0' x
echo "| size=4000000B"
