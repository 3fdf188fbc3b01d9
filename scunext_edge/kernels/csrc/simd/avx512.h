// AVX-512 (F, BW, DQ, VL): sixteen f32 lanes, and avx2.h's eight as Half. SCX_VNNI: with the dot product of bytes.
#pragma once
#define SCX_REGISTERS 32  // see ops/tile.h
#define SCX_AVX512
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push  // of undefined vectors in GCC's own header (GCC bug 105593)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include "avx2.h"
#pragma GCC diagnostic pop
#else
#include "avx2.h"
#endif

namespace {

struct V16 {
  using F = __m512;
  using I = __m512i;
  static constexpr int L = 16;
  static F load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, F v) { _mm512_storeu_ps(p, v); }
  static F set(float x) { return _mm512_set1_ps(x); }
  static F zero() { return _mm512_setzero_ps(); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }  // b where a is NaN
  static F max(F a, F b) { return _mm512_max_ps(a, b); }  // b where a is NaN
  static F sqrt(F a) { return _mm512_sqrt_ps(a); }
  static F floor(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
  static F rint(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F madd(F a, F b, F c) { return _mm512_add_ps(_mm512_mul_ps(a, b), c); }  // two roundings, everywhere
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }                // f32 convolutions only
  static F exp2i(F n) {  // 2^n for whole n
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
  }

  // Two numbers that lie side by side, in every even and every odd lane; and all even lanes before all odd ones.
  static F set_two(const float* p) {
    double two;
    std::memcpy(&two, p, 8);
    return _mm512_castpd_ps(_mm512_set1_pd(two));
  }
  static F unzip(F v) {
    const I order = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    return _mm512_castsi512_ps(_mm512_permutexvar_epi32(order, _mm512_castps_si512(v)));
  }
  static I unzip(I v) { return _mm512_castps_si512(unzip(_mm512_castsi512_ps(v))); }

  static I loadi(const int32_t* p) { return _mm512_loadu_si512(p); }
  static void storei(int32_t* p, I v) { _mm512_storeu_si512(p, v); }
  static I seti(int32_t x) { return _mm512_set1_epi32(x); }
  static I addi(I a, I b) { return _mm512_add_epi32(a, b); }
  static I maxi(I a, I b) { return _mm512_max_epi32(a, b); }
  static F to_float(I a) { return _mm512_cvtepi32_ps(a); }

  // q8: stored bytes to values (before the scale) and back. v is already divided by the scale.
  static F load_q8(const uint8_t* p) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm512_cvtepi32_ps(kQ8Offset ? _mm512_sub_epi32(_mm512_cvtepu8_epi32(bytes), _mm512_set1_epi32(kQ8Offset))
                                        : _mm512_cvtepi8_epi32(bytes));
  }
  static void store_q8(uint8_t* p, F v) {
    __m128i bytes = _mm512_cvtsepi32_epi8(whole(v));
    if (kQ8Offset) bytes = _mm_xor_si128(bytes, _mm_set1_epi8(char(0x80)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
  }
  static void store_q16(int16_t* p, F v) {
    v = _mm512_min_ps(_mm512_max_ps(v, _mm512_set1_ps(-2047.f)), _mm512_set1_ps(2047.f));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(v)));
  }
  static F load_u8(const uint8_t* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }

  // GCC would add products to each other first and to the sum last, and run out of registers.
  static I in_order(I sum) {
#if defined(__GNUC__) && !defined(__clang__) && !defined(SCX_SIMDE)
    asm("" : "+v"(sum));
#endif
    return sum;
  }
  // A loaded value that is used several times: GCC would make every use read the memory again.
  static F hold(F v) {
#if defined(__GNUC__) && !defined(__clang__) && !defined(SCX_SIMDE)
    asm("" : "+v"(v));
#endif
    return v;
  }

  // The dot product of four bytes: acc[l] += sum over k of a[k] * w[4 l + k], exact.
  struct Quad {
#ifdef SCX_VNNI
    I value;
#else
    I magnitude;
    __mmask64 negative;
#endif
  };
  template <bool kNonnegative>
  static Quad quad_of(I a) {
#ifdef SCX_VNNI
    return {a};
#else
    if (kNonnegative) return {a, 0};
    return {_mm512_abs_epi8(a), _mm512_movepi8_mask(a)};
#endif
  }
  template <bool kNonnegative>
  static Quad quad(const uint8_t* p) { return quad_of<kNonnegative>(set_w8(reinterpret_cast<const int8_t*>(p))); }
  template <bool kNonnegative>
  static Quad quad_two(const uint8_t* p) {
    int64_t eight;
    std::memcpy(&eight, p, 8);
    return quad_of<kNonnegative>(_mm512_set1_epi64(eight));
  }
  static I load_w8(const int8_t* p) { return _mm512_loadu_si512(p); }
  template <bool kNonnegative>
  static I dot(I acc, Quad a, I w) {
#ifdef SCX_VNNI
    return _mm512_dpbusd_epi32(acc, a.value, w);
#else
    // maddubs adds two products in 16 bits: 128 * 127 * 2 fits, since |w| <= 127. Signs go to the weights.
    if (!kNonnegative) w = _mm512_mask_sub_epi8(w, a.negative, _mm512_setzero_si512(), w);
    const I pairs = _mm512_maddubs_epi16(a.magnitude, w);
    return in_order(_mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1))));
