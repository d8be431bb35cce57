#!/usr/bin/env bash
# Runs the property tests again and again, each time from another seed: scripts/seeds.sh [RUNS]
# [TEST FILE...]. Without files: all that use fast-check. A run that fails is named with its seed;
# SKEIN_TEST_SEED=<seed> runs it again.
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH"
runs=${1:-50}
shift || true
files=("$@")
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(
  grep -rlE "fc\.(assert|check)\(" test/unit test/model test/conformance --include='*.test.ts' | sort
)
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for ((run = 1; run <= runs; run += 1)); do
  seed=$((RANDOM * 32768 + RANDOM))
  if SKEIN_TEST_SEED=$seed vitest run --project fast "${files[@]}" >"$log" 2>&1; then
    echo "run $run of $runs: seed $seed passed"
  else
    failed=$((failed + 1))
    echo "run $run of $runs: seed $seed FAILED"
    grep -vE '^\s*$|✓' "$log" | head -${SEEDS_LINES:-80}
  fi
done
echo "${#files[@]} files, $runs seeds: $failed failed"
[ "$failed" -eq 0 ]
