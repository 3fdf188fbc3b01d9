// Maximum over 2x2, stride 2. (Behind a convolution it is part of that: conv.h.)
#pragma once
#include "values.h"

namespace {

struct MaxPool {
  static int rows(const Op& op) { return op.out[0]->height; }
  static size_t packed(const Op&) { return 0; }
  static void pack(const Op&, void*) {}
  static size_t scratch(const Op& op) { return sizeof(float) * op.out[0]->width * op.out[0]->channels; }

  template <class Row>
  static void row(const Row& top, const Row& bottom, float* to, int width, int channels) {
    for (int x = 0; x < width; x++, to += channels) {
      const int64_t left = int64_t(2 * x) * channels, right = left + channels;
      each_vector(channels, [&](auto v, int c) {
        using V = decltype(v);
        const auto above = V::max(top.template at<V>(left + c), top.template at<V>(right + c));
        const auto below = V::max(bottom.template at<V>(left + c), bottom.template at<V>(right + c));
        V::store(to + c, V::max(above, below));
      });
    }
  }

  static void run(const Op& op, const Job& job) {
    const Tensor& x = *op.in[0];
    const int width = op.out[0]->width, channels = x.channels;
    float* to = reinterpret_cast<float*>(job.scratch);
    const Ending ending(op);
    for (int y = job.begin; y < job.end; y++) {
      if (x.type == Type::f32) row(FloatRow{x.f32(2 * y)}, FloatRow{x.f32(2 * y + 1)}, to, width, channels);
      else row(ByteRow{x.q8(2 * y), x.scale}, ByteRow{x.q8(2 * y + 1), x.scale}, to, width, channels);
      ending.row(y, to, width * channels);
    }
  }
};

}  // namespace
