#!/bin/sh
# plant.sh CORE OUT FILE SCRIPT...: write CORE/FILE to OUT with each sed script applied. Fails if one
# of them changes nothing: then the core was rewritten and the mistake has to be planted anew.
set -eu
core=$1 out=$2 file=$3
shift 3
cp "$core/$file" "$out.tmp"
for script in "$@"; do
    sed -e "$script" "$out.tmp" >"$out.next"
    if cmp -s "$out.tmp" "$out.next"; then
        echo "plant.sh: '$script' changes nothing in $file" >&2
        exit 1
    fi
    mv "$out.next" "$out.tmp"
done
mv "$out.tmp" "$out"
