// Channels of up to six tensors, one after the other. Where every input is stored like the output, stored numbers are
// moved as they are (rounding q * scale * (1 / scale) gives q again).
#pragma once
#include "values.h"

namespace {

struct Concat {
  static constexpr int kInputs = 6;

  static int rows(const Op& op) { return op.out[0]->height; }
  static size_t packed(const Op&) { return 0; }
  static void pack(const Op&, void*) {}
  static size_t scratch(const Op& op) { return sizeof(float) * op.out[0]->width * op.out[0]->channels; }

  static bool moves(const Op& op) {
    const Tensor& out = *op.out[0];
    if (op.act != Act::none || op.out[1] || out.type == Type::q16) return false;
    for (int i = 0; i < kInputs; i++)
      if (op.in[i] && (op.in[i]->type != out.type || op.in[i]->scale != out.scale)) return false;
    return true;
  }

  // n stored pixels of `from` into every `step`-th place of `to`. A pixel is a multiple of eight bytes.
  static void move(const void* from, int bytes, int n, void* to, int step) {
    const char* source = static_cast<const char*>(from);
    char* target = static_cast<char*>(to);
    for (int x = 0; x < n; x++, source += bytes, target += step)
      for (int i = 0; i < bytes; i += 8) std::memcpy(target + i, source + i, 8);
  }

  static void run(const Op& op, const Job& job) {
    const Tensor& out = *op.out[0];
    const bool as_stored = moves(op);
    float* results = reinterpret_cast<float*>(job.scratch);
    const Ending ending(op);
    for (int y = job.begin; y < job.end; y++) {
      int first = 0;
      for (int i = 0; i < kInputs; i++) {
        if (!op.in[i]) continue;
        const Tensor& in = *op.in[i];
        if (as_stored) {
          const int element = in.type == Type::f32 ? 4 : 1;
          char* to = out.type == Type::f32 ? reinterpret_cast<char*>(out.f32(y)) : reinterpret_cast<char*>(out.q8(y));
          move(at(in, y), in.channels * element, in.width, to + first * element, out.channels * element);
        } else {
          with_row(in, y, [&](auto row) { spread(row, in, results + first, out.channels); });
        }
        first += in.channels;
      }
      if (!as_stored) ending.row(y, results, out.width * out.channels);
    }
  }

  template <class Row>
  static void spread(const Row& row, const Tensor& in, float* to, int step) {
    for (int x = 0; x < in.width; x++, to += step)
      each_vector(in.channels, [&](auto v, int c) {
        using V = decltype(v);
        V::store(to + c, row.template at<V>(int64_t(x) * in.channels + c));
      });
  }
};

}  // namespace
