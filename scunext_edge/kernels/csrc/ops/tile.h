// The arithmetic of convolutions and matrix products: tiles of accumulators that never leave the registers.
//
// Lanes are output channels. A tile is TR rows x TX columns of pixels x VB vectors of channels. Weights are packed in
// the order in which a tile reads them, so they stream; an input value is one broadcast load. Two forms:
// - slide_strip (3x3, stride 1, dilation 1): the three weights of a kernel row stay in registers and each broadcast
//   feeds the three outputs that it lies under. 30 multiplications cost 17 loads (two rows of five columns).
// - segment_strip (everything else): each broadcast feeds VB vectors. A segment is a run of input channels at an offset
//   from the output's pixel: one for a row of a 3x3 kernel (its three pixels are neighbours), one for a 1x1, five for a
//   token shift, which so costs nothing.
// Both write raw sums into a strip of scratch in the first cache; epilogue.h does the rest.
#pragma once
#include "../rows.h"

#if defined(__clang__)
#define SCX_UNROLL _Pragma("clang loop unroll(full)")
#define SCX_ROLL _Pragma("clang loop unroll(disable)")
#elif defined(__GNUC__)
#define SCX_UNROLL _Pragma("GCC unroll 64")  // arrays of accumulators become registers only when every loop is unrolled
#define SCX_ROLL _Pragma("GCC unroll 1")
#else
#define SCX_UNROLL
#define SCX_ROLL
#endif

