// Transposed convolution 2x2, stride 2, relu, 1x1 convolution to one number per pixel: nothing between is stored.
// Lanes are input pixels, so each row is transposed first (channels, or fours of channels, become planes), weights are
// broadcast, and the 1x1's sum over channels is one more multiplication and addition in the order that is specified.
#pragma once
#include "tail.h"

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
  static void pack(const Op& op, void* to) {
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

  // [width][n] to [n][pixels].
  template <class T>
  static void transpose(const T* from, T* to, int width, int n, int64_t plane) {
    if (n == 2) {  // eight channels of q8: a loop that compilers make shuffles of
      for (int x = 0; x < width; x++) to[x] = from[2 * x], to[plane + x] = from[2 * x + 1];
      return;
    }
    for (int k = 0; k < n; k++)
      for (int x = 0; x < width; x++) to[k * plane + x] = from[x * n + k];
  }

  // Logits of a group at one position. kSteps: fours of channels, when known.
  template <bool kNonnegative, int kSteps>
  static void dots(const Op& op, const uint8_t* x, int64_t plane, int at, typename V::F (&logit)[kVectors]) {
    const int n = kSteps ? kSteps : op.in[0]->channels / 4, OC = outputs(op);
    const int8_t* w = static_cast<const int8_t*>(op.packed) + at * OC * n * 4;
    const int32_t* bias = reinterpret_cast<const int32_t*>(static_cast<const char*>(op.packed) + weights(op)) + at * OC;
    const float* share = op.blob[2].f32();
    const auto zero = V::seti(0);
    for (int o = 0; o < OC; o++) {
      typename V::I sum[kVectors];
      for (int v = 0; v < kVectors; v++) sum[v] = V::seti(bias[o]);
      for (int k = 0; k < n; k++, w += 4) {
        const auto four = V::set_w8(w);
        for (int v = 0; v < kVectors; v++)
          sum[v] = V::template dot<kNonnegative>(sum[v], V::template quads<kNonnegative>(x + 4 * (k * plane + v * V::L)), four);
      }
      for (int v = 0; v < kVectors; v++)
        logit[v] = V::madd(V::to_float(V::maxi(sum[v], zero)), V::set(share[o]), logit[v]);
    }
  }

  static void products(const Op& op, const float* x, int64_t plane, int at, typename V::F (&logit)[kVectors]) {
    const int IC = op.in[0]->channels, OC = outputs(op);
    const float* w = static_cast<const float*>(op.packed) + at * OC * IC;
    const float *bias = op.blob[1].f32(), *share = op.blob[2].f32();
    for (int o = 0; o < OC; o += kTogether) {
      typename V::F sum[kTogether][kVectors];
      for (int k = 0; k < kTogether; k++)
        for (int v = 0; v < kVectors; v++) sum[k][v] = V::set(bias[o + k]);
      for (int c = 0; c < IC; c++, w += kTogether)
        for (int v = 0; v < kVectors; v++) {
          const auto value = V::load(x + c * plane + v * V::L);
          for (int k = 0; k < kTogether; k++) sum[k][v] = V::fma(value, V::set(w[k]), sum[k][v]);
        }
      for (int k = 0; k < kTogether; k++)
        for (int v = 0; v < kVectors; v++)
          logit[v] = V::fma(V::max(sum[k][v], V::zero()), V::set(share[o + k]), logit[v]);
    }
  }

  static void run(const Op& op, const Job& job) {
    const Tensor& x = *op.in[0];
    const int W = x.width;
    const int64_t plane = pixels(op);
    float* planes = reinterpret_cast<float*>(job.scratch);
    float* logits[2] = {planes + plane * x.channels, planes + plane * (x.channels + 2)};
    const uint8_t* bytes = reinterpret_cast<const uint8_t*>(job.scratch);
    for (int y = job.begin; y < job.end; y++) {
      if (q8(op)) transpose(reinterpret_cast<const int32_t*>(x.q8(y)), reinterpret_cast<int32_t*>(planes), W, x.channels / 4, plane);
      else transpose(x.f32(y), planes, W, x.channels, plane);
      for (int j = 0; j < W; j += kGroup)
        for (int ky = 0; ky < 2; ky++) {
          typename V::F logit[2][kVectors];
          for (int kx = 0; kx < 2; kx++) {
            for (int v = 0; v < kVectors; v++) logit[kx][v] = V::set(op.blob[3].f32()[0]);
            const int at = 2 * ky + kx;
            if (!q8(op)) products(op, planes + j, plane, at, logit[kx]);
            else if (x.nonnegative && x.channels == 8) dots<true, 2>(op, bytes + 4 * j, plane, at, logit[kx]);
            else dots<false, 0>(op, bytes + 4 * j, plane, at, logit[kx]);
          }
          for (int v = 0; v < kVectors; v++) {
            typename V::F low, high;
            V::zip(logit[0][v], logit[1][v], low, high);
            V::store(logits[ky] + 2 * j + 2 * v * V::L, low);
            V::store(logits[ky] + 2 * j + (2 * v + 1) * V::L, high);
          }
        }
      for (int ky = 0; ky < 2; ky++) write_logits(job, 2 * y + ky, logits[ky], 2 * W);
    }
  }
};

}  // namespace
