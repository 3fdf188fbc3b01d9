// The measured limit that shares of the arithmetic are told against.
#include <chrono>
#include <cstdint>

#include "cpu.h"
#include "include/scunext.h"
#include "refuse.h"

namespace {

constexpr int kTries = 8;           // the fastest counts: everything that disturbs makes it slower
constexpr double kTrySeconds = 4e-3;  // long against a look at the clock, short against a time slice

double seconds_of(const scx::KernelSet& set, bool bytes, void* room, int32_t rounds, uint64_t* products) {
  const auto start = std::chrono::steady_clock::now();
  *products = set.peak(bytes, room, rounds);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int scx_peak(const char* isa, scx_arithmetic what, double* macs_per_second) {
  if (!macs_per_second) return scx::refuse("macs_per_second is NULL"), -1;
  if (what != SCX_F32 && what != SCX_INT8) return scx::refuse("there is no arithmetic %d", int(what)), -1;
  const scx::KernelSet* set = scx::choose_set(isa);
  if (!set) return -1;
  alignas(64) char room[scx::kPeakRoom] = {};
  const bool bytes = what == SCX_INT8;
  uint64_t products;
  int32_t rounds = 1000;
  while (seconds_of(*set, bytes, room, rounds, &products) < kTrySeconds && rounds < (1 << 28)) rounds *= 2;
  double best = 0;
  for (int i = 0; i < kTries; i++) {
    const double seconds = seconds_of(*set, bytes, room, rounds, &products);
    const double rate = seconds > 0 ? double(products) / seconds : 0;
    if (rate > best) best = rate;
  }
  *macs_per_second = best;
  return 0;
}
