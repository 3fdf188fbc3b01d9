// What operations that are no convolutions share: a row of a tensor as vectors of values, its type known when
// compiling, and the end of an operation whose results wait in scratch.
#pragma once
#include "finish.h"

namespace {

struct FloatRow {
  const float* p;
  template <class V>
  typename V::F at(int64_t e) const { return V::load(p + e); }
};

struct ByteRow {
  const uint8_t* p;
  float scale;
  template <class V>
  typename V::F at(int64_t e) const { return V::mul(V::load_q8(p + e), V::set(scale)); }
};

// Calls run(row) for row y, from pixel 0 on. Rows differ in their type, so `run` is compiled for both.
template <class Fn>
inline void with_row(const Tensor& t, int y, Fn run) {
  if (t.type == Type::f32) run(FloatRow{t.f32(y)});
  else run(ByteRow{t.q8(y), t.scale});
}

// Calls run(vector, e) for n values: wide vectors, then halves. n is a multiple of eight.
template <class Fn>
inline void each_vector(int n, Fn run) {
  int e = 0;
  for (; e + Wide::L <= n; e += Wide::L) run(Wide(), e);
  constexpr int kRest = Wide::L - Half::L;
  if constexpr (kRest > 0)
    for (; e < n; e += Half::L) run(Half(), e);
}

// The end of an operation for row y: n results that wait in `results`. gelu and sigmoid take dozens of instructions
// that wait for each other, so several vectors are worked on at a time.
class Ending {
 public:
  explicit Ending(const Op& op, const Tensor* addend = nullptr) : rest_(op), addend_(addend), act_(op.act) {
    if (curved()) rest_.act = Act::none;
  }
  void row(int y, float* results, int n) const {
    if (act_ == Act::gelu) each(results, n, [](auto v, auto x) { return gelu<decltype(v)>(x); });
    if (act_ == Act::sigmoid) each(results, n, [](auto v, auto x) { return sigmoid<decltype(v)>(x); });
    finish(rest_, addend_, y, 0, results, n);
  }

 private:
  bool curved() const { return act_ == Act::gelu || act_ == Act::sigmoid; }

  template <class Fn>
  static void each(float* p, int n, Fn act) {
    constexpr int N = 2;
    int i = 0;
    for (; i + N * Wide::L <= n; i += N * Wide::L) {
      typename Wide::F v[N];
      for (int k = 0; k < N; k++) v[k] = act(Wide(), Wide::load(p + i + k * Wide::L));
      for (int k = 0; k < N; k++) Wide::store(p + i + k * Wide::L, v[k]);
    }
    for (; i < n; i += Half::L) Half::store(p + i, act(Half(), Half::load(p + i)));
  }

  Op rest_;
  const Tensor* addend_;
  Act act_;
};

}  // namespace
