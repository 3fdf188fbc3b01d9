// 3x3 convolution with its pool, activation, addend and outputs. NHWC, lanes are output channels, so nothing is ever
// transposed; tile.h says why it is fast. A unit of work is two rows of the convolution: one row behind a pool.
#pragma once
#include <type_traits>

#include "blocks.h"

namespace {

static_assert(!has_twins<Wide>(0) || kPoolInTile, "twins are pooled in tiles");
static_assert(!kPoolInTile || kSlideAlways, "only slide_strip pools in tiles");

struct Conv {
  static constexpr int64_t kStream = 1 << 16;  // weights beyond these bytes are read once for all rows of a job

  static bool slides(const Op& op) {
    return op.stride == 1 && op.dilation == 1 && (kSlideAlways || op.out[0]->channels == 8);
  }
  static bool twins(const Op& op) {
    return has_twins<Wide>(0) && slides(op) && op.out[0]->channels == Half::L && op.in[0]->channels <= kTwinMost &&
           columns(op) % 4 == 0 && columns(op) >= 16 &&
           !with_arithmetic(*op.in[0], [](auto sums) { return decltype(sums)::kWiden; });
  }
  static int columns(const Op& op) { return op.pool ? 2 * op.out[0]->width : op.out[0]->width; }
  static Packing packing(const Op& op) {
    return {9, slides(op) ? 3 : 1, op.in[0]->channels, op.out[0]->channels, twins(op) ? 2 : 1};
  }

  static int rows(const Op& op) { return op.pool ? op.out[0]->height : (op.out[0]->height + 1) / 2; }
  static size_t scratch(const Op& op) {
    const int64_t columns = (kStripRoom - 1) * op.stride + 2 * op.dilation + 1;
    const int64_t widened = 2 * source_rows(op) * columns * op.in[0]->channels + 64;
    const int64_t zipped = source_rows(op) * kTwinRoom * op.in[0]->channels * 2 * (op.in[0]->type == Type::f32 ? 4 : 1);
    return kStripBytes + size_t(twins(op) ? zipped : widened);
  }
  static int64_t source_rows(const Op& op) { return op.stride + 2 * op.dilation + 1; }  // that two rows read

  static size_t packed(const Op& op) {
    return with_arithmetic(*op.in[0], [&](auto sums) { return packed_size<decltype(sums)>(packing(op)); });
  }

  SCX_COLD static void pack(const Op& op, void* to) {
    with_arithmetic(*op.in[0], [&](auto sums) {
      if (slides(op)) pack_weights<decltype(sums), 1>(packing(op), op, to);
      else pack_weights<decltype(sums), kVectors>(packing(op), op, to);
    });
  }

  static void run(const Op& op, const Job& job) {
    with_arithmetic(*op.in[0], [&](auto arithmetic) {
      using P = decltype(arithmetic);
      if constexpr (has_twins<Wide>(0) && !P::kWiden)
        if (twins(op)) return twin_rows<P>(op, job);
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
        for (int unit = first; unit < first + chunk; unit++) two_rows<P, block.VB>(op, oc, unit, job.scratch);
      });
  }

  template <class P, int VB>
  static void two_rows(const Op& op, int oc, int unit, char* scratch) {
    using V = Wide;
    using A = typename P::template On<V>;
    const Tensor& out = *op.out[0];
    const auto* bias = static_cast<const typename P::Lane*>(op.packed) + oc;
    const auto* weights = packed_weights<P>(op, out.channels) + int64_t(oc) * 9 * op.in[0]->channels;
    auto* sums = reinterpret_cast<typename P::Lane*>(scratch);
    const int rows = op.pool || 2 * unit + 1 < out.height ? 2 : 1;
    for (int x = 0; x < columns(op); x += kStrip) {
      const int n = columns(op) - x < kStrip ? columns(op) - x : kStrip;
      const Tensor in = source<P>(op, 2 * unit, x, n, scratch);
      if (slides(op)) slide<A>(op.pool, rows_at<A>(in, 2 * unit - 1, x - 1), in.channels, n, weights, bias, sums);
      else reach<A, VB>(op, in, 2 * unit, rows, x, n, weights, bias, sums);
      for (int v = 0; v < VB; v++) {
        const auto* from = sums + v * kTileRows * kStripRow<A>;
        const float* multiplier = op.blob[2].f32();
        const int c = oc + v * V::L;
        if (op.pool) finish_block<V, !kPoolInTile>(op, from, multiplier, unit, x / 2, n / 2, c);
        else
          for (int r = 0; r < rows; r++)
            finish_block<V, false>(op, from + r * kStripRow<A>, multiplier, 2 * unit + r, x, n, c);
      }
    }
  }

