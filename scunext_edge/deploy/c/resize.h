/* Bilinear resizing as a network of this bundle was scored with it: contract.json, "resize" and "resize_back".
 *
 * A picture is resized along its rows first, then along its columns; each pass is stored in the picture's own type.
 * Both passes of one picture have taps of their own. */
#ifndef RESIZE_H
#define RESIZE_H
#include <stddef.h>
#include <stdint.h>

typedef struct taps {
  size_t count;    /* of output samples */
  size_t most;     /* weights kept for each output sample */
  size_t *first;   /* [count] index of the first input sample */
  size_t *used;    /* [count] how many from there on */
  double *weights; /* [count][most] */
  int32_t *whole;  /* [count][most] the same with 22 bits after the point, for bytes */
} taps;

/* Weights that make `from` samples into `to`, both 1 or more. Returns 0, or -1 where memory is short. */
int taps_make(taps *out, size_t from, size_t to);
void taps_free(taps *it);

/* One row: `channels` values a pixel. */
void resize_row_u8(const taps *along, const uint8_t *in, size_t channels, uint8_t *out);
void resize_row_f32(const taps *along, const float *in, float *out);

/* Row `i` of the result of a pass along the columns. `in`: all rows, `width` values each, one after the other. */
void resize_column_u8(const taps *along, size_t i, const uint8_t *in, size_t width, uint8_t *out);
void resize_column_f32(const taps *along, size_t i, const float *in, size_t width, float *out);
#endif
