// The end of an operation: act, addend, outputs, for results that wait as floats in the first cache. The usual cases
// (relu or nothing, one f32 or q8 output or both) are loops without a branch; anything else goes vector by vector.
#pragma once
#include "activation.h"
#include "tile.h"

namespace {

enum class Form { none, f32, q8, both };

// Where n results of one row go.
struct Finish {
  const Tensor* addend;
  const Tensor* real;   // the f32 output or null
  const Tensor* bytes;  // the q8 output or null
  int y;
  int64_t e;  // the first one's element in the row
  const float* from;
  int n;
};

// The same as addresses: a store may change any Tensor, for all that a compiler knows, but not these.
struct FinishAt {
  const float *from, *add;
  const uint8_t* add_q8;
  float* real;
  uint8_t* bytes;
  float scale, inverse;
};

template <class V, Act kAct, Form kAdd, Form kOut, int N>
inline void finish_step(const FinishAt& at, int i) {
  typename V::F v[N];
  SCX_UNROLL for (int k = 0; k < N; k++) {
    const int e = i + k * V::L;
    v[k] = V::load(at.from + e);
    if (kAct == Act::relu) v[k] = V::max(v[k], V::zero());
    if (kAdd == Form::f32) v[k] = V::add(v[k], V::load(at.add + e));
    if (kAdd == Form::q8) v[k] = V::add(v[k], V::mul(V::load_q8(at.add_q8 + e), V::set(at.scale)));
    if (kOut != Form::q8) V::store(at.real + e, v[k]);
    if (kOut != Form::f32) v[k] = V::mul(v[k], V::set(at.inverse));
  }
  if (kOut == Form::f32) return;
  if constexpr (N == 4) V::store_q8x4(at.bytes + i, v[0], v[1], v[2], v[3]);
  else for (int k = 0; k < N; k++) V::store_q8(at.bytes + i + k * V::L, v[k]);
}

template <Act kAct, Form kAdd, Form kOut>
void finish_loop(const Finish& f) {
  FinishAt at = {f.from, nullptr, nullptr, nullptr, nullptr, 1, 1};
  if (kAdd == Form::f32) at.add = f.addend->f32(f.y) + f.e;
  if (kAdd == Form::q8) at.add_q8 = f.addend->q8(f.y) + f.e, at.scale = f.addend->scale;
  if (kOut != Form::q8) at.real = f.real->f32(f.y) + f.e;
  if (kOut != Form::f32) at.bytes = f.bytes->q8(f.y) + f.e, at.inverse = f.bytes->inverse;
  const int n = f.n;
  int i = 0;
  for (; i + 4 * Wide::L <= n; i += 4 * Wide::L) finish_step<Wide, kAct, kAdd, kOut, 4>(at, i);
  for (; i < n; i += Half::L) finish_step<Half, kAct, kAdd, kOut, 1>(at, i);
}

template <Act kAct, Form kAdd>
void finish_out(const Finish& f) {
  if (!f.bytes) finish_loop<kAct, kAdd, Form::f32>(f);
  else if (!f.real) finish_loop<kAct, kAdd, Form::q8>(f);
  else finish_loop<kAct, kAdd, Form::both>(f);
}

template <Act kAct>
void finish_add(const Finish& f) {
  if (!f.addend) finish_out<kAct, Form::none>(f);
  else if (f.addend->type == Type::f32) finish_out<kAct, Form::f32>(f);
  else finish_out<kAct, Form::q8>(f);
}

// n results (a multiple of eight) from element e of row y on.
inline void finish(const Op& op, const Tensor* addend, int y, int64_t e, const float* from, int n) {
  Finish f = {addend, nullptr, nullptr, y, e, from, n};
  bool usual = op.act == Act::none || op.act == Act::relu;
  for (const Tensor* t : op.out) {
    if (!t) continue;
    const Tensor*& place = t->type == Type::f32 ? f.real : f.bytes;
    usual = usual && !place && t->type != Type::q16;
    place = t;
  }
  if (usual && op.act == Act::relu) return finish_add<Act::relu>(f);
  if (usual) return finish_add<Act::none>(f);
  for (int i = 0; i < n; i += Half::L) {
    auto v = activate<Half>(op.act, Half::load(from + i));
    if (addend) v = Half::add(v, value<Half>(*addend, y, e + i));
    for (const Tensor* t : op.out)
      if (t) put<Half>(*t, y, e + i, v);
  }
}

}  // namespace
