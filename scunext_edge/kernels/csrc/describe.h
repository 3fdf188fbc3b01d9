// What an operation is called and what it costs.
#pragma once
#include "plan.h"

namespace scx {

constexpr int kNameBytes = 80;

// "conv 256x256 3>8 pool relu q8": kind, size and channels of the input, channels of the output, settings, type.
void op_name(const Op& op, char name[kNameBytes]);
// Multiply-accumulates for one image.
uint64_t op_macs(const Op& op);
// About how long one thread takes, in nanoseconds: enough to tell what is worth sharing out.
double op_cost(const Op& op);

}  // namespace scx
