// Gates and the cross skip: s = c, times a number per channel, times a number per pixel; with z and x, (s + z) * x + z.
// Everything in one pass: nothing in between is stored. A gate or a map that is not there is 1, which changes no number.
#pragma once
#include "values.h"

namespace {

struct Cross {
  static int rows(const Op& op) { return op.out[0]->height; }
  static size_t packed(const Op&) { return 0; }
  static void pack(const Op&, void*) {}
  static size_t scratch(const Op& op) {  // results, then ones
    const Tensor& c = *op.in[0];
    return sizeof(float) * (size_t(c.width) * c.channels + c.width + c.channels);
  }

  // kC: the channels, when known.
  template <class V, int kC, class Row, class Skip>
  static void pixels(const Row& c, const float* gate, const float* map, int width, int channels, float* to, Skip skip) {
    const int C = kC ? kC : channels;
    for (int x = 0; x < width; x++) {
      const auto share = V::set(map[x]);
      for (int k = 0; k < C; k += V::L) {
        const int64_t e = int64_t(x) * C + k;
        const auto s = V::mul(V::mul(c.template at<V>(e), V::load(gate + k)), share);
        V::store(to + e, skip(V(), s, e));
      }
    }
  }

  template <class Row, class Skip>
  static void row(const Row& c, const float* gate, const float* map, int width, int channels, float* to, Skip skip) {
    if (channels == 8) pixels<Half, 8>(c, gate, map, width, channels, to, skip);
    else if (channels % Wide::L) pixels<Half, 0>(c, gate, map, width, channels, to, skip);
    else pixels<Wide, 0>(c, gate, map, width, channels, to, skip);
  }

  static void run(const Op& op, const Job& job) {
    const Tensor &c = *op.in[0], *gate = op.in[1], *map = op.in[2], *z = op.in[3], *x = op.in[4];
    const int n = c.width * c.channels;
    float *to = reinterpret_cast<float*>(job.scratch), *ones = to + n;
    for (int i = 0; i < c.width + c.channels; i++) ones[i] = 1;
    const float* per_channel = gate ? gate->f32(0) : ones;
    const Ending ending(op);
    for (int y = job.begin; y < job.end; y++) {
      const float* per_pixel = map ? map->f32(y) : ones;
      with_row(c, y, [&](auto c_row) {
        auto rest = [&](auto skip) { row(c_row, per_channel, per_pixel, c.width, c.channels, to, skip); };
        if (!z) return rest([](auto, auto s, int64_t) { return s; });
        with_row(*z, y, [&](auto z_row) {
          with_row(*x, y, [&](auto x_row) {
            rest([=](auto v, auto s, int64_t e) {
              using V = decltype(v);
              const auto other = z_row.template at<V>(e);
              return V::madd(V::add(s, other), x_row.template at<V>(e), other);
            });
          });
        });
      });
      ending.row(y, to, n);
    }
  }
};

}  // namespace
