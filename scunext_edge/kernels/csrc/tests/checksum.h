// CRC-32 (as zlib's) and repeatable numbers for the check programs.
#pragma once
#include <cstddef>
#include <cstdint>

namespace {

inline uint32_t crc32(const void* data, size_t bytes) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < bytes; i++) {
    crc ^= static_cast<const uint8_t*>(data)[i];
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1)));
  }
  return ~crc;
}

struct Random {
  uint32_t state;
  uint32_t bits() {
    state = state * 1664525u + 1013904223u;
    return state >> 8;  // 24 bits
  }
  float uniform(float low, float high) { return low + (high - low) * (float(bits()) * (1.f / 16777216)); }
  int below(int n) { return int(bits() % uint32_t(n)); }
};

}  // namespace
