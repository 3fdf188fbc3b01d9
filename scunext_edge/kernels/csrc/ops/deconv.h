// Transposed convolution 2x2, stride 2, of up to three sources: every input pixel makes four output pixels of its own.
// Lanes are output channels. A broadcast of the input feeds the four positions; two pixels share each weight. The
// sources are added in registers; a strip of results waits in the first cache for its end (finish.h).
#pragma once
#include "finish.h"

namespace {

struct Deconv {
  static constexpr int kSources = 3, kStrip = 32;  // kStrip: input pixels
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
  static void pack(const Op& op, void* to) {
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

  // T pixels, four positions, eight output channels from the o-th on, of one source.
  template <bool kNonnegative, int T, class V>
  static void dots(const Input& in, const uint8_t* x, int o, typename V::F (&f)[T][4]) {
    const int C = in.x->channels;
    const int8_t* w = reinterpret_cast<const int8_t*>(in.weights) + 4 * C * o;
    const int32_t* bias = reinterpret_cast<const int32_t*>(in.biases) + 4 * o;
    typename V::I sum[T][4];
    for (int t = 0; t < T; t++)
      for (int at = 0; at < 4; at++) sum[t][at] = V::loadi(bias + at * 8);
    for (int c = 0; c < C; c += 4, w += 4 * 32)
      for (int t = 0; t < T; t++) {
        const auto value = V::template quad<kNonnegative>(x + t * C + c);
        for (int at = 0; at < 4; at++) sum[t][at] = V::template dot<kNonnegative>(sum[t][at], value, V::load_w8(w + at * 32));
      }
    const auto multiplier = V::load(reinterpret_cast<const float*>(in.multipliers) + o);
    for (int t = 0; t < T; t++)
      for (int at = 0; at < 4; at++) f[t][at] = V::mul(V::to_float(sum[t][at]), multiplier);
  }
  template <int T, class V>
  static void products(const Input& in, const float* x, int o, typename V::F (&f)[T][4]) {
    const int C = in.x->channels;
    const float* w = reinterpret_cast<const float*>(in.weights) + 4 * C * o;
    const float* bias = reinterpret_cast<const float*>(in.biases) + 4 * o;
    for (int t = 0; t < T; t++)
      for (int at = 0; at < 4; at++) f[t][at] = V::load(bias + at * 8);
    for (int c = 0; c < C; c++, w += 4 * 8)
      for (int t = 0; t < T; t++) {
        const auto value = V::set(x[t * C + c]);
        for (int at = 0; at < 4; at++) f[t][at] = V::fma(value, V::load(w + at * 8), f[t][at]);
      }
  }

  template <int T>
  static void tile(const Input* inputs, int n, int y, int x, int o, float* to, int64_t down, int OC) {
    using V = Half;
    static_assert(V::L == 8, "eight output channels are one vector");
    typename V::F total[T][4], f[T][4];
    for (int s = 0; s < n; s++) {
      const Input& in = inputs[s];
      auto& into = s ? f : total;
      if (!in.q8) products<T, V>(in, in.x->f32(y, x), o, into);
      else if (in.x->nonnegative) dots<true, T, V>(in, in.x->q8(y, x), o, into);
      else dots<false, T, V>(in, in.x->q8(y, x), o, into);
      if (s)
        for (int t = 0; t < T; t++)
          for (int at = 0; at < 4; at++) total[t][at] = V::add(total[t][at], f[t][at]);
    }
    for (int t = 0; t < T; t++)
      for (int at = 0; at < 4; at++) V::store(to + at / 2 * down + (2 * t + at % 2) * OC + o, total[t][at]);
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
    float* strip = reinterpret_cast<float*>(job.scratch);
    const int64_t down = int64_t(2) * kStrip * OC;
    for (int y = job.begin; y < job.end; y++)
      for (int left = 0; left < W; left += kStrip) {
        const int count = W - left < kStrip ? W - left : kStrip;
        for (int o = 0; o < OC; o += 8) {
          int x = 0;
          for (; x + 2 <= count; x += 2) tile<2>(inputs, n, y, left + x, o, strip + 2 * x * OC, down, OC);
          for (; x < count; x++) tile<1>(inputs, n, y, left + x, o, strip + 2 * x * OC, down, OC);
        }
        for (int k = 0; k < 2; k++)
          finish(op, op.in[3], 2 * y + k, int64_t(2) * left * OC, strip + k * down, 2 * count * OC);
      }
  }
};

}  // namespace
