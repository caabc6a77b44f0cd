#!/bin/sh
# What `make check` asks of the simulator with three servers; more: make check-sim SEEDS=n.
exec ./sim --servers 3 --seeds $((3000 / ${SEEDS_DIVISOR:-1}))
