// NEON on 64-bit Arm: eight f32 lanes as two registers. Where the compiler may use them: with the dot products of Armv8.2
// (signed bytes) and of i8mm (unsigned by signed).
#pragma once
#include <arm_neon.h>

#include <cstdint>
#include <cstring>

namespace {

#if defined(__ARM_FEATURE_MATMUL_INT8)
constexpr int kQ8Offset = 128;  // usdot multiplies unsigned by signed bytes
#else
constexpr int kQ8Offset = 0;  // both factors of a product are signed here
#endif

struct V8 {
  struct F { float32x4_t lo, hi; };
  struct I { int32x4_t lo, hi; };
  static constexpr int L = 8;
  static F load(const float* p) { return {vld1q_f32(p), vld1q_f32(p + 4)}; }
  static void store(float* p, F v) { vst1q_f32(p, v.lo), vst1q_f32(p + 4, v.hi); }
  static F set(float x) { return {vdupq_n_f32(x), vdupq_n_f32(x)}; }
  static F zero() { return set(0); }
  static F add(F a, F b) { return {vaddq_f32(a.lo, b.lo), vaddq_f32(a.hi, b.hi)}; }
  static F sub(F a, F b) { return {vsubq_f32(a.lo, b.lo), vsubq_f32(a.hi, b.hi)}; }
  static F mul(F a, F b) { return {vmulq_f32(a.lo, b.lo), vmulq_f32(a.hi, b.hi)}; }
  static F div(F a, F b) { return {vdivq_f32(a.lo, b.lo), vdivq_f32(a.hi, b.hi)}; }
  static F min(F a, F b) { return {less(a.lo, b.lo, a.lo, b.lo), less(a.hi, b.hi, a.hi, b.hi)}; }  // b where a is NaN
  static F max(F a, F b) { return {less(b.lo, a.lo, a.lo, b.lo), less(b.hi, a.hi, a.hi, b.hi)}; }  // b where a is NaN
  static F sqrt(F a) { return {vsqrtq_f32(a.lo), vsqrtq_f32(a.hi)}; }
  static F floor(F a) { return {vrndmq_f32(a.lo), vrndmq_f32(a.hi)}; }
  static F rint(F a) { return {vrndnq_f32(a.lo), vrndnq_f32(a.hi)}; }
  static F madd(F a, F b, F c) { return add(mul(a, b), c); }  // two roundings, everywhere
  static F fma(F a, F b, F c) { return {vfmaq_f32(c.lo, a.lo, b.lo), vfmaq_f32(c.hi, a.hi, b.hi)}; }
  static F exp2i(F n) { return {exp2i(n.lo), exp2i(n.hi)}; }  // 2^n for whole n

  static I loadi(const int32_t* p) { return {vld1q_s32(p), vld1q_s32(p + 4)}; }
  static void storei(int32_t* p, I v) { vst1q_s32(p, v.lo), vst1q_s32(p + 4, v.hi); }
  static I seti(int32_t x) { return {vdupq_n_s32(x), vdupq_n_s32(x)}; }
  static I addi(I a, I b) { return {vaddq_s32(a.lo, b.lo), vaddq_s32(a.hi, b.hi)}; }
  static I maxi(I a, I b) { return {vmaxq_s32(a.lo, b.lo), vmaxq_s32(a.hi, b.hi)}; }
  static F to_float(I a) { return {vcvtq_f32_s32(a.lo), vcvtq_f32_s32(a.hi)}; }

  // q8: stored bytes to values (before the scale) and back. v is already divided by the scale.
  static F load_q8(const uint8_t* p) {
    const int16x8_t wide = vmovl_s8(vreinterpret_s8_u8(flipped(vld1_u8(p))));
    return to_float({vmovl_s16(vget_low_s16(wide)), vmovl_high_s16(wide)});
  }
  static void store_q8(uint8_t* p, F v) {
    vst1_u8(p, flipped(vreinterpret_u8_s8(vmovn_s16(narrow(v, -128, 127)))));
  }
  static void store_q16(int16_t* p, F v) { vst1q_s16(p, narrow(v, -2047, 2047)); }
  static F load_u8(const uint8_t* p) {
    const uint16x8_t wide = vmovl_u8(vld1_u8(p));
    return {vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide))), vcvtq_f32_u32(vmovl_high_u16(wide))};
  }

  // The dot product of four bytes: acc[l] += sum over k of a[k] * w[4 l + k], exact.
