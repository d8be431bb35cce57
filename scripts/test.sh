#!/usr/bin/env bash
# Runs every check and every test, and ends with `N passed, N failed, N skipped`.
# Installs what is missing: npm packages, and with apt-get (as root on Debian) the real servers that
# the integration tests start themselves: redis, Ceph's S3 gateway, nginx; and Prometheus for its
# promtool. Without them those tests are skipped, except where CI is set: there a missing server is
# a failure.
# Tests with other S3 clients use those that are installed; the others are skipped, in CI too.
#   bash scripts/test.sh [--long] [--clients] [--profiles]
# --long: many more seeds, kills and files, for hours. --clients: scripts/clients.sh installs the
# clients that are missing, and their tests run too. --profiles: the integration tests run once more
# for each profile of tuning/profiles.
set -euo pipefail
clients=no
profiles=no
for argument in "$@"; do
  case "$argument" in
    --long) export SKEIN_TEST_LONG=1 SKEIN_TORTURE=full ;;
    --clients) clients=yes ;;
    --profiles) profiles=yes ;;
    *) echo "usage: bash scripts/test.sh [--long] [--clients] [--profiles]" >&2; exit 64 ;;
  esac
done
cd "$(dirname "$0")/.."
say() { printf '\n== %s\n' "$*"; }

servers=(redis-server radosgw ceph-mon ceph-osd ceph nginx promtool)
packages=(redis-server radosgw ceph-mon ceph-osd ceph-common nginx-light prometheus)
missing=()
for index in "${!servers[@]}"; do
  command -v "${servers[$index]}" >/dev/null 2>&1 || missing+=("${packages[$index]}")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing ${missing[*]} with apt-get"
    apt-get update -qq
    # Nothing that is installed here may start by itself: the tests start their own servers on free
    # ports.
    policy=/usr/sbin/policy-rc.d
    made_policy=no
    if [ ! -e "$policy" ]; then printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; made_policy=yes; fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || true
    [ "$made_policy" = no ] || rm -f "$policy"
  else
    say "not installed, tests that need them are skipped: ${missing[*]}"
  fi
fi

if [ "$clients" = yes ]; then
  say "clients of stores"
  bash scripts/clients.sh
fi

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "npm ci"
  npm ci --no-audit --no-fund --loglevel=error
fi
export PATH="$PWD/node_modules/.bin:$PATH"

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
status=0

say "npm run build"
npm run --silent build || status=1
say "npm run check (format, lint, types, dead code, unit, conformance, model, tidy)"
SKEIN_TEST_REPORT="$reports/fast.json" npm run --silent check || status=1
say "integration tests (real Redis, real S3 gateway and clients, real processes)"
SKEIN_TEST_REPORT="$reports/integration.json" npm run --silent test:integration || status=1

expected=("$reports/fast.json" "$reports/integration.json")
if [ "$profiles" = yes ]; then
  for file in tuning/profiles/*.properties; do
    profile=$(basename "$file" .properties)
    say "integration tests with the profile $profile"
    expected+=("$reports/$profile.json")
    SKEIN_TEST_PROFILE="$profile" SKEIN_TEST_REPORT="$reports/$profile.json" \
      npm run --silent test:integration || status=1
  done
fi

node scripts/test-summary.mjs "$status" "${expected[@]}"
