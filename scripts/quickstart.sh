#!/usr/bin/env bash
# Skein's main job on one machine, with nothing but Node.js >= 20 and npm: installs, builds, starts
# a small S3 store with a generated dataset, starts `skein local`, loads the dataset, and proves
# that the cache holds every byte of it.
#   --keep   leaves store and Skein running and says what to try next
# With COS_BUCKET, COS_REGION, COS_SECRET_ID and COS_SECRET_KEY set, it loads from that bucket
# (COS_PREFIX: a part of it).
set -euo pipefail
cd "$(dirname "$0")/.."

keep=no
for argument in "$@"; do
  case "$argument" in
    --keep) keep=yes ;;
    -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "quickstart: unknown argument '$argument' (there is only --keep)" >&2; exit 64 ;;
  esac
done

step() { printf '\n\033[1m%s\033[0m\n' "==> $*"; }
run() {
  printf '    $ %s\n' "$*" | sed -E 's/((secretId|secretKey|accessKeyId|secretAccessKey)=)[^ ]+/\1***/g'
  "$@" 2>&1 | sed 's/^/    /'
  return "${PIPESTATUS[0]}"
}

major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
if [ "$major" -lt 20 ] || ! command -v npm >/dev/null; then
  found=$(node --version 2>/dev/null || echo none)
  echo "quickstart: Node.js 20 or newer with npm is needed; found $found. See https://nodejs.org" >&2
  exit 1
fi

step "Installing packages (npm ci) and building"
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund --loglevel=error
fi
export PATH="$PWD/node_modules/.bin:$PATH" # the Node.js that package.json pins
npm run --silent build

home=$(mktemp -d "${TMPDIR:-/tmp}/skein-quickstart.XXXXXX")
export SKEIN_HOME="$home"
unset SKEIN_MASTER SKEIN_CONF || true
pids=()
finish() {
  status=$?
  trap - EXIT INT TERM
  if [ $status -ne 0 ]; then
    echo "quickstart: failed; the last lines of Skein's log:" >&2
    tail -n 20 "$home/skein.log" >&2 2>/dev/null || true
  fi
  if [ "$keep" = no ] || [ $status -ne 0 ]; then
    for pid in ${pids[@]+"${pids[@]}"}; do kill "$pid" 2>/dev/null || true; done
    for pid in ${pids[@]+"${pids[@]}"}; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$home"
  fi
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

# Waits until a log has a ready line: ready FILE PID
ready() {
  for _ in $(seq 300); do
    if grep -q '^{"ready"' "$1" 2>/dev/null; then return 0; fi
    kill -0 "$2" 2>/dev/null || { echo "quickstart: did not start:" >&2; cat "$1" >&2; return 1; }
    sleep 0.1
  done
  echo "quickstart: no ready line in $1 after 30 s" >&2
  return 1
}

if [ -n "${COS_BUCKET:-}" ]; then
  step "The store: your COS bucket $COS_BUCKET in ${COS_REGION:?set COS_REGION too}"
  uri="cosn://$COS_BUCKET/${COS_PREFIX:-}"
  access=(--secret "fs.cosn.userinfo.secretId=${COS_SECRET_ID:?set COS_SECRET_ID too}"
    --secret "fs.cosn.userinfo.secretKey=${COS_SECRET_KEY:?set COS_SECRET_KEY too}"
    --attribute "fs.cosn.bucket.region=$COS_REGION")
else
  step "The store: a small S3 server with a generated dataset, 8 x 64 MiB and 2,000 x 16 KiB"
  node test/support/origin/main.ts --port 0 --access-key quickstart --secret-key quickstart-secret \
    --data demo=big/part-:8x64MiB --data demo=small/file-:2000x16KiB >"$home/store.out" 2>"$home/store.log" &
  pids+=($!)
  ready "$home/store.out" "$!"
  endpoint=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$home/store.out")
  echo "    it answers at $endpoint"
  uri="s3://demo/"
  access=(--secret s3.accessKeyId=quickstart --secret s3.secretAccessKey=quickstart-secret
    --attribute "s3.endpoint=$endpoint" --attribute s3.region=us-east-1 --attribute s3.forcePathStyle=true)
fi

step "Skein: all roles in one process (skein local), state in $home"
node dist/cli/main.js local --home "$home" -Dgoosefs.master.rpc.port=0 -Dgoosefs.master.web.port=0 \
  -Dgoosefs.worker.rpc.port=0 -Dgoosefs.worker.data.port=0 -Dgoosefs.worker.web.port=0 \
  -Dgoosefs.job.master.rpc.port=0 -Dgoosefs.job.master.web.port=0 \
  -Dgoosefs.job.worker.rpc.port=0 -Dgoosefs.job.worker.web.port=0 >"$home/skein.out" 2>"$home/skein.log" &
pids+=($!)
ready "$home/skein.out" "$!"
master=$(sed -n 's/.*"master":"\([^"]*\)".*/\1/p' "$home/skein.out")
echo "    the master answers at $master"

step "A namespace: the bucket appears as /demo"
run scripts/skein ns create demo "$uri" "${access[@]}"

step "The load: every object into the cache, audited at the end"
run scripts/skein fs distributedLoad /demo

step "What the cache has now"
scripts/skein fs ls -R /demo >"$home/ls.out"
head -n 3 "$home/ls.out" | sed 's/^/    /'
whole=$(grep -c ' 100% ' "$home/ls.out" || true)
below=$(grep -v ' DIR ' "$home/ls.out" | grep -vc ' 100% ' || true)
echo "    ... $whole files at 100%, $below below"
run scripts/skein fs count /demo
run scripts/skein fsadmin report

step "The proof: SHA-256 of every object, read from the cache and from the store"
run node scripts/compare-with-store.ts "$master" /demo

if [ "$keep" = yes ]; then
  cat <<TEXT

Skein goes on running (process ids: ${pids[*]}). Try:
    export SKEIN_HOME=$home
    scripts/skein fs ls /demo
    scripts/skein fs cat /demo/$(grep -v ' DIR ' "$home/ls.out" | head -n 1 | sed 's|.*/demo/||') | sha256sum
    scripts/skein fs free /demo && scripts/skein fs distributedLoad /demo
    scripts/skein job ls
To end it: kill ${pids[*]} && rm -rf $home
TEXT
  trap - EXIT
else
  step "Done. Stopping everything."
fi
