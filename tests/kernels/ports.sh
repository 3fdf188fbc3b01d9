#!/usr/bin/env bash
# The native engine on processors that this machine does not have; `make ports` runs it. Builds lie in build/.
# INT8 must be equal to the bit everywhere, FP32 lies within the tolerances of the tests.
# A part whose tools are missing is skipped; with SCUNEXT_REQUIRE_PORTS=1 that is a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH="$PWD/.venv/bin:$PATH"  # its CMake, where the system has none
CSRC=scunext_edge/kernels/csrc
OPERATIONS=(tests/kernels/test_{ops_*,networks}.py)
PYTEST=(.venv/bin/python -m pytest --quiet)
INT8=(scunext_edge/weights/*/native-int8/model.scx)

build() {  # NAME OPTIONS...
  cmake -S $CSRC -B "build/$1" "${@:2}" > "build/$1.log"
  cmake --build "build/$1" --parallel 2 >> "build/$1.log" 2>&1 || { cat "build/$1.log"; return 1; }
}

skip() {  # REASON AND REMEDY
  echo "skipped: $1"
  [[ ${SCUNEXT_REQUIRE_PORTS:-} != 1 ]] || exit 1
}

lacks() {  # PACKAGES COMMANDS...: says what to install where a command is missing
  local command
  for command in "${@:2}"; do
    if ! command -v "$command" > /dev/null; then
      skip "there is no $command; apt-get install $1"
      return 0
    fi
  done
  return 1
}

same() {  # WHAT ONE OTHER
  [[ -n $2 && $2 == "$3" ]] || { echo "FAILED: $1: \"$2\", not \"$3\""; exit 1; }
}

score_of() { sed -n 's/^score //p'; }  # of what port_check prints

port_tests() {  # COMMAND...: the tests of operations, driven through port_check on the port
  SCUNEXT_PORT="$* serve" PYTHONPATH=tests/kernels "${PYTEST[@]}" -p port "${OPERATIONS[@]}"
}

check_models() {  # COMMAND...: the shipped models give the host's scores
  local model
  for model in "${INT8[@]}"; do
    same "the score of $model on $1" "$("$@" "$model" | score_of)" "$("$HOST" "$model" | score_of)"
  done
}

arm() {
  echo "== arm64: NEON, its dot product and i8mm, under QEMU"
  lacks "g++-aarch64-linux-gnu qemu-user-static" aarch64-linux-gnu-g++ qemu-aarch64-static && return
  local run=(qemu-aarch64-static -cpu) set flags found expected=""
  while read -r set flags; do
    # shellcheck disable=SC2086 # flags are words
    aarch64-linux-gnu-g++ -O2 -std=c++17 -ffp-contract=off -static $flags -DSCX_SIMD="\"../simd/${set%%_*}.h\"" \
      $CSRC/tests/simd_check.cpp -o "build/simd_check_$set"
    found="$("${run[@]}" max "build/simd_check_$set")"
    same "what simd/${set%%_*}.h computes as $set" "$found" "${expected:=$found}"  # the first is scalar
  done << 'SETS'
scalar
neon
neon_dotprod -march=armv8.2-a+dotprod
neon_i8mm -march=armv8.2-a+dotprod+i8mm
SETS
  build port-arm64 -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DSCX_PORT_CHECK=ON \
    -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_EXE_LINKER_FLAGS=-static
  local check=build/port-arm64/port_check cpu
  while read -r cpu set; do  # each processor gets the best set that it can run, and would die of a better one
    same "the choice on $cpu" "$("${run[@]}" "$cpu" $check "${INT8[0]}" | sed -n 's/^isa //p')" "$set"
    check_models "${run[@]}" "$cpu" $check
  done << 'PROCESSORS'
cortex-a53 neon
neoverse-n1 neon_dotprod
max neon_i8mm
PROCESSORS
  port_tests "${run[@]}" max $check
}

wasm() {
  echo "== WebAssembly: SIMD and relaxed SIMD, in Node"
  local node=build/node/node_modules/node/bin/node  # a newer one than the system's, where somebody installed it
  [[ -x $node ]] || node=node
  lacks "clang-16 lld-16 llvm-16 wasi-libc libclang-rt-16-dev-wasm32 libc++-16-dev-wasm32 nodejs" \
    clang++-16 wasm-ld-16 llvm-ar-16 "$node" && return
  one_module scunext OFF
  if "$node" --input-type=module --eval "import {relaxedSimd} from './scunext_edge/web/page/scunext.js';
      process.exit(await relaxedSimd() ? 0 : 1);"; then
    one_module scunext-relaxed ON
  else
    skip "Node $("$node" --version) has no relaxed SIMD, or computes it wrongly; npm install --prefix build/node node@22"
  fi
}

one_module() {  # NAME RELAXED, of wasm()
  local model
  build "port-$1" -DCMAKE_TOOLCHAIN_FILE="$PWD/$CSRC/wasm/toolchain.cmake" -DSCX_PORT_CHECK=ON -DSCX_RELAXED="$2"
  echo "$1.wasm: $(stat -c %s "build/port-$1/$1.wasm") bytes, $(gzip -9c "build/port-$1/$1.wasm" | wc -c) packed"
  for model in "${INT8[@]}"; do
    same "the score of $model by $1" \
      "$("$node" $CSRC/tests/port_check.mjs "build/port-$1/$1.wasm" "$model" | score_of)" "$("$HOST" "$model" | score_of)"
  done
  port_tests "$node" $CSRC/tests/wasi.mjs "build/port-$1/port_check.wasm"
}

emulated() {
  echo "== AVX-512, VNNI and AVX-VNNI, emulated by SIMDe"
  if [[ $(uname -m) != x86_64 ]]; then
    echo "skipped: they are for x86-64"
    return
  fi
  if [[ ! -e /usr/include/simde/x86/avx512.h ]]; then
    skip "there is no SIMDe; apt-get install libsimde-dev"
    return
  fi
  build port-emulated -DSCX_EMULATE=ON -DSCX_PORT_CHECK=ON -DSCX_SETS=scalar
  local set model
  for set in avx512vnni-emulated avx512-emulated avx2vnni-emulated; do
    for model in "${INT8[@]}"; do
      same "the score of $model on $set" "$(build/port-emulated/port_check "$model" $set | score_of)" \
        "$("$HOST" "$model" | score_of)"
    done
  done
  port_tests build/port-emulated/port_check
}

mkdir -p build
build port-host -DSCX_PORT_CHECK=ON
HOST=build/port-host/port_check
for part in "${@:-arm wasm emulated}"; do
  # shellcheck disable=SC2086 # the default is a list of words
  for one in $part; do $one; done
done
