// Any processor: eight lanes as two of C++'s own vectors of four, an extension of GCC and Clang that becomes whatever
// vectors the processor has (SSE2 on every x86-64), or numbers one by one.
#pragma once
#define SCX_REGISTERS 8  // see ops/tile.h
#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

constexpr int kQ8Offset = 0;

struct V8 {
  static constexpr int L = 8;
  using F4 = float __attribute__((vector_size(16)));
  using I4 = int32_t __attribute__((vector_size(16)));
  using U4 = uint32_t __attribute__((vector_size(16)));  // sums and shifts wrap around
  using I16 = int16_t __attribute__((vector_size(16)));
  using U16 = uint16_t __attribute__((vector_size(16)));
  struct F { F4 lo, hi; };
  struct I { I4 lo, hi; };

  template <class Out>
  static Out read(const void* p) {
    Out out;
    std::memcpy(&out, p, sizeof out);
    return out;
  }
  template <class Out, class Lane, class Fn>
  static Out each(Fn fn) {  // number by number
    Lane lanes[sizeof(Out) / sizeof(Lane)];
    int l = 0;
    for (Lane& lane : lanes) lane = Lane(fn(l++));
    return read<Out>(lanes);
  }
  template <class Fn>
  static F floats(Fn fn) { return each<F, float>(fn); }

  static F load(const float* p) { return read<F>(p); }
  static void store(float* p, F v) { std::memcpy(p, &v, sizeof v); }
  static F set(float x) { return {F4{x, x, x, x}, F4{x, x, x, x}}; }
  static F zero() { return set(0); }
  static F add(F a, F b) { return {a.lo + b.lo, a.hi + b.hi}; }
  static F sub(F a, F b) { return {a.lo - b.lo, a.hi - b.hi}; }
  static F mul(F a, F b) { return {a.lo * b.lo, a.hi * b.hi}; }
  static F div(F a, F b) { return {a.lo / b.lo, a.hi / b.hi}; }
  static F min(F a, F b) { return {a.lo < b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi}; }  // b where a is NaN
  static F max(F a, F b) { return {a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi}; }  // b where a is NaN
  [[gnu::noinline]] static F sqrt(F a) { return floats([&](int l) { return std::sqrt(lane(a, l)); }); }
  [[gnu::noinline]] static F floor(F a) { return floats([&](int l) { return std::floor(lane(a, l)); }); }
  static F rint(F a) { return sub(add(a, set(kWhole)), set(kWhole)); }  // for |a| < 2^22
  static F madd(F a, F b, F c) { return add(mul(a, b), c); }            // two roundings, everywhere
  static F fma(F a, F b, F c) { return madd(a, b, c); }
  // 2^n for whole n: the addition leaves n + 127 in the lowest bits.
  static F exp2i(F n) {
    n = add(n, set(kWhole + 127));
    return {F4(U4(n.lo) << 23), F4(U4(n.hi) << 23)};
  }

  static I loadi(const int32_t* p) { return read<I>(p); }
  static void storei(int32_t* p, I v) { std::memcpy(p, &v, sizeof v); }
  static I seti(int32_t x) { return {I4{x, x, x, x}, I4{x, x, x, x}}; }
  static I addi(I a, I b) { return {plus(a.lo, b.lo), plus(a.hi, b.hi)}; }
  static I maxi(I a, I b) { return {a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi}; }
  static F to_float(I a) { return {__builtin_convertvector(a.lo, F4), __builtin_convertvector(a.hi, F4)}; }

  // q8: stored bytes to values (before the scale) and back. v is already divided by the scale.
  [[gnu::noinline]] static F load_q8(const uint8_t* p) { return to_float(each<I, int32_t>([&](int l) { return int8_t(p[l]); })); }
  static void store_q8(uint8_t* p, F v) { narrow(p, v, -128, 127); }
  static void store_q16(int16_t* p, F v) { narrow(p, v, -2047, 2047); }
  [[gnu::noinline]] static F load_u8(const uint8_t* p) { return to_float(each<I, int32_t>([&](int l) { return p[l]; })); }

  // The dot product of four bytes: acc[l] += sum over k of a[k] * w[4 l + k], exact. Bytes become 16 bits, those at even
  // k apart from those at odd k: two products fit, since |w| <= 127. Halves of 32 bits then add up in their lane.
  struct Quad { U16 even, odd; };
  struct W8 { Quad lo, hi; };
  template <bool kNonnegative>
  static Quad quad(const uint8_t* p) {
    const int32_t four = read<int32_t>(p);
    return split(I4{four, four, four, four});
  }
  static W8 load_w8(const int8_t* p) { return {split(read<I4>(p)), split(read<I4>(p + 16))}; }
  template <bool kNonnegative>
  static I dot(I acc, Quad a, const W8& w) { return {dot4(acc.lo, a, w.lo), dot4(acc.hi, a, w.hi)}; }
  // The other way around: every lane has its own four bytes, and the four weights are the same for all.
  template <bool kNonnegative>
  static W8 quads(const uint8_t* p) { return load_w8(reinterpret_cast<const int8_t*>(p)); }
  static Quad set_w8(const int8_t* p) { return quad<false>(reinterpret_cast<const uint8_t*>(p)); }
  template <bool kNonnegative>
  static I dot(I acc, const W8& a, Quad w) { return dot<kNonnegative>(acc, w, a); }

