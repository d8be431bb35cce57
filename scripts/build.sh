#!/usr/bin/env bash
# Why: whoever runs dist/ while it is built anew must find either the old one or the new one, whole.
# How: compiles into a fresh directory near it and swaps the two by renaming; a build that fails
# leaves dist/ as it was.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."

mkdir -p .skein
fresh="$(mktemp -d .skein/build-XXXXXX)"
old="$fresh.old"
# Ended between the two renames, the old one comes back.
finish() {
  if [[ ! -e dist && -e "$old" ]]; then mv "$old" dist; fi
  rm -rf "$fresh" "$old"
  rmdir .skein 2>/dev/null || true
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

tsc -p tsconfig.build.json --outDir "$fresh"
cp -r src/wire/proto "$fresh/wire/proto"
# Of a clone; an image is told (see Dockerfile). Where nobody knows it, there is none.
commit="${SKEIN_COMMIT:-}"
if [[ -z "$commit" && -e .git ]]; then commit="$(git rev-parse --short=12 HEAD 2>/dev/null || true)"; fi
if [[ -n "$commit" ]]; then echo "$commit" >"$fresh/commit"; fi
chmod 0755 "$fresh"
# In one process, so that dist/ is away for no longer than two system calls take.
node -e '
  const { renameSync } = require("node:fs")
  const [fresh, old] = process.argv.slice(1)
  try { renameSync("dist", old) } catch (error) { if (error.code !== "ENOENT") throw error }
  try { renameSync(fresh, "dist") } catch (error) {
    // Another build was quicker: its dist/ is as good.
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error
  }
' "$fresh" "$old"