#endif
  }

  // dot() the other way around: every lane has its own four bytes, and the four weights are the same for all.
  template <bool kNonnegative>
  static Quad quads(const uint8_t* p) { return quad_of<kNonnegative>(_mm512_loadu_si512(p)); }  // reads 4 L bytes
  static I set_w8(const int8_t* p) {
    int32_t four;
    std::memcpy(&four, p, 4);
    return _mm512_set1_epi32(four);
  }

#ifndef SCX_VNNI
  // The same two at a time in 16 bits, for inputs with signs (V8::widen has widened them).
  static I pair(const int16_t* p) {
    int32_t two;
    std::memcpy(&two, p, 4);
    return _mm512_set1_epi32(two);
  }
  static I load_w16(const int16_t* p) { return _mm512_loadu_si512(p); }
  static I dot_pair(I acc, I a, I w) { return in_order(_mm512_add_epi32(acc, _mm512_madd_epi16(a, w))); }
#endif

  // Ends of the network, and images. Eight lanes are one pixel's eight channels (or partial sums).
  static void store_score(uint8_t* p, F logits) {  // L bytes: floor(clamp(16 logit)) + 128; NaN gives 0
    const __m128i bytes = _mm512_cvtsepi32_epi8(whole(floor(_mm512_mul_ps(logits, _mm512_set1_ps(16.f)))));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_xor_si128(bytes, _mm_set1_epi8(char(0x80))));
  }
  static void store_q8x4(uint8_t* p, F a, F b, F c, F d) {  // as store_q8, for four vectors that follow each other
    const I ab = _mm512_packs_epi32(whole(a), whole(b)), cd = _mm512_packs_epi32(whole(c), whole(d));
    const I order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    I bytes = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(ab, cd));  // groups of four: a0 b0 c0 d0 a1 b1 ...
    if (kQ8Offset) bytes = _mm512_xor_si512(bytes, _mm512_set1_epi8(char(0x80)));
    _mm512_storeu_si512(p, bytes);
  }
  static F load_rgb(const uint8_t* p) {  // L / 4 pixels of three bytes; every fourth lane is 0. Reads 16 bytes.
    const __m128i places = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_shuffle_epi8(bytes, places)));
  }
  static void zip(F a, F b, F& low, F& high) {  // a0 b0 a1 b1 ...
    const I first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    low = _mm512_permutex2var_ps(a, first, b);
    high = _mm512_permutex2var_ps(a, _mm512_add_epi32(first, _mm512_set1_epi32(8)), b);
  }
  // fold8 of every eight lanes: lane 2 n of the result is that of the n-th eight in even[], lane 2 n + 1 in odd[].
  static F fold8(const F (&even)[4], const F (&odd)[4]) {
    const auto step4 = [](F a, F b) {  // four sums of each eight
      return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
    };
    const auto step2 = [](F a, F b) {  // in each quarter: a's two sums, then b's
      return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
    };
    const F a = step2(step4(even[0], even[1]), step4(odd[0], odd[1]));
    const F b = step2(step4(even[2], even[3]), step4(odd[2], odd[3]));
    return quarters_in_order(_mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd)));
  }

  // 16-bit integers, 2 L of them: exact as long as nothing overflows.
  using S = __m512i;
  static S load16(const int16_t* p) { return _mm512_loadu_si512(p); }
  static void store16(int16_t* p, S v) { _mm512_storeu_si512(p, v); }
  static S add16(S a, S b) { return _mm512_add_epi16(a, b); }
  static S relu16(S a) { return _mm512_max_epi16(a, _mm512_setzero_si512()); }
  static I dot16(S a, S w) { return _mm512_madd_epi16(a, w); }  // a[2 l] * w[2 l] + a[2 l + 1] * w[2 l + 1]
  // The sum of every four lanes: lane 2 n is that of the n-th four in even[], lane 2 n + 1 in odd[].
  static I fold4(const I (&even)[2], const I (&odd)[2]) {
    const auto step2 = [](I a, I b) {  // in each quarter: a's two sums, then b's
      return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b)));
    };
    const F a = step2(even[0], odd[0]), b = step2(even[1], odd[1]);
    const F first = _mm512_shuffle_ps(a, b, 0x88), second = _mm512_shuffle_ps(a, b, 0xdd);
    const I sums = _mm512_add_epi32(_mm512_castps_si512(first), _mm512_castps_si512(second));
    return _mm512_castps_si512(quarters_in_order(_mm512_castsi512_ps(sums)));
  }

 private:
  // Rounded, for a conversion to bytes that saturates: only what does not fit 32 bits needs care. Above, min; below
  // and NaN become -2^31.
  static I whole(F v) { return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_set1_ps(127.f), v)); }
  // Each quarter holds a pair for itself and one for four quarters on.
  static F quarters_in_order(F v) {
    const I order = _mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    return _mm512_castsi512_ps(_mm512_permutexvar_epi32(order, _mm512_castps_si512(v)));
  }
};

using Wide = V16;  // the widest vector here
using Half = V8;   // for eight channels

}  // namespace