  static F hold(F v) { return v; }  // for GCC on x86

  // Ends of the network, and images; see avx2.h.
  [[gnu::noinline]] static void store_score(uint8_t* p, F logits) {
    const F v = min(max(mul(logits, set(16)), set(-128)), set(127)), whole = rint(v);
    const auto down = [](F4 v, F4 whole) { return whole > v ? whole - 1.f : whole; };
    const F lower = {down(v.lo, whole.lo), down(v.hi, whole.hi)};  // floor
    for (int l = 0; l < L; l++) p[l] = uint8_t(int(lane(lower, l)) + 128);
  }
  static void store_q8x4(uint8_t* p, F a, F b, F c, F d) {
    store_q8(p, a), store_q8(p + L, b), store_q8(p + 2 * L, c), store_q8(p + 3 * L, d);
  }
  [[gnu::noinline]] static F load_rgb(const uint8_t* p) {
    return to_float(each<I, int32_t>([&](int l) { return l % 4 == 3 ? 0 : p[l / 4 * 3 + l % 4]; }));
  }
  static void zip(F a, F b, F& low, F& high) {
    low = {F4{a.lo[0], b.lo[0], a.lo[1], b.lo[1]}, F4{a.lo[2], b.lo[2], a.lo[3], b.lo[3]}};
    high = {F4{a.hi[0], b.hi[0], a.hi[1], b.hi[1]}, F4{a.hi[2], b.hi[2], a.hi[3], b.hi[3]}};
  }
  [[gnu::noinline]] static F fold8(const F (&even)[4], const F (&odd)[4]) {
    const auto sum = [](F v) {
      const F4 four = v.lo + v.hi;
      return (four[0] + four[2]) + (four[1] + four[3]);
    };
    return floats([&](int l) {
      const F* sums = l % 2 ? odd : even;  // a pointer: GCC 12 checks the bounds of a chosen array wrongly
      return sum(sums[l / 2]);
    });
  }

  // 16-bit integers, 2 L of them: exact as long as nothing overflows.
  struct S { I16 lo, hi; };
  static S load16(const int16_t* p) { return read<S>(p); }
  static void store16(int16_t* p, S v) { std::memcpy(p, &v, sizeof v); }
  static S add16(S a, S b) { return {a.lo + b.lo, a.hi + b.hi}; }
  static S relu16(S a) { return {a.lo > 0 ? a.lo : I16{}, a.hi > 0 ? a.hi : I16{}}; }
  [[gnu::noinline]] static I dot16(S a, S w) {
    return each<I, int32_t>([&](int l) {
      const I16 &x = l < 4 ? a.lo : a.hi, &y = l < 4 ? w.lo : w.hi;
      return x[l % 4 * 2] * y[l % 4 * 2] + x[l % 4 * 2 + 1] * y[l % 4 * 2 + 1];
    });
  }
  [[gnu::noinline]] static I fold4(const I (&even)[2], const I (&odd)[2]) {
    const auto sum = [](I4 v) { return v[0] + v[1] + v[2] + v[3]; };
    return each<I, int32_t>([&](int l) {
      const I* sums = l % 2 ? odd : even;
      return sum(l / 2 % 2 ? sums[l / 4].hi : sums[l / 4].lo);
    });
  }

 private:
  static constexpr float kWhole = 12582912;  // 1.5 * 2^23: a sum with it is rounded to a whole number, ties to even
  static float lane(const F& v, int l) { return l < 4 ? v.lo[l] : v.hi[l - 4]; }
  static I4 plus(I4 a, I4 b) { return I4(U4(a) + U4(b)); }
  // Whole numbers within [low, high]; a NaN becomes low.
  template <class To>
  [[gnu::noinline]] static void narrow(To* p, F v, float low, float high) {
    v = rint(min(max(v, set(low)), set(high)));
    for (int l = 0; l < L; l++) p[l] = To(int32_t(lane(v, l)));
  }
  static Quad split(I4 bytes) { return {U16(I16(U16(bytes) << 8) >> 8), U16(I16(bytes) >> 8)}; }
  static I4 dot4(I4 acc, Quad a, Quad w) {
    const U16 pairs = a.even * w.even + a.odd * w.odd;
    return plus(plus(acc, I4(U4(pairs) << 16) >> 16), I4(pairs) >> 16);
  }
};

using Wide = V8;
using Half = V8;

}  // namespace
