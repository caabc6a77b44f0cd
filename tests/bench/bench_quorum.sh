#!/bin/bash
# bench_quorum.sh SOURCE BUILD: time from kill -9 of the leader to a working new one, commits and
# memory of our engine; and of libraft in the same run where libraft-dev is installed. BENCH_N:
# elections a setting (30); BENCH_SECONDS: of each load (5).
set -u
source=$1 build=$2
n=${BENCH_N:-30} seconds=${BENCH_SECONDS:-5}
ours=$build/tests/bench/quorum_bench
yardstick=
if [ -f /usr/include/raft/uv.h ]; then
    yardstick=$build/tests/bench/libraft_yardstick
    "${CC:-cc}" -O2 -std=gnu11 -I"$source" -o "$yardstick" "$source/tests/bench/libraft_yardstick.c" \
        "$source/tests/bench/bench.c" -lraft -luv || yardstick=
fi
cat <<'END'
measured before with libraft 0.15.0 (3 processes on loopback, pre-vote):
  kill -9 to a new leader, median / max ms: 100/1000: 1718 / 2033  50/300: 510 / 624
                                            20/150: 264 / 317      10/50: 91 / 106
  commits of 256 bytes: 14300/s with 256 outstanding, p50 9.6 ms
END
for setting in "100 1000" "50 300" "20 150" "10 50"; do
    read -r heartbeat election <<<"$setting"
    for program in "$ours" $yardstick; do
        "$program" --elections "$n" --heartbeat "$heartbeat" --election "$election"
    done
done
for outstanding in 1 8 64 256; do
    for program in "$ours" $yardstick; do
        "$program" --commits "$seconds" --outstanding "$outstanding"
    done
done
