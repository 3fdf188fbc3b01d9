// Opening: one allocation for everything that a run touches, in this order: tensors, the weights that kernels read as
// they are, those that they have packed, and each thread's scratch.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "engine.h"
#include "refuse.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif
#endif

namespace scx {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMostBytes = uint64_t(2) << 30;  // of an arena: more is a broken file
constexpr double kWorthSharing = 4000;              // nanoseconds; a barrier costs one to two hundred, a cold one more

// Under the address sanitizer the parts of the arena have forbidden ground behind them.
#if defined(ASAN_POISON_MEMORY_REGION)
constexpr uint64_t kFence = 64;
void forbid(char* at) { ASAN_POISON_MEMORY_REGION(at, kFence); }
void allow(char* at, uint64_t bytes) { ASAN_UNPOISON_MEMORY_REGION(at, bytes); }
#else
constexpr uint64_t kFence = 0;
void forbid(char*) {}
void allow(char*, uint64_t) {}
#endif

char* allocate(uint64_t bytes) {
#if defined(_WIN32)
  return static_cast<char*>(_aligned_malloc(bytes, kPage));
#else
  return static_cast<char*>(std::aligned_alloc(kPage, size_t(bytes)));
#endif
}

void release(char* memory) {
#if defined(_WIN32)
  _aligned_free(memory);
#else
  std::free(memory);
#endif
}

struct Released {
  void operator()(char* memory) const { release(memory); }
};

uint64_t widened_bytes(const BlobRecord& blob) {  // bf16 becomes f32
  return blob.count * uint64_t(blob.type == BlobType::bf16 ? 4 : element_bytes(blob.type));
}

void widen(const BlobRecord& blob, char* to) {
  if (blob.type != BlobType::bf16) {
    std::memcpy(to, blob.data, size_t(widened_bytes(blob)));
    return;
  }
  for (uint32_t i = 0; i < blob.count; i++) {
    uint16_t upper;
    std::memcpy(&upper, blob.data + 2 * size_t(i), 2);
    const uint32_t bits = uint32_t(upper) << 16;
    std::memcpy(to + 4 * size_t(i), &bits, 4);
  }
}

// Weights that a kernel has no more need of once it has packed them.
bool packed_away(Kind kind, int slot) {
  switch (kind) {
    case Kind::conv: case Kind::linear: case Kind::tail_upsample: case Kind::tail_deconv: return slot == 0;
    case Kind::deconv: return slot % 3 == 0;
    default: return false;
  }
}

}  // namespace

// Offsets into the arena.
struct Engine::Layout {
  static constexpr uint64_t kNowhere = UINT64_MAX;
  std::vector<uint64_t> kept;    // by blob
  std::vector<uint64_t> packed;  // by operation
  std::vector<uint64_t> fences;
  uint64_t scratch = 0, bytes = 0;

  uint64_t take(uint64_t size) {
    const uint64_t at = bytes;
    bytes += rounded(size);
    fences.push_back(bytes);
    bytes += kFence;
    return at;
  }
};

std::unique_ptr<Engine> Engine::open(const Model& model, const Settings& settings) {
  std::unique_ptr<Engine> engine(new Engine);
  engine->settings_ = settings;
  if (!engine->settings_.height) engine->settings_.height = model.height;
  if (!engine->settings_.width) engine->settings_.width = model.width;
  if (!check(model, engine->settings_.height, engine->settings_.width) || !engine->build(model)) return nullptr;
  if (settings.threads > 1 && !settings.parallel)
    engine->pool_.reset(new Pool(settings.threads, settings.spin_us));
  return engine;
}

Engine::~Engine() {
  if (!arena_) return;
  allow(arena_, arena_bytes_);
  release(arena_);
}

bool Engine::build(const Model& model) {
  precision_ = model.precision;
  file_bytes_ = model.bytes;
  contract_.assign(model.contract, model.contract_bytes);
  bind(model);
  Layout layout;
  return plan(model, &layout) && fill(model, layout);
}

// Everything but addresses: kernels are asked for their needs with shapes and counts alone.
void Engine::bind(const Model& model) {
  const int height = settings_.height, width = settings_.width;
  blocks_ = blocks(model, height, width);
  for (size_t i = 0; i < blocks_.size(); i++)
    tensors_.push_back(tensor_at(model.tensors[i], blocks_[i], height, width, nullptr));
  steps_.resize(model.ops.size());
  for (size_t i = 0; i < steps_.size(); i++) {
    const OpRecord& record = model.ops[i];
    Step& step = steps_[i];
    Op& op = step.op;
    step = {};
    op.kind = record.kind, op.act = record.act, op.gather = record.gather;
    op.stride = record.stride, op.dilation = record.dilation, op.mode = record.mode, op.pool = record.pool;
    for (int k = 0; k < kInputs; k++) op.in[k] = record.in[k] < 0 ? nullptr : &tensors_[size_t(record.in[k])];
    for (int k = 0; k < kOutputs; k++) op.out[k] = record.out[k] < 0 ? nullptr : &tensors_[size_t(record.out[k])];
    for (int k = 0; k < kBlobs; k++) {
      if (record.blob[k] < 0) continue;
      const BlobRecord& blob = model.blobs[size_t(record.blob[k])];
      op.blob[k].count = blob.count;
      op.blob[k].type = blob.type == BlobType::bf16 ? BlobType::f32 : blob.type;
    }
    for (int k = 0; k < kValues; k++) op.value[k] = record.value[k];
    op.height = height, op.width = width;
    step.kernel = &settings_.set->kernel[int(op.kind)];
    step.rows = step.kernel->rows(op);
    step.macs = op_macs(op);
    step.shared = settings_.threads > 1 && step.rows > 1 && op_cost(op) > kWorthSharing;
    op_name(op, step.name);
  }
}

