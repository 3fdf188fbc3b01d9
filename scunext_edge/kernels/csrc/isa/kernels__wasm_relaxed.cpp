#include "../simd/wasm.h"
#include "kernels.h"

namespace scx { extern const KernelSet kernels__wasm_relaxed = kernel_set("wasm_relaxed"); }
