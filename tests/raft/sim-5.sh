#!/bin/sh
# What `make check` asks of the simulator with five servers; more: make check-sim SEEDS=n.
exec ./sim --servers 5 --seeds $((1500 / ${SEEDS_DIVISOR:-1}))
