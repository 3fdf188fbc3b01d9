// Spatial attention: mean and maximum over the channels of each pixel, and the 7x7 over those two maps.
#pragma once
#include "tile.h"
#include "values.h"

namespace {

// Eight pixels at a time. Sums and maxima across lanes become operations between vectors: two vectors interleaved have
// the first halves of both in one and the second halves in the other, so three steps fold eight vectors into one.
struct SpatialSummary {
  static constexpr int N = 8;  // pixels at a time

  static int rows(const Op& op) { return op.in[0]->height; }
  static size_t packed(const Op&) { return 0; }
  static void pack(const Op&, void*) {}
  static size_t scratch(const Op&) { return 0; }

  static Half::F fold_max(Half::F (&p)[N]) {  // lane i: the maximum of p[i]
    for (int half = N / 2; half; half /= 2)
      for (int i = 0; i < half; i++) {
        Half::F low, high;
        Half::zip(p[i], p[i + half], low, high);
        p[i] = Half::max(low, high);
      }
    return p[0];
  }

  static void put_some(float* to, Half::F v, int n) {
    float all[N];
    Half::store(all, v);
    for (int i = 0; i < n; i++) to[i] = all[i];
  }

  // Reads up to seven pixels behind the last one.
  template <bool kGated, int kC, class Row>
  static void row(const Row& x, const float* gate, int width, int channels, float* means, float* peaks) {
    using V = Half;
    static_assert(V::L == N, "a vector of pixels is a vector of channels");
    const int C = kC ? kC : channels;
    const auto share = V::set(1.f / float(C)), zero = V::zero();
    for (int first = 0; first < width; first += N) {
      V::F sums[N], most[N];
      for (int i = 0; i < N; i++) {
        const int64_t e = int64_t(first + i) * C;
        auto value = [&](int c) {
          const auto v = x.template at<V>(e + c);
          return kGated ? V::mul(v, V::load(gate + c)) : v;
        };
        sums[i] = most[i] = value(0);
        for (int c = V::L; c < C; c += V::L) {
          const auto v = value(c);
          sums[i] = V::add(sums[i], v);
          most[i] = V::max(most[i], v);
        }
      }
      // A sum that starts from 0 is never -0, and of -0 and 0 either may be the maximum: 0 it is.
      const V::F even[4] = {sums[0], sums[2], sums[4], sums[6]}, odd[4] = {sums[1], sums[3], sums[5], sums[7]};
      const auto mean = V::mul(V::add(V::fold8(even, odd), zero), share), peak = V::add(fold_max(most), zero);
      if (first + N <= width) {
        V::store(means + first, mean);
        V::store(peaks + first, peak);
      } else {
        put_some(means + first, mean, width - first);
        put_some(peaks + first, peak, width - first);
      }
    }
  }

  static void run(const Op& op, const Job& job) {
    const Tensor& x = *op.in[0];
    const float* gate = op.in[1] ? op.in[1]->f32(0) : nullptr;
    const int width = x.width, channels = x.channels;
    for (int y = job.begin; y < job.end; y++)
      with_row(x, y, [&](auto from) {
        float *means = op.out[0]->f32(y), *peaks = op.out[1]->f32(y);
        if (gate && channels == 8) row<true, 8>(from, gate, width, channels, means, peaks);
        else if (gate) row<true, 0>(from, gate, width, channels, means, peaks);
        else if (channels == 8) row<false, 8>(from, gate, width, channels, means, peaks);
        else row<false, 0>(from, gate, width, channels, means, peaks);
      });
  }
};

// Lanes are pixels. A tile is two rows of up to four vectors: its sums stay in registers through all 98 taps, and every
// vector of input that is loaded serves both rows. A unit of work is two rows.
struct SpatialGate {
  static constexpr int kSide = 7, kReach = 3, kTileRows = 2;

  static int rows(const Op& op) { return (op.out[0]->height + kTileRows - 1) / kTileRows; }
  static size_t packed(const Op&) { return 0; }
  static void pack(const Op&, void*) {}
  static size_t scratch(const Op&) { return 0; }

  // R rows from y on, N vectors from x on.
  template <int R, int N>
  static void tile(const Op& op, int y, int x) {
    using V = Wide;
    typename V::F sum[R][N];
    for (int r = 0; r < R; r++)
      for (int i = 0; i < N; i++) sum[r][i] = V::set(op.blob[1].f32()[0]);
    for (int map = 0; map < 2; map++) {
      const float* weights = op.blob[0].f32() + map * kSide * kSide;
      for (int ky = 0; ky < kSide + R - 1; ky++) {  // of the first row; the second one's is one less
        const float* from = op.in[map]->f32(y + ky - kReach, x - kReach);
        auto add = [&](int r) {
          const float* w = weights + (ky - r) * kSide;
          SCX_UNROLL for (int kx = 0; kx < kSide; kx++)
            for (int i = 0; i < N; i++) sum[r][i] = V::madd(V::set(w[kx]), V::load(from + kx + i * V::L), sum[r][i]);
        };
        if (R == 1) add(0);
        else if (ky == 0) add(0);
        else if (ky == kSide) add(R - 1);
        else add(0), add(R - 1);
      }
    }
    for (int r = 0; r < R; r++)
      for (int i = 0; i < N; i++) write(op, y + r, x + i * V::L, activate<V>(op.act, sum[r][i]));
  }

  static void write(const Op& op, int y, int x, Wide::F v) {
    const Tensor& out = *op.out[0];
    if (x + Wide::L <= out.width) return Wide::store(out.f32(y, x), v);
    float all[Wide::L];
    Wide::store(all, v);
    for (int i = 0; x + i < out.width; i++) *out.f32(y, x + i) = all[i];
  }

  template <int R>
  static void strip(const Op& op, int y) {
    constexpr int kVectors = 4, kPixels = kVectors * Wide::L;
    int x = 0;
    for (; x + kPixels <= op.out[0]->width; x += kPixels) tile<R, kVectors>(op, y, x);
    for (; x < op.out[0]->width; x += Wide::L) tile<R, 1>(op, y, x);
  }

  static void run(const Op& op, const Job& job) {
    for (int unit = job.begin; unit < job.end; unit++) {
      const int y = unit * kTileRows;
      if (y + kTileRows <= op.out[0]->height) strip<kTileRows>(op, y);
      else strip<1>(op, y);
    }
  }
};

}  // namespace
