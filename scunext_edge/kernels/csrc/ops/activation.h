// exp, sigmoid, erf and gelu as docs/scx.md defines them: a fixed sequence of f32 operations, so every vector width
// gives the same bits.
#pragma once
#include "../rows.h"

namespace {

template <class V>
inline typename V::F exp_of(typename V::F x) {
  x = V::min(V::max(x, V::set(-87.f)), V::set(88.f));
  const auto n = V::rint(V::mul(x, V::set(1.44269504f)));
  const auto r = V::sub(V::sub(x, V::mul(n, V::set(0.693359375f))), V::mul(n, V::set(-2.12194440e-4f)));
  auto p = V::set(1.f / 5040);
  constexpr float series[] = {1.f / 720, 1.f / 120, 1.f / 24, 1.f / 6, 1.f / 2, 1.f, 1.f};
  for (float c : series) p = V::madd(p, r, V::set(c));
  return V::mul(p, V::exp2i(n));
}

template <class V>
inline typename V::F sigmoid(typename V::F x) {
  return V::div(V::set(1), V::add(V::set(1), exp_of<V>(V::sub(V::zero(), x))));
}

template <class V>
inline typename V::F gelu(typename V::F x) {
  auto t = V::mul(x, V::set(0.70710678f));
  t = V::min(V::max(t, V::set(-4.f)), V::set(4.f));
  const auto s = V::mul(t, t);
  constexpr float over[] = {2.77068142495902e-08f,  -2.10102402082508e-06f, -5.69250639462346e-05f,
                            -7.34990630326855e-04f, -2.95459980854025e-03f, -1.60960333262415e-02f};
  constexpr float under[] = {-2.13374055278905e-04f, -1.68282697438203e-03f, -7.37332916720468e-03f,
                             -1.42647390514189e-02f};
  auto p = V::set(-2.72614225801306e-10f), r = V::set(-1.45660718464996e-05f);
  for (float c : over) p = V::madd(p, s, V::set(c));
  for (float c : under) r = V::madd(r, s, V::set(c));
  const auto erf = V::div(V::mul(t, p), r);
  return V::mul(V::mul(V::set(0.5f), x), V::add(V::set(1), erf));
}

template <class V>
inline typename V::F activate(Act act, typename V::F v) {
  switch (act) {
    case Act::relu: return V::max(v, V::zero());
    case Act::gelu: return gelu<V>(v);
    case Act::sigmoid: return sigmoid<V>(v);
    default: return v;
  }
}

}  // namespace
