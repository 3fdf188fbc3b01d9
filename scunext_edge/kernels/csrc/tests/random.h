// Repeatable numbers for the check programs: the same on every platform.
#pragma once
#include <cstdint>

namespace {

struct Random {
  uint32_t state;
  uint32_t bits() {  // 24 of them
    state = state * 1664525u + 1013904223u;
    return state >> 8;
  }
  float uniform(float low, float high) { return low + (high - low) * (float(bits()) * (1.f / 16777216)); }
  int below(int n) { return int(bits() % uint32_t(n)); }
};

}  // namespace
