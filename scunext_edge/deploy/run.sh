#!/bin/sh
# run.sh --key KEY.pub [--state FOLDER]: install this bundle's runtime without a network, and have it accepted here.
# It needs python3 with its venv module. What it writes goes to FOLDER, by default NAME-state beside the bundle.
# First check the bundle with tools that you trust already: `scunext-edge bundle verify`, or openssl and sha256sum.
set -eu
bundle=$(cd "$(dirname "$0")" && pwd)
state="$bundle-state"
key=
while [ $# -gt 0 ]; do
  case "$1" in
    --key) key=${2:?--key wants a file}; shift 2 ;;
    --state) state=${2:?--state wants a folder}; shift 2 ;;
    *) echo "usage: $0 --key KEY.pub [--state FOLDER]" >&2; exit 2 ;;
  esac
done
if [ -z "$key" ]; then
  echo "error: without --key KEY.pub nobody can tell who signed this bundle" >&2
  exit 2
fi
(cd "$bundle" && sha256sum --check --strict --quiet manifest.sha256) || exit 1
mkdir -p "$state"
state=$(cd "$state" && pwd)
if ! cmp -s "$bundle/requirements.txt" "$state/installed.txt" \
    || ! "$state/venv/bin/python" -c "import scunext_edge" 2> /dev/null; then
  rm -f "$state/installed.txt"  # what is half installed counts for nothing
  rm -rf "$state/venv"
  python3 -m venv @VENV@"$state/venv"
  "$state/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
    @INDEX@--find-links "$bundle/wheels" --requirement "$bundle/requirements.txt"
  cp "$bundle/requirements.txt" "$state/installed.txt"
fi
exec "$state/venv/bin/python" -m scunext_edge.deploy start "$bundle" --state "$state" --key "$key"
