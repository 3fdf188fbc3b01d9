// Rows of tensors as floats, and back: how an operation that is not a convolution reads and writes.
#pragma once
#include "plan.h"
// Included after a simd/*.h, inside the translation unit of one instruction set.

// Runs once, at open: small before fast.
#if defined(__GNUC__)
#define SCX_COLD __attribute__((cold))
#define SCX_APART __attribute__((noinline))
#else
#define SCX_COLD
#define SCX_APART
#endif

namespace {

using scx::Act;
using scx::Blob;
using scx::Gather;
using scx::Job;
using scx::Kernel;
using scx::Kind;
using scx::Op;
using scx::Tensor;
using scx::Type;

// n floats of stored values from p: f32 as they are (no copy), q8 times the scale into `buffer`.
// n is a multiple of Half::L.
inline const float* as_floats(const Tensor& t, const void* p, int n, float* buffer) {
  if (t.type == Type::f32) return static_cast<const float*>(p);
  const auto scale = Half::set(t.scale);
  const uint8_t* bytes = static_cast<const uint8_t*>(p);
  for (int i = 0; i < n; i += Half::L) Half::store(buffer + i, Half::mul(Half::load_q8(bytes + i), scale));
  return buffer;
}

inline const void* at(const Tensor& t, int y, int x = 0) {
  return t.type == Type::f32 ? static_cast<const void*>(t.f32(y, x)) : static_cast<const void*>(t.q8(y, x));
}

// The pixels of row y as floats.
inline const float* read_row(const Tensor& t, int y, float* buffer) {
  return as_floats(t, at(t, y), t.width * t.channels, buffer);
}

// One vector of results into one tensor, at element e of row y.
template <class V>
inline void put(const Tensor& t, int y, int64_t e, typename V::F v) {
  if (t.type == Type::f32) V::store(t.f32(y) + e, v);
  else if (t.type == Type::q8) V::store_q8(t.q8(y) + e, V::mul(v, V::set(t.inverse)));
  else V::store_q16(t.q16(y) + e, V::mul(v, V::set(t.inverse)));
}

// One vector's worth of a tensor's value, at element e of row y.
template <class V>
inline typename V::F value(const Tensor& t, int y, int64_t e) {
  return t.type == Type::f32 ? V::load(t.f32(y) + e) : V::mul(V::load_q8(t.q8(y) + e), V::set(t.scale));
}

// A whole row of results, n = width * channels floats, into one or two outputs.
inline void write_row(const Op& op, int y, const float* from, int n) {
  for (const Tensor* t : op.out) {
    if (!t) continue;
    if (t->type == Type::f32 && t->f32(y) == from) continue;  // computed in place
    for (int i = 0; i < n; i += Half::L) put<Half>(*t, y, i, Half::load(from + i));
  }
}

}  // namespace
