// The last 1x1 convolution, to one number per pixel, and how every tail writes its rows: as logits, or as scores.
// Eight pixels at a time are summed over their channels in one transposed tree, which is fold8 for each of them.
#pragma once
#include "../rows.h"

namespace {

// Row y of the result, from `width` logits in scratch; Wide::L more of them can be read.
inline void write_logits(const Job& job, int y, const float* from, int width) {
  using V = Wide;
  if (job.logits) {
    std::memcpy(job.logits + int64_t(y) * width, from, sizeof(float) * size_t(width));
    return;
  }
  uint8_t* to = job.score + int64_t(y) * width;
  int x = 0;
  for (; x + V::L <= width; x += V::L) V::store_score(to + x, V::load(from + x));
  if (x == width) return;
  uint8_t last[V::L];
  V::store_score(last, V::load(from + x));
  std::memcpy(to + x, last, size_t(width - x));
}

// A bias of -0 as +0: sums that begin with their first term, instead of with 0, then end alike.
inline float plus_zero(float bias) { return bias + 0.f; }

struct Tail {
  static constexpr int kGroup = 8;  // pixels
  static int rows(const Op& op) { return op.height; }
  static size_t packed(const Op&) { return 0; }
  static void pack(const Op&, void*) {}
  static int room(const Op& op) { return op.in[0]->width + kGroup + Wide::L; }  // pixels of a scratch row
  static size_t scratch(const Op& op) { return sizeof(float) * size_t(room(op)) * size_t(op.in[0]->channels + 1); }

  template <int kC>
  static void row(const float* x, const float* w, float bias, float* to, int width, int channels) {
    using V = Half;
    static_assert(V::L == 8, "a pixel's partial sums are one vector");
    const int C = kC ? kC : channels;
    for (int j = 0; j < width; j += kGroup, x += kGroup * C) {
      typename V::F sum[2][4];
      for (int k = 0; k < kGroup; k++) sum[k % 2][k / 2] = V::mul(V::load(x + k * C), V::load(w));
      for (int c = V::L; c < C; c += V::L)
        for (int k = 0; k < kGroup; k++)
          sum[k % 2][k / 2] = V::madd(V::load(x + k * C + c), V::load(w + c), sum[k % 2][k / 2]);
      V::store(to + j, V::add(V::fold8(sum[0], sum[1]), V::set(bias)));
    }
  }

  static void run(const Op& op, const Job& job) {
    const Tensor& x = *op.in[0];
    const int C = x.channels;
    const float* w = op.blob[0].f32();
    const float bias = plus_zero(op.blob[1].f32()[0]);
    float* to = reinterpret_cast<float*>(job.scratch);
    float* buffer = to + room(op);
    for (int y = job.begin; y < job.end; y++) {
      const float* from = read_row(x, y, buffer);
      if (C == 8) row<8>(from, w, bias, to, x.width, C);
      else if (C == 16) row<16>(from, w, bias, to, x.width, C);
      else row<0>(from, w, bias, to, x.width, C);
      write_logits(job, y, to, x.width);
    }
  }
};

}  // namespace
