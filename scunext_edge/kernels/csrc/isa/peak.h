// How many products one core can add up: the loop that the best convolution would be if nothing but arithmetic took time.
//
// Twelve sums and two vectors of weights stay in registers, enough of them to hide how long a multiplication takes; each
// input is one broadcast load from the first cache and feeds two sums, as in ops/tile.h. Numbers are zeros: these
// instructions take the same time for any.
#pragma once
#include "../ops/tile.h"

namespace {

template <class A>
uint64_t multiply(char* room, int32_t rounds) {
  using V = typename A::Vector;
  constexpr int TX = 6, VB = 2, N = V::L * A::K;
  static_assert(VB * N * sizeof(typename A::Weight) <= 256 && (TX + 16) * 4 <= 256, "room is cut at these places");
  auto* x = reinterpret_cast<const typename A::In*>(room);
  auto* w = reinterpret_cast<const typename A::Weight*>(room + 256);
  auto* out = reinterpret_cast<typename A::Lane*>(room + 512);
  typename A::Sum sum[TX][VB];
  SCX_UNROLL for (int t = 0; t < TX; t++)
    SCX_UNROLL for (int v = 0; v < VB; v++) sum[t][v] = A::load(out);
  SCX_ROLL for (int32_t r = 0; r < rounds; r++) {
    const auto* p = x + (r & 15) * A::K;  // moves, so that loads stay in the loop
    SCX_UNROLL for (int t = 0; t < TX; t++) {
      const auto value = A::input(p + t * A::K);
      SCX_UNROLL for (int v = 0; v < VB; v++) sum[t][v] = A::add(sum[t][v], value, A::weight(w + v * N));
    }
  }
  SCX_UNROLL for (int t = 0; t < TX; t++)
    SCX_UNROLL for (int v = 0; v < VB; v++) A::store(out + (t * VB + v) * V::L, sum[t][v]);
  return uint64_t(rounds) * TX * VB * N;
}

inline uint64_t peak(bool bytes, void* room, int32_t rounds) {
  char* start = static_cast<char*>(room);
  return bytes ? multiply<Q8<Wide, true>>(start, rounds) : multiply<F32<Wide>>(start, rounds);
}

}  // namespace
