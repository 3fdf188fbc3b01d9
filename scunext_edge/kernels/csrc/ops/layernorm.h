// LayerNorm over the channels of each pixel. Eight pixels at a time: their partial sums are folded together, so means,
// roots and quotients are vectors of eight pixels and nothing waits for a scalar. Order of the sums: sixteen partial
// sums, folded in halves, so that every vector width gives the same bits.
#pragma once
#include "values.h"

namespace {

struct LayerNorm {
  static constexpr int N = 8;  // pixels at a time

  static int rows(const Op& op) { return op.out[0]->height; }
  static size_t packed(const Op&) { return 0; }
  static void pack(const Op&, void*) {}
  static size_t scratch(const Op& op) {  // a row of input and of results, to the next eight pixels
    return 2 * sizeof(float) * size_t(padded(op)) * op.out[0]->channels;
  }
  static int padded(const Op& op) { return (op.out[0]->width + N - 1) / N * N; }

  // fold16 of term(value) over the channels of eight pixels, one in each lane.
  template <class Term>
  static Half::F fold(const float* x, int channels, Term term) {
    using V = Half;
    V::F even[N / 2], odd[N / 2];
    for (int i = 0; i < N; i++, x += channels) {
      V::F low = V::zero(), high = V::zero();  // partial sums 0 to 7, 8 to 15
      int c = 0;
      for (; c + 16 <= channels; c += 16) {
        low = V::add(low, term(V::load(x + c), i));
        high = V::add(high, term(V::load(x + c + 8), i));
      }
      if (c < channels) low = V::add(low, term(V::load(x + c), i));
      V::F* sums = i % 2 ? odd : even;
      sums[i / 2] = V::add(low, high);
    }
    return V::fold8(even, odd);
  }

  // Eight pixels that follow each other.
  static void pixels(const Op& op, const float* x, float* to, int channels) {
    using V = Half;
    static_assert(V::L == N, "a vector of pixels is a vector of channels");
    const auto share = V::set(1.f / float(channels));
    alignas(64) float mean[N], inverse[N];
    V::store(mean, V::mul(fold(x, channels, [](V::F v, int) { return v; }), share));
    const auto variance = V::mul(fold(x, channels, [&](V::F v, int i) {
      const auto d = V::sub(v, V::set(mean[i]));
      return V::mul(d, d);
    }), share);
    V::store(inverse, V::div(V::set(1), V::sqrt(V::add(variance, V::set(op.value[0])))));
    const float *gamma = op.blob[0].f32(), *beta = op.blob[1].f32();
    each_vector(channels, [&](auto v, int c) {
      using W = decltype(v);
      const auto scale = W::load(gamma + c), offset = W::load(beta + c);
      for (int i = 0; i < N; i++) {
        const auto d = W::sub(W::load(x + i * channels + c), W::set(mean[i]));
        W::store(to + i * channels + c, W::madd(W::mul(d, W::set(inverse[i])), scale, offset));
      }
    });
  }

  static void run(const Op& op, const Job& job) {
    const Tensor& x = *op.in[0];
    const int channels = x.channels, step = N * channels, all = padded(op) * channels;
    float *in = reinterpret_cast<float*>(job.scratch), *results = in + all;
    const Ending ending(op);
    for (int y = job.begin; y < job.end; y++) {
      const float* row = as_floats(x, at(x, y), all, in);  // reads behind the row
      for (int e = 0; e < all; e += step) pixels(op, row + e, results + e, channels);
      ending.row(y, results, x.width * channels);
    }
  }
};

}  // namespace
