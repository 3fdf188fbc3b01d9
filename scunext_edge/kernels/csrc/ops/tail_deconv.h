// Transposed convolution 2x2, stride 2, relu, 1x1 convolution to one number per pixel: nothing between is stored.
// Lanes are input pixels, so each row is transposed first (channels, or fours of channels, become planes), weights are
// broadcast, and the 1x1's sum over channels is one more multiplication and addition in the order that is specified.
#pragma once
#include "tail.h"
#include "tile.h"

namespace {

struct TailDeconv {
  using V = Wide;
  static constexpr int kVectors = 2;              // of pixels: they share each broadcast
  static constexpr int kGroup = kVectors * V::L;  // pixels
  static constexpr int kTogether = 4;             // f32: output channels whose sums grow together
  static bool q8(const Op& op) { return op.in[0]->type == Type::q8; }
  static int pixels(const Op& op) { return (op.in[0]->width + kGroup - 1) / kGroup * kGroup; }
  static int outputs(const Op& op) { return int(op.blob[1].count); }
  static int rows(const Op& op) { return op.in[0]->height; }
  static size_t scratch(const Op& op) {  // planes, then two rows of logits
    return sizeof(float) * size_t(pixels(op)) * size_t(op.in[0]->channels + 4) + 64;
  }

  // q8: weights [position][OC][IC], then biases [position][OC]. f32: weights [position][OC / 4][IC][4].
  static size_t weights(const Op& op) {
    return size_t(4) * size_t(outputs(op)) * size_t(op.in[0]->channels) * (q8(op) ? 1 : sizeof(float));
  }
  static size_t packed(const Op& op) { return weights(op) + (q8(op) ? sizeof(int32_t) * 4 * size_t(outputs(op)) : 0); }
  SCX_COLD static void pack(const Op& op, void* to) {
    const int IC = op.in[0]->channels, OC = outputs(op);
    if (!q8(op)) {
      float* out = static_cast<float*>(to);
      for (int at = 0; at < 4; at++)
        for (int o = 0; o < OC; o += kTogether)
          for (int i = 0; i < IC; i++)
            for (int k = 0; k < kTogether; k++) *out++ = op.blob[0].f32()[(at * IC + i) * OC + o + k];
      return;
    }
    int8_t* out = static_cast<int8_t*>(to);
    int32_t* bias = reinterpret_cast<int32_t*>(out + weights(op));
    for (int at = 0; at < 4; at++)
      for (int o = 0; o < OC; o++) {
        int32_t sum = 0;  // stored values are kQ8Offset too large
        for (int i = 0; i < IC; i++) sum += *out++ = op.blob[0].i8()[(at * IC + i) * OC + o];
        *bias++ = op.blob[1].i32()[o] - kQ8Offset * sum;
      }
  }

  // [width][n] to [n][pixels], in units of T.
  template <class T>
  static void transpose(const T* from, T* to, int width, int n, int64_t plane) {
    if (n == 2) {  // eight channels of q8: a loop that compilers make shuffles of
      for (int x = 0; x < width; x++) to[x] = from[2 * x], to[plane + x] = from[2 * x + 1];
      return;
    }
    for (int k = 0; k < n; k++)
      for (int x = 0; x < width; x++) to[k * plane + x] = from[x * n + k];
  }
  // Eight channels of eight pixels: three rounds of zip are a transposition.
  static void transpose8(const float* from, float* to, int n, int64_t plane) {
    typename Half::F a[8], b[8];
    static_assert(Half::L == 8, "a pixel's eight channels are one vector");
    SCX_UNROLL for (int k = 0; k < 8; k++) a[k] = Half::load(from + k * n);
    SCX_UNROLL for (int k = 0; k < 4; k++) Half::zip(a[k], a[k + 4], b[2 * k], b[2 * k + 1]);
    SCX_UNROLL for (int k = 0; k < 4; k++) Half::zip(b[k], b[k + 4], a[2 * k], a[2 * k + 1]);
    SCX_UNROLL for (int k = 0; k < 4; k++) Half::zip(a[k], a[k + 4], b[2 * k], b[2 * k + 1]);
    SCX_UNROLL for (int k = 0; k < 8; k++) Half::store(to + k * plane, b[k]);
  }
  static void transpose_floats(const float* from, float* to, int width, int n, int64_t plane) {
    if (n % 8) return transpose(from, to, width, n, plane);
    for (int x = 0; x < width; x += 8)
      for (int c = 0; c < n; c += 8) transpose8(from + x * n + c, to + c * plane + x, n, plane);
  }

  // What the inner loops need; C4: fours of channels.
  struct Weights {
    const void* packed;
    const int32_t* biases;  // q8
    const float *bias, *share;
    int C, C4, OC;
    explicit Weights(const Op& op)
        : packed(op.packed),
          biases(reinterpret_cast<const int32_t*>(static_cast<const char*>(op.packed) + weights(op))),
          bias(op.blob[1].f32()), share(op.blob[2].f32()), C(op.in[0]->channels), C4(C / 4), OC(outputs(op)) {}
  };

