// Bilinear to twice the size, relu, 1x1 convolution to one number per pixel. The large tensor never exists: each input
// row gives two scratch rows in the first cache (eight channels after eight channels, so that a vector is whole
// pixels), and along these the output is interpolated, rectified, weighted and summed in registers. 16-bit integers
// hold twice as many pixels and need no rounding: 3 * 3 * 2047 + ... + 2047 = 16 * 2047 fits.
#pragma once
#include "tail.h"

namespace {

// The same program in f32 and in 16-bit integers. Vectors hold kPixels pixels of eight channels.
template <class V>
struct TailF32 {
  using In = float;
  using X = typename V::F;
  using Sum = typename V::F;
  static constexpr int kLanes = V::L, kPixels = V::L / 8, kSums = 4;
  static X load(const In* p) { return V::load(p); }
  static void store(In* p, X v) { V::store(p, v); }
  static X own(X x) { return V::mul(V::set(0.75f), x); }
  static X plus(X own, X next) { return V::madd(V::set(0.25f), next, own); }
  static Sum weigh(X x, X w) { return V::mul(V::max(x, V::zero()), w); }
  static Sum add(Sum a, Sum b) { return V::add(a, b); }
  static typename V::F fold(const Sum (&even)[kSums], const Sum (&odd)[kSums], float) { return V::fold8(even, odd); }
};

template <class V>
struct TailQ16 {
  using In = int16_t;
  using X = typename V::S;
  using Sum = typename V::I;
  static constexpr int kLanes = 2 * V::L, kPixels = V::L / 4, kSums = 2;
  static X load(const In* p) { return V::load16(p); }
  static void store(In* p, X v) { V::store16(p, v); }
  static X own(X x) { return V::add16(V::add16(x, x), x); }
  static X plus(X own, X next) { return V::add16(own, next); }
  static Sum weigh(X x, X w) { return V::dot16(V::relu16(x), w); }
  static Sum add(Sum a, Sum b) { return V::addi(a, b); }
  static typename V::F fold(const Sum (&even)[kSums], const Sum (&odd)[kSums], float multiplier) {
    return V::mul(V::to_float(V::fold4(even, odd)), V::set(multiplier));
  }
};

struct TailUpsample {
  static constexpr int kBorder = 8;  // pixels before a scratch row, of which one is used, and behind it
  static int pixels(const Op& op) { return op.in[0]->width + 2 * kBorder + Wide::L; }
  static bool real(const Op& op) { return op.in[0]->type == Type::f32; }
  static int rows(const Op& op) { return op.in[0]->height; }
  static size_t scratch(const Op& op) {  // logits, two rows by eights, two as they come
    return sizeof(float) * size_t(pixels(op)) * (2 + 4 * size_t(op.in[0]->channels));
  }

  // The weights of eight channels, repeated for each pixel of a vector.
  static size_t packed(const Op& op) {
    return real(op) ? sizeof(float) * size_t(op.in[0]->channels) * TailF32<Wide>::kPixels
                    : sizeof(int16_t) * size_t(op.in[0]->channels) * TailQ16<Wide>::kPixels;
  }
  template <class A>
  static void repeat(const typename A::In* from, int channels, void* to) {
    auto* out = static_cast<typename A::In*>(to);
    for (int c = 0; c < channels; c += 8)
      for (int e = 0; e < A::kLanes; e++) *out++ = from[c + e % 8];
  }
  SCX_COLD static void pack(const Op& op, void* to) {
    if (real(op)) repeat<TailF32<Wide>>(op.blob[0].f32(), op.in[0]->channels, to);
    else repeat<TailQ16<Wide>>(op.blob[0].i16(), op.in[0]->channels, to);
  }

