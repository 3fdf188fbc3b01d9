// For libFuzzer (CMake: SCX_FUZZ, with clang): any bytes as an .scx file. Its size and checksum are made to fit, or
// nothing that a mutation does would get past them.
#include <cstdio>
#include <cstdlib>

#include "../crc32.h"
#include "exercise.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kHeaderBytes = 64, kChecksumAt = 12, kSizeAt = 16;  // docs/scx.md
  Bytes file(data, data + size);
  if (size >= kHeaderBytes) {
    const uint64_t stated = size;
    std::memcpy(file.data() + kSizeAt, &stated, sizeof stated);
    std::memset(file.data() + kChecksumAt, 0, 4);
    const uint32_t checksum = scx::crc32(file.data(), size, 0);
    std::memcpy(file.data() + kChecksumAt, &checksum, sizeof checksum);
  }
  Verdict verdict;
  exercise(file, {nullptr, 1, 32, 64}, &verdict);
  if (verdict.failed || (!verdict.opened && verdict.reason.empty())) std::abort();
  return 0;
}
