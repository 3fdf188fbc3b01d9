// 3x3 convolution with its pool, activation, addend and outputs. NHWC, lanes are output channels, so nothing is ever
// transposed; tile.h says why it is fast. A unit of work is two rows of the convolution: one row behind a pool.
#pragma once
#include "blocks.h"

namespace {

struct Conv {
  static constexpr int64_t kStream = 1 << 16;  // weights beyond these bytes are read once for all rows of a job

  static bool slides(const Op& op) {
    return op.stride == 1 && op.dilation == 1 && (kSlideAlways || op.out[0]->channels == 8);
  }
  static Packing packing(const Op& op) { return {9, slides(op) ? 3 : 1, op.in[0]->channels, op.out[0]->channels}; }

  static int rows(const Op& op) { return op.pool ? op.out[0]->height : (op.out[0]->height + 1) / 2; }
  static size_t scratch(const Op& op) {
    const int64_t columns = (kStripRoom - 1) * op.stride + 2 * op.dilation + 1;
    return kStripBytes + 2 * source_rows(op) * columns * op.in[0]->channels + 64;
  }
  static int64_t source_rows(const Op& op) { return op.stride + 2 * op.dilation + 1; }  // that two rows read

  static size_t packed(const Op& op) {
    return with_arithmetic(*op.in[0], [&](auto sums) { return packed_size<decltype(sums)>(packing(op)); });
  }

  static void pack(const Op& op, void* to) {
    with_arithmetic(*op.in[0], [&](auto sums) {
      if (slides(op)) pack_weights<decltype(sums), 1>(packing(op), op, to);
      else pack_weights<decltype(sums), kVectors>(packing(op), op, to);
    });
  }

  static void run(const Op& op, const Job& job) {
    with_arithmetic(*op.in[0], [&](auto arithmetic) {
      using P = decltype(arithmetic);
      if (slides(op)) blocks<P, 1>(op, job);
      else blocks<P, kVectors>(op, job);
    });
  }

  // Large weights: a block stays in the cache for all rows. Small ones: a row stays there for all blocks.
  template <class P, int VB>
  static void blocks(const Op& op, const Job& job) {
    const bool stream = packing(op).weights() * int64_t(sizeof(typename P::Weight)) > kStream;
    const int chunk = stream ? job.end - job.begin : 1;
    for (int first = job.begin; first < job.end; first += chunk)
      each_block<VB>(op.out[0]->channels, [&](auto block, int oc) {
        for (int unit = first; unit < first + chunk; unit++) two_rows<P>(op, block, oc, unit, job.scratch);
      });
  }

  template <class P, class Block>
  static void two_rows(const Op& op, Block block, int oc, int unit, char* scratch) {
    using V = typename Block::V;
    using A = typename P::template On<V>;
    const Tensor& out = *op.out[0];
    const auto* bias = static_cast<const typename P::Lane*>(op.packed) + oc;
    const auto* weights = packed_weights<P>(op, out.channels) + int64_t(oc) * 9 * op.in[0]->channels;
    auto* sums = reinterpret_cast<typename P::Lane*>(scratch);
    const int columns = op.pool ? 2 * out.width : out.width;
    const int rows = op.pool || 2 * unit + 1 < out.height ? 2 : 1;
    for (int x = 0; x < columns; x += kStrip) {
      const int n = columns - x < kStrip ? columns - x : kStrip;
      const Tensor in = source<P>(op, 2 * unit, x, n, scratch);
      if (slides(op)) slide<A>(in, 2 * unit, x, n, weights, bias, sums);
      else reach<A, Block::VB>(op, in, 2 * unit, rows, x, n, weights, bias, sums);
      for (int v = 0; v < block.VB; v++) {
        const auto* from = sums + v * kTileRows * kStripRow<A>;
        const float* multiplier = op.blob[2].f32();
        const int c = oc + v * V::L;
        if (op.pool) finish_strip<V, true>(op, from, multiplier, unit, x / 2, n / 2, c);
        else
          for (int r = 0; r < rows; r++)
            finish_strip<V, false>(op, from + r * kStripRow<A>, multiplier, 2 * unit + r, x, n, c);
      }
    }
  }

  // The input as the arithmetic wants it: itself, or the pixels below n columns and two rows widened into scratch.
  template <class P>
  static Tensor source(const Op& op, int y, int x, int n, char* scratch) {
    Tensor in = *op.in[0];
    if (!P::kWiden) return in;
    int16_t* to = reinterpret_cast<int16_t*>(scratch + kStripBytes);
    const int top = y * op.stride - op.dilation, left = x * op.stride - op.dilation;
    const int64_t width = ((n - 1) * op.stride + 2 * op.dilation + 1) * int64_t(in.channels);
    in.row = ((kStripRoom - 1) * op.stride + 2 * op.dilation + 1) * int64_t(in.channels);
    for (int r = 0; r < source_rows(op); r++) widen<Half>(to + r * in.row, op.in[0]->q8(top + r, left), width);
    in.data = to - top * in.row - left * int64_t(in.channels);
    return in;
  }

  template <class A>
  static void slide(const Tensor& in, int y, int x, int n, const typename A::Weight* weights,
                    const typename A::Lane* bias, typename A::Lane* sums) {
    constexpr int kImage = A::K == 1 ? 3 : 0;  // channels of the image; q8 has one or two steps, better left rolled
    if (kImage && in.channels == kImage) return tiles<A, Tile::wide, kImage>(in, y, x, n, weights, bias, sums);
    tiles<A, Tile::wide, 0>(in, y, x, n, weights, bias, sums);
  }

  template <class A, int TX, int kSteps>
  static void tiles(const Tensor& in, int y, int x, int n, const typename A::Weight* weights,
                    const typename A::Lane* bias, typename A::Lane* sums) {
    each_tile(n, TX, Tile::narrow, [&](int column, int count, bool wide) {
      const auto* from = pixel<typename A::In>(in, y - 1, x + column - 1);
      auto* to = sums + column * A::Vector::L;
      if (wide) slide_strip<A, TX, kSteps>(from, in.row, in.channels, weights, bias, to, count);
      else slide_strip<A, Tile::narrow, kSteps>(from, in.row, in.channels, weights, bias, to, count);
    });
  }

  // Any stride and dilation: a segment for each tap, or for each row of three neighbours.
  template <class A, int VB>
  static void reach(const Op& op, const Tensor& in, int y, int rows, int x, int n, const typename A::Weight* weights,
                    const typename A::Lane* bias, typename A::Lane* sums) {
    Segment taps[9];
    const int across = op.dilation == 1 ? 1 : 3, channels = op.dilation == 1 ? 3 * in.channels : in.channels;
    for (int i = 0; i < 3 * across; i++)
      taps[i] = {op.dilation * ((i / across - 1) * in.row + (i % across - 1) * int64_t(in.channels)), channels};
    for (int r = 0; r < rows; r++)
      segment_row<A, VB>(pixel<typename A::In>(in, (y + r) * op.stride, x * op.stride), op.stride * in.channels, taps,
                         3 * across, weights, bias, sums + r * kStripRow<A>, n);
  }
};

}  // namespace
