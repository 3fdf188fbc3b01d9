// Which sets of kernels this library has, and which of them this processor can run.
#pragma once
#include "plan.h"

namespace scx {

// The names of the usable sets, best first, separated by spaces.
const char* usable_sets();
// The one of that name, or the best for null; null and a message where it cannot be used.
const KernelSet* choose_set(const char* name);

}  // namespace scx
