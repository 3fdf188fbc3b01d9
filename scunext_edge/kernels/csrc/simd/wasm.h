// WebAssembly SIMD: eight f32 lanes as two registers of 128 bits. With the relaxed instructions (fused multiply-add,
// dot product of bytes) where the compiler may use them; what they leave open to the processor never reaches a result
// that has to be exact.
#pragma once
#include <wasm_simd128.h>

#include <cstdint>
#include <cstring>

namespace {

constexpr int kQ8Offset = 0;

struct V8 {
  struct F { v128_t lo, hi; };
  struct I { v128_t lo, hi; };
  static constexpr int L = 8;
  static F load(const float* p) { return {wasm_v128_load(p), wasm_v128_load(p + 4)}; }
  static void store(float* p, F v) { wasm_v128_store(p, v.lo), wasm_v128_store(p + 4, v.hi); }
  static F set(float x) { return {wasm_f32x4_splat(x), wasm_f32x4_splat(x)}; }
  static F zero() { return set(0); }
  static F add(F a, F b) { return {wasm_f32x4_add(a.lo, b.lo), wasm_f32x4_add(a.hi, b.hi)}; }
  static F sub(F a, F b) { return {wasm_f32x4_sub(a.lo, b.lo), wasm_f32x4_sub(a.hi, b.hi)}; }
  static F mul(F a, F b) { return {wasm_f32x4_mul(a.lo, b.lo), wasm_f32x4_mul(a.hi, b.hi)}; }
  static F div(F a, F b) { return {wasm_f32x4_div(a.lo, b.lo), wasm_f32x4_div(a.hi, b.hi)}; }
  static F min(F a, F b) { return {wasm_f32x4_pmin(b.lo, a.lo), wasm_f32x4_pmin(b.hi, a.hi)}; }  // b where a is NaN
  static F max(F a, F b) { return {wasm_f32x4_pmax(b.lo, a.lo), wasm_f32x4_pmax(b.hi, a.hi)}; }  // b where a is NaN
  static F sqrt(F a) { return {wasm_f32x4_sqrt(a.lo), wasm_f32x4_sqrt(a.hi)}; }
  static F floor(F a) { return {wasm_f32x4_floor(a.lo), wasm_f32x4_floor(a.hi)}; }
  static F rint(F a) { return {wasm_f32x4_nearest(a.lo), wasm_f32x4_nearest(a.hi)}; }
  static F madd(F a, F b, F c) { return add(mul(a, b), c); }  // two roundings, everywhere
#ifdef __wasm_relaxed_simd__
  static F fma(F a, F b, F c) { return {fma(a.lo, b.lo, c.lo), fma(a.hi, b.hi, c.hi)}; }  // f32 convolutions only
#else
  static F fma(F a, F b, F c) { return madd(a, b, c); }
#endif
  // 2^n for whole n: the addition leaves n + 127 in the lowest bits.
  static F exp2i(F n) {
    n = add(n, set(kWhole + 127));
    return {wasm_i32x4_shl(n.lo, 23), wasm_i32x4_shl(n.hi, 23)};
  }

  static I loadi(const int32_t* p) { return {wasm_v128_load(p), wasm_v128_load(p + 4)}; }
  static void storei(int32_t* p, I v) { wasm_v128_store(p, v.lo), wasm_v128_store(p + 4, v.hi); }
  static I seti(int32_t x) { return {wasm_i32x4_splat(x), wasm_i32x4_splat(x)}; }
  static I addi(I a, I b) { return {wasm_i32x4_add(a.lo, b.lo), wasm_i32x4_add(a.hi, b.hi)}; }
  static I maxi(I a, I b) { return {wasm_i32x4_max(a.lo, b.lo), wasm_i32x4_max(a.hi, b.hi)}; }
  static F to_float(I a) { return {wasm_f32x4_convert_i32x4(a.lo), wasm_f32x4_convert_i32x4(a.hi)}; }

  // q8: stored bytes to values (before the scale) and back. v is already divided by the scale.
  static F load_q8(const uint8_t* p) {
    const v128_t wide = wasm_i16x8_load8x8(p);
    return to_float({wasm_i32x4_extend_low_i16x8(wide), wasm_i32x4_extend_high_i16x8(wide)});
  }
  static void store_q8(uint8_t* p, F v) {
    const v128_t wide = narrow(v, -128, 127);
    wasm_v128_store64_lane(p, wasm_i8x16_narrow_i16x8(wide, wide), 0);
  }
  static void store_q16(int16_t* p, F v) { wasm_v128_store(p, narrow(v, -2047, 2047)); }
  static F load_u8(const uint8_t* p) {
    const v128_t wide = wasm_u16x8_load8x8(p);
    return to_float({wasm_u32x4_extend_low_u16x8(wide), wasm_u32x4_extend_high_u16x8(wide)});
  }

