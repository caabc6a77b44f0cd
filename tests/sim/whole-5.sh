#!/bin/sh
# What `make check` asks of everything in the loop with five controllers; more: make check-whole SEEDS=n.
exec ./whole --servers 5 --seeds $((500 / ${SEEDS_DIVISOR:-1}))
