#!/usr/bin/env bash
# Makes a golden home: what this version leaves on disk, for the test that the next versions open it
# (test/integration/golden-homes.test.ts). Run it once for each release, from a build of its commit:
#   bash scripts/golden-home.sh FILE.tgz
# The home has a namespace, loaded files, a file that only the cache has, a TTL, a pin, a schedule
# and an ended load; its last changes are in the journal only, because the process is killed.
set -euo pipefail
target="$(cd "$(dirname "${1:?usage: bash scripts/golden-home.sh FILE.tgz}")" && pwd)/$(basename "$1")"
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
folder="$(mktemp -d)"
pid=''
trap '[[ -z "$pid" ]] || kill -9 "$pid" 2>/dev/null || true; rm -rf "$folder"' EXIT
export SKEIN_HOME="$folder/home"
mkdir -p "$folder/home" "$folder/store/dir"
printf 'golden' >"$folder/store/a.txt"
for n in 1 2 3; do head -c "$((n * 100000))" /dev/zero | tr '\0' "$n" >"$folder/store/dir/$n"; done
printf 'only in the cache' >"$folder/only"

ports=()
for role in master worker job.master job.worker; do
  ports+=("-Dgoosefs.$role.rpc.port=0" "-Dgoosefs.$role.web.port=0")
done
scripts/skein --version >&2
scripts/skein local --home "$SKEIN_HOME" "${ports[@]}" -Dgoosefs.worker.data.port=0 \
  -Dgoosefs.worker.tieredstore.level0.dirs.quota=1GB >"$folder/ready" 2>"$folder/log" &
pid=$!
for _ in $(seq 100); do grep -q ready "$folder/ready" && break; sleep 0.2; done

scripts/skein ns create golden "file://$folder/store" --attribute writePolicy=MUST_CACHE
scripts/skein fs distributedLoad /golden
scripts/skein fs setTtl /golden/a.txt 3650d
scripts/skein schedule create nightly --cron '30 2 * * *' -- /golden --replication 1
scripts/skein fsadmin backup >/dev/null
rm -rf "$SKEIN_HOME/master/backups" "$SKEIN_HOME/backups"
# From here on in the journal only.
scripts/skein fs copyFromLocal "$folder/only" /golden/only
scripts/skein fs pin /golden/dir/1
sleep 2
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
pid=''
tar -C "$SKEIN_HOME" --sort=name --owner=0 --group=0 --mtime='2026-01-01' -czf "$target" \
  --exclude=skein.json --exclude='lock*' .
ls -l "$target" >&2