#if defined(__ARM_FEATURE_MATMUL_INT8)
  using Quad = uint8x16_t;
  struct W8 { int8x16_t lo, hi; };
  template <bool kNonnegative>
  static Quad quad(const uint8_t* p) { return vreinterpretq_u8_s32(vdupq_n_s32(four(p))); }
  static W8 load_w8(const int8_t* p) { return {vld1q_s8(p), vld1q_s8(p + 16)}; }
  template <bool kNonnegative>
  static I dot(I acc, Quad a, W8 w) {
    return {vusdotq_s32(acc.lo, a, w.lo), vusdotq_s32(acc.hi, a, w.hi)};
  }
  // The other way around: every lane has its own four bytes, and the four weights are the same for all.
  struct Quads { uint8x16_t lo, hi; };
  template <bool kNonnegative>
  static Quads quads(const uint8_t* p) { return {vld1q_u8(p), vld1q_u8(p + 16)}; }
  static int8x16_t set_w8(const int8_t* p) { return vreinterpretq_s8_s32(vdupq_n_s32(four(p))); }
  template <bool kNonnegative>
  static I dot(I acc, Quads a, int8x16_t w) {
    return {vusdotq_s32(acc.lo, a.lo, w), vusdotq_s32(acc.hi, a.hi, w)};
  }
#elif defined(__ARM_FEATURE_DOTPROD)
  using Quad = int8x16_t;
  struct W8 { int8x16_t lo, hi; };
  template <bool kNonnegative>
  static Quad quad(const uint8_t* p) { return vreinterpretq_s8_s32(vdupq_n_s32(four(p))); }
  static W8 load_w8(const int8_t* p) { return {vld1q_s8(p), vld1q_s8(p + 16)}; }
  template <bool kNonnegative>
  static I dot(I acc, Quad a, W8 w) {
    return {vdotq_s32(acc.lo, w.lo, a), vdotq_s32(acc.hi, w.hi, a)};
  }
#else
  // Weights and inputs as pairs, k = 0, 1 apart from k = 2, 3: then products of both halves add up in 16 bits
  // (128 * 127 * 2 fits, since |w| <= 127), and one pairwise addition ends in the right lane.
  struct Quad { int8x16_t k01, k23; };
  struct W8 { int8x16_t k01, k23; };
  template <bool kNonnegative>
  static Quad quad(const uint8_t* p) {
    int16_t k01, k23;
    std::memcpy(&k01, p, 2);
    std::memcpy(&k23, p + 2, 2);
    return {vreinterpretq_s8_s16(vdupq_n_s16(k01)), vreinterpretq_s8_s16(vdupq_n_s16(k23))};
  }
  static W8 load_w8(const int8_t* p) {
    const int16x8_t lo = vreinterpretq_s16_s8(vld1q_s8(p)), hi = vreinterpretq_s16_s8(vld1q_s8(p + 16));
    return {vreinterpretq_s8_s16(vuzp1q_s16(lo, hi)), vreinterpretq_s8_s16(vuzp2q_s16(lo, hi))};
  }
  template <bool kNonnegative>
  static I dot(I acc, Quad a, W8 w) {
    int16x8_t lo = vmull_s8(vget_low_s8(w.k01), vget_low_s8(a.k01));
    int16x8_t hi = vmull_high_s8(w.k01, a.k01);
    lo = vmlal_s8(lo, vget_low_s8(w.k23), vget_low_s8(a.k23));
    hi = vmlal_high_s8(hi, w.k23, a.k23);
    return {vpadalq_s16(acc.lo, lo), vpadalq_s16(acc.hi, hi)};
  }
#endif
#if !defined(__ARM_FEATURE_MATMUL_INT8)
  // The other way around. Both factors have signs, so the two change places.
  template <bool kNonnegative>
  static W8 quads(const uint8_t* p) { return load_w8(reinterpret_cast<const int8_t*>(p)); }
  static Quad set_w8(const int8_t* p) { return quad<false>(reinterpret_cast<const uint8_t*>(p)); }
  template <bool kNonnegative>
  static I dot(I acc, W8 a, Quad w) { return dot<kNonnegative>(acc, w, a); }