  // Logits of a group at one position. kSteps: fours of channels, when known.
  template <bool kNonnegative, int kSteps>
  static void dots(const Weights& of, const uint8_t* x, int64_t plane, int at, typename V::F (&logit)[kVectors]) {
    const int n = kSteps ? kSteps : of.C4, OC = of.OC;
    const int8_t* w = static_cast<const int8_t*>(of.packed) + at * OC * n * 4;
    const int32_t* bias = of.biases + at * OC;
    const float* share = of.share;
    const auto zero = V::seti(0);
    for (int o = 0; o < OC; o += 2)
      SCX_UNROLL for (int p = o; p < o + 2; p++) {  // two at a time, so that the loop costs less
        typename V::I sum[kVectors];
        SCX_UNROLL for (int v = 0; v < kVectors; v++) sum[v] = V::seti(bias[p]);
        const auto step = [&](int k) {
          const auto four = V::set_w8(w);
          SCX_UNROLL for (int v = 0; v < kVectors; v++) {
            const auto value = V::template quads<kNonnegative>(x + 4 * (k * plane + v * V::L));
            sum[v] = V::template dot<kNonnegative>(sum[v], value, four);
          }
          w += 4;
        };
        if (kSteps) SCX_UNROLL for (int k = 0; k < kSteps; k++) step(k);
        else for (int k = 0; k < n; k++) step(k);
        SCX_UNROLL for (int v = 0; v < kVectors; v++)
          logit[v] = V::madd(V::to_float(V::maxi(sum[v], zero)), V::set(share[p]), logit[v]);
      }
  }

  static void products(const Weights& of, const float* x, int64_t plane, int at, typename V::F (&logit)[kVectors]) {
    const int C = of.C, OC = of.OC;
    const float *w = static_cast<const float*>(of.packed) + at * OC * C, *bias = of.bias, *share = of.share;
    for (int o = 0; o < OC; o += kTogether) {
      typename V::F sum[kTogether][kVectors];
      SCX_UNROLL for (int k = 0; k < kTogether; k++)
        SCX_UNROLL for (int v = 0; v < kVectors; v++) sum[k][v] = V::set(bias[o + k]);
      for (int c = 0; c < C; c++, w += kTogether)  // not unrolled: compilers would move all loads to the front
        SCX_UNROLL for (int v = 0; v < kVectors; v++) {
          const auto value = V::hold(V::load(x + c * plane + v * V::L));
          SCX_UNROLL for (int k = 0; k < kTogether; k++) sum[k][v] = V::fma(value, V::set(w[k]), sum[k][v]);
        }
      SCX_UNROLL for (int k = 0; k < kTogether; k++)
        SCX_UNROLL for (int v = 0; v < kVectors; v++)
          logit[v] = V::fma(V::max(sum[k][v], V::zero()), V::set(share[o + k]), logit[v]);
    }
  }

  // Two rows of logits from the planes of one input row.
  template <class Fn>
  static void rows_of(float bias, float* const (&logits)[2], int width, Fn position) {
    for (int j = 0; j < width; j += kGroup)
      for (int ky = 0; ky < 2; ky++) {
        typename V::F logit[2][kVectors];
        SCX_UNROLL for (int kx = 0; kx < 2; kx++) {
          SCX_UNROLL for (int v = 0; v < kVectors; v++) logit[kx][v] = V::set(bias);
          position(j, 2 * ky + kx, logit[kx]);
        }
        SCX_UNROLL for (int v = 0; v < kVectors; v++) {
          typename V::F low, high;
          V::zip(logit[0][v], logit[1][v], low, high);
          V::store(logits[ky] + 2 * j + 2 * v * V::L, low);
          V::store(logits[ky] + 2 * j + (2 * v + 1) * V::L, high);
        }
      }
  }

  static void run(const Op& op, const Job& job) {
    const Tensor& x = *op.in[0];
    const Weights of(op);
    const int64_t plane = pixels(op);
    const float bias = op.blob[3].f32()[0];
    float* planes = reinterpret_cast<float*>(job.scratch);
    float* logits[2] = {planes + plane * x.channels, planes + plane * (x.channels + 2)};
    const uint8_t* bytes = reinterpret_cast<const uint8_t*>(job.scratch);
    using Logit = typename V::F[kVectors];
    const auto real = [&](int j, int at, Logit& l) { products(of, planes + j, plane, at, l); };
    const auto some = [&](int j, int at, Logit& l) { dots<false, 0>(of, bytes + 4 * j, plane, at, l); };
    const auto eight = [&](int j, int at, Logit& l) { dots<false, 2>(of, bytes + 4 * j, plane, at, l); };
    const auto eight_nonnegative = [&](int j, int at, Logit& l) { dots<true, 2>(of, bytes + 4 * j, plane, at, l); };
    for (int y = job.begin; y < job.end; y++) {
      if (q8(op)) {
        const auto* fours = reinterpret_cast<const int32_t*>(x.q8(y));
        transpose(fours, reinterpret_cast<int32_t*>(planes), x.width, of.C4, plane);
        if (of.C != 8) rows_of(bias, logits, x.width, some);
        else if (x.nonnegative) rows_of(bias, logits, x.width, eight_nonnegative);
        else rows_of(bias, logits, x.width, eight);
      } else {
        transpose_floats(x.f32(y), planes, x.width, of.C, plane);
        rows_of(bias, logits, x.width, real);
      }
      for (int ky = 0; ky < 2; ky++) write_logits(job, 2 * y + ky, logits[ky], 2 * x.width);
    }
  }
};

}  // namespace
