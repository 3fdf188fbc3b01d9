// The format of .scx: header, checksum, records. Every number is checked against the file's size before it is used.
#include "load.h"

#include <cmath>
#include <cstring>

#include "crc32.h"
#include "refuse.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "activations, weights and files are little-endian"
#endif

namespace scx {
namespace {

constexpr const char* kAgain = "export it again: scunext-edge export ARTIFACT --to native";
constexpr uint32_t kVersion = 1, kMaxTensors = 1024, kMaxOps = 1024, kMaxBlobs = 8192, kMaxHalo = 32;
constexpr int kTensorBytes = 16, kOpBytes = 112, kBlobBytes = 16;

// Reads records of a file whose size has been checked before.
struct Reader {
  const uint8_t* at;
  template <class T>
  T take() {
    T value;
    std::memcpy(&value, at, sizeof value);
    at += sizeof value;
    return value;
  }
  uint8_t u8() { return take<uint8_t>(); }
  uint32_t u32() { return take<uint32_t>(); }
  uint64_t u64() { return take<uint64_t>(); }
  int32_t i32() { return take<int32_t>(); }
  float f32() { return take<float>(); }
};

bool at_most(const char* what, uint32_t value, uint32_t most) {
  return value <= most || refuse("the file has %u %s, at most %u are possible; %s", value, what, most, kAgain);
}

bool inside(const char* what, uint64_t offset, uint64_t size, uint64_t bytes) {
  return (offset <= bytes && size <= bytes - offset) ||
         refuse("the file's %s would end behind its end: it is cut short or damaged; copy or %s", what, kAgain);
}

bool read_tensor(Reader in, int i, TensorRecord* t) {
  const uint8_t type = in.u8();
  t->type = Type(type);
  t->down_h = in.u8(), t->down_w = in.u8(), t->halo = in.u8();
  const uint32_t channels = in.u32();
  t->channels = int32_t(channels);
  t->scale = in.f32();
  const uint32_t flags = in.u32();
  t->nonnegative = flags & 1;
  if (type > uint8_t(Type::q16)) return refuse("tensor %d has the unknown type %d; %s", i, type, kAgain);
  if (channels < 1 || channels > kMaxChannels || t->halo > kMaxHalo)
    return refuse("tensor %d has %u channels and a halo of %d, at most %d and %u are possible; %s", i, channels,
                  t->halo, kMaxChannels, kMaxHalo, kAgain);
  if (!(t->scale > 0) || !std::isfinite(t->scale) || !std::isfinite(1 / t->scale) ||
      (t->type == Type::f32 && t->scale != 1))
    return refuse("tensor %d has the scale %g; %s", i, double(t->scale), kAgain);
  return flags <= 1 || refuse("tensor %d has the unknown flags %u; %s", i, flags, kAgain);
}

bool read_op(Reader in, int i, const Model& model, OpRecord* op) {
  const uint8_t kind = in.u8(), act = in.u8(), stride = in.u8(), dilation = in.u8();
  const uint8_t pool = in.u8(), gather = in.u8(), mode = in.u8(), zero = in.u8();
  if (kind >= kKinds) return refuse("operation %d is of the unknown kind %d; %s", i, kind, kAgain);
  op->kind = Kind(kind), op->act = Act(act), op->gather = Gather(gather);
  op->stride = stride, op->dilation = dilation, op->mode = mode, op->pool = pool;
  bool known = act <= uint8_t(Act::sigmoid) && gather <= uint8_t(Gather::skip) && pool <= 1 && !zero;
  auto indices = [&](int32_t* to, int n, size_t count) {
    for (int k = 0; k < n; k++) {
      to[k] = in.i32();
      known = known && to[k] >= -1 && to[k] < int64_t(count);
    }
  };
  indices(op->in, kInputs, model.tensors.size());
  indices(op->out, kOutputs, model.tensors.size());
  indices(op->blob, kBlobs, model.blobs.size());
  for (float& value : op->value) {
    value = in.f32();
    known = known && std::isfinite(value);
  }
  known = !in.u32() && known;
  known = !in.u32() && known;
  return known || refuse("operation %d (%s) has a setting, an index or a value that does not exist; %s", i,
                         kind_name(op->kind), kAgain);
}

bool read_blob(Reader in, int i, const uint8_t* file, uint64_t bytes, BlobRecord* blob) {
  const uint32_t type = in.u32();
  blob->type = BlobType(type);
  blob->count = in.u32();
  const uint64_t offset = in.u64();
  if (type > uint32_t(BlobType::i32)) return refuse("weights %d have the unknown type %u; %s", i, type, kAgain);
  if (offset % 64) return refuse("weights %d do not begin at a multiple of 64; %s", i, kAgain);
  if (!inside("weights", offset, blob->count * uint64_t(element_bytes(blob->type)), bytes)) return false;
  blob->data = file + offset;
  return true;
}

}  // namespace

bool check_side(const char* name, int64_t side) {
  return (side > 0 && side <= kMaxSide && side % 32 == 0) ||
         refuse("%s is %lld, and must be a multiple of 32 up to %d; resize the image", name,
                static_cast<long long>(side), kMaxSide);
}

int64_t element_bytes(Type type) { return type == Type::f32 ? 4 : type == Type::q16 ? 2 : 1; }

int64_t element_bytes(BlobType type) {
  if (type == BlobType::i8) return 1;
  return type == BlobType::bf16 || type == BlobType::i16 ? 2 : 4;
}

Shape shape(const TensorRecord& tensor, int height, int width) {
  auto side = [](int image, uint8_t down) { return down == 255 ? 1 : down > 12 ? 0 : image >> down; };
  return {side(height, tensor.down_h), side(width, tensor.down_w), tensor.channels};
}

uint64_t file_bytes(const uint8_t* header) {
  Reader in{header + 8};
  const uint32_t version = in.u32();
  in.u32();
  const uint64_t bytes = in.u64();
  if (std::memcmp(header, "SCUNEXT", 8)) refuse("this is no .scx file: it does not begin like one; %s", kAgain);
  else if (version != kVersion)
    refuse("the file is of version %u, this library reads version %u; %s", version, kVersion, kAgain);
  else if (bytes < kHeaderBytes) refuse("the file's header gives it %d bytes; %s", int(bytes), kAgain);
  else return bytes;
  return 0;
}

bool load(const uint8_t* file, uint64_t bytes, Model* model) {
  if (bytes < kHeaderBytes) return refuse("this is no .scx file: it has %d bytes; %s", int(bytes), kAgain);
  const uint64_t stated = file_bytes(file);
  if (!stated) return false;
  if (stated != bytes)
    return refuse("the file has %llu bytes, by its header %llu: it is cut short or damaged; copy or %s",
                  static_cast<unsigned long long>(bytes), static_cast<unsigned long long>(stated), kAgain);
  Reader in{file + 12};
  const uint32_t crc = in.u32();
  static const uint8_t zeros[4] = {};
  if (crc != crc32(file + 16, bytes - 16, crc32(zeros, 4, crc32(file, 12, 0))))
    return refuse("the file's checksum does not fit: it is damaged; copy or %s", kAgain);
  in.u64();
  const uint32_t precision = in.u32(), height = in.u32(), width = in.u32();
  const uint32_t tensors = in.u32(), ops = in.u32(), blobs = in.u32();
  const uint32_t contract = in.u32(), contract_bytes = in.u32(), records = in.u32(), zero = in.u32();
  if (precision > 2 || zero) return refuse("the file's header has an unknown precision or flag; %s", kAgain);
  if (!check_side("the height in the file", height) || !check_side("the width in the file", width)) return false;
  if (!at_most("tensors", tensors, kMaxTensors) || !at_most("operations", ops, kMaxOps) ||
      !at_most("weights", blobs, kMaxBlobs) || !inside("contract", contract, contract_bytes, bytes) ||
      !inside("records", records, uint64_t(tensors) * kTensorBytes + ops * kOpBytes + blobs * kBlobBytes, bytes))
    return false;
  model->bytes = bytes, model->precision = int(precision), model->height = int(height), model->width = int(width);
  model->contract = reinterpret_cast<const char*>(file + contract), model->contract_bytes = contract_bytes;
  model->tensors.resize(tensors), model->ops.resize(ops), model->blobs.resize(blobs);
  const uint8_t* at = file + records;
  for (uint32_t i = 0; i < tensors; i++, at += kTensorBytes)
    if (!read_tensor({at}, int(i), &model->tensors[i])) return false;
  for (uint32_t i = 0; i < ops; i++, at += kOpBytes)
    if (!read_op({at}, int(i), *model, &model->ops[i])) return false;
  for (uint32_t i = 0; i < blobs; i++, at += kBlobBytes)
    if (!read_blob({at}, int(i), file, bytes, &model->blobs[i])) return false;
  return true;
}

}  // namespace scx
