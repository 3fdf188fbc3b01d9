// CRC-32 as zlib's, eight bytes a step: a model is read faster than it is copied.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace scx {

struct CrcTables {
  uint32_t at[8][256] = {};
  constexpr CrcTables() {
    for (uint32_t i = 0; i < 256; i++) {
      uint32_t c = i;
      for (int k = 0; k < 8; k++) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
      at[0][i] = c;
    }
    for (int t = 1; t < 8; t++)
      for (int i = 0; i < 256; i++) at[t][i] = (at[t - 1][i] >> 8) ^ at[0][at[t - 1][i] & 255];
  }
};

inline uint32_t crc32(const uint8_t* p, uint64_t n, uint32_t crc) {
  static constexpr CrcTables tables;
  const auto& t = tables.at;
  crc = ~crc;
  for (; n >= 8; n -= 8, p += 8) {
    uint32_t low, high;
    std::memcpy(&low, p, 4);
    std::memcpy(&high, p + 4, 4);
    low ^= crc;
    crc = t[7][low & 255] ^ t[6][low >> 8 & 255] ^ t[5][low >> 16 & 255] ^ t[4][low >> 24] ^ t[3][high & 255] ^
          t[2][high >> 8 & 255] ^ t[1][high >> 16 & 255] ^ t[0][high >> 24];
  }
  for (; n; n--) crc = t[0][(crc ^ *p++) & 255] ^ (crc >> 8);
  return ~crc;
}

}  // namespace scx
