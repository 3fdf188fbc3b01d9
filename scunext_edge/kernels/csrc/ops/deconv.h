// Transposed convolution 2x2, stride 2, of up to three sources: every input pixel makes four output pixels of its own.
// Lanes are output channels. A broadcast of the input feeds the four positions; two pixels share each weight. The
// sources are added in registers; a strip of results waits in the first cache for its end (finish.h).
#pragma once
#include "finish.h"
#include "tile.h"

namespace {

struct Deconv {
  static constexpr int kSources = 3, kStrip = 64;  // kStrip: input pixels
  static int rows(const Op& op) { return op.in[0]->height; }
  static size_t scratch(const Op& op) { return sizeof(float) * 2 * 2 * kStrip * size_t(op.out[0]->channels); }

  // Packed, for each source: weights [OC / 8][IC / K][position][8][K], biases [OC / 8][position][8], q8: multipliers.
  // K channels are one step: 4 for q8, 1 for f32.
  struct Source {
    size_t weights, biases, multipliers, end;  // offsets
    Source(const Op& op, int s, size_t from) {
      const Tensor& x = *op.in[s];
      const bool q8 = x.type == Type::q8;
      const size_t IC = size_t(x.channels), OC = size_t(op.out[0]->channels);
      weights = from;
      biases = weights + 4 * IC * OC * (q8 ? 1 : sizeof(float));
      multipliers = biases + 4 * OC * 4;
      end = multipliers + (q8 ? (4 * OC + 63) / 64 * 64 : 0);
    }
  };
  static bool has(const Op& op, int s) { return s < kSources && op.in[s]; }
  static size_t packed(const Op& op) {
    size_t end = 0;
    for (int s = 0; has(op, s); s++) end = Source(op, s, end).end;
    return end;
  }

  template <class T, int K>
  static void pack_weights(const T* from, T* to, int IC, int OC) {
    for (int o = 0; o < OC; o += 8)
      for (int i = 0; i < IC; i += K)
        for (int at = 0; at < 4; at++)
          for (int e = 0; e < 8 * K; e++) *to++ = from[(at * IC + i + e % K) * OC + o + e / K];
  }
  SCX_COLD static void pack(const Op& op, void* to) {
    char* bytes = static_cast<char*>(to);
    const int OC = op.out[0]->channels;
    size_t from = 0;
    for (int s = 0; has(op, s); s++) {
      const Source place(op, s, from);
      from = place.end;
      const int IC = op.in[s]->channels;
      const Blob &w = op.blob[3 * s], &bias = op.blob[3 * s + 1];
      if (op.in[s]->type == Type::f32) {
        pack_weights<float, 1>(w.f32(), reinterpret_cast<float*>(bytes + place.weights), IC, OC);
        float* b = reinterpret_cast<float*>(bytes + place.biases);
        for (int e = 0; e < 4 * OC; e++) b[e] = bias.f32()[e / 32 * 8 + e % 8];
        continue;
      }
      pack_weights<int8_t, 4>(w.i8(), reinterpret_cast<int8_t*>(bytes + place.weights), IC, OC);
      int32_t* b = reinterpret_cast<int32_t*>(bytes + place.biases);
      for (int e = 0; e < 4 * OC; e++) {
        const int o = e / 32 * 8 + e % 8, at = e / 8 % 4;
        int32_t sum = 0;  // stored values are kQ8Offset too large
        for (int i = 0; i < IC; i++) sum += w.i8()[(at * IC + i) * OC + o];
        b[e] = bias.i32()[o] - kQ8Offset * sum;
      }
      std::memcpy(bytes + place.multipliers, op.blob[3 * s + 2].f32(), sizeof(float) * size_t(OC));
    }
  }

  // What the inner loop needs of a source.
  struct Input {
    const Tensor* x;
    const char *weights, *biases, *multipliers;
    bool q8;
  };

  // Sums of T pixels, four positions, eight output channels of one source. kSteps: steps of channels, when known.
  template <bool kNonnegative, int kSteps>
  struct Q8Source {
    using X = uint8_t;
    using V = Half;
    static constexpr int kTile = 2;
    const int8_t* weights;
    const int32_t* biases;
    typename V::F multiplier;
    int C;
    Q8Source(const Input& in, int o)
        : weights(reinterpret_cast<const int8_t*>(in.weights) + 4 * in.x->channels * o),
          biases(reinterpret_cast<const int32_t*>(in.biases) + 4 * o),
          multiplier(V::load(reinterpret_cast<const float*>(in.multipliers) + o)), C(in.x->channels) {}
    static const X* row(const Tensor& x, int y, int left) { return x.q8(y, left); }
    template <int T>
    void sums(const X* x, typename V::F (&f)[T][4]) const {
      typename V::I sum[T][4];
      SCX_UNROLL for (int t = 0; t < T; t++)
        SCX_UNROLL for (int at = 0; at < 4; at++) sum[t][at] = V::loadi(biases + at * 8);
      const int8_t* w = weights;
      auto step = [&](int c) {
        SCX_UNROLL for (int t = 0; t < T; t++) {
          const auto value = V::template quad<kNonnegative>(x + t * C + c);
          SCX_UNROLL for (int at = 0; at < 4; at++)
            sum[t][at] = V::template dot<kNonnegative>(sum[t][at], value, V::load_w8(w + at * 32));
        }
        w += 4 * 32;
      };
      if (kSteps) SCX_UNROLL for (int k = 0; k < kSteps; k++) step(4 * k);
      else for (int c = 0; c < C; c += 4) step(c);
      SCX_UNROLL for (int t = 0; t < T; t++)
        SCX_UNROLL for (int at = 0; at < 4; at++) f[t][at] = V::mul(V::to_float(sum[t][at]), multiplier);
    }
  };

