#!/usr/bin/env bash
# Makes tuning profiles by measuring: the sizes of the files, the store (tune probe), the settings
# that follow (tune recommend), and a sweep around them (tune sweep): its best point is the profile.
#   tuning/make-profiles.sh [OPTION...] [PROFILE...]
#       the profiles of this folder (default: all), from files that it makes; needs nginx, a clone
#   tuning/make-profiles.sh [OPTION...] --path /namespace/dir --write FILE [-- WORD...]
#       one for your own files, in the configured cluster. WORD...: for the sweep, such as
#       --secret-file KEY=FILE, which it needs for the store, or other --param
# Options:
#   --runs N         loads of each point (3)
#   --scale S        0.01: few files, to try it out
#   --cores N, --memory SIZE    as of tune recommend
#   --no-sweep       recommended, not swept
#   --out DIR        for the profiles (tuning/profiles)
#   --results DIR    for the pictures of the sweeps (tuning/results)
#   --restart        begin again
# What was measured is kept in ${XDG_CACHE_HOME:-$HOME/.cache}/skein/profiles: the same command goes
# on where it was stopped.
set -euo pipefail

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
skein=$root/scripts/skein
node=$root/node_modules/.bin/node
runs=3 scale=1 out=$root/tuning/profiles results=$root/tuning/results
path='' write='' sweeps=yes restart=no machine=() more=() names=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --runs) runs=$2; shift ;;
    --scale) scale=$2; shift ;;
    --out) out=$2; shift ;;
    --results) results=$2; shift ;;
    --path) path=$2; shift ;;
    --write) write=$2; shift ;;
    --cores | --memory) machine+=("$1" "$2"); shift ;;
    --no-sweep) sweeps=no ;;
    --restart) restart=yes ;;
    --) shift; more=("$@"); break ;;
    -*) echo "make-profiles: unknown option $1; the first lines of the script have the usage" >&2; exit 64 ;;
    *) names+=("$1") ;;
  esac
  shift
done
kept=${XDG_CACHE_HOME:-$HOME/.cache}/skein/profiles
mkdir -p "$kept"

range=fs.cosn.read.ahead.block.size
reads=fs.cosn.upload_thread_pool
# Sets what a profile is for, its files, and what the sweep varies.
describe() {
  distance=no fixed='' workers=() limits=() params=(--param "$reads=4,8,16,32")
  case $1 in
    large-files)
      about='Files of tens of MB and more: training shards, Parquet, checkpoints.'
      count=16 size=64MiB params+=(--param "$range=4MB,8MB,16MB") ;;
    small-files)
      about='Files of KB to a few MB: images, JSON, logs. One request reads one file, many at once.'
      # Larger than most files, which costs nothing, and not the size of this very set.
      count=20000 size=16KiB fixed=1MB params+=(--param "$range=1MB,4MB") ;;
    mixed)
      about='Files of all sizes: most are small, and few large ones hold most of the bytes.'
      count=5000 size=64KiB~1.5 fixed=4MB params+=(--param "$range=1MB,4MB,8MB") ;;
    low-memory)
      about='A job worker and a worker in 512 MB.'
      count=16 size=64MiB limits=(--cores 2 --memory 512MB)
      params=(--param "$reads=2,4,8" --param "$range=1MB,2MB") ;;
    high-latency)
      about='A store that is far away: 30 ms and more for a round trip.'
      count=16 size=64MiB distance=yes
      params=(--param "$reads=8,16,32,64" --param "$range=4MB,8MB,16MB") ;;
    many-workers)
      about='50 job workers and more: each sends few requests at once, and a load has work for all.'
      count=16 size=64MiB workers=(--workers 64 --cores 3) params=(--param "$reads=4,8") ;;
    *) echo "make-profiles: there is no profile $1: large-files, small-files, mixed, low-memory, high-latency," \
      "many-workers" >&2; exit 64 ;;
  esac
  # One at least.
  count=$(awk "BEGIN { n = int($count * $scale); print n < 1 ? 1 : n }")
}

