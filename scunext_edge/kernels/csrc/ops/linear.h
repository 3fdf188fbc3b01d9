// 1x1 convolution: a matrix product of pixels and weights. Gathering is mostly a matter of addresses: every second
// pixel is a larger step, a token shift of f32 is five segments of channels. Only a pool, a token shift of bytes (its
// groups end in the middle of a quad) and bytes to be widened copy a row into scratch first. A unit of work is a row
// of the output.
#pragma once
#include "blocks.h"

namespace {

struct Linear {
  static constexpr int kGroups = 5;
  static constexpr int kSurplus = 16;  // pixels behind a gathered row, which tiles read and copies overwrite

  static Packing packing(const Op& op) { return {1, 1, op.in[0]->channels, op.out[0]->channels}; }
  static bool shifts(const Op& op) { return op.gather == Gather::rows || op.gather == Gather::columns; }

  static int rows(const Op& op) { return op.out[0]->height; }
  static size_t packed(const Op& op) {
    return with_arithmetic(*op.in[0], [&](auto sums) { return packed_size<decltype(sums)>(packing(op)); });
  }
  SCX_COLD static void pack(const Op& op, void* to) {
    with_arithmetic(*op.in[0], [&](auto sums) { pack_weights<decltype(sums), kVectors>(packing(op), op, to); });
  }
  // A gathered row: floats, or bytes and the same in 16 bits.
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
    using In = typename P::In;
    const Tensor &in = *op.in[0], &out = *op.out[0];
    const int down = op.gather == Gather::skip || op.gather == Gather::pool ? 2 : 1;
    In* copy = reinterpret_cast<In*>(scratch + kStripBytes);
    const In* x = pixel<In>(in, down * y, 0);
    int64_t step = op.gather == Gather::skip ? 2 * in.channels : in.channels;
    Segment segments[kGroups] = {{0, in.channels}};
    int count = 1;
    if (shifts(op)) count = shift(op, segments);
    if constexpr (P::K == 1) {
      if (op.gather == Gather::pool) pool(x, in, out.width, copy), x = copy;
    } else {
      const uint8_t* bytes = in.q8(down * y);
      uint8_t* row = P::kWiden ? reinterpret_cast<uint8_t*>(copy + gathered(op)) : reinterpret_cast<uint8_t*>(copy);
      if (op.gather == Gather::pool) pool(bytes, in, out.width, row), bytes = row;
      if (shifts(op)) gather(bytes, segments, count, in.channels, out.width, copy);
      else if (P::kWiden) widen<Half>(reinterpret_cast<int16_t*>(copy), bytes, out.width * step);
      if (P::kWiden || shifts(op)) x = copy;
      else x = reinterpret_cast<const In*>(bytes);
      segments[0] = {0, in.channels}, count = 1;
    }
    blocks<P>(op, y, x, step, segments, count, reinterpret_cast<typename P::Lane*>(scratch));
  }

  template <class P>
  static void blocks(const Op& op, int y, const typename P::In* x, int64_t step, const Segment* segments, int count,
                     typename P::Lane* sums) {
    const Tensor& out = *op.out[0];
    const auto* biases = static_cast<const typename P::Lane*>(op.packed);
    const auto* weights = packed_weights<P>(op, out.channels);
    for (int first = 0; first < out.width; first += kStrip) {
      const int n = out.width - first < kStrip ? out.width - first : kStrip;
      each_block<kVectors>(out.channels, [&](auto block, int oc) {
        using A = typename P::template On<Wide>;
        segment_row<A, block.VB>(x + first * step, step, segments, count,
                                            weights + int64_t(oc) * op.in[0]->channels, biases + oc, sums, n);
        for (int v = 0; v < block.VB; v++) {
          const auto* from = sums + v * kTileRows * kStripRow<A>;
          finish_block<Wide, false>(op, from, op.blob[2].f32(), y, first, n, oc + v * Wide::L);
        }
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
      groups[count] = {c - (count - 2) * pace, in.channels - c < width ? in.channels - c : width};
    return count;
  }

  // Sixteen at a time: what a copy writes too much is overwritten by the next group or pixel.
  static void sixteen(uint8_t* to, const uint8_t* from) { std::memcpy(to, from, 16); }
  static void sixteen(int16_t* to, const uint8_t* from) { widen<Half>(to, from, 16); }
  template <class To>
  static void gather(const uint8_t* x, const Segment* groups, int count, int channels, int width, To* to) {
    const int all = groups[0].channels;  // the last group may have fewer
    for (int p = 0; p < width; p++, x += channels, to += channels)
      for (int g = 0; g < count; g++) {
        const uint8_t* from = x + groups[g].offset;
        To* group = to + g * all;
        sixteen(group, from);
        for (int i = 16; i < all; i += 16) sixteen(group + i, from + i);
      }
  }

  // The maximum over 2x2. Stored bytes compare as what they are stored as.
  static void pool(const float* top, const Tensor& in, int width, float* to) {
    const int n = in.channels;
    for (int p = 0; p < width; p++, top += 2 * n, to += n)
      for (int c = 0; c < n; c += Half::L) {
        const float *a = top + c, *b = a + in.row;
        const auto upper = Half::max(Half::load(a), Half::load(a + n));
        Half::store(to + c, Half::max(upper, Half::max(Half::load(b), Half::load(b + n))));
      }
  }
  static void pool(const uint8_t* top, const Tensor& in, int width, uint8_t* to) {
    if (kQ8Offset) pool_row(top, in, width, to);
    else pool_row(reinterpret_cast<const int8_t*>(top), in, width, reinterpret_cast<int8_t*>(to));
  }
  template <class T>
  static void pool_row(const T* top, const Tensor& in, int width, T* to) {
    const int n = in.channels;
    for (int p = 0; p < width; p++, top += 2 * n, to += n)
      for (int c = 0; c < n; c += 8) {
        T most[8];  // a fixed length becomes a vector
        for (int k = 0; k < 8; k++) most[k] = larger(top[c + k], top[c + n + k]);
        for (int k = 0; k < 8; k++) most[k] = larger(most[k], top[c + in.row + k]);
        for (int k = 0; k < 8; k++) most[k] = larger(most[k], top[c + in.row + n + k]);
        std::memcpy(to + c, most, sizeof most);
      }
  }
  template <class T>
  static T larger(T a, T b) { return a > b ? a : b; }
};

}  // namespace
