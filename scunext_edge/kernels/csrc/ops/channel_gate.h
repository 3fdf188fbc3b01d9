// One number per channel from the statistics of all rows: two small dense layers on the means and on the maxima. A few
// thousand operations, so a single unit of work.
#pragma once
#include "values.h"

namespace {

struct ChannelGate {
  static int rows(const Op&) { return 1; }
  static size_t packed(const Op&) { return 0; }
  static void pack(const Op&, void*) {}
  static size_t scratch(const Op& op) {  // means and peaks, results of both, hidden units
    return sizeof(float) * (size_t(op.in[1]->channels) * 4 + op.blob[1].count);
  }

  static void collect(const Tensor& stats, float share, int channels, float* mean, float* peak) {
    using V = Half;
    for (int c = 0; c < channels; c += V::L) {
      auto total = V::load(stats.f32(0) + c), most = V::load(stats.f32(0) + channels + c);
      for (int y = 1; y < stats.height; y++) {
        total = V::add(total, V::load(stats.f32(y) + c));
        most = V::max(most, V::load(stats.f32(y) + channels + c));
      }
      V::store(mean + c, V::mul(total, V::set(share)));
      V::store(peak + c, most);
    }
  }

  static void layers(const Op& op, const float* v, int channels, float* hidden, float* to) {
    using V = Half;
    const float *w1 = op.blob[0].f32(), *b1 = op.blob[1].f32(), *w2 = op.blob[2].f32(), *b2 = op.blob[3].f32();
    const int units = int(op.blob[1].count);
    for (int j = 0; j < units; j++) hidden[j] = b1[j];
    for (int c = 0; c < channels; c++)
      for (int j = 0; j < units; j++) hidden[j] = hidden[j] + w1[int64_t(c) * units + j] * v[c];
    for (int j = 0; j < units; j++) hidden[j] = hidden[j] > 0 ? hidden[j] : 0;
    for (int c = 0; c < channels; c += V::L) {
      auto e = V::load(b2 + c);
      for (int j = 0; j < units; j++) e = V::madd(V::load(w2 + int64_t(j) * channels + c), V::set(hidden[j]), e);
      V::store(to + c, e);
    }
  }

  static void run(const Op& op, const Job& job) {
    using V = Half;
    const Tensor& x = *op.in[1];
    const int n = x.channels;
    float* mean = reinterpret_cast<float*>(job.scratch);
    float *peak = mean + n, *e = peak + n, *of_peak = e + n, *hidden = of_peak + n;
    collect(*op.in[0], 1.f / float(int64_t(x.height) * x.width), n, mean, peak);
    layers(op, mean, n, hidden, e);
    if (op.mode == 0) layers(op, peak, n, hidden, of_peak);
    for (int c = 0; c < n; c += V::L) {
      auto v = V::load(e + c);
      if (op.mode == 0) v = V::add(v, V::load(of_peak + c));
      V::store(op.out[0]->f32(0) + c, sigmoid<V>(v));
    }
  }
};

}  // namespace