  template <class A>
  static Rows<typename A::In> rows_at(const Tensor& in, int y, int x) {
    Rows<typename A::In> rows;
    for (int r = 0; r < 4; r++) rows.at[r] = pixel<typename A::In>(in, y + r, x);
    return rows;
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

  // Eight channels by twins.h. Strip after strip, since two of the four rows that are zipped for two rows of results
  // serve the next two.
  template <class P>
  static void twin_rows(const Op& op, const Job& job) {
    using A = typename P::template Twins<Wide>;
    const Tensor& in = *op.in[0];
    const auto* bias = static_cast<const typename P::Lane*>(op.packed);
    auto* sums = reinterpret_cast<typename P::Lane*>(job.scratch);
    auto* zipped = reinterpret_cast<typename A::In*>(job.scratch + kStripBytes);
    for (int left = 0; left < columns(op); left += kTwinStrip) {
      const int n = (columns(op) - left < kTwinStrip ? columns(op) - left : kTwinStrip) / 2;
      for (int unit = job.begin, y = 2 * unit - 1; unit < job.end; unit++) {
        Rows<typename A::In> rows;
        for (int r = 0; r < 4; r++) rows.at[r] = zipped + ((2 * unit + r) & 3) * int64_t(kTwinRoom) * in.channels;
        for (; y <= 2 * unit + 2; y++) {
          const auto* from = pixel<typename P::In>(in, y, left - 1);
          zip<Wide>(from, from + n * in.channels, const_cast<typename A::In*>(rows.at[y - 2 * unit + 1]),
                    (n + 2) * in.channels / P::K);
        }
        slide<A>(op.pool, rows, in.channels, n, packed_weights<P>(op, 2 * Half::L), bias, sums);
        for (int half = 0; half < 2; half++) twin_end<A>(op, unit, left + half * n, n, sums + half * Half::L);
      }
    }
  }

  template <class A>
  static void twin_end(const Op& op, int unit, int x, int n, const typename A::Lane* sums) {
    const float* multiplier = op.blob[2].f32();
    if (op.pool) return finish_strip<Half, false, Wide::L>(op, sums, multiplier, unit, x / 2, n / 2, 0);
    for (int r = 0; r < 2 && 2 * unit + r < op.out[0]->height; r++)
      finish_strip<Half, false, Wide::L>(op, sums + r * kStripRow<A>, multiplier, 2 * unit + r, x, n, 0);
  }

  template <class A>
  static void slide(bool pool, const Rows<typename A::In>& rows, int channels, int n,
                    const typename A::Weight* weights, const typename A::Lane* bias, typename A::Lane* sums) {
    // Channels of the image, whose convolution has eight outputs. q8 has one or two steps, better left rolled.
    constexpr int kImage = A::K == 1 && (A::kTwin || !has_twins<Wide>(0)) ? 3 : 0;
    const auto run = [&](auto steps, auto pooled) {
      tiles<A, decltype(steps)::value, decltype(pooled)::value>(rows, channels, n, weights, bias, sums);
    };
    using Yes = std::integral_constant<bool, kPoolInTile>;
    using No = std::integral_constant<bool, false>;
    using Image = std::integral_constant<int, kImage>;
    using Any = std::integral_constant<int, 0>;
    if (!pool || !kPoolInTile) run(Any(), No());
    else if (kImage && channels == kImage) run(Image(), Yes());
    else run(Any(), Yes());
  }

  template <class A, int kSteps, bool kPool>
  static void tiles(const Rows<typename A::In>& rows, int channels, int n, const typename A::Weight* weights,
                    const typename A::Lane* bias, typename A::Lane* sums) {
    each_tile(n, Tile::wide, Tile::narrow, [&](int column, int count, bool wide) {
      Rows<typename A::In> from = rows;
      for (auto& at : from.at) at += int64_t(column) * channels;
      auto* to = sums + column / (kPool ? 2 : 1) * A::Vector::L;
      if (wide) slide_strip<A, Tile::wide, kSteps, kPool>(from, channels, weights, bias, to, count);
      else slide_strip<A, Tile::narrow, kSteps, kPool>(from, channels, weights, bias, to, count);
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
