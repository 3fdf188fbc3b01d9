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
  static size_t scratch(const Op&) { return kStripBytes; }

  static size_t packed(const Op& op) {
    const Packing p = packing(op);
    return op.in[0]->type == Type::f32 ? packed_size<Floats>(p) : packed_size<Bytes<true>>(p);
  }

  static void pack(const Op& op, void* to) {
    with_arithmetic(*op.in[0], [&](auto arithmetic) {
      using P = decltype(arithmetic);
      if (slides(op)) pack_weights<P, 1>(packing(op), source_weights<P>(op), source_bias<P>(op), to);
      else pack_weights<P, kVectors>(packing(op), source_weights<P>(op), source_bias<P>(op), to);
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
      if (slides(op)) slide<P, A>(*op.in[0], 2 * unit, x, n, weights, bias, sums);
      else reach<P, A, Block::VB>(op, 2 * unit, rows, x, n, weights, bias, sums);
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

  template <class P, class A>
  static void slide(const Tensor& in, int y, int x, int n, const typename A::Weight* weights,
                    const typename A::Lane* bias, typename A::Lane* sums) {
    constexpr int kImage = P::K == 4 ? 1 : 3;  // steps of the image's channels
    each_tile(n, Tile::wide, Tile::narrow, [&](int column, int tiles, bool wide) {
      const auto* from = pixel<typename P::In>(in, y - 1, x + column - 1);
      auto* to = sums + column * A::Vector::L;
      const int channels = in.channels;
      if (channels == kImage * P::K && wide)
        slide_strip<A, Tile::wide, kImage>(from, in.row, channels, weights, bias, to, tiles);
      else if (wide) slide_strip<A, Tile::wide, 0>(from, in.row, channels, weights, bias, to, tiles);
      else slide_strip<A, Tile::narrow, 0>(from, in.row, channels, weights, bias, to, tiles);
    });
  }

  // Any stride and dilation: a segment for each tap, or for each row of three neighbours.
  template <class P, class A, int VB>
  static void reach(const Op& op, int y, int rows, int x, int n, const typename A::Weight* weights,
                    const typename A::Lane* bias, typename A::Lane* sums) {
    const Tensor& in = *op.in[0];
    Segment taps[9];
    const int across = op.dilation == 1 ? 1 : 3, channels = op.dilation == 1 ? 3 * in.channels : in.channels;
    for (int i = 0; i < 3 * across; i++)
      taps[i] = {op.dilation * ((i / across - 1) * in.row + (i % across - 1) * int64_t(in.channels)), channels};
    for (int r = 0; r < rows; r++)
      segment_row<A, VB>(pixel<typename P::In>(in, (y + r) * op.stride, x * op.stride), op.stride * in.channels, taps,
                         3 * across, weights, bias, sums + r * kStripRow<A>, n);
  }
};

}  // namespace
