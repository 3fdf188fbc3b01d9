// What every file must survive: to be opened, asked and run. All memory has its exact size, so that a sanitizer sees
// the first byte too many.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "../include/scunext.h"
#include "random.h"

namespace {

using Bytes = std::vector<uint8_t>;

struct Setting {
  const char* isa;
  int threads, height, width;  // sides of 0: those in the file
};

// Usable instruction sets, the best first.
inline std::vector<std::string> sets() {
  std::vector<std::string> names(1);
  for (const char* at = scx_isas(); *at; at++)
    if (*at == ' ') names.emplace_back();
    else names.back() += *at;
  return names;
}

inline scx_options options(const Setting& setting) {
  scx_options o = {};
  o.bytes = sizeof o;
  o.threads = setting.threads;
  o.isa = setting.isa;
  o.height = setting.height, o.width = setting.width;
  o.spin_us = -1;
  return o;
}

inline size_t pixels(const scx_model* model) {
  scx_description d = {};
  d.bytes = sizeof d;
  scx_describe(model, &d);
  return size_t(d.height) * size_t(d.width);
}

inline Bytes made_up_image(size_t pixels, uint32_t seed) {
  Random random{seed};
  Bytes image(3 * pixels);
  for (uint8_t& x : image) x = uint8_t(random.bits() >> 16);
  return image;
}

struct Outputs {
  std::vector<float> logits;
  Bytes score;
  bool operator==(const Outputs& other) const {  // to the bit, so that a NaN equals itself
    return score == other.score && logits.size() == other.logits.size() &&
           !std::memcmp(logits.data(), other.logits.data(), logits.size() * sizeof(float));
  }
};

// Both outputs of one image; nothing where a run fails.
inline Outputs run(scx_model* model, const Bytes& image) {
  const size_t n = image.size() / 3;
  Outputs out{std::vector<float>(n), Bytes(n)};
  const bool failed = scx_run(model, image.data(), 1, SCX_LOGITS, out.logits.data()) ||
                      scx_run(model, image.data(), 1, SCX_SCORE, out.score.data());
  return failed ? Outputs() : out;
}

// What a file turned out to be. Neither opened nor with a reason to refuse it is a bug, as is `failed`.
struct Verdict {
  bool opened = false, failed = false;
  std::string reason;
};

inline void exercise(const Bytes& file, const Setting& setting, Verdict* verdict) {
  const scx_options o = options(setting);
  scx_model* model = scx_open_memory(file.data(), file.size(), &o);
  if (!model) {
    verdict->reason = scx_last_error();
    return;
  }
  verdict->opened = true;
  scx_description d = {};
  d.bytes = sizeof d;
  scx_describe(model, &d);
  for (int i = 0; i < d.operations; i++)
    if (!*scx_op_name(model, i) || scx_op_time(model, i)) verdict->failed = true;  // it was opened without `profile`
  verdict->failed |= std::string(d.contract, d.contract_bytes).size() != d.contract_bytes;
  const Bytes image = made_up_image(pixels(model), 1);
  const Outputs first = run(model, image);  // the second run meets the memory that the first one left
  verdict->failed |= first.score.empty() || !(run(model, image) == first);
  scx_close(model);
}

}  // namespace