# What holds for one machine or one set of files is no part of a profile for many.
generalize() {
  awk -v RS= -v ORS='\n\n' -v key="$range" -v value="$fixed" '
    /goosefs\.worker\.network\./ { next }
    { sub(/; measured by [^\n]*/, "") }
    value != "" { sub(/\n# Memory: [^\n]*/, ""); sub(/; one stream takes [^\n]*/, "") }
    value != "" && index($0, "\n" key "=") {
      $0 = "# larger than most files: one request reads one file\n" key "=" value
    }
    { print }' "$1" >"$1.new"
  mv "$1.new" "$1"
}

# From the files below $2 to the profile $3, whose head says $4. Further words are for the sweep.
make_profile() {
  local name=$1 files=$2 profile=$3 head=$4 work=$kept/$1 swept probed
  shift 4
  [[ $restart == no ]] || rm -rf "$work"
  mkdir -p "$work" "$(dirname "$profile")"
  "$skein" tune analyze "$files"
  if [[ ! -e $work/base.properties ]]; then
    probed=()
    # A distance cannot be guessed.
    if [[ $sweeps == yes || $distance == yes ]]; then
      "$skein" tune probe "$files" --write "$work/probe.json" --overwrite
      probed=(--probe "$work/probe.json")
    fi
    "$skein" tune recommend "$files" ${probed[@]+"${probed[@]}"} ${machine[@]+"${machine[@]}"} \
      ${limits[@]+"${limits[@]}"} ${workers[@]+"${workers[@]}"} --write "$work/base.properties" --overwrite >&2
    [[ -n $path ]] || generalize "$work/base.properties"
  fi
  swept=$work/base.properties
  if [[ $sweeps == yes ]]; then
    mkdir -p "$results"
    swept=$work/best.properties
    "$skein" tune sweep "$files" --own "-Dskein.profile=$work/base.properties" --runs "$runs" \
      --state "$work/sweep.json" --svg "$results/sweep-$name.svg" --write "$swept" --overwrite "$@"
  fi
  {
    echo "# $head"
    [[ $sweeps == yes ]] || echo '# Recommended; no sweep was made.'
    # Without empty lines at the end.
    printf '%s\n' "$(cat "$swept")"
  } >"$profile.new"
  mv "$profile.new" "$profile"
  # A profile that breaks a rule is none.
  "$skein" tune check "$profile" ${machine[@]+"${machine[@]}"} ${limits[@]+"${limits[@]}"}
  echo "make-profiles: wrote $profile"
}

if [[ -n $path ]]; then
  [[ -n $write ]] || { echo 'make-profiles: --path needs --write FILE' >&2; exit 64; }
  fixed='' workers=() limits=() distance=no
  [[ " ${more[*]-} " == *' --param '* ]] || more+=(--param "$reads=4,8,16,32" --param "$range=1MB,4MB,8MB")
  make_profile "$(basename "$write" .properties)" "$path" "$write" "Files below $path." "${more[@]}"
  exit 0
fi

[[ ${#names[@]} -gt 0 ]] || names=(large-files small-files mixed low-memory high-latency many-workers)
for name in "${names[@]}"; do describe "$name"; done
"$skein" version >/dev/null
scratch=$(mktemp -d)
# nginx may read as somebody else.
chmod 755 "$scratch"
proxy='' cluster='' origin=''
finish() {
  for process in $cluster $proxy; do kill "$process" 2>/dev/null && wait "$process" 2>/dev/null || true; done
  [[ -z $origin ]] || "$node" "$root/scripts/bench/static-origin.mjs" stop "$origin" || true
  cluster='' proxy='' origin=''
}
trap 'finish; rm -rf "$scratch"' EXIT
free_port() {
  "$node" -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1",
    () => { console.log(s.address().port); s.close() })'
}
# Waits for a line that begins with {"ready" in a file of the process.
await_ready() {
  for _ in $(seq 600); do
    grep -q '^{"ready"' "$1" && return 0
    kill -0 "$2" 2>/dev/null || break
    sleep 0.1
  done
  echo "make-profiles: it did not start: $(tail -1 "$1.err")" >&2
  exit 1
}

for name in "${names[@]}"; do
  describe "$name"
  echo "== $name: $about"
  # Of its own: nginx deletes its pid file when it ends, which may be after the next one began.
  origin=$scratch/origin-$name
  mkdir -p "$origin"
  port=$(free_port)
  "$node" "$root/scripts/bench/static-origin.mjs" start "$origin" "$port" "reference=${count}x$size"
  if [[ $distance == yes ]]; then
    behind=$port port=$(free_port)
    "$node" "$root/scripts/bench/harness/latency-proxy.ts" "$port" "$behind" 30 0.01 500 \
      >"$scratch/proxy" 2>"$scratch/proxy.err" &
    proxy=$!
    await_ready "$scratch/proxy" "$proxy"
  fi
  export SKEIN_HOME=$scratch/home-$name
  ports=()
  for role in master worker job.master job.worker; do
    ports+=("-Dgoosefs.$role.rpc.port=0" "-Dgoosefs.$role.web.port=0")
  done
  ports+=(-Dgoosefs.worker.data.port=0 -Dskein.gateway.s3.port=-1 -Dskein.gateway.webhdfs.port=-1)
  "$skein" local --home "$SKEIN_HOME" "${ports[@]}" >"$scratch/local" 2>"$scratch/local.err" &
  cluster=$!
  await_ready "$scratch/local" "$cluster"
  secrets=(--secret s3.accessKeyId=a --secret s3.secretAccessKey=b)
  "$skein" ns create reference s3://reference/ "${secrets[@]}" --attribute "s3.endpoint=http://127.0.0.1:$port" \
    --attribute s3.region=us-east-1 --attribute s3.forcePathStyle=true >/dev/null
  make_profile "$name" /reference "$out/$name.properties" "$about" "${params[@]}" "${secrets[@]}"
  finish
  rm -rf "$SKEIN_HOME" "$scratch/origin-$name"
done
