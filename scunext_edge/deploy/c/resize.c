/* Compile with -ffp-contract=off: a fused multiply-add rounds otherwise than what was scored. */
#include "resize.h"

#include <math.h>
#include <stdlib.h>

enum { BITS = 22 };

static size_t clamped(double value, size_t most) {
  if (value <= 0) return 0;
  return value >= (double)most ? most : (size_t)value;
}

int taps_make(taps *out, size_t from, size_t to) {
  const double scale = (double)from / (double)to, support = scale > 1 ? scale : 1, narrower = 1 / support;
  const size_t most = (size_t)ceil(support) * 2 + 1;
  out->count = to, out->most = most;
  out->first = NULL, out->used = NULL, out->weights = NULL, out->whole = NULL;
  if (to > SIZE_MAX / sizeof(double) / most) return -1;
  out->first = malloc(to * sizeof *out->first);
  out->used = malloc(to * sizeof *out->used);
  out->weights = malloc(to * most * sizeof *out->weights);
  out->whole = malloc(to * most * sizeof *out->whole);
  if (!out->first || !out->used || !out->weights || !out->whole) {
    taps_free(out);
    return -1;
  }
  for (size_t i = 0; i < to; i++) {
    const double centre = ((double)i + 0.5) * scale;
    const size_t first = clamped(floor(centre - support + 0.5), from);
    const size_t end = clamped(floor(centre + support + 0.5), from);
    double *weights = out->weights + i * most, sum = 0;
    out->first[i] = first, out->used[i] = end - first;
    for (size_t j = first; j < end; j++) {
      const double far = fabs(((double)j - centre + 0.5) * narrower);
      weights[j - first] = far < 1 ? 1 - far : 0;
      sum += weights[j - first];
    }
    for (size_t j = 0; j < end - first; j++) {
      weights[j] /= sum;
      out->whole[i * most + j] = (int32_t)floor(weights[j] * (1 << BITS) + 0.5);
    }
  }
  return 0;
}

void taps_free(taps *it) {
  free(it->first), free(it->used), free(it->weights), free(it->whole);
  it->first = NULL, it->used = NULL, it->weights = NULL, it->whole = NULL;
}

static uint8_t sum_u8(const int32_t *weights, size_t used, const uint8_t *in, size_t step) {
  int64_t sum = (int64_t)1 << (BITS - 1);
  for (size_t j = 0; j < used; j++) sum += (int64_t)in[j * step] * weights[j];
  sum >>= BITS; /* no weight is negative, and so no sum */
  return (uint8_t)(sum > 255 ? 255 : sum);
}

static float sum_f32(const double *weights, size_t used, const float *in, size_t step) {
  double sum = 0;
  for (size_t j = 0; j < used; j++) sum += in[j * step] * weights[j];
  return (float)sum;
}

void resize_row_u8(const taps *along, const uint8_t *in, size_t channels, uint8_t *out) {
  for (size_t i = 0; i < along->count; i++)
    for (size_t c = 0; c < channels; c++)
      out[i * channels + c] = sum_u8(along->whole + i * along->most, along->used[i],
                                     in + along->first[i] * channels + c, channels);
}

void resize_row_f32(const taps *along, const float *in, float *out) {
  for (size_t i = 0; i < along->count; i++)
    out[i] = sum_f32(along->weights + i * along->most, along->used[i], in + along->first[i], 1);
}

void resize_column_u8(const taps *along, size_t i, const uint8_t *in, size_t width, uint8_t *out) {
  const int32_t *weights = along->whole + i * along->most;
  in += along->first[i] * width;
  for (size_t x = 0; x < width; x++) out[x] = sum_u8(weights, along->used[i], in + x, width);
}

void resize_column_f32(const taps *along, size_t i, const float *in, size_t width, float *out) {
  const double *weights = along->weights + i * along->most;
  in += along->first[i] * width;
  for (size_t x = 0; x < width; x++) out[x] = sum_f32(weights, along->used[i], in + x, width);
}
