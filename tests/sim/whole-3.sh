#!/bin/sh
# What `make check` asks of everything in the loop with three controllers; more: make check-whole SEEDS=n.
exec ./whole --servers 3 --seeds $((1500 / ${SEEDS_DIVISOR:-1}))
