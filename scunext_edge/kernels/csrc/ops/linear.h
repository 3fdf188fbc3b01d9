// 1x1 convolution: a matrix product of pixels and weights. Gathering is mostly a matter of addresses: every second
// pixel is a larger step, a token shift of f32 is five segments of channels. Only a pool, and a token shift of bytes (its
// groups end in the middle of a quad), copy a row into scratch first. A unit of work is a row of the output.
#pragma once
#include "blocks.h"

namespace {

struct Linear {
  static constexpr int kGroups = 5;
  static constexpr int kSurplus = 16;  // pixels and bytes that tiles and copies may read or write past a gathered row

  static Packing packing(const Op& op) { return {1, 1, op.in[0]->channels, op.out[0]->channels}; }
  static bool shifts(const Op& op) { return op.gather == Gather::rows || op.gather == Gather::columns; }

  static int rows(const Op& op) { return op.out[0]->height; }
  static size_t packed(const Op& op) {
    return with_arithmetic(*op.in[0], [&](auto sums) { return packed_size<decltype(sums)>(packing(op)); });
  }
  static void pack(const Op& op, void* to) {
    with_arithmetic(*op.in[0], [&](auto sums) { pack_weights<decltype(sums), kVectors>(packing(op), op, to); });
  }
  // A gathered row, and the same in 16 bits.
  static int64_t gathered(const Op& op) { return (int64_t(op.out[0]->width) * 2 + kSurplus) * op.in[0]->channels + 64; }
  static size_t scratch(const Op& op) { return kStripBytes + gathered(op) * (op.in[0]->type == Type::f32 ? 4 : 3); }

  static void run(const Op& op, const Job& job) {
    with_arithmetic(*op.in[0], [&](auto arithmetic) {
      using P = decltype(arithmetic);
      for (int y = job.begin; y < job.end; y++) row<P>(op, y, job.scratch);
    });
  }

  template <class P>
  static void row(const Op& op, int y, char* scratch) {
    using Stored = typename Choose<P::K == 1, float, uint8_t>::Type;
    const Tensor &in = *op.in[0], &out = *op.out[0];
    Stored* copy = reinterpret_cast<Stored*>(scratch + kStripBytes);
    const Stored* x = pixel<Stored>(in, y, 0);
    int64_t step = in.channels;
    Segment segments[kGroups] = {{0, in.channels}};
    int count = 1;
    if (op.gather == Gather::skip) {
      x = pixel<Stored>(in, 2 * y, 0), step = 2 * in.channels;
    } else if (op.gather == Gather::pool) {
      pool(in, y, out.width, copy);
      x = copy;
    } else if (shifts(op)) {
      count = shift(op, segments);
      if (P::K > 1) {
        gather(x, segments, count, in.channels, out.width, reinterpret_cast<uint8_t*>(copy));
        x = copy, segments[0] = {0, in.channels}, count = 1;
      } else {
        int c = 0;
        for (int g = 0; g < count; c += segments[g].channels, g++) segments[g].offset += c;
      }
    }
    auto* sums = reinterpret_cast<typename P::Lane*>(scratch);
    if constexpr (P::kWiden) {
      int16_t* wide = reinterpret_cast<int16_t*>(scratch + kStripBytes + gathered(op) / 64 * 64);
      widen<Half>(wide, x, out.width * step);
      blocks<P>(op, y, wide, step, segments, count, sums);
    } else {
      blocks<P>(op, y, x, step, segments, count, sums);
    }
  }
  template <bool kFirst, class A, class B>
  struct Choose { using Type = A; };
  template <class A, class B>
  struct Choose<false, A, B> { using Type = B; };

  template <class P>
  static void blocks(const Op& op, int y, const typename P::In* x, int64_t step, const Segment* segments, int count,
                     typename P::Lane* sums) {
    const Tensor& out = *op.out[0];
    const auto* biases = static_cast<const typename P::Lane*>(op.packed);
    const auto* weights = packed_weights<P>(op, out.channels);
    for (int first = 0; first < out.width; first += kStrip) {
      const int n = out.width - first < kStrip ? out.width - first : kStrip;
      each_block<kVectors>(out.channels, [&](auto block, int oc) {
        using V = typename decltype(block)::V;
        using A = typename P::template On<V>;
        segment_row<A, decltype(block)::VB>(x + first * step, step, segments, count,
                                            weights + int64_t(oc) * op.in[0]->channels, biases + oc, sums, n);
        for (int v = 0; v < block.VB; v++)
          finish_strip<V, false>(op, sums + v * kTileRows * kStripRow<A>, op.blob[2].f32(), y, first, n, oc + v * V::L);
      });
    }
  }

  // Five groups of channels, each from a pixel of its own: where that pixel lies, and how many channels it has.
  static int shift(const Op& op, Segment* groups) {
    const Tensor& in = *op.in[0];
    const int width = (in.channels + kGroups - 1) / kGroups;
    const int64_t pace = op.gather == Gather::rows ? in.row : in.channels;
    int count = 0;
    for (int c = 0; c < in.channels; c += width, count++)
      groups[count] = {-(count - 2) * pace, in.channels - c < width ? in.channels - c : width};
    return count;
  }

  // Copies of whole 8 bytes: what they write too much is overwritten by the next group or pixel.
  static void gather(const void* from, const Segment* groups, int count, int channels, int width, uint8_t* to) {
    const uint8_t* x = static_cast<const uint8_t*>(from);
    for (int p = 0; p < width; p++, x += channels, to += channels)
      for (int g = 0, c = 0; g < count; c += groups[g].channels, g++)
        for (int i = c; i < c + groups[g].channels; i += 8) std::memcpy(to + i, x + groups[g].offset + i, 8);
  }

  // The maximum over 2x2. Stored bytes compare as what they are stored as.
  static void pool(const Tensor& in, int y, int width, float* to) { pool_row(in.f32(2 * y), in, width, to); }
  static void pool(const Tensor& in, int y, int width, uint8_t* to) {
    if (kQ8Offset) pool_row(in.q8(2 * y), in, width, to);
    else pool_row(reinterpret_cast<const int8_t*>(in.q8(2 * y)), in, width, reinterpret_cast<int8_t*>(to));
  }
  template <class T>
  static void pool_row(const T* top, const Tensor& in, int width, T* to) {
    const int n = in.channels;
    for (int p = 0; p < width; p++, top += 2 * n, to += n)
      for (int c = 0; c < n; c++) {
        const T a = top[c] > top[c + n] ? top[c] : top[c + n];
        const T b = top[c + in.row] > top[c + n + in.row] ? top[c + in.row] : top[c + n + in.row];
        to[c] = a > b ? a : b;
      }
  }
};

}  // namespace
