#!/usr/bin/env bash
# The native engine under sanitizers; `make sanitize` runs it. Builds lie in build/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH="$PWD/.venv/bin:$PATH"  # its CMake, where the system has none
CSRC=scunext_edge/kernels/csrc
PYTEST=(.venv/bin/python -m pytest --quiet)
MODELS=(scunext_edge/weights/*/native-*/model.scx)
# Sets that differ in how they read and write; a sanitizer takes minutes to compile all of them.
SETS="scalar;avx2;avx512vnni;neon;neon_dotprod"
export SCUNEXT_MUTATIONS="${SCUNEXT_MUTATIONS:-1500}"

build() {  # NAME SANITIZERS OPTIONS...
  cmake -S $CSRC -B "build/$1" -DSCX_SANITIZE="$2" -DSCX_OPTIMIZE=-O1 "${@:3}" > "build/$1.log"
  cmake --build "build/$1" --parallel 2 >> "build/$1.log" 2>&1 || { cat "build/$1.log"; return 1; }
}

mkdir -p build
echo "== address, undefined: shipped and mutated files, and every operation against the reference"
build sanitize-address address,undefined -DSCX_TESTS=ON -DSCX_SETS="$SETS"
build/sanitize-address/replay "${MODELS[@]}"
SCUNEXT_REPLAY=build/sanitize-address/replay "${PYTEST[@]}" tests/kernels/test_loader.py
# Python is not built with the sanitizer, so its runtime has to be there first; Python's own leaks are not ours.
LD_PRELOAD="$(g++ -print-file-name=libasan.so)" ASAN_OPTIONS=detect_leaks=0 \
  SCUNEXT_LIBRARY=build/sanitize-address/libscunext.so "${PYTEST[@]}" tests/kernels/test_{ops_*,networks,refusals}.py

echo "== thread"
build sanitize-thread thread -DSCX_TESTS=ON -DSCX_SETS="$SETS"
build/sanitize-thread/threads scunext_edge/weights/{scunext/native-int8,unext/native-fp32}/model.scx

CLANG="$(command -v clang++ clang++-16 | head -1 || true)"
if [[ -z $CLANG ]]; then
  echo "== libFuzzer: skipped, it comes with clang: apt-get install clang-16"
  [[ -z ${SCUNEXT_REQUIRE_PORTS:-} ]]
else
  echo "== libFuzzer: half a minute of files that nobody thought of"
  build sanitize-fuzz address,undefined -DSCX_FUZZ=ON -DSCX_SETS="scalar;neon" -DCMAKE_CXX_COMPILER="$CLANG"
  mkdir -p build/corpus
  build/sanitize-fuzz/fuzz -max_total_time=30 -max_len=1100000 -timeout=60 -verbosity=0 -artifact_prefix=build/ \
    build/corpus scunext_edge/weights/*/native-*  # new files go to the first folder
fi
