// Plain C++: eight lanes as an array. The floor that every compiler and processor has; compilers vectorise some of it.
#pragma once
#define SCX_REGISTERS 1  // see ops/tile.h
#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

constexpr int kQ8Offset = 0;

struct V8 {
  static constexpr int L = 8;
  struct F { float at[L]; };
  struct I { int32_t at[L]; };

  template <class Out, class Fn>
  static Out each(Fn fn) {
    Out out;
    for (int l = 0; l < L; l++) out.at[l] = fn(l);
    return out;
  }
  static F load(const float* p) { return each<F>([&](int l) { return p[l]; }); }
  static void store(float* p, F v) { std::memcpy(p, v.at, sizeof v.at); }
  static F set(float x) { return each<F>([&](int) { return x; }); }
  static F zero() { return set(0); }
  static F add(F a, F b) { return each<F>([&](int l) { return a.at[l] + b.at[l]; }); }
  static F sub(F a, F b) { return each<F>([&](int l) { return a.at[l] - b.at[l]; }); }
  static F mul(F a, F b) { return each<F>([&](int l) { return a.at[l] * b.at[l]; }); }
  static F div(F a, F b) { return each<F>([&](int l) { return a.at[l] / b.at[l]; }); }
  static F min(F a, F b) { return each<F>([&](int l) { return a.at[l] < b.at[l] ? a.at[l] : b.at[l]; }); }
  static F max(F a, F b) { return each<F>([&](int l) { return a.at[l] > b.at[l] ? a.at[l] : b.at[l]; }); }
  static F sqrt(F a) { return each<F>([&](int l) { return std::sqrt(a.at[l]); }); }
  static F floor(F a) { return each<F>([&](int l) { return std::floor(a.at[l]); }); }
  static float rint1(float x) {  // ties to even, for |x| < 2^22; the compiler must not fold it (-ffast-math is off)
    return (x + 12582912.f) - 12582912.f;
  }
  static F rint(F a) { return each<F>([&](int l) { return rint1(a.at[l]); }); }
  static F madd(F a, F b, F c) { return each<F>([&](int l) { return a.at[l] * b.at[l] + c.at[l]; }); }
  static F fma(F a, F b, F c) { return madd(a, b, c); }
  static F exp2i(F n) {
    return each<F>([&](int l) {
      const uint32_t bits = uint32_t(int32_t(n.at[l]) + 127) << 23;
      float value;
      std::memcpy(&value, &bits, 4);
      return value;
    });
  }

  static I loadi(const int32_t* p) { return each<I>([&](int l) { return p[l]; }); }
  static void storei(int32_t* p, I v) { std::memcpy(p, v.at, sizeof v.at); }
  static I seti(int32_t x) { return each<I>([&](int) { return x; }); }
  static I addi(I a, I b) { return each<I>([&](int l) { return a.at[l] + b.at[l]; }); }
  static I maxi(I a, I b) { return each<I>([&](int l) { return a.at[l] > b.at[l] ? a.at[l] : b.at[l]; }); }
  static F to_float(I a) { return each<F>([&](int l) { return float(a.at[l]); }); }

  static F load_q8(const uint8_t* p) { return each<F>([&](int l) { return float(int8_t(p[l])); }); }
  static void store_q8(uint8_t* p, F v) {
    v = rint(min(max(v, set(-128)), set(127)));
    for (int l = 0; l < L; l++) p[l] = uint8_t(int8_t(v.at[l]));
  }
  static void store_q16(int16_t* p, F v) {
    v = rint(min(max(v, set(-2047)), set(2047)));
    for (int l = 0; l < L; l++) p[l] = int16_t(v.at[l]);
  }
  static F load_u8(const uint8_t* p) { return each<F>([&](int l) { return float(p[l]); }); }

  struct Quad { int8_t at[4]; };
  struct W8 { int8_t at[4 * L]; };
  template <bool kNonnegative>
  static Quad quad(const uint8_t* p) {
    Quad a;
    std::memcpy(a.at, p, 4);
    return a;
  }
  static W8 load_w8(const int8_t* p) {
    W8 w;
    std::memcpy(w.at, p, sizeof w.at);
    return w;
  }
  template <bool kNonnegative>
  static I dot(I acc, Quad a, const W8& w) {
    for (int l = 0; l < L; l++)
      for (int k = 0; k < 4; k++) acc.at[l] += int32_t(a.at[k]) * w.at[4 * l + k];
    return acc;
  }

  static F hold(F v) { return v; }

  // Ends of the network, and images; see avx2.h.
  static void store_score(uint8_t* p, F logits) {
    const F v = floor(min(max(mul(logits, set(16)), set(-128)), set(127)));
    for (int l = 0; l < L; l++) p[l] = uint8_t(int(v.at[l]) + 128);
  }
  static void store_q8x4(uint8_t* p, F a, F b, F c, F d) {
    store_q8(p, a), store_q8(p + L, b), store_q8(p + 2 * L, c), store_q8(p + 3 * L, d);
  }
  static F load_rgb(const uint8_t* p) {
    return each<F>([&](int l) { return l % 4 == 3 ? 0.f : float(p[l / 4 * 3 + l % 4]); });
  }
  static void zip(F a, F b, F& low, F& high) {
    low = each<F>([&](int l) { return (l % 2 ? b : a).at[l / 2]; });
    high = each<F>([&](int l) { return (l % 2 ? b : a).at[(L + l) / 2]; });
  }
  static F fold8(const F (&even)[4], const F (&odd)[4]) {
    return each<F>([&](int l) {
      const F* sums = l % 2 ? odd : even;
      const float* p = sums[l / 2].at;
      return ((p[0] + p[4]) + (p[2] + p[6])) + ((p[1] + p[5]) + (p[3] + p[7]));
    });
  }

  struct S { int16_t at[2 * L]; };
  template <class Fn>
  static S each16(Fn fn) {
    S out;
    for (int l = 0; l < 2 * L; l++) out.at[l] = int16_t(fn(l));
    return out;
  }
  static S load16(const int16_t* p) { return each16([&](int l) { return p[l]; }); }
  static void store16(int16_t* p, S v) { std::memcpy(p, v.at, sizeof v.at); }
  static S add16(S a, S b) { return each16([&](int l) { return a.at[l] + b.at[l]; }); }
  static S relu16(S a) { return each16([&](int l) { return a.at[l] > 0 ? a.at[l] : 0; }); }
  static I dot16(S a, S w) {
    return each<I>([&](int l) { return a.at[2 * l] * w.at[2 * l] + a.at[2 * l + 1] * w.at[2 * l + 1]; });
  }
  static I fold4(const I (&even)[2], const I (&odd)[2]) {
    return each<I>([&](int l) {
      const I* sums = l % 2 ? odd : even;
      const int32_t* p = sums[l / 4].at + l / 2 % 2 * 4;
      return p[0] + p[1] + p[2] + p[3];
    });
  }

  template <bool kNonnegative>
  static W8 quads(const uint8_t* p) {
    W8 a;
    std::memcpy(a.at, p, sizeof a.at);
    return a;
  }
  static Quad set_w8(const int8_t* p) {
    Quad w;
    std::memcpy(w.at, p, 4);
    return w;
  }
  template <bool kNonnegative>
  static I dot(I acc, const W8& a, Quad w) { return dot<kNonnegative>(acc, w, a); }
};

using Wide = V8;
using Half = V8;

}  // namespace
