// The image, u8 RGB, as network input: float(u8) * scale + offset. As q8 a pixel gets a fourth channel, 0, so that four
// bytes are one step of a dot product; a shuffle opens the gaps, and 32 lanes are packed at a time.
#pragma once
#include "../rows.h"

namespace {

struct Normalize {
  static int rows(const Op& op) { return op.out[0]->height; }
  static size_t packed(const Op&) { return 0; }
  static void pack(const Op&, void*) {}
  static size_t scratch(const Op&) { return 0; }

  // scale and offset, repeating every `period` elements: element e stands at e.
  struct Pattern {
    alignas(64) float scale[3 * Wide::L], offset[3 * Wide::L];
    Pattern(const Op& op, int period) {
      for (int e = 0; e < 3 * Wide::L; e++) {
        const int c = e % period;
        scale[e] = c < 3 ? op.blob[0].f32()[c] : 0;
        offset[e] = c < 3 ? op.blob[1].f32()[c] : 0;
      }
    }
  };

  static void floats(const Pattern& pattern, const uint8_t* from, float* to, int n) {
    using V = Wide;
    int e = 0;
    for (; e + 3 * V::L <= n; e += 3 * V::L)
      for (int k = 0; k < 3 * V::L; k += V::L) {
        const auto scale = V::load(pattern.scale + k), offset = V::load(pattern.offset + k);
        V::store(to + e + k, V::madd(V::load_u8(from + e + k), scale, offset));
      }
    for (int k = 0; e + k < n; k++) to[e + k] = float(from[e + k]) * pattern.scale[k] + pattern.offset[k];
  }

  static constexpr int kGroup = Wide::L;               // pixels at a time, as four vectors
  static constexpr int kReach = 3 * Wide::L + 16;      // no more bytes than this are read for them
  static void group(const Pattern& pattern, float inverse, const uint8_t* from, uint8_t* to) {
    using V = Wide;
    typename V::F v[4];
    for (int k = 0; k < 4; k++) {
      v[k] = V::madd(V::load_rgb(from + k * V::L / 4 * 3), V::load(pattern.scale), V::load(pattern.offset));
      v[k] = V::mul(v[k], V::set(inverse));
    }
    V::store_q8x4(to, v[0], v[1], v[2], v[3]);
  }

  // `readable` bytes from `from` on belong to the image: nothing behind it may be touched.
  static void bytes(const Pattern& pattern, float inverse, const uint8_t* from, int64_t readable, uint8_t* to,
                    int width) {
    int x = 0;
    for (; x + kGroup <= width && 3 * x + kReach <= readable; x += kGroup)
      group(pattern, inverse, from + 3 * x, to + 4 * x);
    for (; x < width; x += kGroup) {
      const int count = width - x < kGroup ? width - x : kGroup;
      uint8_t pixels[kReach] = {}, results[4 * kGroup];
      std::memcpy(pixels, from + 3 * x, size_t(3 * count));
      group(pattern, inverse, pixels, results);
      std::memcpy(to + 4 * x, results, size_t(4 * count));
    }
  }

  static void run(const Op& op, const Job& job) {
    for (const Tensor* t : op.out) {
      if (!t) continue;
      const Pattern pattern(op, t->channels);
      const int64_t row = int64_t(3) * t->width;
      for (int y = job.begin; y < job.end; y++) {
        const uint8_t* from = job.image + y * row;
        if (t->type == Type::f32 && t->channels == 3) floats(pattern, from, t->f32(y), int(row));
        else bytes(pattern, t->inverse, from, (t->height - y) * row, t->q8(y), t->width);
      }
    }
  }
};

}  // namespace
