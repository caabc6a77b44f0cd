#!/bin/sh
# Never answers and does not go when asked to.
trap '' TERM
while :; do
    sleep 1
done
