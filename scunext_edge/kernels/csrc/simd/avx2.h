// AVX2 with FMA: eight f32 lanes. SCX_VNNI: with the 256-bit dot product (AVX-VNNI).
#pragma once
#ifdef SCX_SIMDE
#include "emulated.h"
#else
#include <immintrin.h>
#endif

#include <cstdint>
#include <cstring>

namespace {

#ifdef SCX_VNNI
constexpr int kQ8Offset = 128;  // dpbusd multiplies unsigned by signed bytes
#else
constexpr int kQ8Offset = 0;
#endif

struct V8 {
  using F = __m256;
  using I = __m256i;
  static constexpr int L = 8;
  static F load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, F v) { _mm256_storeu_ps(p, v); }
  static F set(float x) { return _mm256_set1_ps(x); }
  static F zero() { return _mm256_setzero_ps(); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }  // b where a is NaN
  static F max(F a, F b) { return _mm256_max_ps(a, b); }  // b where a is NaN
  static F sqrt(F a) { return _mm256_sqrt_ps(a); }
  static F floor(F a) { return _mm256_floor_ps(a); }
  static F rint(F a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F madd(F a, F b, F c) { return _mm256_add_ps(_mm256_mul_ps(a, b), c); }  // two roundings, everywhere
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }                // f32 convolutions only
  static F exp2i(F n) {  // 2^n for whole n
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
  }

  static I loadi(const int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static void storei(int32_t* p, I v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
  static I seti(int32_t x) { return _mm256_set1_epi32(x); }
  static I addi(I a, I b) { return _mm256_add_epi32(a, b); }
  static I maxi(I a, I b) { return _mm256_max_epi32(a, b); }
  static F to_float(I a) { return _mm256_cvtepi32_ps(a); }

  // q8: stored bytes to values (before the scale) and back. v is already divided by the scale.
  static F load_q8(const uint8_t* p) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return _mm256_cvtepi32_ps(kQ8Offset ? _mm256_sub_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_set1_epi32(kQ8Offset))
                                        : _mm256_cvtepi8_epi32(bytes));
  }
  static void store_q8(uint8_t* p, F v) {
    v = _mm256_min_ps(_mm256_max_ps(v, _mm256_set1_ps(-128.f)), _mm256_set1_ps(127.f));
    const __m256i whole = _mm256_cvtps_epi32(v);
    __m128i bytes = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    bytes = _mm_packs_epi16(bytes, bytes);
    if (kQ8Offset) bytes = _mm_xor_si128(bytes, _mm_set1_epi8(char(0x80)));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), bytes);
  }
  static void store_q16(int16_t* p, F v) {
    v = _mm256_min_ps(_mm256_max_ps(v, _mm256_set1_ps(-2047.f)), _mm256_set1_ps(2047.f));
    const __m256i whole = _mm256_cvtps_epi32(v);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1)));
  }
  static F load_u8(const uint8_t* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }

  // GCC would add products to each other first and to the sum last, and run out of registers.
  static I in_order(I sum) {
#if defined(__GNUC__) && !defined(__clang__)
    asm("" : "+v"(sum));
#endif
    return sum;
  }

  // The dot product of four bytes: acc[l] += sum over k of a[k] * w[4 l + k], exact.
  struct Quad {
#ifdef SCX_VNNI
    I value;
#else
    I value, magnitude;
#endif
  };
  template <bool kNonnegative>
  static Quad quad(const uint8_t* p) {
    int32_t four;
    std::memcpy(&four, p, 4);
    const I a = _mm256_set1_epi32(four);
#ifdef SCX_VNNI
    return {a};
#else
    return {a, kNonnegative ? a : _mm256_abs_epi8(a)};
#endif
  }
  static I load_w8(const int8_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
  template <bool kNonnegative>
  static I dot(I acc, Quad a, I w) {
#ifdef SCX_VNNI
#ifdef __AVX512VNNI__
    return _mm256_dpbusd_epi32(acc, a.value, w);
#else
    return _mm256_dpbusd_avx_epi32(acc, a.value, w);
#endif
#else
    // maddubs adds two products in 16 bits: 128 * 127 * 2 fits, since |w| <= 127. Signs go to the weights.
    const I pairs = kNonnegative ? _mm256_maddubs_epi16(a.value, w)
                                 : _mm256_maddubs_epi16(a.magnitude, _mm256_sign_epi8(w, a.value));
    return in_order(_mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))));
#endif
  }