  // Down the columns: the two rows between x and its neighbours, as they come.
  template <class A>
  static void down(const typename A::In* x, const typename A::In* const (&next)[2], typename A::In* const (&to)[2],
                   int n) {
    for (int e = 0; e < n; e += A::kLanes) {
      const auto own = A::own(A::load(x + e));
      for (int k = 0; k < 2; k++) A::store(to[k] + e, A::plus(own, A::load(next[k] + e)));
    }
  }
  // One of them by eights of channels (`step` elements from one to the next), with a pixel more at both ends.
  template <class A>
  static void spread(const typename A::In* flat, typename A::In* to, int64_t step, int width, int C) {
    constexpr size_t kBytes = 8 * sizeof(typename A::In);
    for (int c = 0; c < C; c += 8, to += step) {
      if (flat != to)
        for (int j = 0; j < width; j++) std::memcpy(to + 8 * j, flat + j * C + c, kBytes);
      std::memcpy(to - 8, to, kBytes);
      std::memcpy(to + 8 * width, to + 8 * (width - 1), kBytes);
    }
  }

  // Eight channels' share of the sums of a group: the left and the right output of each pixel.
  template <class A>
  static void weigh(const typename A::In* r, const typename A::In* weights, typename A::Sum (&sum)[2][A::kSums]) {
    const auto w = A::load(weights);
    for (int k = 0; k < A::kSums; k++, r += A::kLanes) {
      const auto own = A::own(A::load(r));
      sum[0][k] = A::weigh(A::plus(own, A::load(r - 8)), w);
      sum[1][k] = A::weigh(A::plus(own, A::load(r + 8)), w);
    }
  }

  // Twice `width` logits from a scratch row; rounded up to whole groups. kEights: channels / 8, when known.
  template <class V, class A, int kEights>
  static void along(const typename A::In* r, int64_t step, const typename A::In* weights, float multiplier, float bias,
                    float* to, int width, int eights) {
    constexpr int N = A::kSums, P = A::kPixels;
    const int n = kEights ? kEights : eights;
    for (int j = 0; j < width; j += N * P, r += 8 * N * P) {
      typename A::Sum sum[2][N], more[2][N];
      weigh<A>(r, weights, sum);
      for (int b = 1; b < n; b++) {
        weigh<A>(r + b * step, weights + b * A::kLanes, more);
        for (int side = 0; side < 2; side++)
          for (int k = 0; k < N; k++) sum[side][k] = A::add(sum[side][k], more[side][k]);
      }
      V::store(to + 2 * j, V::add(A::fold(sum[0], sum[1], multiplier), V::set(bias)));
    }
  }

  template <class A>
  static void rows_of(const Op& op, const Job& job, int i, const typename A::In* x, int64_t stride) {
    using In = typename A::In;
    const int C = op.in[0]->channels, W = op.in[0]->width, last = op.in[0]->height - 1;
    const int64_t step = int64_t(pixels(op)) * 8;
    float* logits = reinterpret_cast<float*>(job.scratch);
    In* scratch = reinterpret_cast<In*>(logits + 2 * pixels(op)) + 8 * kBorder;
    In* const r[2] = {scratch, scratch + pixels(op) * C};
    In* const flat[2] = {scratch + 2 * pixels(op) * C, scratch + 3 * pixels(op) * C};
    const In* const next[2] = {x + (i > 0 ? i - 1 : 0) * stride, x + (i < last ? i + 1 : i) * stride};
    const In* w = static_cast<const In*>(op.packed);
    const float bias = plus_zero(op.blob[1].f32()[0]), multiplier = op.value[0];
    down<A>(x + i * stride, next, C == 8 ? r : flat, W * C);
    for (int k = 0; k < 2; k++) {
      spread<A>(C == 8 ? r[k] : flat[k], r[k], step, W, C);
      if (C == 8) along<Wide, A, 1>(r[k], step, w, multiplier, bias, logits, W, 1);
      else if (C == 16) along<Wide, A, 2>(r[k], step, w, multiplier, bias, logits, W, 2);
      else along<Wide, A, 0>(r[k], step, w, multiplier, bias, logits, W, C / 8);
      write_logits(job, 2 * i + k, logits, 2 * W);
    }
  }

  static void run(const Op& op, const Job& job) {
    const Tensor& x = *op.in[0];
    for (int i = job.begin; i < job.end; i++) {
      if (real(op)) rows_of<TailF32<Wide>>(op, job, i, x.f32(0), x.row);
      else rows_of<TailQ16<Wide>>(op, job, i, x.q16(0), x.row);
    }
  }
};

}  // namespace
