#include "../simd/wasm.h"
#include "kernels.h"

namespace scx { extern const KernelSet kernels__wasm = kernel_set("wasm"); }
