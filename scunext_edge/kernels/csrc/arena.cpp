// Greedy placement: large blocks first, each at the lowest address where nothing lies that is in use at the same time.
#include "arena.h"

#include <algorithm>
#include <cstring>

namespace scx {
namespace {

// The gap between the last pixel of a row and the first of the next: the halo on the right, then that on the left.
template <int kStep>
void fill_gaps(char* at, int64_t row_bytes, int rows, int64_t gap, uint8_t byte) {
  char pattern[kStep];
  std::memset(pattern, byte, kStep);
  for (int y = 0; y < rows; y++, at += row_bytes)
    for (int64_t i = 0; i < gap; i += kStep) std::memcpy(at + i, pattern, kStep);
}

}  // namespace

std::vector<Block> blocks(const Model& model, int height, int width) {
  std::vector<Block> all(model.tensors.size());
  for (size_t i = 0; i < all.size(); i++) {
    const TensorRecord& t = model.tensors[i];
    const Shape s = shape(t, height, width);
    const uint64_t pixel = uint64_t(t.channels) * uint64_t(element_bytes(t.type));
    const uint64_t row = (uint64_t(s.width) + 2u * t.halo) * pixel;
    Block& b = all[i];
    b.lead = rounded(t.halo * row + t.halo * pixel);  // pixel (0, 0) is aligned
    b.body = b.lead + (uint64_t(s.height) + t.halo) * row - t.halo * pixel;
    b.bytes = rounded(b.body + kGuardRows * row + kGuardPixels * pixel);
  }
  for (int32_t i = 0; i < int32_t(model.ops.size()); i++) {
    const OpRecord& op = model.ops[size_t(i)];
    for (int out : op.out)
      if (out >= 0) all[size_t(out)].first = all[size_t(out)].last = i;
    for (int in : op.in)
      if (in >= 0) all[size_t(in)].last = i;
  }
  return all;
}

uint64_t place(std::vector<Block>* blocks, bool share) {
  std::vector<Block*> waiting, placed;
  for (Block& b : *blocks)
    if (b.first >= 0) waiting.push_back(&b);
  std::stable_sort(waiting.begin(), waiting.end(), [](Block* a, Block* b) { return a->bytes > b->bytes; });
  uint64_t end = 0;
  for (Block* b : waiting) {
    uint64_t at = share ? 0 : end;
    for (const Block* p : placed) {  // by offset
      const bool together = b->first <= p->last && p->first <= b->last;
      if (!share || !together || p->offset + p->bytes <= at) continue;
      if (p->offset >= at + b->bytes) break;
      at = p->offset + p->bytes;
    }
    b->offset = at;
    end = std::max(end, at + b->bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), b,
                                   [](const Block* x, const Block* y) { return x->offset < y->offset; }), b);
  }
  return end;
}

Tensor tensor_at(const TensorRecord& record, const Block& block, int height, int width, char* arena) {
  const Shape s = shape(record, height, width);
  Tensor t;
  t.data = arena && block.first >= 0 ? arena + block.offset + block.lead : nullptr;  // no arena yet: shapes alone
  t.height = s.height, t.width = s.width, t.channels = s.channels, t.halo = record.halo;
  t.row = (int64_t(s.width) + 2 * record.halo) * s.channels;
  t.type = record.type;
  t.nonnegative = record.nonnegative;
  t.scale = record.scale;
  t.inverse = 1 / record.scale;
  return t;
}

bool halo_shared(const std::vector<Tensor>& tensors, const std::vector<Block>& blocks, size_t i) {
  const Tensor& t = tensors[i];
  const Block& b = blocks[i];
  if (!t.halo || b.first < 0) return false;
  for (size_t k = 0; k < tensors.size(); k++) {
    const Tensor& u = tensors[k];
    const Block& c = blocks[k];
    if (k == i || c.first < 0 || c.offset >= b.offset + b.body || b.offset >= c.offset + c.body) continue;
    // One that lies exactly alike leaves its halo, which is the same, alone.
    const bool alike = u.data == t.data && u.row == t.row && u.height == t.height && u.halo == t.halo &&
                       u.channels == t.channels && u.type == t.type;
    if (!alike) return true;
  }
  return false;
}

void fill_halo(const Tensor& t, int q8_offset, int part, int parts) {
  if (!t.halo) return;
  const int64_t size = element_bytes(t.type), row = t.row * size, gap = 2 * t.halo * t.channels * size;
  const int64_t side = gap / 2;
  const uint8_t byte = t.type == Type::q8 ? uint8_t(q8_offset) : 0;
  char* first = static_cast<char*>(t.data);               // pixel (0, 0)
  char* last = first + (t.height - 1) * row + row - gap;  // behind the last pixel
  const int begin = int(int64_t(t.height - 1) * part / parts), end = int(int64_t(t.height - 1) * (part + 1) / parts);
  if (part == 0) std::memset(first - side - t.halo * row, byte, size_t(t.halo * row + side));
  if (part == parts - 1) std::memset(last, byte, size_t(t.halo * row + side));
  char* at = first + begin * row + row - gap;
  if (gap % 16 == 0) fill_gaps<16>(at, row, end - begin, gap, byte);
  else if (gap % 8 == 0) fill_gaps<8>(at, row, end - begin, gap, byte);
  else fill_gaps<1>(at, row, end - begin, gap, byte);
}

}  // namespace scx