namespace {

// How many columns a tile has: `wide` fills the registers, `narrow` fits what is left of a row (5 and 4 cover any
// length from 12 exactly). GCC needs one register more than the sums, three weights and an input: six columns spill.
// segment_strip takes up to `vectors` vectors of channels at once, for so many columns. With 512 bits a broadcast is
// not free, so there slide_strip is always preferred, and four vectors share a broadcast where there are 64 channels.
// simd/*.h say how many vectors the registers hold (SCX_REGISTERS; 16 where they do not).
#if !defined(SCX_REGISTERS)
#define SCX_REGISTERS 16
#endif
#if SCX_REGISTERS >= 32
struct Tile {
  static constexpr int wide = 12, narrow = 8, vectors = 4;
  static constexpr int columns(int n) { return n == 4 ? 6 : n == 2 ? 12 : 16; }
  static constexpr int narrow_columns(int n) { return n == 4 ? 4 : 8; }
};
constexpr bool kSlideAlways = true;
#elif SCX_REGISTERS < 16
struct Tile {  // small tiles, which keep the library small
  static constexpr int wide = 2, narrow = 1, vectors = 1;
  static constexpr int columns(int) { return 4; }
  static constexpr int narrow_columns(int) { return 1; }
};
constexpr bool kSlideAlways = false;
#else
struct Tile {
  static constexpr int wide = 5, narrow = 4, vectors = 2;
  static constexpr int columns(int n) { return n == 2 ? 6 : 12; }
  static constexpr int narrow_columns(int n) { return n == 2 ? 4 : 6; }
};
constexpr bool kSlideAlways = false;
#endif
constexpr int kVectors = Tile::vectors;
constexpr bool kPoolInTile = Tile::wide % 2 == 0 && Tile::narrow % 2 == 0;  // 2x2 of sums are in one tile
constexpr int kTileRows = 2;  // of slide_strip: what a 2x2 pool needs
constexpr int kStrip = 48;    // columns whose sums wait in scratch
constexpr int kStripRoom = kStrip + 16;

// f32: one channel a step.
template <class V>
struct F32 {
  using In = float;
  using Sum = typename V::F;
  using Lane = float;  // of a stored sum
  using Weight = float;
  using Vector = V;
  static constexpr int K = 1;
  static constexpr bool kTwin = false;  // see twins.h
  static auto weight(const Weight* w) { return V::load(w); }
  static auto input(const In* x) { return V::set(*x); }
  template <class I, class W>
  static Sum add(Sum sum, I x, const W& w) { return V::fma(x, w, sum); }
  static Sum load(const Lane* p) { return V::load(p); }
  static void store(Lane* p, Sum v) { V::store(p, v); }
  static Sum max(Sum a, Sum b) { return V::max(a, b); }
};

// q8: four channels a step.
template <class V, bool kNonnegative>
struct Q8 {
  using In = uint8_t;
  using Sum = typename V::I;
  using Lane = int32_t;
  using Weight = int8_t;
  using Vector = V;
  static constexpr int K = 4;
  static constexpr bool kTwin = false;
  static auto weight(const Weight* w) { return V::load_w8(w); }
  static auto input(const In* x) { return V::template quad<kNonnegative>(x); }
  template <class I, class W>
  static Sum add(Sum sum, I x, const W& w) { return V::template dot<kNonnegative>(sum, x, w); }
  static Sum load(const Lane* p) { return V::loadi(p); }
  static void store(Lane* p, Sum v) { V::storei(p, v); }
  static Sum max(Sum a, Sum b) { return V::maxi(a, b); }
};

// q8 widened to 16 bits: two channels a step. For instruction sets whose dot product of bytes pays for signs.
template <class V>
struct Q8Pairs {
  using In = int16_t;
  using Sum = typename V::I;
  using Lane = int32_t;
  using Weight = int16_t;
  using Vector = V;
  static constexpr int K = 2;
  static constexpr bool kTwin = false;
  static auto weight(const Weight* w) { return V::load_w16(w); }
  static auto input(const In* x) { return V::pair(x); }
  template <class I, class W>
  static Sum add(Sum sum, I x, const W& w) { return V::dot_pair(sum, x, w); }
  static Sum load(const Lane* p) { return V::loadi(p); }
  static void store(Lane* p, Sum v) { V::storei(p, v); }
  static Sum max(Sum a, Sum b) { return V::maxi(a, b); }
};

// Neighbouring pixels. Odd multiples of the distance, which processors scale by 2, 4 and 8 for nothing: a tile needs
// half as many registers for addresses.
template <class In>
struct Columns {
  int64_t odd[7];
  explicit Columns(int channels) {
    SCX_UNROLL for (int i = 0; i < 7; i++) odd[i] = (2 * i + 1) * int64_t(channels);
  }
  const In* at(const In* p, int i) const {
    if (i == 0) return p;
    int scale = 1;
    for (; i % 2 == 0; i /= 2) scale *= 2;
    return p + scale * odd[i / 2];
  }
};

// Where sums go: [VB][rows][kStripRoom][lanes], biases are the start of each sum.
template <class A>
constexpr int kStripRow = kStripRoom * A::Vector::L;

// The four input rows under two rows of a 3x3 convolution, from the tap at the upper left on.
template <class In>
struct Rows {
  const In* at[4];
};

// 3x3 at stride 1, two rows of `count` tiles that follow each other; with kPool the largest sum of each 2x2.
// Weights: [ky][channel / K][kx][lane][K]. Steps: channels / K when known at compile time, or 0.
template <class A, int TX, int kSteps, bool kPool>
void slide_strip(const Rows<typename A::In>& rows, int channels, const typename A::Weight* weights,
                 const typename A::Lane* bias, typename A::Lane* out, int count) {
  using V = typename A::Vector;
  constexpr int N = V::L * A::K;
  const Columns<typename A::In> columns(kSteps ? kSteps * A::K : channels);
  for (int64_t x = 0; count > 0; count--, x += TX * int64_t(channels), out += TX / (kPool ? 2 : 1) * V::L) {
    typename A::Sum sum[kTileRows][TX];
    SCX_UNROLL for (int r = 0; r < kTileRows; r++)
      SCX_UNROLL for (int t = 0; t < TX; t++) sum[r][t] = A::load(bias);
    auto step = [&](const typename A::In* p, const typename A::In* below, const typename A::Weight* w) {
      const auto w0 = A::weight(w), w1 = A::weight(w + N), w2 = A::weight(w + 2 * N);
      SCX_UNROLL for (int r = 0; r < kTileRows; r++)
        SCX_UNROLL for (int i = 0; i < TX + 2; i++) {
          const auto value = A::input(columns.at(r ? below : p, i));
          if (i < TX) sum[r][i] = A::add(sum[r][i], value, w0);
          if (i >= 1 && i <= TX) sum[r][i - 1] = A::add(sum[r][i - 1], value, w1);
          if (i >= 2) sum[r][i - 2] = A::add(sum[r][i - 2], value, w2);
        }
    };
    const typename A::Weight* w = weights;
    // Never unrolled: the compiler would keep the inputs that two rows share, and spill.
    SCX_ROLL for (int ky = 0; ky < 3; ky++) {
      const typename A::In *p = rows.at[ky] + x, *below = rows.at[ky + 1] + x;
      if (kSteps) {
        SCX_UNROLL for (int s = 0; s < kSteps; s++) step(p + s * A::K, below + s * A::K, w + s * 3 * N);
        w += kSteps * 3 * N;
      } else {
        for (int c = 0; c < channels; c += A::K, w += 3 * N) step(p + c, below + c, w);
      }
    }
    if constexpr (kPool) {
      SCX_UNROLL for (int t = 0; t < TX; t += 2) {
        const auto upper = A::max(sum[0][t], sum[0][t + 1]), lower = A::max(sum[1][t], sum[1][t + 1]);
        A::store(out + t / 2 * V::L, A::max(upper, lower));
      }
    } else {
      SCX_UNROLL for (int r = 0; r < kTileRows; r++)
        SCX_UNROLL for (int t = 0; t < TX; t++) A::store(out + r * kStripRow<A> + t * V::L, sum[r][t]);
    }
  }
}

struct Segment {
  int64_t offset;  // from the output's pixel, in elements
  int channels;
};

// Any sum over segments: `step` elements lie between neighbouring pixels. Weights: [segment][channel / K][VB][lane][K].
template <class A, int TX, int VB>
void segment_strip(const typename A::In* x, int64_t step, const Segment* segments, int n,
                   const typename A::Weight* weights, const typename A::Lane* bias, typename A::Lane* out,
                   int64_t plane, int count) {
  using V = typename A::Vector;
  constexpr int N = V::L * A::K;
  for (; count > 0; count--, x += TX * step, out += TX * V::L) {
    typename A::Sum sum[TX][VB];
    SCX_UNROLL for (int t = 0; t < TX; t++)
      SCX_UNROLL for (int v = 0; v < VB; v++) sum[t][v] = A::load(bias + v * V::L);
    const typename A::Weight* w = weights;
    for (int s = 0; s < n; s++) {
      const typename A::In* p = x + segments[s].offset;
      for (int c = 0; c < segments[s].channels; c += A::K, p += A::K, w += VB * N) {
        SCX_UNROLL for (int t = 0; t < TX; t++) {
          const auto value = A::input(p + t * step);
          SCX_UNROLL for (int v = 0; v < VB; v++) sum[t][v] = A::add(sum[t][v], value, A::weight(w + v * N));
        }
      }
    }
    SCX_UNROLL for (int t = 0; t < TX; t++)
      SCX_UNROLL for (int v = 0; v < VB; v++) A::store(out + v * plane + t * V::L, sum[t][v]);
  }
}

// How many wide and narrow tiles cover n columns with the least waste.
struct Cover { int wide, narrow; };
inline Cover cover(int n, int wide, int narrow) {
  Cover best = {(n + wide - 1) / wide, 0};
  int waste = best.wide * wide - n;
  for (int b = 1; b <= 4; b++) {
    const int rest = n - b * narrow, a = rest > 0 ? (rest + wide - 1) / wide : 0;
    if (a * wide - rest < waste) best = {a, b}, waste = a * wide - rest;
  }
  return best;
}

}  // namespace
