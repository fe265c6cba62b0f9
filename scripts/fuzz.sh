#!/bin/sh
# Runs every fuzzer of the build folder $1 for FUZZ_SECONDS (60), or those named behind it, from the
# seeds of fuzz/make_seeds.py and what earlier runs found. A file that breaks a reader, or that takes
# it more than 20 seconds, 1 GB in one block or 2 GB in all, stays in $1/found and ends the run with a
# failure.
set -eu
build="$1"
shift
[ $# -gt 0 ] || set -- "$build"/fuzz/fuzz_*
/usr/bin/python3 fuzz/make_seeds.py "$build/seeds"
mkdir -p "$build/found"
failed=""
for program in "$@"; do
    [ -x "$program" ] || { echo "there is no fuzzer $program" >&2; exit 1; }
    reader="${program##*/fuzz_}"
    mkdir -p "$build/corpus/$reader" "$build/seeds/$reader"
    echo "fuzz_$reader for ${FUZZ_SECONDS:-60} s"
    "$build/fuzz/fuzz_$reader" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=20 \
        -malloc_limit_mb=1024 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="$build/found/$reader-" "$build/corpus/$reader" "$build/seeds/$reader" \
        >"$build/found/$reader.log" 2>&1 || failed="$failed $reader"
    sed -n 's/^stat::number_of_executed_units: */  files: /p' "$build/found/$reader.log"
done
[ -z "$failed" ] || { echo "failed:$failed; see $build/found" >&2; exit 1; }
