// What follows the sums of a convolution or matrix product: pool, scale, activation, addend, one or two outputs.
// It runs on strips of raw sums in the first cache, right after a tile has left them there; the usual endings (one
// output, at most a relu and an addend of floats) have loops of their own.
#pragma once
#include "activation.h"
#include "tile.h"

namespace {

// The sum of column t, or the largest of its 2x2. kStep lanes lie between columns.
template <class V, bool kPool, int kStep>
inline typename V::F strip_sum(const float* sums, int t) {
  if (!kPool) return V::load(sums + t * kStep);
  const float *a = sums + 2 * t * kStep, *b = a + kStripRoom * kStep;
  return V::max(V::max(V::load(a), V::load(a + kStep)), V::max(V::load(b), V::load(b + kStep)));
}

template <class V, bool kPool, int kStep>
inline typename V::I strip_sum(const int32_t* sums, int t) {
  if (!kPool) return V::loadi(sums + t * kStep);
  const int32_t *a = sums + 2 * t * kStep, *b = a + kStripRoom * kStep;
  return V::maxi(V::maxi(V::loadi(a), V::loadi(a + kStep)), V::maxi(V::loadi(b), V::loadi(b + kStep)));
}

template <class V, bool kPool, int kStep>
inline typename V::F strip_value(const float* sums, int t, typename V::F) {
  return strip_sum<V, kPool, kStep>(sums, t);
}

template <class V, bool kPool, int kStep>
inline typename V::F strip_value(const int32_t* sums, int t, typename V::F multiplier) {
  return V::mul(V::to_float(strip_sum<V, kPool, kStep>(sums, t)), multiplier);
}

// n pixels from (y, x), channels oc to oc + V::L. `multiplier` is for integer sums.
template <class V, bool kPool, int kStep = V::L, class Lane>
void finish_strip(const Op& op, const Lane* sums, const float* multiplier, int y, int x, int n, int oc) {
  const Tensor& out = *op.out[0];
  const auto scale = multiplier ? V::load(multiplier + oc) : V::zero();
  const auto inverse = V::set(out.inverse), zero = V::zero();
  const int64_t e = int64_t(x) * out.channels + oc, step = out.channels;
  const bool relu = op.act == Act::relu;
  const float* addend = op.in[1] && op.in[1]->type == Type::f32 ? op.in[1]->f32(y) + e : nullptr;
  if ((op.in[1] && !addend) || op.out[1] || (op.act != Act::none && !relu)) {
    for (int t = 0; t < n; t++) {
      auto v = activate<V>(op.act, strip_value<V, kPool, kStep>(sums, t, scale));
      if (op.in[1]) v = V::add(v, value<V>(*op.in[1], y, e + t * step));
      put<V>(out, y, e + t * step, v);
      if (op.out[1]) put<V>(*op.out[1], y, e + t * step, v);
    }
    return;
  }
  auto each = [&](auto write) {
    for (int t = 0; t < n; t++) {
      auto v = strip_value<V, kPool, kStep>(sums, t, scale);
      if (relu) v = V::max(v, zero);
      if (addend) v = V::add(v, V::load(addend + t * step));
      write(t * step, v);
    }
  };
  if (out.type == Type::f32) {
    float* to = out.f32(y) + e;
    each([&](int64_t at, typename V::F v) { V::store(to + at, v); });
  } else if (out.type == Type::q8) {
    uint8_t* to = out.q8(y) + e;
    each([&](int64_t at, typename V::F v) { V::store_q8(to + at, V::mul(v, inverse)); });
  } else {
    int16_t* to = out.q16(y) + e;
    each([&](int64_t at, typename V::F v) { V::store_q16(to + at, V::mul(v, inverse)); });
  }
}

// The same for a block of V::L channels of which the last may be half full.
template <class V, bool kPool, class Lane>
SCX_APART void finish_block(const Op& op, const Lane* sums, const float* multiplier, int y, int x, int n, int oc) {
  if (oc + V::L <= op.out[0]->channels) finish_strip<V, kPool>(op, sums, multiplier, y, x, n, oc);
  else finish_strip<Half, kPool, V::L>(op, sums, multiplier, y, x, n, oc);
}

}  // namespace
