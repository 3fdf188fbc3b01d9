// Eight output channels fill half of a vector of sixteen lanes. Here two columns share one: lane 2 c belongs to channel c
// of a column in the left half of a strip, lane 2 c + 1 to the same of the column as far into the right half. So weights
// stand twice in their vector, and an input is a broadcast of two numbers that lie side by side: the two halves of each
// input row are zipped into scratch first, in the first cache. A sum is unzipped once, when it leaves the registers.
#pragma once
#include "tile.h"

namespace {

template <class In>
struct Two { In at[2]; };

template <class V>
struct TwinF32 : F32<V> {
  static constexpr bool kTwin = true;
  using In = Two<float>;
  static auto input(const In* x) { return V::set_two(x->at); }
  static void store(float* p, typename V::F v) { V::store(p, V::unzip(v)); }
};

// Two steps of four bytes lie side by side.
template <class V, bool kNonnegative>
struct TwinQ8 : Q8<V, kNonnegative> {
  static constexpr bool kTwin = true;
  using In = Two<uint8_t>;
  static auto input(const In* x) { return V::template quad_two<kNonnegative>(x->at); }
  static void store(int32_t* p, typename V::I v) { V::storei(p, V::unzip(v)); }
};

// Is a vector wide enough, and can it?
template <class V>
constexpr auto has_twins(int) -> decltype(&V::set_two, true) { return V::L == 2 * Half::L; }
template <class V>
constexpr bool has_twins(...) { return false; }

constexpr int kTwinStrip = 128;          // columns
constexpr int kTwinRoom = kTwinStrip / 2 + 2 + 16;  // columns of a half, its neighbours, and what tiles read beyond
constexpr int kTwinMost = 64;            // input channels: more would not stay in the first cache

// n numbers of 32 bits (four bytes count as one) from a and from b; up to 15 more of both are read and written.
template <class V>
inline void zip(const void* a, const void* b, void* to, int64_t n) {
  const auto *left = static_cast<const float*>(a), *right = static_cast<const float*>(b);
  float* place = static_cast<float*>(to);
  for (int64_t i = 0; i < n; i += V::L) {
    typename V::F low, high;
    V::zip(V::load(left + i), V::load(right + i), low, high);
    V::store(place + 2 * i, low);
    V::store(place + 2 * i + V::L, high);
  }
}

}  // namespace
