#!/bin/sh
# What `make check` asks of the simulator with seven servers; more: make check-sim SEEDS=n.
exec ./sim --servers 7 --seeds $((500 / ${SEEDS_DIVISOR:-1}))
