// AVX-512 and VNNI by SIMDe, for tests on processors that have neither (SCX_SIMDE). Slow, and equal to the bit.
#pragma once
#define SIMDE_ENABLE_NATIVE_ALIASES
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wpsabi"  // vectors of 512 bits as arguments: nobody else calls these functions
#endif
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed"  // SIMDe asks for loops to be vectorised
#endif
#include <simde/x86/avx512.h>
#include <simde/x86/fma.h>

// What SIMDe 0.7.4 lacks or misnames.
namespace {

inline __m512i emulated_join(__m256i low, __m256i high) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}
inline __m512i emulated_cvtps_epi32(__m512 v) {
  const __m512d halves = _mm512_castps_pd(v);
  return emulated_join(_mm256_cvtps_epi32(_mm256_castpd_ps(_mm512_extractf64x4_pd(halves, 0))),
                       _mm256_cvtps_epi32(_mm256_castpd_ps(_mm512_extractf64x4_pd(halves, 1))));
}
inline __m512 emulated_cvtepi32_ps(__m512i v) {
  const __m256 low = _mm256_cvtepi32_ps(_mm512_extracti64x4_epi64(v, 0));
  const __m256 high = _mm256_cvtepi32_ps(_mm512_extracti64x4_epi64(v, 1));
  return _mm512_castsi512_ps(emulated_join(_mm256_castps_si256(low), _mm256_castps_si256(high)));
}
inline __m512i emulated_cvtepi8_epi32(__m128i v) {
  return emulated_join(_mm256_cvtepi8_epi32(v), _mm256_cvtepi8_epi32(_mm_srli_si128(v, 8)));
}
inline __m512i emulated_cvtepu8_epi32(__m128i v) {
  return emulated_join(_mm256_cvtepu8_epi32(v), _mm256_cvtepu8_epi32(_mm_srli_si128(v, 8)));
}

}  // namespace

#define _mm512_cvtps_epi32 emulated_cvtps_epi32
#define _mm512_cvtepi32_ps emulated_cvtepi32_ps
#define _mm512_cvtepi8_epi32 emulated_cvtepi8_epi32
#define _mm512_cvtepu8_epi32 emulated_cvtepu8_epi32
#undef _mm512_roundscale_ps  // SIMDe shifts its second argument without brackets around it
#define _mm512_roundscale_ps(a, how) simde_mm512_roundscale_ps(a, (how))
#undef _mm512_shuffle_f32x4
#define _mm512_shuffle_f32x4 simde_mm512_shuffle_f32x4
#undef _mm512_madd_epi16
#define _mm512_madd_epi16 simde_mm512_madd_epi16
#define _mm256_dpbusd_avx_epi32 simde_mm256_dpbusd_epi32
