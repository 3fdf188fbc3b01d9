// A plan in memory: tensors, operations and what a kernel is. See docs/scx.md for what each operation means.
#pragma once
#include <cstddef>
#include <cstdint>

namespace scx {

enum class Type : uint8_t { f32 = 0, q8 = 1, q16 = 2 };
enum class Act : uint8_t { none = 0, relu = 1, gelu = 2, sigmoid = 3 };
enum class Gather : uint8_t { plain = 0, rows = 1, columns = 2, pool = 3, skip = 4 };
enum class BlobType : uint8_t { f32 = 0, bf16 = 1, i8 = 2, i16 = 3, i32 = 4 };
enum class Kind : uint8_t {
  normalize, conv, linear, depthwise, layernorm, upsample, deconv, max_pool, channel_stats, channel_gate,
  spatial_summary, spatial_gate, cross, eltwise, concat, tail, tail_upsample, tail_deconv
};
constexpr int kKinds = 18;

// Activations of one image inside the arena, NHWC with a halo of zeros.
struct Tensor {
  void* data = nullptr;  // pixel (0, 0), channel 0; the halo lies before it and behind each row
  int32_t height = 0, width = 0, channels = 0, halo = 0;
  int64_t row = 0;  // elements from a pixel to the one below: (width + 2 * halo) * channels
  Type type = Type::f32;
  bool nonnegative = false;
  float scale = 1;    // value = scale * stored (q8, q16)
  float inverse = 1;  // 1 / scale

  float* f32(int y, int x = 0) const { return static_cast<float*>(data) + y * row + int64_t(x) * channels; }
  // q8 is stored plus KernelSet::q8_offset (0 or 128): the form that the processor multiplies best.
  uint8_t* q8(int y, int x = 0) const { return static_cast<uint8_t*>(data) + y * row + int64_t(x) * channels; }
  int16_t* q16(int y, int x = 0) const { return static_cast<int16_t*>(data) + y * row + int64_t(x) * channels; }
};

struct Blob {
  const void* data = nullptr;  // aligned to 64 bytes in memory
  uint32_t count = 0;
  BlobType type = BlobType::f32;
  const float* f32() const { return static_cast<const float*>(data); }
  const int8_t* i8() const { return static_cast<const int8_t*>(data); }
  const int16_t* i16() const { return static_cast<const int16_t*>(data); }
  const int32_t* i32() const { return static_cast<const int32_t*>(data); }
};

struct Op {
  Kind kind;
  Act act = Act::none;
  Gather gather = Gather::plain;
  int stride = 1, dilation = 1, mode = 0;
  bool pool = false;
  const Tensor* in[8] = {};  // null: none
  const Tensor* out[2] = {};
  Blob blob[12];  // f32 and bf16 weights arrive as f32: the loader has widened them
  float value[2] = {};
  void* packed = nullptr;  // what pack() made of the weights, aligned to 64 bytes
  int height = 0, width = 0;  // of the image (tails and normalize need it)
};

// What one call of run() works on: rows [begin, end) of Kernel::rows(op).
struct Job {
  int begin, end;
  char* scratch;          // of this thread, aligned to 64 bytes, Kernel::scratch bytes
  const uint8_t* image;   // u8 RGB [height][width][3] (normalize)
  float* logits;          // [height][width]; exactly one of the two is set (tails)
  uint8_t* score;
};

// One operation on one instruction set. No allocation, no exception, no state.
struct Kernel {
  int (*rows)(const Op&);                // units of work that threads may share out
  size_t (*packed)(const Op&);           // bytes of the packed weights; 0: none
  void (*pack)(const Op&, void* packed);
  size_t (*scratch)(const Op&);          // bytes that each thread needs
  void (*run)(const Op&, const Job&);
};

struct KernelSet {
  const char* name;
  int q8_offset;      // added to every stored q8 value; the halo is filled with it
  Kernel kernel[kKinds];
  uint64_t (*peak)(bool bytes, void* room, int32_t rounds);  // isa/peak.h; returns how many products were added up
};
constexpr int kPeakRoom = 2048;  // bytes, of zeros

// Readers may run past the end of a row or of a tensor (the surplus is thrown away), writers never: after each tensor
// kGuardRows rows and kGuardPixels pixels can be read.
constexpr int kGuardRows = 4, kGuardPixels = 64;

}  // namespace scx