  // The dot product of four bytes: acc[l] += sum over k of a[k] * w[4 l + k], exact. Bytes become 16 bits, of which
  // pairs are multiplied and added; k = 0, 1 apart from k = 2, 3, so that sums end in the right lane. The relaxed dot
  // product is exact where one factor has 7 bits: inputs that are never negative.
  struct Quad {
    v128_t k01, k23;
#ifdef __wasm_relaxed_simd__
    v128_t bytes;  // larger than a sum: convolutions then ask for the form that they need, and the rest costs nothing
#endif
  };
  struct W8 { v128_t lo, hi; };
  template <bool kNonnegative>
  static Quad quad(const uint8_t* p) {
    const v128_t bytes = wasm_v128_load32_splat(p), wide = wasm_i16x8_extend_low_i8x16(bytes);
    Quad quad;
    quad.k01 = wasm_i32x4_shuffle(wide, wide, 0, 0, 0, 0);
    quad.k23 = wasm_i32x4_shuffle(wide, wide, 1, 1, 1, 1);
#ifdef __wasm_relaxed_simd__
    quad.bytes = bytes;
#endif
    return quad;
  }
  static W8 load_w8(const int8_t* p) { return {wasm_v128_load(p), wasm_v128_load(p + 16)}; }
  template <bool kNonnegative>
  static I dot(I acc, const Quad& a, W8 w) {
#ifdef __wasm_relaxed_simd__
    if (kNonnegative) return {relaxed_dot(w.lo, a.bytes, acc.lo), relaxed_dot(w.hi, a.bytes, acc.hi)};
#endif
    return {dot(acc.lo, a, w.lo), dot(acc.hi, a, w.hi)};
  }
  // The other way around: every lane has its own four bytes, and the four weights are the same for all.
  template <bool kNonnegative>
  static W8 quads(const uint8_t* p) { return load_w8(reinterpret_cast<const int8_t*>(p)); }
  static Quad set_w8(const int8_t* p) { return quad<false>(reinterpret_cast<const uint8_t*>(p)); }
  template <bool kNonnegative>
  static I dot(I acc, W8 a, const Quad& w) {
#ifdef __wasm_relaxed_simd__
    if (kNonnegative) return {relaxed_dot(w.bytes, a.lo, acc.lo), relaxed_dot(w.bytes, a.hi, acc.hi)};
#endif
    return dot<false>(acc, w, a);
  }

  static F hold(F v) { return v; }  // for GCC on x86

  // Ends of the network, and images; see avx2.h.
  static void store_score(uint8_t* p, F logits) {
    const v128_t wide = narrow(floor(min(max(mul(logits, set(16)), set(-128)), set(127))), -128, 127);
    const v128_t bytes = wasm_i8x16_narrow_i16x8(wide, wide);
    wasm_v128_store64_lane(p, wasm_v128_xor(bytes, wasm_i8x16_splat(-128)), 0);
  }
  static void store_q8x4(uint8_t* p, F a, F b, F c, F d) {
    wasm_v128_store(p, wasm_i8x16_narrow_i16x8(narrow(a, -128, 127), narrow(b, -128, 127)));
    wasm_v128_store(p + 16, wasm_i8x16_narrow_i16x8(narrow(c, -128, 127), narrow(d, -128, 127)));
  }
  static F load_rgb(const uint8_t* p) {  // two pixels
    const v128_t bytes = wasm_v128_load(p), none = wasm_i32x4_splat(0);
    constexpr int z = 16;  // a byte of `none`
    return to_float({wasm_i8x16_shuffle(bytes, none, 0, z, z, z, 1, z, z, z, 2, z, z, z, z, z, z, z),
                     wasm_i8x16_shuffle(bytes, none, 3, z, z, z, 4, z, z, z, 5, z, z, z, z, z, z, z)});
  }
  static void zip(F a, F b, F& low, F& high) {
    low = {wasm_i32x4_shuffle(a.lo, b.lo, 0, 4, 1, 5), wasm_i32x4_shuffle(a.lo, b.lo, 2, 6, 3, 7)};
    high = {wasm_i32x4_shuffle(a.hi, b.hi, 0, 4, 1, 5), wasm_i32x4_shuffle(a.hi, b.hi, 2, 6, 3, 7)};
  }
  static F fold8(const F (&even)[4], const F (&odd)[4]) {
    v128_t two[4];  // of each pair: even's two sums, then odd's
    for (int n = 0; n < 4; n++) {
      const v128_t a = wasm_f32x4_add(even[n].lo, even[n].hi), b = wasm_f32x4_add(odd[n].lo, odd[n].hi);
      two[n] = wasm_f32x4_add(wasm_i64x2_shuffle(a, b, 0, 2), wasm_i64x2_shuffle(a, b, 1, 3));
    }
    const auto add_pairs = [](v128_t a, v128_t b) {
      return wasm_f32x4_add(wasm_i32x4_shuffle(a, b, 0, 2, 4, 6), wasm_i32x4_shuffle(a, b, 1, 3, 5, 7));
    };
    return {add_pairs(two[0], two[1]), add_pairs(two[2], two[3])};
  }

