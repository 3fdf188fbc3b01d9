// Where tensors lie: geometry, shared memory, halos.
#pragma once
#include <cstdint>
#include <vector>

#include "load.h"

namespace scx {

constexpr uint64_t kLine = 64;  // of a cache; what kernels may load at once

inline uint64_t rounded(uint64_t bytes, uint64_t to = kLine) { return (bytes + to - 1) / to * to; }

// A tensor in memory: its lead (the halo above), its pixels, its guard. In use from one operation to another.
struct Block {
  int32_t first = -1, last = -1;        // operations; -1: never written
  uint64_t bytes = 0, lead = 0, body = 0;  // all; before pixel (0, 0); written ones (all but the guard)
  uint64_t offset = 0;                  // in the arena
};

// One block for each tensor, of an image of height x width.
std::vector<Block> blocks(const Model& model, int height, int width);

// Sets the offsets and returns the bytes of all. Blocks that are never in use together share memory, if `share`.
uint64_t place(std::vector<Block>* blocks, bool share);

// The tensor of a record, at its block.
Tensor tensor_at(const TensorRecord& record, const Block& block, int height, int width, char* arena);

// Whether another tensor's use of the memory can spoil the halo of tensor i.
bool halo_shared(const std::vector<Tensor>& tensors, const std::vector<Block>& blocks, size_t i);

// Zeros on all four sides: `q8_offset` where bytes are stored. One of several parts, which are cut by rows.
void fill_halo(const Tensor& tensor, int q8_offset, int part, int parts);

}  // namespace scx
