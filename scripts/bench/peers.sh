#!/usr/bin/env bash
# Installs the peers of the benchmarks that are missing: s5cmd, from the Go module proxy, into
# ${XDG_CACHE_HOME:-$HOME/.cache}/skein/peers. rclone, nginx and curl come from the distribution:
#   apt-get install rclone nginx-light curl
set -euo pipefail
peers="${XDG_CACHE_HOME:-$HOME/.cache}/skein/peers"
version=v2.3.0

if command -v s5cmd >/dev/null 2>&1 || [[ -x "$peers/s5cmd" ]]; then
  echo "peers: s5cmd is there"
  exit 0
fi
command -v go >/dev/null 2>&1 || { echo "peers: s5cmd cannot be built: go is not installed" >&2; exit 1; }
mkdir -p "$peers"
# In a module of its own: some proxies do not list versions, which go install asks for.
module=$(mktemp -d)
trap 'chmod -R u+w "$module"; rm -rf "$module"' EXIT
cd "$module"
go mod init peers >/dev/null 2>&1
go get "github.com/peak/s5cmd/v2@$version"
go build -o "$peers/s5cmd" github.com/peak/s5cmd/v2
echo "peers: s5cmd $version is in $peers"
