// LayerNorm over the channels of each pixel. Order of the sums: sixteen partial sums, folded in halves, so that every
// vector width gives the same bits.
#pragma once
#include "../rows.h"

namespace {

struct LayerNorm {
  static int rows(const Op& op) { return op.out[0]->height; }
  static size_t packed(const Op&) { return 0; }
  static void pack(const Op&, void*) {}
  static size_t scratch(const Op& op) { return 2 * sizeof(float) * op.out[0]->width * op.out[0]->channels; }

  // Sixteen partial sums as two vectors of eight (Half is eight wide, or pairs of four).
  static constexpr int N = 16 / Half::L;
  static float fold(const typename Half::F* p) {
    alignas(64) float s[16];
    for (int i = 0; i < N; i++) Half::store(s + i * Half::L, p[i]);
    for (int step = 8; step; step /= 2)
      for (int i = 0; i < step; i++) s[i] = s[i] + s[i + step];
    return s[0];
  }

  static void pixel(const Op& op, const float* x, float* y, int channels) {
    using V = Half;
    const float share = 1.f / float(channels);
    typename V::F p[N];
    for (int i = 0; i < N; i++) p[i] = V::zero();
    for (int c = 0; c < channels; c += 16)
      for (int i = 0; i < N; i++) p[i] = V::add(p[i], V::load(x + c + i * V::L));
    const auto mean = V::set(fold(p) * share);
    for (int i = 0; i < N; i++) p[i] = V::zero();
    for (int c = 0; c < channels; c += 16)
      for (int i = 0; i < N; i++) {
        const auto d = V::sub(V::load(x + c + i * V::L), mean);
        p[i] = V::add(p[i], V::mul(d, d));
      }
    const auto inverse = V::div(V::set(1), V::sqrt(V::set(fold(p) * share + op.value[0])));
    for (int c = 0; c < channels; c += V::L) {
      const auto d = V::sub(V::load(x + c), mean);
      V::store(y + c, V::madd(V::mul(d, inverse), V::load(op.blob[0].f32() + c), V::load(op.blob[1].f32() + c)));
    }
  }

  static void run(const Op& op, const Job& job) {
    const Tensor& x = *op.in[0];
    const int n = x.width * x.channels;
    float* in = reinterpret_cast<float*>(job.scratch);
    float* out = in + n;
    for (int y = job.begin; y < job.end; y++) {
      const float* row = read_row(x, y, in);
      for (int e = 0; e < n; e += x.channels) pixel(op, row + e, out + e, x.channels);
      write_row(op, y, out, n);
    }
  }
};

}  // namespace
