/* segment MODEL.scx IMAGE.ppm MASK.pgm: the mask of a picture, 255 where it shows a lesion.
 *
 * The picture is a binary PPM (P6, maxval 255), upright, with sides of 1 to MOST pixels. It is stretched to the network's
 * square, the logits are resized to the picture's own size, and what is above 0 there is lesion: contract.json, in C.
 * Neither the picture nor the logits are ever in memory at full size, only as many rows or columns as the network has.
 * Exit codes: 0 fine; 2 usage, or a picture that cannot be taken; 4 a model or a mask that cannot be read or written. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "resize.h"
#include "scunext.h"

enum { BAD_INPUT = 2, BAD_FILE = 4, MOST = 65535 };

typedef struct network {
  scx_model *model;
  size_t height, width; /* of the images that it takes */
  uint8_t *image;       /* [height][width][3] */
  uint8_t *score;       /* [height][width] a step is 1/16 of a logit */
} network;

static int fail(int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("segment: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  return code;
}

static int no_memory(void) { return fail(BAD_FILE, "there is not enough memory"); }

/* --- the network --- */

static int open_network(const char *path, network *it) {
  it->model = scx_open_file(path, NULL);
  if (!it->model) return fail(BAD_FILE, "%s", scx_last_error());
  scx_description about = {0};
  about.bytes = sizeof about;
  scx_describe(it->model, &about);
  it->height = (size_t)about.height, it->width = (size_t)about.width; /* 4096 at most */
  it->image = malloc(it->height * it->width * 3);
  it->score = malloc(it->height * it->width);
  return it->image && it->score ? 0 : no_memory();
}

static void close_network(network *it) {
  free(it->image), free(it->score);
  if (it->model) scx_close(it->model);
}

static int run(network *it) {
  return scx_run(it->model, it->image, 1, SCX_SCORE, it->score) ? fail(BAD_FILE, "%s", scx_last_error()) : 0;
}

/* --- the picture --- */

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
    if (value > MOST) return -1;
  }
  return c == ' ' || (c >= '\t' && c <= '\r') ? value : -1;
}

static int read_header(FILE *file, const char *path, size_t *height, size_t *width) {
  if (getc(file) != 'P' || getc(file) != '6')
    return fail(BAD_INPUT, "%s is no binary PPM: it does not begin with P6; convert it to one", path);
  const int w = read_number(file), h = read_number(file), most = read_number(file);
  if (w < 0 || h < 0 || most < 0)
    return fail(BAD_INPUT, "%s has no width, height and maxval of at most %d; convert it again", path, MOST);
  if (most != 255) return fail(BAD_INPUT, "%s has a maxval of %d; convert it to 8 bits, 255", path, most);
  if (w < 1 || h < 1) return fail(BAD_INPUT, "%s is %d x %d: it has no pixel", path, w, h);
  *width = (size_t)w, *height = (size_t)h;
  return 0;
}

/* Each row is resized as it is read. */
static int read_rows(FILE *file, const char *path, const taps *across, size_t height, size_t width, uint8_t *rows) {
  uint8_t *row = malloc(width * 3);
  if (!row) return no_memory();
  int code = 0;
  for (size_t y = 0; y < height && !code; y++) {
    if (fread(row, 3, width, file) != width) code = fail(BAD_INPUT, "%s ends before its last pixel; copy it again", path);
    else resize_row_u8(across, row, 3, rows + y * across->count * 3);
  }
  free(row);
  if (!code && getc(file) != EOF)
    code = fail(BAD_INPUT, "%s goes on after its last pixel; give a file of one image", path);
  return code;
}

static int stretch(FILE *file, const char *path, size_t height, size_t width, network *to) {
  taps across = {0}, down = {0};
  uint8_t *rows = malloc(height * to->width * 3); /* 2^16, 2^12 and 3 at most */
  int code = 0;
  if (!rows || taps_make(&across, width, to->width) || taps_make(&down, height, to->height)) code = no_memory();
  else code = read_rows(file, path, &across, height, width, rows);
  for (size_t y = 0; !code && y < to->height; y++)
    resize_column_u8(&down, y, rows, to->width * 3, to->image + y * to->width * 3);
  taps_free(&across), taps_free(&down), free(rows);
  return code;
}

static int read_picture(const char *path, network *to, size_t *height, size_t *width) {
  FILE *file = fopen(path, "rb");
  if (!file) return fail(BAD_INPUT, "%s cannot be opened; is the path right?", path);
  int code = read_header(file, path, height, width);
  if (!code) code = stretch(file, path, *height, *width, to);
  fclose(file);
  return code;
}

/* --- the mask --- */

/* Row `y` of the scores as logits, as wide as the picture. A score stands for the middle of its step. */
static void widen(const network *of, size_t y, const taps *across, float *logits, float *out) {
  for (size_t x = 0; x < of->width; x++) logits[x] = ((float)of->score[y * of->width + x] - 127.5f) / 16;
  resize_row_f32(across, logits, out);
}

/* Each row is written as it is cut: nothing is as large as the picture. */
static int write_rows(FILE *file, const taps *down, const float *rows, size_t width) {
  float *logits = malloc(width * sizeof *logits);
  uint8_t *mask = malloc(width);
  int whole = logits && mask;
  if (!whole) no_memory();
  for (size_t y = 0; whole && y < down->count; y++) {
    resize_column_f32(down, y, rows, width, logits);
    for (size_t x = 0; x < width; x++) mask[x] = logits[x] > 0 ? 255 : 0;
    whole = fwrite(mask, 1, width, file) == width;
  }
  free(logits), free(mask);
  return whole;
}

static int write_mask(const char *path, const network *of, size_t height, size_t width) {
  taps across = {0}, down = {0};
  float *rows = malloc(of->height * width * sizeof *rows);
  float *logits = malloc(of->width * sizeof *logits);
  int code = 0;
  if (!rows || !logits || taps_make(&across, of->width, width) || taps_make(&down, of->height, height)) code = no_memory();
  FILE *file = code ? NULL : fopen(path, "wb");
  if (!code && !file) code = fail(BAD_FILE, "%s cannot be written; choose a folder that can", path);
  if (file) {
    for (size_t y = 0; y < of->height; y++) widen(of, y, &across, logits, rows + y * width);
    int whole = fprintf(file, "P5\n%zu %zu\n255\n", width, height) > 0;
    whole = whole && write_rows(file, &down, rows, width);
    if (fclose(file) || !whole) {
      remove(path); /* half a mask is none */
      code = fail(BAD_FILE, "%s cannot be written to its end; is the disk full?", path);
    }
  }
  taps_free(&across), taps_free(&down), free(rows), free(logits);
  return code;
}

int main(int count, char **arguments) {
  if (count != 4) return fail(BAD_INPUT, "usage: segment MODEL.scx IMAGE.ppm MASK.pgm");
  network it = {0};
  size_t height = 0, width = 0;
  int code = open_network(arguments[1], &it);
  if (!code) code = read_picture(arguments[2], &it, &height, &width);
  if (!code) code = run(&it);
  if (!code) code = write_mask(arguments[3], &it, height, width);
  close_network(&it);
  return code;
}
