/* segment_ppm MODEL.scx IMAGE.ppm MASK.pgm: the mask of a picture, 255 where it shows a lesion.
 *
 * The picture is a binary PPM (P6, maxval 255) whose sides are multiples of 32; the network sees it at its own size.
 * Exit codes: 0 fine; 2 usage, or a picture that cannot be taken; 4 a model or a mask that cannot be read or written. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "scunext.h"

enum { BAD_INPUT = 2, BAD_FILE = 4, LARGEST_SIDE = 4096, LESION = 128 };

typedef struct picture {
  int width, height;
  uint8_t *rgb; /* [height][width][3] */
} picture;

static int fail(int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("segment_ppm: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  return code;
}

/* The next number of a PPM's header, after white space and comments, with the one character that ends it; -1: none. */
static int read_number(FILE *file) {
  int value = -1, c = getc(file);
  while (c == ' ' || (c >= '\t' && c <= '\r') || c == '#') {
    if (c == '#')
      while (c != '\n' && c != EOF) c = getc(file);
    else c = getc(file);
  }
  for (; c >= '0' && c <= '9'; c = getc(file)) {
    value = (value < 0 ? 0 : value) * 10 + (c - '0');
    if (value > 65535) return -1;
  }
  return c == ' ' || (c >= '\t' && c <= '\r') ? value : -1;
}

static int read_pixels(FILE *file, const char *path, picture *image) {
  if (getc(file) != 'P' || getc(file) != '6')
    return fail(BAD_INPUT, "%s is no binary PPM: it does not begin with P6; convert it to one", path);
  image->width = read_number(file), image->height = read_number(file);
  const int most = read_number(file);
  if (image->width < 0 || image->height < 0 || most < 0)
    return fail(BAD_INPUT, "%s has no width, height and maxval that can be read; convert it again", path);
  if (most != 255) return fail(BAD_INPUT, "%s has a maxval of %d; convert it to 8 bits, 255", path, most);
  const int w = image->width, h = image->height;
  if (w < 32 || h < 32 || w % 32 || h % 32 || w > LARGEST_SIDE || h > LARGEST_SIDE)
    return fail(BAD_INPUT, "%s is %d x %d; resize it: sides are multiples of 32 up to %d", path, w, h, LARGEST_SIDE);
  const size_t bytes = (size_t)w * (size_t)h * 3;
  image->rgb = malloc(bytes);
  if (!image->rgb) return fail(BAD_INPUT, "%s needs more memory than there is", path);
  if (fread(image->rgb, 1, bytes, file) != bytes)
    return fail(BAD_INPUT, "%s ends before its last pixel; copy it again", path);
  if (getc(file) != EOF) return fail(BAD_INPUT, "%s goes on after its last pixel; give a file of one image", path);
  return 0;
}

static int read_picture(const char *path, picture *image) {
  FILE *file = fopen(path, "rb");
  if (!file) return fail(BAD_INPUT, "%s cannot be opened; is the path right?", path);
  const int code = read_pixels(file, path, image);
  fclose(file);
  return code;
}

static int write_mask(const char *path, const picture *image, const uint8_t *mask) {
  const size_t bytes = (size_t)image->width * (size_t)image->height;
  FILE *file = fopen(path, "wb");
  if (!file) return fail(BAD_FILE, "%s cannot be written; choose a folder that can", path);
  fprintf(file, "P5\n%d %d\n255\n", image->width, image->height);
  const int whole = fwrite(mask, 1, bytes, file) == bytes;
  if (fclose(file) || !whole) {
    remove(path); /* half a mask is none */
    return fail(BAD_FILE, "%s cannot be written to its end; is the disk full?", path);
  }
  return 0;
}

static int segment(const char *model_path, const picture *image, const char *mask_path) {
  scx_options options = {0};
  options.bytes = sizeof options;
  options.height = image->height, options.width = image->width;
  options.spin_us = -1;
  scx_model *model = scx_open_file(model_path, &options);
  if (!model) return fail(BAD_FILE, "%s", scx_last_error());
  const size_t pixels = (size_t)image->width * (size_t)image->height;
  uint8_t *score = malloc(pixels);
  int code = BAD_FILE;
  if (!score) fail(code, "the mask needs more memory than there is");
  else if (scx_run(model, image->rgb, 1, SCX_SCORE, score)) fail(code, "%s", scx_last_error());
  else {
    for (size_t i = 0; i < pixels; i++) score[i] = score[i] >= LESION ? 255 : 0;
    code = write_mask(mask_path, image, score);
  }
  free(score);
  scx_close(model);
  return code;
}

int main(int count, char **arguments) {
  if (count != 4) return fail(BAD_INPUT, "usage: segment_ppm MODEL.scx IMAGE.ppm MASK.pgm");
  picture image = {0, 0, NULL};
  int code = read_picture(arguments[2], &image);
  if (!code) code = segment(arguments[1], &image, arguments[3]);
  free(image.rgb);
  return code;
}