bool Engine::plan(const Model& model, Layout* layout) {
  layout->take(place(&blocks_, settings_.profile < 2));
  layout->kept.assign(model.blobs.size(), Layout::kNowhere);
  layout->packed.assign(steps_.size(), Layout::kNowhere);
  for (size_t i = 0; i < steps_.size(); i++) {
    const Step& step = steps_[i];
    const uint64_t packed = step.kernel->packed(step.op);
    if (packed) layout->packed[i] = layout->take(packed);
    scratch_bytes_ = std::max(scratch_bytes_, rounded(step.kernel->scratch(step.op), 2 * kLine) + 2 * kFence);
    for (int k = 0; k < kBlobs; k++) {
      const int blob = model.ops[i].blob[k];
      if (blob < 0 || layout->kept[size_t(blob)] != Layout::kNowhere || (packed && packed_away(step.op.kind, k))) continue;
      layout->kept[size_t(blob)] = layout->take(widened_bytes(model.blobs[size_t(blob)]));
    }
  }
  layout->scratch = layout->bytes = rounded(layout->bytes, 2 * kLine);
  for (int i = 1; i <= settings_.threads; i++) layout->fences.push_back(layout->scratch + scratch_bytes_ * uint64_t(i) - kFence);
  arena_bytes_ = rounded(layout->bytes + scratch_bytes_ * uint64_t(settings_.threads), kPage);
  if (arena_bytes_ > kMostBytes)
    return refuse("images of %dx%d would take %llu MiB, at most %llu are possible; open it for smaller ones",
                  settings_.height, settings_.width, static_cast<unsigned long long>(arena_bytes_ >> 20),
                  static_cast<unsigned long long>(kMostBytes >> 20));
  arena_ = allocate(arena_bytes_);
  if (!arena_)
    return refuse("%llu KiB of memory are not to be had; open it for smaller images",
                  static_cast<unsigned long long>(arena_bytes_ >> 10));
  return true;
}

bool Engine::fill(const Model& model, const Layout& layout) {
  std::memset(arena_, 0, size_t(arena_bytes_));
  for (uint64_t fence : layout.fences) forbid(arena_ + fence);
  scratch_ = arena_ + layout.scratch;
  for (size_t i = 0; i < tensors_.size(); i++) {
    tensors_[i] = tensor_at(model.tensors[i], blocks_[i], settings_.height, settings_.width, arena_);
    if (tensors_[i].data) fill_halo(tensors_[i], settings_.set->q8_offset, 0, 1);
  }
  for (size_t b = 0; b < model.blobs.size(); b++)
    if (layout.kept[b] != Layout::kNowhere) widen(model.blobs[b], arena_ + layout.kept[b]);
  for (size_t i = 0; i < steps_.size(); i++) {
    Op& op = steps_[i].op;
    std::unique_ptr<char, Released> passing[kBlobs];  // weights that only pack() reads
    for (int k = 0; k < kBlobs; k++) {
      const int b = model.ops[i].blob[k];
      if (b < 0) continue;
      if (layout.kept[size_t(b)] != Layout::kNowhere) {
        op.blob[k].data = arena_ + layout.kept[size_t(b)];
        continue;
      }
      const BlobRecord& blob = model.blobs[size_t(b)];
      passing[k].reset(allocate(rounded(widened_bytes(blob), kPage)));
      if (!passing[k]) return refuse("the memory for weights %d is not to be had", b);
      widen(blob, passing[k].get());
      op.blob[k].data = passing[k].get();
    }
    if (layout.packed[i] != Layout::kNowhere) {
      op.packed = arena_ + layout.packed[i];
      steps_[i].kernel->pack(op, op.packed);
    }
    for (int k = 0; k < kBlobs; k++)
      if (passing[k]) op.blob[k].data = nullptr;
    for (int k = 0; k < kOutputs; k++) {
      const int out = model.ops[i].out[k];
      steps_[i].halos[k] = out >= 0 && halo_shared(tensors_, blocks_, size_t(out)) ? &tensors_[size_t(out)] : nullptr;
    }
  }
  return true;
}

}  // namespace scx
