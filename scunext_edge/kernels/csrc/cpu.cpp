#include "cpu.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "refuse.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace scx {

// CMake defines SCX_HAS_name for every set that this compiler could build.
#define SCX_DECLARE(name) extern const KernelSet kernels__##name
SCX_DECLARE(avx512vnni);
SCX_DECLARE(avx512);
SCX_DECLARE(avx2vnni);
SCX_DECLARE(avx2);
SCX_DECLARE(neon_i8mm);
SCX_DECLARE(neon_dotprod);
SCX_DECLARE(neon);
SCX_DECLARE(wasm_relaxed);
SCX_DECLARE(wasm);
SCX_DECLARE(scalar);
SCX_DECLARE(avx512vnni_emulated);
SCX_DECLARE(avx512_emulated);
SCX_DECLARE(avx2vnni_emulated);

namespace {

struct Features {
  bool avx512vnni = false, avx512 = false, avx2vnni = false, avx2 = false, i8mm = false, dotprod = false;
};

#if defined(__x86_64__) || defined(__i386__)
Features features() {
  Features f;
  uint32_t a, b, c, d, a1 = 0, unused, b7, c7;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return f;  // OSXSAVE: xgetbv can be asked
  const bool fma = c >> 12 & 1, avx = c >> 28 & 1;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  const bool saves_ymm = (low & 0x06) == 0x06, saves_zmm = (low & 0xE6) == 0xE6;  // what the system keeps for a thread
  uint32_t subleaves;
  if (!__get_cpuid_count(7, 0, &subleaves, &b7, &c7, &unused)) return f;
  if (subleaves >= 1) __get_cpuid_count(7, 1, &a1, &b, &c, &d);
  f.avx2 = saves_ymm && avx && fma && (b7 >> 5 & 1);
  f.avx2vnni = f.avx2 && (a1 >> 4 & 1);
  const uint32_t needed = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL
  f.avx512 = f.avx2 && saves_zmm && (b7 & needed) == needed;
  f.avx512vnni = f.avx512 && (c7 >> 11 & 1);
  return f;
}
#elif defined(__aarch64__) && defined(__linux__)
Features features() {
  Features f;
  f.dotprod = getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
  f.i8mm = f.dotprod && (getauxval(AT_HWCAP2) & 1u << 13);  // HWCAP2_I8MM: older headers do not know it
  return f;
}
#elif defined(__aarch64__) && defined(__APPLE__)
bool has(const char* name) {
  int value = 0;
  size_t size = sizeof value;
  return !sysctlbyname(name, &value, &size, nullptr, 0) && value;
}
Features features() {
  Features f;
  f.dotprod = has("hw.optional.arm.FEAT_DotProd");
  f.i8mm = f.dotprod && has("hw.optional.arm.FEAT_I8MM");
  return f;
}
#else
Features features() { return {}; }
#endif

struct Sets {
  static constexpr int kMost = 16;
  const KernelSet* at[kMost];
  int count = 0;
  char names[256] = "";

  void add(const KernelSet& set, bool usable) {
    if (!usable) return;
    if (count) std::strcat(names, " ");
    std::strcat(names, set.name);
    at[count++] = &set;
  }

  Sets() {
    const Features f = features();
    (void)f;
#if SCX_HAS_avx512vnni
    add(kernels__avx512vnni, f.avx512vnni);
#endif
#if SCX_HAS_avx512
    add(kernels__avx512, f.avx512);
#endif
#if SCX_HAS_avx2vnni
    add(kernels__avx2vnni, f.avx2vnni);
#endif
#if SCX_HAS_avx2
    add(kernels__avx2, f.avx2);
#endif
#if SCX_HAS_neon_i8mm
    add(kernels__neon_i8mm, f.i8mm);
#endif
#if SCX_HAS_neon_dotprod
    add(kernels__neon_dotprod, f.dotprod);
#endif
#if SCX_HAS_neon
    add(kernels__neon, true);
#endif
#if SCX_HAS_wasm_relaxed
    add(kernels__wasm_relaxed, true);
#endif
#if SCX_HAS_wasm
    add(kernels__wasm, true);
#endif
#if SCX_HAS_scalar
    add(kernels__scalar, true);
#endif
    // Emulated ones, for tests: they come last, so that nobody gets one without asking for it.
#if SCX_HAS_avx512vnni_emulated
    add(kernels__avx512vnni_emulated, true);
#endif
#if SCX_HAS_avx512_emulated
    add(kernels__avx512_emulated, true);
#endif
#if SCX_HAS_avx2vnni_emulated
    add(kernels__avx2vnni_emulated, true);
#endif
  }
};

const Sets& sets() {
  static const Sets all;
  return all;
}

}  // namespace

const char* usable_sets() { return sets().names; }

const KernelSet* choose_set(const char* name) {
  const Sets& all = sets();
  if (!all.count) {
    refuse("no instruction set of this library can be used here: it was built without \"scalar\"; build it again");
    return nullptr;
  }
  if (!name || !*name) return all.at[0];
  for (int i = 0; i < all.count; i++)
    if (!std::strcmp(all.at[i]->name, name)) return all.at[i];
  refuse("the instruction set \"%.40s\" cannot be used here; choose one of: %s", name, all.names);
  return nullptr;
}

}  // namespace scx
