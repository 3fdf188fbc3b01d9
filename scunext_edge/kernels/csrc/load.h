// An .scx file as records, and whether they can be run. Nothing in a file is trusted: docs/scx.md says what must hold,
// load() checks the format and check() what every operation needs.
#pragma once
#include <cstdint>
#include <vector>

#include "plan.h"

namespace scx {

struct TensorRecord {
  Type type;
  uint8_t down_h, down_w, halo;
  int32_t channels;
  float scale;
  bool nonnegative;
};

constexpr int kInputs = 8, kOutputs = 2, kBlobs = 12, kValues = 2;

struct OpRecord {
  Kind kind;
  Act act;
  Gather gather;
  int stride, dilation, mode;
  bool pool;
  int32_t in[kInputs], out[kOutputs], blob[kBlobs];  // -1: none
  float value[kValues];
};

struct BlobRecord {
  BlobType type;
  uint32_t count;
  const uint8_t* data;  // inside the file, at any address
};

struct Model {
  uint64_t bytes = 0;
  int precision = 0, height = 0, width = 0;
  const char* contract = nullptr;  // inside the file
  uint32_t contract_bytes = 0;
  std::vector<TensorRecord> tensors;
  std::vector<OpRecord> ops;
  std::vector<BlobRecord> blobs;
};

struct Shape {
  int32_t height = 0, width = 0, channels = 0;
};

constexpr int kHeaderBytes = 64, kMaxSide = 4096, kMaxChannels = 4096;

// The bytes that the file must have, from its first 64; 0 and a message where it is no .scx file.
uint64_t file_bytes(const uint8_t* header);
// Both return false and leave a message where something is wrong. The model points into `file`.
bool load(const uint8_t* file, uint64_t bytes, Model* model);
bool check(const Model& model, int height, int width);

bool check_side(const char* name, int64_t side);
int64_t element_bytes(Type type);
int64_t element_bytes(BlobType type);
Shape shape(const TensorRecord& tensor, int height, int width);
const char* kind_name(Kind kind);
// The input at which an operation's addend stands, or -1.
int addend_slot(Kind kind);

}  // namespace scx
