// Sums and maxima over each row's pixels, for every channel. Lanes are channels; pixel x goes to partial sum x mod 8,
// and the eight partial sums of a vector of channels stay in registers for the whole row.
#pragma once
#include "values.h"

namespace {

struct ChannelStats {
  static int rows(const Op& op) { return op.in[0]->height; }
  static size_t packed(const Op&) { return 0; }
  static void pack(const Op&, void*) {}
  static size_t scratch(const Op&) { return 0; }

  // The channels of one vector; `to` gets the sums, `peaks` the maxima.
  template <class V, class Row>
  static void column(const Row& row, int64_t first, int64_t step, int width, float* to, float* peaks) {
    using F = typename V::F;
    F p[8], most[4];
    for (int i = 0; i < 8; i++) p[i] = V::zero();
    for (int i = 0; i < 4; i++) most[i] = row.template at<V>(first);
    const int whole = width & ~7;
    int64_t e = first;
    for (int x = 0; x < whole; x += 8)
      for (int i = 0; i < 8; i++, e += step) {
        const F v = row.template at<V>(e);
        p[i] = V::add(p[i], v);
        most[i % 4] = V::max(most[i % 4], v);
      }
    for (int i = 0; i < 7; i++) {
      if (whole + i >= width) break;
      const F v = row.template at<V>(e + i * step);
      p[i] = V::add(p[i], v);
      most[i % 4] = V::max(most[i % 4], v);
    }
    for (int half = 4; half; half /= 2)
      for (int i = 0; i < half; i++) p[i] = V::add(p[i], p[i + half]);
    const F peak = V::max(V::max(most[0], most[1]), V::max(most[2], most[3]));
    V::store(to, p[0]);
    V::store(peaks, V::add(peak, V::zero()));  // of -0 and 0 either may be the maximum: 0 it is
  }

  static void run(const Op& op, const Job& job) {
    const Tensor& x = *op.in[0];
    for (int y = job.begin; y < job.end; y++)
      with_row(x, y, [&](auto row) {
        float* to = op.out[0]->f32(y);
        each_vector(x.channels, [&](auto v, int c) {
          column<decltype(v)>(row, c, x.channels, x.width, to + c, to + x.channels + c);
        });
      });
  }
};

}  // namespace