#endif

  static F hold(F v) { return v; }  // for GCC on x86

  // Ends of the network, and images; see avx2.h.
  static void store_score(uint8_t* p, F logits) {
    const F v = mul(logits, set(16));
    const F floors = {vrndmq_f32(clamp(v.lo, -128, 127)), vrndmq_f32(clamp(v.hi, -128, 127))};
    const uint8x8_t bytes = vreinterpret_u8_s8(vmovn_s16(narrow(floors, -128, 127)));
    vst1_u8(p, veor_u8(bytes, vdup_n_u8(0x80)));
  }
  static void store_q8x4(uint8_t* p, F a, F b, F c, F d) {
    const int16x8_t x = narrow(a, -128, 127), y = narrow(b, -128, 127);
    const int16x8_t z = narrow(c, -128, 127), w = narrow(d, -128, 127);
    vst1q_u8(p, flipped(vuzp1q_u8(vreinterpretq_u8_s16(x), vreinterpretq_u8_s16(y))));  // the low bytes
    vst1q_u8(p + 16, flipped(vuzp1q_u8(vreinterpretq_u8_s16(z), vreinterpretq_u8_s16(w))));
  }
  static F load_rgb(const uint8_t* p) {  // two pixels; places beyond the table give 0
    static const uint8_t places[32] = {0, 99, 99, 99, 1, 99, 99, 99, 2, 99, 99, 99, 99, 99, 99, 99,
                                       3, 99, 99, 99, 4, 99, 99, 99, 5, 99, 99, 99, 99, 99, 99, 99};
    const uint8x16_t bytes = vld1q_u8(p);
    return {vcvtq_f32_u32(vreinterpretq_u32_u8(vqtbl1q_u8(bytes, vld1q_u8(places)))),
            vcvtq_f32_u32(vreinterpretq_u32_u8(vqtbl1q_u8(bytes, vld1q_u8(places + 16))))};
  }
  static void zip(F a, F b, F& low, F& high) {
    low = {vzip1q_f32(a.lo, b.lo), vzip2q_f32(a.lo, b.lo)};
    high = {vzip1q_f32(a.hi, b.hi), vzip2q_f32(a.hi, b.hi)};
  }
  static F fold8(const F (&even)[4], const F (&odd)[4]) {
    float32x4_t two[4];  // of each pair: even's two sums, then odd's
    for (int n = 0; n < 4; n++) {
      const float64x2_t a = vreinterpretq_f64_f32(vaddq_f32(even[n].lo, even[n].hi));
      const float64x2_t b = vreinterpretq_f64_f32(vaddq_f32(odd[n].lo, odd[n].hi));
      two[n] = vaddq_f32(vreinterpretq_f32_f64(vzip1q_f64(a, b)), vreinterpretq_f32_f64(vzip2q_f64(a, b)));
    }
    return {vpaddq_f32(two[0], two[1]), vpaddq_f32(two[2], two[3])};
  }

  // 16-bit integers, 2 L of them: exact as long as nothing overflows.
  struct S { int16x8_t lo, hi; };
  static S load16(const int16_t* p) { return {vld1q_s16(p), vld1q_s16(p + 8)}; }
  static void store16(int16_t* p, S v) { vst1q_s16(p, v.lo), vst1q_s16(p + 8, v.hi); }
  static S add16(S a, S b) { return {vaddq_s16(a.lo, b.lo), vaddq_s16(a.hi, b.hi)}; }
  static S relu16(S a) { return {vmaxq_s16(a.lo, vdupq_n_s16(0)), vmaxq_s16(a.hi, vdupq_n_s16(0))}; }
  static I dot16(S a, S w) { return {dot16(a.lo, w.lo), dot16(a.hi, w.hi)}; }
  static I fold4(const I (&even)[2], const I (&odd)[2]) { return {fold4(even[0], odd[0]), fold4(even[1], odd[1])}; }

 private:
  static int32_t four(const uint8_t* p) { return four(reinterpret_cast<const int8_t*>(p)); }
  static int32_t four(const int8_t* p) {
    int32_t bytes;
    std::memcpy(&bytes, p, 4);
    return bytes;
  }
  // Signed bytes to stored ones and back: adding 128 flips the uppermost bit.
  static uint8x8_t flipped(uint8x8_t v) { return kQ8Offset ? veor_u8(v, vdup_n_u8(0x80)) : v; }
  static uint8x16_t flipped(uint8x16_t v) { return kQ8Offset ? veorq_u8(v, vdupq_n_u8(0x80)) : v; }
  static float32x4_t less(float32x4_t a, float32x4_t b, float32x4_t yes, float32x4_t no) {
    return vbslq_f32(vcltq_f32(a, b), yes, no);
  }
  static float32x4_t exp2i(float32x4_t n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127)), 23));
  }
  // Whole numbers within [low, high]; a NaN becomes low (maxnm and minnm prefer numbers).
  static int16x8_t narrow(F v, float low, float high) {
    return vcombine_s16(vmovn_s32(whole(v.lo, low, high)), vmovn_s32(whole(v.hi, low, high)));
  }
  static int32x4_t whole(float32x4_t v, float low, float high) {
    return vcvtnq_s32_f32(clamp(v, low, high));
  }
  static float32x4_t clamp(float32x4_t v, float low, float high) {
    return vminnmq_f32(vmaxnmq_f32(v, vdupq_n_f32(low)), vdupq_n_f32(high));
  }
  static int32x4_t dot16(int16x8_t a, int16x8_t w) {
    return vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(w)), vmull_high_s16(a, w));
  }
  static int32x4_t fold4(I even, I odd) {
    return vpaddq_s32(vpaddq_s32(even.lo, odd.lo), vpaddq_s32(even.hi, odd.hi));
  }
};

using Wide = V8;   // the widest vector here: a tile of twelve fills 24 of the 32 registers
using Half = V8;   // for eight channels

}  // namespace
