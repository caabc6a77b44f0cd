#!/bin/sh
# What `make check` asks of everything in the loop with one controller; more: make check-whole SEEDS=n.
exec ./whole --servers 1 --seeds $((800 / ${SEEDS_DIVISOR:-1}))