#ifndef SCX_VNNI
  // The same two at a time in 16 bits, for inputs with signs: widened once, they cost no sign in every product.
  static void widen(int16_t* to, const uint8_t* p) {  // sixteen
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_cvtepi8_epi16(bytes));
  }
  static I pair(const int16_t* p) {
    int32_t two;
    std::memcpy(&two, p, 4);
    return _mm256_set1_epi32(two);
  }
  static I load_w16(const int16_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static I dot_pair(I acc, I a, I w) { return in_order(_mm256_add_epi32(acc, _mm256_madd_epi16(a, w))); }
#endif

  // A loaded value that is used several times: GCC would make every use read the memory again.
  static F hold(F v) {
#if defined(__GNUC__) && !defined(__clang__)
    asm("" : "+v"(v));
#endif
    return v;
  }

  // Ends of the network, and images. Eight lanes are one pixel's eight channels (or partial sums).
  static void store_score(uint8_t* p, F logits) {  // L bytes: floor(clamp(16 logit)) + 128; NaN gives 0
    // Packing saturates; as in store_q8x4 only what is too large for 32 bits needs care.
    const F v = _mm256_min_ps(_mm256_set1_ps(127.f), _mm256_mul_ps(logits, _mm256_set1_ps(16.f)));
    const __m256i whole = _mm256_cvtps_epi32(_mm256_floor_ps(v));
    __m128i bytes = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    bytes = _mm_xor_si128(_mm_packs_epi16(bytes, bytes), _mm_set1_epi8(char(0x80)));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), bytes);
  }
  static void store_q8x4(uint8_t* p, F a, F b, F c, F d) {  // as store_q8, for four vectors that follow each other
    // Packing saturates, so only what does not fit 32 bits needs care: above, min; below and NaN become -2^31.
    const auto whole = [](F v) { return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_set1_ps(127.f), v)); };
    const __m256i ab = _mm256_packs_epi32(whole(a), whole(b)), cd = _mm256_packs_epi32(whole(c), whole(d));
    __m256i bytes = _mm256_packs_epi16(ab, cd);  // groups of four: a0 b0 c0 d0 a1 b1 c1 d1
    bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    if (kQ8Offset) bytes = _mm256_xor_si256(bytes, _mm256_set1_epi8(char(0x80)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), bytes);
  }
  static F load_rgb(const uint8_t* p) {  // L / 4 pixels of three bytes; every fourth lane is 0. Reads 16 bytes.
    const __m256i places = _mm256_setr_epi8(0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, -1, -1, -1, -1,  //
                                            3, -1, -1, -1, 4, -1, -1, -1, 5, -1, -1, -1, -1, -1, -1, -1);
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_cvtepi32_ps(_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), places));
  }
  static void zip(F a, F b, F& low, F& high) {  // a0 b0 a1 b1 ...
    const F x = _mm256_unpacklo_ps(a, b), y = _mm256_unpackhi_ps(a, b);
    low = _mm256_permute2f128_ps(x, y, 0x20);
    high = _mm256_permute2f128_ps(x, y, 0x31);
  }
  // fold8 of every eight lanes: lane 2 n of the result is that of the n-th eight in even[], lane 2 n + 1 in odd[].
  static F fold8(const F (&even)[4], const F (&odd)[4]) {
    const auto step4 = [](F a, F b) {  // a's four sums, then b's
      return _mm256_add_ps(_mm256_blend_ps(a, b, 0xf0), _mm256_permute2f128_ps(a, b, 0x21));
    };
    const auto step2 = [](F a, F b) {  // in each half: a's two sums, then b's
      return _mm256_add_ps(_mm256_blend_ps(a, b, 0xcc), _mm256_shuffle_ps(a, b, 0x4e));
    };
    const F a = step2(step4(even[0], even[2]), step4(odd[0], odd[2]));
    const F b = step2(step4(even[1], even[3]), step4(odd[1], odd[3]));
    return _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x88), _mm256_shuffle_ps(a, b, 0xdd));
  }

  // 16-bit integers, 2 L of them: exact as long as nothing overflows.
  using S = __m256i;
  static S load16(const int16_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static void store16(int16_t* p, S v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
  static S add16(S a, S b) { return _mm256_add_epi16(a, b); }
  static S relu16(S a) { return _mm256_max_epi16(a, _mm256_setzero_si256()); }
  static I dot16(S a, S w) { return _mm256_madd_epi16(a, w); }  // a[2 l] * w[2 l] + a[2 l + 1] * w[2 l + 1]
  // The sum of every four lanes: lane 2 n is that of the n-th four in even[], lane 2 n + 1 in odd[].
  static I fold4(const I (&even)[2], const I (&odd)[2]) {
    const auto step2 = [](I a, I b) {
      return _mm256_add_epi32(_mm256_blend_epi32(a, b, 0xcc), _mm256_alignr_epi8(b, a, 8));
    };
    const I sums = _mm256_hadd_epi32(step2(even[0], odd[0]), step2(even[1], odd[1]));
    return _mm256_permute4x64_epi64(sums, 0xd8);
  }

  // dot() the other way around: every lane has its own four bytes, and the four weights are the same for all.
  template <bool kNonnegative>
  static Quad quads(const uint8_t* p) {  // reads 4 L bytes
    const I a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
#ifdef SCX_VNNI
    return {a};
#else
    return {a, kNonnegative ? a : _mm256_abs_epi8(a)};
#endif
  }
  static I set_w8(const int8_t* p) {
    int32_t four;
    std::memcpy(&four, p, 4);
    return _mm256_set1_epi32(four);
  }
};

#ifndef SCX_AVX512
using Wide = V8;   // the widest vector here
using Half = V8;   // for eight channels
#endif

}  // namespace