  // 16-bit integers, 2 L of them: exact as long as nothing overflows.
  struct S { v128_t lo, hi; };
  static S load16(const int16_t* p) { return {wasm_v128_load(p), wasm_v128_load(p + 8)}; }
  static void store16(int16_t* p, S v) { wasm_v128_store(p, v.lo), wasm_v128_store(p + 8, v.hi); }
  static S add16(S a, S b) { return {wasm_i16x8_add(a.lo, b.lo), wasm_i16x8_add(a.hi, b.hi)}; }
  static S relu16(S a) {
    const v128_t zero = wasm_i32x4_splat(0);
    return {wasm_i16x8_max(a.lo, zero), wasm_i16x8_max(a.hi, zero)};
  }
  static I dot16(S a, S w) { return {wasm_i32x4_dot_i16x8(a.lo, w.lo), wasm_i32x4_dot_i16x8(a.hi, w.hi)}; }
  static I fold4(const I (&even)[2], const I (&odd)[2]) { return {fold4(even[0], odd[0]), fold4(even[1], odd[1])}; }

 private:
  static constexpr float kWhole = 12582912;  // 1.5 * 2^23: a sum with it is rounded to a whole number, ties to even
  // Whole numbers within [low, high]; a NaN becomes low.
  static v128_t narrow(F v, float low, float high) {
    v = add(min(max(v, set(low)), set(high)), set(kWhole));
    const v128_t bits = wasm_i32x4_splat(0x4B400000);  // of kWhole
    return wasm_i16x8_narrow_i32x4(wasm_i32x4_sub(v.lo, bits), wasm_i32x4_sub(v.hi, bits));
  }
  static v128_t dot(v128_t acc, const Quad& a, v128_t w) {
    const v128_t low = wasm_i16x8_extend_low_i8x16(w), high = wasm_i16x8_extend_high_i8x16(w);
    const v128_t k01 = wasm_i32x4_shuffle(low, high, 0, 2, 4, 6), k23 = wasm_i32x4_shuffle(low, high, 1, 3, 5, 7);
    acc = wasm_i32x4_add(acc, wasm_i32x4_dot_i16x8(k01, a.k01));
    return wasm_i32x4_add(acc, wasm_i32x4_dot_i16x8(k23, a.k23));
  }
  static v128_t fold4(I even, I odd) {
    const auto add_pairs = [](v128_t a, v128_t b) {
      return wasm_i32x4_add(wasm_i32x4_shuffle(a, b, 0, 2, 4, 6), wasm_i32x4_shuffle(a, b, 1, 3, 5, 7));
    };
    return add_pairs(add_pairs(even.lo, odd.lo), add_pairs(even.hi, odd.hi));
  }
#ifdef __wasm_relaxed_simd__
  using Floats = float __attribute__((vector_size(16)));
  using Bytes = signed char __attribute__((vector_size(16)));
  using Words = int __attribute__((vector_size(16)));
  static v128_t fma(v128_t a, v128_t b, v128_t c) {
    return v128_t(__builtin_wasm_relaxed_madd_f32x4(Floats(a), Floats(b), Floats(c)));
  }
  static v128_t relaxed_dot(v128_t w, v128_t a, v128_t acc) {
    return v128_t(__builtin_wasm_relaxed_dot_i8x16_i7x16_add_s_i32x4(Bytes(w), Bytes(a), Words(acc)));
  }
#endif
};

using Wide = V8;   // the widest vector here
using Half = V8;   // for eight channels

}  // namespace
