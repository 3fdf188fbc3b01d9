#!/usr/bin/env bash
# root.sh FOLDER: an arm64 Python with ONNX Runtime, OpenVINO and this package, run by QEMU's user mode. Needs neither
# root nor an arm64 machine: Debian's packages and PyPI's wheels are downloaded and unpacked, and nothing is installed.
# Afterwards FOLDER/python runs a script as an arm64 processor would. Debian 12; 300 MB.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH="$PWD/.venv/bin:$PATH"  # its CMake, where the system has none
FOLDER=$1
[[ -x $FOLDER/python && $FOLDER/python -nt constraints.txt ]] && exit 0
for command in apt-get dpkg qemu-aarch64-static aarch64-linux-gnu-g++; do
  command -v "$command" > /dev/null && continue
  echo "there is no $command; apt-get install qemu-user-static g++-aarch64-linux-gnu, on Debian or Ubuntu" >&2
  exit 1
done
rm -rf "$FOLDER"
mkdir -p "$FOLDER"/{packages,lists/partial,root/proc,site}
FOLDER=$(realpath "$FOLDER")

foreign=(-o "Dir::State::Lists=$FOLDER/lists" -o APT::Architecture=arm64 -o APT::Architectures=arm64)
apt-get "${foreign[@]}" update -qq
(
  cd "$FOLDER/packages"
  apt-get "${foreign[@]}" download -qq libc6 libstdc++6 libgcc-s1 libgomp1 python3.11-minimal libpython3.11-minimal \
    libpython3.11-stdlib zlib1g libexpat1 libffi8 libssl3 libbz2-1.0 liblzma5 libsqlite3-0 libuuid1 libcrypt1 libnsl2 libtirpc3
  for package in *.deb; do dpkg -x "$package" "$FOLDER/root"; done
)
rm -rf "$FOLDER"/{packages,lists}

# ONNX Runtime's cpuinfo reads these, and would see the host's x86 files. QEMU looks below its root first.
for core in 0 1; do
  identity="$FOLDER/root/sys/devices/system/cpu/cpu$core/regs/identification"
  mkdir -p "$identity"
  echo 0x00000000410fd421 > "$identity/midr_el1"  # Cortex-A78AE, the core of Jetson Orin
  printf '%s\t: %s\n' processor $core "CPU implementer" 0x41 "CPU architecture" 8 "CPU variant" 0x0 "CPU part" 0xd42 \
    "CPU revision" 1 Features "fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"
  echo
done > "$FOLDER/root/proc/cpuinfo"

platforms=()
for glibc in 17 24 26 27 28 31 34 35 36; do platforms+=(--platform "manylinux_2_${glibc}_aarch64"); done
pinned() { sed -nE "s/^($1==[^;]+).*/\1/p" constraints.txt; }
python3 -m pip install --quiet --no-compile --only-binary=:all: --implementation cp --python-version 3.11 \
  "${platforms[@]}" --platform manylinux2014_aarch64 --target "$FOLDER/site" \
  "$(pinned onnxruntime)" "$(pinned openvino)" "$(pinned numpy)" "$(pinned pillow)"

cmake -S scunext_edge/kernels/csrc -B "$FOLDER/native" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
  -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ > /dev/null
cmake --build "$FOLDER/native" --parallel 2 > /dev/null
cp "$FOLDER/native/libscunext.so" "$FOLDER/site/"

cat > "$FOLDER/python" << SCRIPT
#!/bin/sh
export PYTHONPATH="$FOLDER/site:$PWD" PYTHONDONTWRITEBYTECODE=1
exec qemu-aarch64-static -cpu max,sve=off -L "$FOLDER/root" "$FOLDER/root/usr/bin/python3.11" "\$@"
SCRIPT
chmod +x "$FOLDER/python"
"$FOLDER/python" -c 'import platform; assert platform.machine() == "aarch64"; import onnxruntime, openvino, PIL'