  struct F32Source {
    using X = float;
    using V = Half;
    static constexpr int kTile = 2;
    const float *weights, *biases;
    int C;
    F32Source(const Input& in, int o)
        : weights(reinterpret_cast<const float*>(in.weights) + 4 * in.x->channels * o),
          biases(reinterpret_cast<const float*>(in.biases) + 4 * o), C(in.x->channels) {}
    static const X* row(const Tensor& x, int y, int left) { return x.f32(y, left); }
    template <int T>
    void sums(const X* x, typename V::F (&f)[T][4]) const {
      SCX_UNROLL for (int t = 0; t < T; t++)
        SCX_UNROLL for (int at = 0; at < 4; at++) f[t][at] = V::load(biases + at * 8);
      const float* w = weights;
      for (int c = 0; c < C; c++, w += 4 * 8) {
        typename V::F value[T];
        SCX_UNROLL for (int t = 0; t < T; t++) value[t] = V::set(x[t * C + c]);
        SCX_UNROLL for (int at = 0; at < 4; at++) {
          const auto weight = V::hold(V::load(w + at * 8));
          SCX_UNROLL for (int t = 0; t < T; t++) f[t][at] = V::fma(value[t], weight, f[t][at]);
        }
      }
    }
  };

  // One source's part of a strip, stored (the first one's) or added.
  template <int T, class A>
  static void tile(const A& source, bool first, const typename A::X* x, float* to, int64_t down, int OC) {
    using V = Half;
    typename V::F f[T][4];
    source.sums(x, f);
    SCX_UNROLL for (int t = 0; t < T; t++)
      SCX_UNROLL for (int at = 0; at < 4; at++) {
        float* place = to + at / 2 * down + (2 * t + at % 2) * OC;
        V::store(place, first ? f[t][at] : V::add(V::load(place), f[t][at]));
      }
  }
  template <class A>
  static void strip_of(const Input& in, bool first, int y, int left, int count, float* to, int64_t down, int OC) {
    for (int o = 0; o < OC; o += 8) {
      const A source(in, o);
      const typename A::X* x = A::row(*in.x, y, left);
      int i = 0;
      for (; i + A::kTile <= count; i += A::kTile)
        tile<A::kTile>(source, first, x + i * source.C, to + 2 * i * OC + o, down, OC);
      for (; i < count; i++) tile<1>(source, first, x + i * source.C, to + 2 * i * OC + o, down, OC);
    }
  }
  static void strip(const Input& in, bool first, int y, int left, int count, float* to, int64_t down, int OC) {
    static_assert(Half::L == 8, "eight output channels are one vector");
    const bool eight = in.x->channels == 8;
    if (!in.q8) strip_of<F32Source>(in, first, y, left, count, to, down, OC);
    else if (!in.x->nonnegative) strip_of<Q8Source<false, 0>>(in, first, y, left, count, to, down, OC);
    else if (eight) strip_of<Q8Source<true, 2>>(in, first, y, left, count, to, down, OC);
    else strip_of<Q8Source<true, 0>>(in, first, y, left, count, to, down, OC);
  }

  static void run(const Op& op, const Job& job) {
    const char* bytes = static_cast<const char*>(op.packed);
    Input inputs[kSources];
    int n = 0;
    for (size_t from = 0; has(op, n); n++) {
      const Source place(op, n, from);
      from = place.end;
      inputs[n] = {op.in[n], bytes + place.weights, bytes + place.biases, bytes + place.multipliers,
                   op.in[n]->type == Type::q8};
    }
    const int W = op.in[0]->width, OC = op.out[0]->channels;
    float* to = reinterpret_cast<float*>(job.scratch);
    const int64_t down = int64_t(2) * kStrip * OC;
    for (int y = job.begin; y < job.end; y++)
      for (int left = 0; left < W; left += kStrip) {
        const int count = W - left < kStrip ? W - left : kStrip;
        for (int s = 0; s < n; s++) strip(inputs[s], s == 0, y, left, count, to, down, OC);
        for (int k = 0; k < 2; k++)
          finish(op, op.in[3], 2 * y + k, int64_t(2) * left * OC, to + k * down, 2 * count * OC);
      }
  }
};

}  // namespace
