// An opened model: its operations bound to kernels, its memory, its threads.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "arena.h"
#include "describe.h"
#include "pool.h"

namespace scx {

using Parallel = void (*)(void* user, int32_t count, void (*job)(void* argument, int32_t i), void* argument);

struct Settings {
  int threads = 1, height = 0, width = 0, spin_us = 0, profile = 0;
  const KernelSet* set = nullptr;
  Parallel parallel = nullptr;  // null: a pool of its own
  void* user = nullptr;
};

class Engine {
 public:
  // Null, and a message, where it cannot be opened. The model's file is not needed any more afterwards.
  static std::unique_ptr<Engine> open(const Model& model, const Settings& settings);
  ~Engine();

  // `output` is f32 (logits) or u8 (score), [count][height][width].
  void run(const uint8_t* images, int count, bool logits, void* output) noexcept;
  void run_op(int i, const uint8_t* image, bool logits, void* output) noexcept;

  const Settings& settings() const { return settings_; }
  int precision() const { return precision_; }
  const std::string& contract() const { return contract_; }
  uint64_t file_bytes() const { return file_bytes_; }
  uint64_t arena_bytes() const { return arena_bytes_; }

  int ops() const { return int(steps_.size()); }
  const char* name(int i) const { return steps_[size_t(i)].name; }
  uint64_t macs(int i) const { return steps_[size_t(i)].macs; }
  uint64_t time(int i) const { return steps_[size_t(i)].time; }

  int tensors() const { return int(tensors_.size()); }
  const Tensor& tensor(int i) const { return tensors_[size_t(i)]; }
  int q8_offset() const { return settings_.set->q8_offset; }

 private:
  struct Step {
    Op op;
    const Kernel* kernel;
    int rows;     // of work
    bool shared;  // among threads
    const Tensor* halos[kOutputs];  // to fill before it runs
    uint64_t macs, time;
    char name[kNameBytes];
  };
  struct Layout;

  Engine() = default;
  bool build(const Model& model);
  void bind(const Model& model);
  bool plan(const Model& model, Layout* layout);
  bool fill(const Model& model, const Layout& layout);
  void step(Step& step, const Job& job) noexcept;
  static void chunk(void* argument, int32_t i) noexcept;

  Settings settings_;
  int precision_ = 0;
  uint64_t file_bytes_ = 0, arena_bytes_ = 0;
  std::string contract_;
  std::vector<Tensor> tensors_;
  std::vector<Block> blocks_;
  std::vector<Step> steps_;
  char* arena_ = nullptr;
  char* scratch_ = nullptr;
  uint64_t scratch_bytes_ = 0;  // of one thread
  std::unique_ptr<Pool> pool_;
};

}  // namespace scx
