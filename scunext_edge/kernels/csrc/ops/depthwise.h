// Depthwise 3x3. Lanes are channels. A tile is four neighbouring pixels: each of the six columns under it is loaded
// once per kernel row and feeds up to three sums. Bytes are widened once per row, not once per tap.
#pragma once
#include "tile.h"
#include "values.h"

namespace {

struct Depthwise {
  static constexpr int kTile = 4;

  static int rows(const Op& op) { return op.out[0]->height; }
  static size_t packed(const Op&) { return 0; }
  static void pack(const Op&, void*) {}

  // Columns that are read: from -1 on, and as far as whole tiles reach.
  static int columns(const Tensor& x) { return (x.width + kTile - 1) / kTile * kTile + 2; }
  static size_t room(const Tensor& x) { return size_t(columns(x)) * x.channels; }
  static size_t scratch(const Op& op) {  // a row of results, three rows of bytes as floats
    return sizeof(float) * room(*op.in[0]) * (op.in[0]->type == Type::f32 ? 1 : 4);
  }

  template <class V>
  static void tile(const float* const (&x)[3], int channels, const float* weights, const float* bias, float* to) {
    typename V::F sum[kTile];
    for (int t = 0; t < kTile; t++) sum[t] = V::load(bias);
    for (int ky = 0; ky < 3; ky++) {
      typename V::F w[3];
      for (int kx = 0; kx < 3; kx++) w[kx] = V::load(weights + (3 * ky + kx) * channels);
      SCX_UNROLL for (int i = 0; i < kTile + 2; i++) {
        const auto v = V::load(x[ky] + i * channels);
        SCX_UNROLL for (int kx = 0; kx < 3; kx++)
          if (i - kx >= 0 && i - kx < kTile) sum[i - kx] = V::madd(w[kx], v, sum[i - kx]);
      }
    }
    for (int t = 0; t < kTile; t++) V::store(to + t * channels, sum[t]);
  }

  // x: three rows, each from column -1 on.
  static void row(const Op& op, const float* const (&x)[3], float* to) {
    const int width = op.in[0]->width, channels = op.in[0]->channels;
    each_vector(channels, [&](auto v, int c) {
      const float *weights = op.blob[0].f32() + c, *bias = op.blob[1].f32() + c;
      for (int64_t e = c, end = int64_t(width) * channels; e < end; e += kTile * channels) {
        const float* const at[3] = {x[0] + e, x[1] + e, x[2] + e};
        tile<decltype(v)>(at, channels, weights, bias, to + e);
      }
    });
  }

  static void run(const Op& op, const Job& job) {
    const Tensor& in = *op.in[0];
    const int64_t step = int64_t(room(in));
    float* to = reinterpret_cast<float*>(job.scratch);
    const Ending ending(op, op.in[1]);
    auto read = [&](int y) {  // the widened row stays until y + 3 takes its place
      return as_floats(in, at(in, y, -1), int(step), to + step * (1 + (y + 3) % 3));
    };
    const float* x[3] = {nullptr, read(job.begin - 1), read(job.begin)};
    for (int y = job.begin; y < job.end; y++) {
      x[0] = x[1], x[1] = x[2], x[2] = read(y + 1);
      row(op, x, to);
      ending.row(y, to, in.width * in.channels);
    }
  }
};

}  // namespace
