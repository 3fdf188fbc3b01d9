// Sum or product of two tensors, or of one and a number for each channel.
#pragma once
#include "values.h"

namespace {

struct Eltwise {
  static constexpr int kAdd = 0, kMultiply = 1;  // modes; 2: a * scale + offset

  static int rows(const Op& op) { return op.out[0]->height; }
  static size_t packed(const Op&) { return 0; }
  static void pack(const Op&, void*) {}
  static size_t scratch(const Op& op) { return sizeof(float) * op.in[0]->width * op.in[0]->channels; }

  template <class A, class B>
  static void both(int mode, const A& a, const B& b, float* to, int n) {
    if (mode == kAdd) each_vector(n, [&](auto v, int e) {
      using V = decltype(v);
      V::store(to + e, V::add(a.template at<V>(e), b.template at<V>(e)));
    });
    else each_vector(n, [&](auto v, int e) {
      using V = decltype(v);
      V::store(to + e, V::mul(a.template at<V>(e), b.template at<V>(e)));
    });
  }

  template <class A>
  static void affine(const Op& op, const A& a, float* to) {
    const float *scale = op.blob[0].f32(), *offset = op.blob[1].f32();
    const int channels = op.in[0]->channels;
    for (int64_t at = 0, n = int64_t(op.in[0]->width) * channels; at < n; at += channels)
      each_vector(channels, [&](auto v, int c) {
        using V = decltype(v);
        V::store(to + at + c, V::madd(a.template at<V>(at + c), V::load(scale + c), V::load(offset + c)));
      });
  }

  static void run(const Op& op, const Job& job) {
    const Tensor &a = *op.in[0], *b = op.in[1];
    const int n = a.width * a.channels;
    float* to = reinterpret_cast<float*>(job.scratch);
    const Ending ending(op);
    for (int y = job.begin; y < job.end; y++) {
      with_row(a, y, [&](auto first) {
        if (op.mode != kAdd && op.mode != kMultiply) return affine(op, first, to);
        with_row(*b, y, [&](auto second) { both(op.mode, first, second, to, n); });
      });
      ending.row(y, to, n);
    }
  }
};

}  // namespace
