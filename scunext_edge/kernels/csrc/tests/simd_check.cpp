// Prints a checksum of what every vector primitive of one simd/*.h returns for the same numbers: two headers agree when
// their lists do. Built with -DSCX_SIMD='"../simd/neon.h"'. V::fma may round differently and is compared by its value.
#include SCX_SIMD

#include <cmath>
#include <cstdio>

#include "../crc32.h"
#include "random.h"

namespace {

constexpr int kRounds = 2000;
constexpr float kNan = __builtin_nanf("");
const float kSpecial[] = {0.f, -0.f, 0.5f, -0.5f, 1.5f, 2.5f, -2.5f, 126.5f, 127.49f, -128.5f, 300.f, -300.f, 2046.5f,
                          -2047.5f, 1e9f, -1e9f, INFINITY, -INFINITY};

uint32_t g_crc;
void add(const void* data, size_t bytes) { g_crc = scx::crc32(static_cast<const uint8_t*>(data), bytes, g_crc); }

template <class Fn>
void check(const char* name, Fn round) {
  Random random{7};
  g_crc = 0;
  for (int i = 0; i < kRounds; i++) round(random);
  std::printf("%s %08x\n", name, unsigned(g_crc));
}

float number(Random& random, bool nan) {
  const int kind = random.below(8);
  if (kind == 0) return kSpecial[random.below(sizeof kSpecial / sizeof *kSpecial)];
  if (kind == 1 && nan) return kNan;
  if (kind == 2) return float(random.below(600) - 300) * 0.5f;
  return random.uniform(-300, 300);
}

template <class V, class Fn>
void floats(const char* name, Fn compute, bool nan) {
  check(name, [&](Random& random) {
    float in[3][V::L], out[V::L];
    for (auto& row : in)
      for (float& x : row) {
        x = number(random, nan);
        if (!nan && std::isinf(x)) x = 17;
      }
    V::store(out, compute(V::load(in[0]), V::load(in[1]), V::load(in[2])));
    add(out, sizeof out);
  });
}

template <class V>
void lanes() {
  using F = typename V::F;
  floats<V>("add", [](F a, F b, F) { return V::add(a, b); }, false);
  floats<V>("sub", [](F a, F b, F) { return V::sub(a, b); }, false);
  floats<V>("mul", [](F a, F b, F) { return V::mul(a, b); }, false);
  floats<V>("div", [](F a, F b, F) { return V::div(a, V::max(b, V::set(0.25f))); }, false);
  floats<V>("madd", [](F a, F b, F c) { return V::madd(a, b, c); }, false);
  floats<V>("min", [](F a, F b, F) { return V::min(a, b); }, true);
  floats<V>("max", [](F a, F b, F) { return V::max(a, b); }, true);
  floats<V>("sqrt", [](F a, F, F) { return V::sqrt(V::mul(a, a)); }, false);
  floats<V>("floor", [](F a, F, F) { return V::floor(a); }, false);
  floats<V>("rint", [](F a, F, F) {  // a zero may have either sign
    return V::add(V::rint(V::min(V::max(a, V::set(-3000)), V::set(3000))), V::zero());
  }, false);
  floats<V>("exp2i", [](F a, F, F) { return V::exp2i(V::rint(V::min(V::max(a, V::set(-126)), V::set(127)))); }, false);
  floats<V>("fma", [](F a, F b, F c) {  // within a rounding of a * b + c
    float x[3][V::L], y[V::L];
    V::store(x[0], a), V::store(x[1], b), V::store(x[2], c), V::store(y, V::fma(a, b, c));
    for (int l = 0; l < V::L; l++) {
      const double exact = double(x[0][l]) * x[1][l] + x[2][l], size = std::fabs(double(x[0][l]) * x[1][l]);
      y[l] = std::fabs(y[l] - exact) <= 1.2e-7 * (size + std::fabs(x[2][l])) ? 1.f : 0.f;
    }
    return V::load(y);
  }, false);
  check("integers", [](Random& random) {
    int32_t a[V::L], b[V::L], out[V::L];
    for (int l = 0; l < V::L; l++) a[l] = int32_t(random.bits() * 200u), b[l] = int32_t(random.bits() * 177u);
    V::storei(out, V::addi(V::loadi(a), V::maxi(V::loadi(b), V::seti(-5))));
    add(out, sizeof out);
    float value[V::L];
    V::store(value, V::to_float(V::loadi(a)));
    add(value, sizeof value);
  });
  check("q8", [](Random& random) {
    float in[V::L], back[V::L];
    uint8_t stored[V::L];
    for (float& x : in) x = number(random, true);
    V::store_q8(stored, V::load(in));
    V::store(back, V::load_q8(stored));
    for (uint8_t& byte : stored) byte = uint8_t(byte - kQ8Offset);
    add(stored, sizeof stored), add(back, sizeof back);
  });
  check("q16", [](Random& random) {
    float in[V::L];
    int16_t stored[V::L];
    for (float& x : in) x = number(random, true) * 10;
    V::store_q16(stored, V::load(in));
    add(stored, sizeof stored);
  });
  check("u8", [](Random& random) {
    uint8_t in[V::L];
    float out[V::L];
    for (uint8_t& x : in) x = uint8_t(random.bits());
    V::store(out, V::load_u8(in));
    add(out, sizeof out);
  });
}

// What only the ends of a network and images need; even[] and odd[] hold the sums of L pixels each.
template <class V>
void ends() {
  check("score", [](Random& random) {
    float in[V::L];
    uint8_t out[V::L];
    for (float& x : in) x = number(random, true) / 16;
    V::store_score(out, V::load(in));
    add(out, sizeof out);
  });
  check("four of q8", [](Random& random) {
    float in[4][V::L];
    uint8_t out[4 * V::L];
    for (auto& row : in)
      for (float& x : row) x = number(random, true);
    V::store_q8x4(out, V::load(in[0]), V::load(in[1]), V::load(in[2]), V::load(in[3]));
    for (uint8_t& byte : out) byte = uint8_t(byte - kQ8Offset);
    add(out, sizeof out);
  });
  check("rgb", [](Random& random) {
    uint8_t in[64];
    float out[V::L];
    for (uint8_t& x : in) x = uint8_t(random.bits());
    V::store(out, V::load_rgb(in));
    add(out, sizeof out);
  });
  check("zip and fold8", [](Random& random) {
    float in[8][V::L], out[3][V::L];
    for (auto& row : in)
      for (float& x : row) x = random.uniform(-9, 9);
    typename V::F even[4], odd[4], low, high;
    for (int n = 0; n < 4; n++) even[n] = V::load(in[n]), odd[n] = V::load(in[4 + n]);
    V::zip(even[0], odd[0], low, high);
    V::store(out[0], V::fold8(even, odd)), V::store(out[1], low), V::store(out[2], high);
    add(out, sizeof out);
  });
  check("16 bits", [](Random& random) {
    int16_t in[8][2 * V::L], out[2 * V::L];
    for (auto& row : in)
      for (int16_t& x : row) x = int16_t(random.below(16001) - 8000);
    typename V::S s[8];
    for (int n = 0; n < 8; n++) s[n] = V::relu16(V::add16(V::load16(in[n]), V::load16(in[(n + 1) % 8])));
    V::store16(out, s[0]);
    add(out, sizeof out);
    typename V::I even[2], odd[2];
    for (int n = 0; n < 2; n++) {
      even[n] = V::dot16(V::load16(in[n]), V::load16(in[2 + n]));
      odd[n] = V::dot16(V::load16(in[4 + n]), V::load16(in[6 + n]));
    }
    int32_t sums[V::L];
    V::storei(sums, V::fold4(even, odd));
    add(sums, sizeof sums);
  });
}

// Inputs and weights at their ends in every fourth round. `lowest`: of the inputs.
template <class V, bool kNonnegative>
void dots(const char* name, int lowest) {
  check(name, [&](Random& random) {
    alignas(64) int8_t w[4 * V::L];
    uint8_t a[4];
    int32_t acc[V::L], sum[V::L] = {};
    const bool ends = random.below(4) == 0;
    for (int8_t& x : w) x = int8_t(ends ? (random.below(2) ? 127 : -127) : random.below(255) - 127);
    for (uint8_t& x : a) {
      const int q = ends ? (random.below(2) ? 127 : lowest) : lowest + random.below(128 - lowest);
      x = uint8_t(q + kQ8Offset);
    }
    for (int l = 0; l < V::L; l++) {
      acc[l] = int32_t(random.bits());
      for (int k = 0; k < 4; k++) sum[l] += w[4 * l + k];
    }
    V::storei(acc, V::template dot<kNonnegative>(V::loadi(acc), V::template quad<kNonnegative>(a), V::load_w8(w)));
    for (int l = 0; l < V::L; l++) acc[l] -= kQ8Offset * sum[l];
    add(acc, sizeof acc);

    // The other way around, with inputs made of the weights.
    uint8_t own[4 * V::L];
    int8_t same[4];
    int32_t total = 0;
    for (int i = 0; i < 4; i++) same[i] = w[i], total += same[i];
    for (int i = 0; i < 4 * V::L; i++) {
      const int q = w[i] == -127 ? lowest : w[i] < lowest ? -w[i] : w[i];
      own[i] = uint8_t(q + kQ8Offset);
    }
    V::storei(acc, V::template dot<kNonnegative>(V::seti(1), V::template quads<kNonnegative>(own), V::set_w8(same)));
    for (int l = 0; l < V::L; l++) acc[l] -= kQ8Offset * total;
    add(acc, sizeof acc);
  });
}

}  // namespace

int main() {
  lanes<Half>();
  ends<Half>();
  dots<Half, true>("dot of 7 bits", 0);
  // Where a quad needs no more room than a sum, kernels use the form for 7 bits for everything.
  dots<Half, (sizeof(Half::Quad) <= sizeof(Half::I))>("dot of 8 bits", -128);
  return 0;
}
