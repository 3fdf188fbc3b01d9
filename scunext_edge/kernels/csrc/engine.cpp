// Running: operation after operation, each cut into as many chunks of rows as there are threads. Nothing here allocates.
#include "engine.h"

#include <chrono>

namespace scx {
namespace {

// One operation as threads share it out.
struct Shared {
  const Op* op;
  const Kernel* kernel;
  const Tensor* const* halos;
  Job job;
  int rows, threads, q8_offset;
  uint64_t scratch_bytes;
};

uint64_t now() {
  return uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(
                      std::chrono::steady_clock::now().time_since_epoch()).count());
}

}  // namespace

// Contiguous rows: a thread finds in its cache what it wrote in the operation before. It fills their halo too: one thread
// for all would wait for each row of the others, which lies in their caches, and take longer than the operation.
void Engine::chunk(void* argument, int32_t i) noexcept {
  const Shared& s = *static_cast<const Shared*>(argument);
  for (int k = 0; k < kOutputs; k++)
    if (s.halos[k]) fill_halo(*s.halos[k], s.q8_offset, i, s.threads);
  Job job = s.job;
  job.begin = int(int64_t(s.rows) * i / s.threads);
  job.end = int(int64_t(s.rows) * (i + 1) / s.threads);
  job.scratch += s.scratch_bytes * uint64_t(i);
  if (job.begin < job.end) s.kernel->run(*s.op, job);
}

void Engine::step(Step& step, const Job& job) noexcept {
  Shared shared = {&step.op, step.kernel, step.halos, job, step.rows, step.shared ? settings_.threads : 1,
                   settings_.set->q8_offset, scratch_bytes_};
  if (!step.shared) return chunk(&shared, 0);
  if (settings_.parallel) settings_.parallel(settings_.user, settings_.threads, chunk, &shared);
  else pool_->run(chunk, &shared);
}

void Engine::run(const uint8_t* images, int count, bool logits, void* output) noexcept {
  const size_t area = size_t(settings_.height) * size_t(settings_.width);
  for (size_t i = 0; i < size_t(count); i++) {
    const Job job = {0, 0, scratch_, images + i * area * 3, logits ? static_cast<float*>(output) + i * area : nullptr,
                     logits ? nullptr : static_cast<uint8_t*>(output) + i * area};
    if (!settings_.profile) {
      for (Step& s : steps_) step(s, job);
      continue;
    }
    uint64_t before = now();
    for (Step& s : steps_) {
      step(s, job);
      const uint64_t after = now();
      s.time = after - before;
      before = after;
    }
  }
}

void Engine::run_op(int i, const uint8_t* image, bool logits, void* output) noexcept {
  const Job job = {0, 0, scratch_, image, logits ? static_cast<float*>(output) : nullptr,
                   logits ? nullptr : static_cast<uint8_t*>(output)};
  const uint64_t before = now();
  step(steps_[size_t(i)], job);
  steps_[size_t(i)].time = now() - before;
}

}  // namespace scx
