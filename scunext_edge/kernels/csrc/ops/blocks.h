// Weights of convolutions and matrix products, packed for tile.h: biases first, then one block of output channels after
// the other, each in the order in which a tile reads it. Also the strips of a row that a block works through.
#pragma once
#include "epilogue.h"
#include "twins.h"

namespace {

// What the sums of an operation are made of.
struct Floats {
  using In = float;
  using Lane = float;
  using Weight = float;
  using Source = float;  // of the weights in the file
  static constexpr int K = 1;
  static constexpr bool kWiden = false;
  template <class V>
  using On = F32<V>;
  template <class V>
  using Twins = TwinF32<V>;
};
template <bool kNonnegative>
struct Bytes {
  using In = uint8_t;
  using Lane = int32_t;
  using Weight = int8_t;
  using Source = int8_t;
  static constexpr int K = 4;
  static constexpr bool kWiden = false;
  template <class V>
  using On = Q8<V, kNonnegative>;
  template <class V>
  using Twins = TwinQ8<V, kNonnegative>;
};
struct Pairs {
  using In = int16_t;
  using Lane = int32_t;
  using Weight = int16_t;
  using Source = int8_t;
  static constexpr int K = 2;
  static constexpr bool kWiden = true;
  template <class V>
  using On = Q8Pairs<V>;
};

// Does the instruction set have Pairs?
template <class V>
constexpr auto has_pairs(int) -> decltype(&V::dot_pair, true) { return true; }
template <class V>
constexpr bool has_pairs(...) { return false; }

static_assert(!has_pairs<Half>(0) || kQ8Offset == 0, "pairs are widened with their sign");

// Only where the dot product handles signs by hand (its quad then carries more than the bytes) is there a choice.
constexpr bool kSignsCost = sizeof(Half::Quad) > sizeof(Half::I);

// Calls run(sums) with the arithmetic that the input needs.
template <class Fn>
inline auto with_arithmetic(const Tensor& in, Fn run) {
  if (in.type == Type::f32) return run(Floats{});
  if constexpr (has_pairs<Half>(0)) {
    if (!in.nonnegative) return run(Pairs{});
  } else if constexpr (kSignsCost) {
    if (!in.nonnegative) return run(Bytes<false>{});
  }
  return run(Bytes<true>{});
}

template <int VB_>
struct Block { static constexpr int VB = VB_, width = Wide::L * VB_; };

// Blocks of output channels from c on: as many of VB vectors as fit, then of half as many. The last one may be half full:
// its surplus weights are zeros.
template <int VB, class Fn>
inline void each_block(int channels, Fn run, int c = 0) {
  const int end = VB > 1 ? channels - Wide::L * VB + 1 : channels;
  for (; c < end; c += Wide::L * VB) run(Block<VB>{}, c);
  if constexpr (VB > 1) each_block<VB / 2>(channels, run, c);
}

// `taps` kernel positions; `together` of them (3 or 1) lie next to each other for every step of K channels. With
// `copies` 2 everything stands twice in a row (twins.h).
struct Packing {
  int taps, together, channels, out_channels, copies = 1;
  int used() const { return out_channels * copies; }  // lanes
  int lanes() const { return (used() + Wide::L - 1) / Wide::L * Wide::L; }
  int64_t weights() const { return int64_t(taps) * channels * lanes(); }
  static size_t biases_size(int lanes) { return (size_t(lanes) * 4 + 63) / 64 * 64; }
};

template <class P>
inline size_t packed_size(const Packing& p) {
  return Packing::biases_size(p.lanes()) + size_t(p.weights()) * sizeof(typename P::Weight);
}

template <class P>
inline const typename P::Weight* packed_weights(const Op& op, int lanes) {
  const char* start = static_cast<const char*>(op.packed) + Packing::biases_size(lanes);
  return reinterpret_cast<const typename P::Weight*>(start);
}

template <class P, int VB>
SCX_COLD inline void pack_weights(const Packing& p, const Op& op, void* packed) {
  const auto* from = static_cast<const typename P::Source*>(op.blob[0].data);
  const auto* bias = static_cast<const typename P::Lane*>(op.blob[1].data);
  using Weight = typename P::Weight;
  auto* biases = static_cast<typename P::Lane*>(packed);
  Weight* to = reinterpret_cast<Weight*>(static_cast<char*>(packed) + Packing::biases_size(p.lanes()));
  each_block<VB>(p.used(), [&](auto block, int lane0) {
    for (int group = 0; group < p.taps; group += p.together)
      for (int c = 0; c < p.channels; c += P::K)
        for (int tap = group; tap < group + p.together; tap++)
          for (int lane = 0; lane < block.width; lane++) {
            const int o = (lane0 + lane) / p.copies;
            for (int k = 0; k < P::K; k++)
              *to++ = o < p.out_channels ? from[(int64_t(tap) * p.channels + c + k) * p.out_channels + o] : Weight(0);
          }
  });
  for (int lane = 0; lane < p.lanes(); lane++) {
    const int o = lane / p.copies;
    biases[lane] = o < p.out_channels ? bias[o] : typename P::Lane(0);
    if (o < p.out_channels && kQ8Offset && P::K == 4) {  // inputs are stored plus kQ8Offset; modulo 2^32, as the sums themselves
      uint32_t sum = 0;
      for (int64_t i = 0; i < int64_t(p.taps) * p.channels; i++) sum += uint32_t(int32_t(from[i * p.out_channels + o]));
      biases[lane] = typename P::Lane(int32_t(uint32_t(int32_t(bias[o])) - uint32_t(kQ8Offset) * sum));
    }
  }
}

template <class In>
inline const In* pixel(const Tensor& t, int y, int x) {
  return static_cast<const In*>(t.data) + y * t.row + int64_t(x) * t.channels;
}

// n stored bytes to 16 bits, and up to 15 beyond.
template <class V>
inline void widen(int16_t* to, const uint8_t* from, int64_t n) {
  if constexpr (has_pairs<V>(0))
    for (int64_t i = 0; i < n; i += 16) V::widen(to + i, from + i);
}

constexpr size_t kStripBytes = size_t(kVectors) * kTileRows * kStripRoom * Wide::L * sizeof(float);

// Calls sum(x, tiles, kWide) over the n columns of a strip: tiles of one width, then of the other.
template <class Fn>
inline void each_tile(int n, int wide, int narrow, Fn sum) {
  const Cover c = cover(n, wide, narrow);
  if (c.wide) sum(0, c.wide, true);
  if (c.narrow) sum(c.wide * wide, c.narrow, false);
}

// One row of n columns by segment_strip.
template <class A, int VB>
inline void segment_row(const typename A::In* x, int64_t step, const Segment* segments, int count,
                        const typename A::Weight* weights, const typename A::Lane* bias, typename A::Lane* sums,
                        int n) {
  constexpr int64_t plane = kTileRows * kStripRow<A>;
  constexpr int kWide = Tile::columns(VB), kNarrow = Tile::narrow_columns(VB);
  each_tile(n, kWide, kNarrow, [&](int column, int tiles, bool wide) {
    const auto* from = x + column * step;
    auto* to = sums + column * A::Vector::L;
    if (wide) segment_strip<A, kWide, VB>(from, step, segments, count, weights, bias, to, plane, tiles);
    else segment_strip<A, kNarrow, VB>(from, step, segments, count, weights, bias, to, plane, tiles);
  });
}

}  // namespace
