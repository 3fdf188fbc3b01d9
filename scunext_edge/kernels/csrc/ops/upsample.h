// To twice the size. Each input row gives two output rows: they are interpolated down the columns into a scratch row
// with one more pixel at each end (so that the borders need no branch), then along it, in the first cache.
#pragma once
#include "finish.h"

namespace {

struct Upsample {
  static int rows(const Op& op) { return op.in[0]->height; }
  static size_t packed(const Op&) { return 0; }
  static void pack(const Op&, void*) {}
  static int64_t room(const Op& op) {  // floats of a scratch row
    return (int64_t(op.in[0]->width) + 2) * op.in[0]->channels + 2 * Wide::L;
  }
  static size_t scratch(const Op& op) { return size_t(room(op)) * 7 * sizeof(float); }

  // r = 0.75 x[i] + 0.25 x[n], for the neighbours above and below; both rows take the same 0.75 x[i].
  static void half_rows(const float* above, const float* x, const float* below, float* top, float* bottom, int n) {
    using V = Wide;
    const auto near = V::set(0.75f), far = V::set(0.25f);
    for (int e = 0; e < n; e += V::L) {
      const auto own = V::mul(near, V::load(x + e));
      V::store(top + e, V::madd(far, V::load(above + e), own));
      V::store(bottom + e, V::madd(far, V::load(below + e), own));
    }
  }

  // Along a row: r has a pixel before its first and behind its last. kC: the channels, when known.
  template <class V, int kC>
  static void half_columns(const float* r, float* to, int width, int channels) {
    const int C = kC ? kC : channels;
    const auto near = V::set(0.75f), far = V::set(0.25f);
    for (int j = 0; j < width; j++, r += C, to += 2 * C)
      for (int c = 0; c < C; c += V::L) {
        const auto own = V::mul(near, V::load(r + c));
        V::store(to + c, V::madd(far, V::load(r + c - C), own));
        V::store(to + C + c, V::madd(far, V::load(r + c + C), own));
      }
  }
  static void half_columns(const float* r, float* to, int width, int channels) {
    if (channels == 8) half_columns<Half, 8>(r, to, width, channels);
    else if (channels == 16) half_columns<Wide, 16>(r, to, width, channels);
    else if (channels % Wide::L) half_columns<Half, 0>(r, to, width, channels);
    else half_columns<Wide, 0>(r, to, width, channels);
  }

  static void half_pixel(const Op& op, int i, float* buffer) {
    const Tensor& x = *op.in[0];
    const int64_t step = room(op);
    const int C = x.channels, n = x.width * C;
    const float* above = read_row(x, i > 0 ? i - 1 : 0, buffer);
    const float* own = read_row(x, i, buffer + step);
    const float* below = read_row(x, i + 1 < x.height ? i + 1 : i, buffer + 2 * step);
    float* r[2] = {buffer + 3 * step + C, buffer + 4 * step + C};
    half_rows(above, own, below, r[0], r[1], n);
    for (int k = 0; k < 2; k++) {
      std::memcpy(r[k] - C, r[k], sizeof(float) * size_t(C));
      std::memcpy(r[k] + n, r[k] + n - C, sizeof(float) * size_t(C));
      float* to = buffer + 5 * step;
      half_columns(r[k], to, x.width, C);
      finish(op, op.in[1], 2 * i + k, 0, to, 2 * n);
    }
  }

  // Where an output row or column of mode 1 lies in the input.
  struct Place {
    int i, next;
    float t;
    Place(int at, int size) {
      const float share = float(size - 1) / float(2 * size - 1), where = float(at) * share;
      i = int(where);  // where >= 0: truncation is floor
      t = where - float(i);
      next = i + 1 < size ? i + 1 : size - 1;
    }
  };
  static void blend(const float* a, const float* b, float t, float* to, int n) {
    using V = Half;
    const auto own = V::set(1.f - t), other = V::set(t);
    for (int e = 0; e < n; e += V::L)
      V::store(to + e, V::add(V::mul(V::load(a + e), own), V::mul(V::load(b + e), other)));
  }

  static void corners_aligned(const Op& op, int y, float* buffer) {
    const Tensor& x = *op.in[0];
    const int64_t step = room(op);
    const int C = x.channels;
    const Place row(y, x.height);
    const float* a = read_row(x, row.i, buffer);
    const float* b = read_row(x, row.next, buffer + step);
    float *r = buffer + 2 * step, *to = buffer + 5 * step;
    blend(a, b, row.t, r, x.width * C);
    for (int X = 0; X < 2 * x.width; X++) {
      const Place column(X, x.width);
      blend(r + column.i * C, r + column.next * C, column.t, to + X * C, C);
    }
    finish(op, op.in[1], y, 0, to, 2 * x.width * C);
  }

  static void nearest(const Op& op, int i, float* buffer) {
    const Tensor& x = *op.in[0];
    const int C = x.channels;
    const float* row = read_row(x, i, buffer);
    float* to = buffer + 5 * room(op);
    for (int j = 0; j < x.width; j++)
      for (int k = 0; k < 2; k++) std::memcpy(to + (2 * j + k) * C, row + j * C, sizeof(float) * size_t(C));
    for (int k = 0; k < 2; k++) finish(op, op.in[1], 2 * i + k, 0, to, 2 * x.width * C);
  }

  static void run(const Op& op, const Job& job) {
    float* buffer = reinterpret_cast<float*>(job.scratch);
    for (int i = job.begin; i < job.end; i++) {
      if (op.mode == 0) half_pixel(op, i, buffer);
      else if (op.mode == 2) nearest(op, i, buffer);
      else for (int k = 0; k < 2; k++) corners_aligned(op, 2 * i + k, buffer);
    }
  }
};

}  // namespace
