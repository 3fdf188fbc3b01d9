#!/bin/sh
# The first start belongs to the machine and not to the image: it is made whenever the container starts.
set -eu
bundle=${SCUNEXT_BUNDLE:-/opt/scunext/bundle}
state=${SCUNEXT_STATE:-/var/lib/scunext}
trust=${SCUNEXT_TRUST:-/etc/scunext}
python3 -m scunext_edge.deploy start "$bundle" --key "$trust/key.pub" --state "$state"
exec python3 -m scunext_edge serve "$bundle" --key "$trust/key.pub" --state "$state" \
  --token-file "$trust/token" --host 0.0.0.0 --port 8000 "$@"
