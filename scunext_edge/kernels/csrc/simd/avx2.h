// AVX2 with FMA: eight f32 lanes. SCX_VNNI: with the 256-bit dot product (AVX-VNNI).
#pragma once
#include <immintrin.h>

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
    return _mm256_dpbusd_avx_epi32(acc, a.value, w);
#else
    // maddubs adds two products in 16 bits: 128 * 127 * 2 fits, since |w| <= 127. Signs go to the weights.
    const I pairs = kNonnegative ? _mm256_maddubs_epi16(a.value, w)
                                 : _mm256_maddubs_epi16(a.magnitude, _mm256_sign_epi8(w, a.value));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#endif
  }
};

using Wide = V8;   // the widest vector here
using Half = V8;   // for eight channels

}  // namespace
