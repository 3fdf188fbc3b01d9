// Runs models where there is no Python: on a cross-compiled or emulated port. Two ways:
//
//   port_check FILE [ISA [SEED [THREADS]]]   one made-up image; prints the CRC-32 (as zlib's) of score and of logits
//   port_check serve                         answers requests, so that tests written in Python drive the port
//
// A request is {command, a, b, bytes}, four u32, then so many bytes; an answer is {status, bytes}, then so many bytes:
// what was asked for, or the error's text where the status is not 0.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "../crc32.h"
#include "../include/scunext.h"
#include "random.h"

namespace {

using Bytes = std::vector<uint8_t>;

enum Command : uint32_t {
  kIsas,   // -> names, the best first
  kOpen,   // a: threads, b: profile; ISA, 0, file -> height, width (u32)
  kCount,  // a: tensor -> i64
  kWrite,  // a: tensor; f32[]
  kRead,   // a: tensor -> f32[]
  kOp,     // a: operation, b: scx_output; image -> output
  kRun,    // b: scx_output; images -> outputs
};

struct Header { uint32_t command, a, b, bytes; };

scx_options options(const char* isa, int threads, int profile) {
  scx_options o = {};
  o.bytes = sizeof o;
  o.threads = threads;
  o.isa = isa && *isa ? isa : nullptr;
  o.profile = profile;
  return o;
}

scx_description describe(const scx_model* model) {
  scx_description d = {};
  d.bytes = sizeof d;
  scx_describe(model, &d);
  return d;
}

size_t pixels(const scx_model* model) {
  const scx_description d = describe(model);
  return size_t(d.height) * size_t(d.width);
}

void set_text(Bytes* answer, const char* text) { answer->assign(text, text + std::strlen(text)); }

// Returns the status; `answer` is filled.
int answer_one(const Header& ask, const Bytes& in, scx_model** model, Bytes* answer) {
  const auto floats = [](Bytes& bytes) { return reinterpret_cast<float*>(bytes.data()); };
  const int index = int(ask.a);
  const auto what = scx_output(ask.b);
  const size_t element = what == SCX_LOGITS ? 4 : 1;
  if (ask.command == kIsas) return set_text(answer, scx_isas()), 0;
  if (ask.command == kOpen) {
    const char* isa = reinterpret_cast<const char*>(in.data());
    const size_t name = std::strlen(isa) + 1;
    const scx_options o = options(isa, index, int(ask.b));
    scx_close(*model);
    *model = scx_open_memory(in.data() + name, in.size() - name, &o);
    if (!*model) return -1;
    const scx_description d = describe(*model);
    const uint32_t sides[2] = {uint32_t(d.height), uint32_t(d.width)};
    answer->resize(sizeof sides);
    std::memcpy(answer->data(), sides, sizeof sides);
    return 0;
  }
  if (!*model) return -2;
  switch (ask.command) {
    case kCount: {
      const int64_t count = scx_tensor_count(*model, index);
      answer->resize(sizeof count);
      std::memcpy(answer->data(), &count, sizeof count);
      return 0;
    }
    case kWrite: return scx_tensor_write(*model, index, reinterpret_cast<const float*>(in.data()));
    case kRead:
      answer->resize(size_t(scx_tensor_count(*model, index)) * sizeof(float));
      return scx_tensor_read(*model, index, floats(*answer));
    case kOp:
      answer->resize(pixels(*model) * element);
      return scx_op_run(*model, index, in.data(), what, answer->data());
    case kRun: {
      const size_t images = in.size() / (3 * pixels(*model));
      answer->resize(images * pixels(*model) * element);
      return scx_run(*model, in.data(), int32_t(images), what, answer->data());
    }
    default: return -3;
  }
}

int serve() {
  scx_model* model = nullptr;
  Header ask;
  Bytes in, answer;
  while (std::fread(&ask, sizeof ask, 1, stdin) == 1) {
    in.resize(ask.bytes);
    if (ask.bytes && std::fread(in.data(), ask.bytes, 1, stdin) != 1) return 1;
    answer.clear();
    const int status = answer_one(ask, in, &model, &answer);
    if (status) set_text(&answer, scx_last_error());
    const uint32_t head[2] = {uint32_t(status), uint32_t(answer.size())};
    std::fwrite(head, sizeof head, 1, stdout);
    std::fwrite(answer.data(), 1, answer.size(), stdout);
    std::fflush(stdout);
  }
  scx_close(model);
  return 0;
}

int check(int count, char** words) {
  const scx_options o = options(count > 2 ? words[2] : nullptr, count > 4 ? std::atoi(words[4]) : 1, 0);
  scx_model* model = scx_open_file(words[1], &o);
  if (!model) return std::fprintf(stderr, "%s\n", scx_last_error()), 1;
  Random random{count > 3 ? uint32_t(std::atoi(words[3])) : 0};
  const size_t n = pixels(model);
  Bytes image(3 * n), score(n), logits(n * sizeof(float));
  for (uint8_t& x : image) x = uint8_t(random.bits() >> 16);
  std::printf("isa %s\n", describe(model).isa);
  if (scx_run(model, image.data(), 1, SCX_SCORE, score.data()) ||
      scx_run(model, image.data(), 1, SCX_LOGITS, logits.data()))
    return std::fprintf(stderr, "%s\n", scx_last_error()), 1;
  std::printf("score %08x\nlogits %08x\n", unsigned(scx::crc32(score.data(), score.size(), 0)),
              unsigned(scx::crc32(logits.data(), logits.size(), 0)));
  scx_close(model);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count < 2) return std::fprintf(stderr, "port_check FILE [ISA [SEED [THREADS]]] | port_check serve\n"), 2;
  return std::strcmp(words[1], "serve") ? check(count, words) : serve();
}
