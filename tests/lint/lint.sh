#!/bin/bash
# The house rules that a machine can check. Prints FILE:LINE: RULE: what, and fails if there is any.
#
#   lint.sh [--self-test] SOURCE-DIR BUILD-DIR
#
# --self-test plants one violation of each own rule in a copy and expects it to be found.
# shellcheck disable=SC2046 # no file of ours has a blank in its name
set -uo pipefail
export LC_ALL=C
self_test=no
if [ "${1:-}" = --self-test ]; then self_test=yes; shift; fi
src=$(cd "$1" && pwd)
build=$(cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
found=0

tell() { printf '%s\n' "$1"; found=$((found + 1)); }
tell_all() { local line; while IFS= read -r line; do [ -z "$line" ] || tell "$line"; done; }
sources() { (cd "$1" && find orchestrator checks actions etc tests -name '*.[ch]' | sort); }

# ---- the floors: which folders a file may include from
floor_of() {
    case $1 in
    orchestrator/base/*) echo 0 ;;
    orchestrator/core/* | orchestrator/raft/*) echo 1 ;;
    orchestrator/proto/* | orchestrator/sys/*) echo 2 ;;
    checks/* | actions/* | orchestrator/consensus/*) echo 3 ;;
    orchestrator/supervisor/* | orchestrator/checker/* | orchestrator/quorum/* | orchestrator/actor/* | orchestrator/status/*) echo 4 ;;
    orchestrator/*) echo 5 ;;
    *) echo 9 ;;
    esac
}
layering() { # DIR
    local file line include mine theirs
    while IFS=: read -r file line include; do
        mine=$(floor_of "$file")
        include=${include#*\"}
        include=${include%%\"*}
        theirs=$(floor_of "$include")
        case $include in */*) ;; *) continue ;; esac
        if [ "$mine" -lt "$theirs" ]; then
            echo "$file:$line: layering: floor $mine includes '$include' of floor $theirs"
        elif [ "$mine" = 4 ] && [ "$theirs" = 4 ] && [ "$(dirname "$file")" != "$(dirname "$include")" ]; then
            echo "$file:$line: layering: one process includes '$include' of another"
        fi
    done < <(cd "$1" && grep -nE '^#include "' $(sources "$1") | grep -v '^tests/')
}
libraries() { # DIR: who may know which library
    (cd "$1" && grep -nE '#include <(uv|libssh2|curl/curl|microhttpd|openssl/[a-z]+|cap-ng)\.h>' $(sources "$1") |
        grep -vE '^(orchestrator/sys/|tests/)') | sed -E 's/^([^:]+:[0-9]+):.*<(.*)>.*/\1: library: only orchestrator\/sys\/ includes \2/'
}
banned() { # DIR
    (cd "$1" && grep -nE '(^|[^A-Za-z0-9_>.])(strcpy|strcat|sprintf|strncpy|strtok|atoi|sscanf|gets|system|popen|alloca|rand|localtime|gmtime|ctime) *\(' \
        $(sources "$1") | grep -vE '^[^:]+:[0-9]+: *(\*|/\*|//)') | sed -E 's/^([^:]+:[0-9]+):(.*)/\1: banned function:\2/'
}
clocks() { # DIR: only sys/now.c and the log's prefix read a clock
    (cd "$1" && grep -nE 'clock_gettime|gettimeofday|[^_a-z]time *\(NULL' $(sources "$1") |
        grep -vE '^(orchestrator/sys/now.c|orchestrator/base/log.c|tests/|etc/)') | sed -E 's/^([^:]+:[0-9]+):(.*)/\1: clock:\2/'
}
lengths() { # DIR
    local file lines
    (cd "$1" && for file in $(sources "$1"); do
        lines=$(wc -l <"$file")
        case $file in tests/*) [ "$lines" -le 900 ] ;; *) [ "$lines" -le 600 ] ;; esac ||
            echo "$file:$lines: length: split it by topic"
    done)
}
globals() { # OBJECTS...: no mutable state at file scope, but for the log's sink
    local object
    for object in "$@"; do
        objdump -t "$object" 2>/dev/null | grep -E ' O \.(data|bss)[[:space:]]' | awk '{print $NF}' |
            grep -vE '^(sink|__|_)' | sed "s|^|$(basename "$object"):1: mutable state at file scope: |"
    done
}
# Each of the two pure folders calls itself, a few words of base/, and what only looks at memory: a
# list of what is allowed, so that nothing slips through (no I/O, no clock, no allocation, no
# locale).
purity() { # OBJECTS...
    local object symbol file line own
    own=$(nm --defined-only "$@" | awk '$2 ~ /[TRDB]/ { print $3 }' | sort -u)
    for object in "$@"; do
        file=$(basename "$object" .o).c
        file=orchestrator/$(basename "$(dirname "$object")")/${file#lib*_a-}
        while read -r symbol; do
            line=$(grep -nw "$symbol" "$src/$file" 2>/dev/null | head -n 1 | cut -d: -f1)
            echo "$file:${line:-1}: purity: the core uses $symbol"
        done < <(nm -u "$object" | awk '{ print $2 }' | grep -vxF "$own" |
            grep -vxE '(__)?(mem(set|cpy|move|cmp|chr)|str(n?len|n?cmp|r?chr|str|spn|cspn))(_chk)?' |
            grep -vxE '(__)?vs?nprintf(_chk)?|(__)?snprintf(_chk)?|__stack_chk_fail|contract_broken' |
            grep -vE '^(text_|__asan_|__ubsan_)')
    done
}

own_rules() { # DIR
    layering "$1"
    libraries "$1"
    banned "$1"
    clocks "$1"
    lengths "$1"
}

plant() { # RULE FILE TEXT
    local copy
    copy=$(mktemp -d)
    cp -r "$src/orchestrator" "$src/checks" "$src/actions" "$src/etc" "$src/tests" "$copy/"
    printf '%s\n' "$3" >>"$copy/$2"
    expect ": $1" "$(own_rules "$copy")"
    rm -rf "$copy"
}

expect() { # RULE OUTPUT
    if printf '%s\n' "$2" | grep -q "$1"; then
        echo "planted violation found: $1"
    else
        echo "planted violation NOT found: $1"
        found=$((found + 1))
    fi
}

plant_object() { # RULE FUNCTION TEXT: compiled on its own
    local folder
    folder=$(mktemp -d)
    printf '%s\n' "$3" >"$folder/planted.c"
    "${CC:-cc}" -c -O0 -w -o "$folder/planted.o" "$folder/planted.c"
    expect "$1" "$($2 "$folder/planted.o")"
    rm -rf "$folder"
}

if [ $self_test = yes ]; then
    plant_object 'purity: the core uses malloc' purity \
        'void *malloc(unsigned long); void *f(void) { return malloc(1); }'
    plant_object 'purity: the core uses nanosleep' purity \
        'int nanosleep(void *, void *); int f(void) { return nanosleep(0, 0); }'
    plant_object 'mutable state' globals 'int planted = 1;'
    plant layering orchestrator/core/step.c '#include "orchestrator/sys/loop.h"'
    plant layering orchestrator/actor/node.c '#include "orchestrator/status/view.h"'
    plant library checks/tcp.c '#include <uv.h>'
    plant 'banned function' orchestrator/base/text.c 'void f(char *d) { strcpy(d, "x"); }'
    plant clock orchestrator/quorum/quorum.c 'void f(void) { clock_gettime(0, 0); }'
    plant length orchestrator/core/words.c "$(yes '' | head -n 700; echo x)"
    [ $found = 0 ]
    exit
fi

cd "$src" || exit 1
for tool in clang-format cppcheck clang-tidy shellcheck mandoc; do
    command -v $tool >/dev/null || tell "tests/lint/lint.sh:1: tool: $tool is missing"
done
[ -n "$(ls "$build"/orchestrator/core/*.o 2>/dev/null)" ] ||
    tell "tests/lint/lint.sh:1: purity: nothing is built in $build"
tell_all < <(own_rules "$src")
tell_all < <(purity "$build"/orchestrator/core/*.o)
tell_all < <(purity "$build"/orchestrator/raft/*.o)
tell_all < <(globals "$build"/orchestrator/core/*.o "$build"/orchestrator/*/*-*.o)
if command -v clang-format >/dev/null; then
    tell_all < <(sources "$src" | xargs clang-format --dry-run --ferror-limit=1 2>&1 | grep -E 'warning:|error:' | head -n 20)
fi
if command -v cppcheck >/dev/null; then
    tell_all < <(cppcheck --quiet --std=c11 --inline-suppr --enable=warning,portability \
        --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=nullPointerOutOfMemory \
        -j "$(nproc)" -I "$src" --template='{file}:{line}: cppcheck: {id}: {message}' \
        orchestrator checks 2>&1 | grep ': cppcheck: ')
fi
if command -v clang-tidy >/dev/null; then
    tell_all < <(printf '%s\n' orchestrator/core/*.c orchestrator/base/*.c |
        xargs -n 6 -P "$(nproc)" sh -c 'clang-tidy --quiet "$@" -- -std=c11 -D_GNU_SOURCE -I.' \
            sh --config-file="$here/clang-tidy.yml" 2>/dev/null | grep -E 'warning:|error:')
fi
if command -v shellcheck >/dev/null; then
    tell_all < <(shellcheck -S warning -f gcc quickstart autogen.sh .ci/run etc/lab/*.sh \
        etc/lab/nginx-ctl etc/lab/node-init etc/ephorctl.bash checks/plugins/*.sh tests/lint/*.sh \
        2>&1)
    tell_all < <(shellcheck -s sh -S warning -f gcc actions/scripts/*.sh tests/fuzz/*.sh 2>&1)
fi
if command -v mandoc >/dev/null; then
    tell_all < <(mandoc -Tlint -W warning doc/*.[578] 2>&1)
fi
[ $found = 0 ] && echo "lint: nothing found" || echo "lint: $found found"
[ $found = 0 ]
