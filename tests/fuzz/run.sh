#!/bin/sh
# make check-fuzz: fuzz targets with libFuzzer, ASan and UBSan.
#
#   run.sh SOURCE-DIR SECONDS TARGET...
#
# Built in fuzz/ of the build folder, where each has its corpus, which grows from one time to the
# next, and what it said. FUZZ_CLANG names the compiler (clang).
set -eu
src=$1 seconds=$2
shift 2
clang=${FUZZ_CLANG:-clang}

if ! printf 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n < 0; }\n' |
    "$clang" -x c -fsanitize=fuzzer,address,undefined -o /dev/null - 2>/dev/null; then
    echo "check-fuzz: $clang cannot build for libFuzzer; as root: apt-get install clang libclang-rt-dev" >&2
    exit 1
fi
mkdir -p fuzz
cd fuzz
[ -f Makefile ] || "$src/configure" CC="$clang" CFLAGS='-O1 -g' --enable-fuzzer >configure.out 2>&1 || {
    tail -n 20 configure.out
    exit 1
}
"${MAKE:-make}" fuzz-targets >make.out 2>&1 || {
    grep -E 'error|\*\*\*' make.out
    exit 1
}

failed=0
for target in "$@"; do
    seeds=$src/tests/fuzz/seeds/${target#fuzz_}
    [ "$target" != fuzz_conf ] || seeds=$src/tests/conf
    mkdir -p "corpus/$target"
    if "./$target" -max_total_time="$seconds" -max_len=4096 -timeout=30 -rss_limit_mb=1024 \
        -print_final_stats=1 -artifact_prefix="$target-" "corpus/$target" "$seeds" >"$target.out" 2>&1; then
        echo "$target: nothing found in $(sed -n 's/^stat::number_of_executed_units: *//p' "$target.out") inputs"
    else
        failed=1
        tail -n 40 "$target.out"
        echo "$target: FAILED; see fuzz/$target.out"
    fi
done
exit $failed
