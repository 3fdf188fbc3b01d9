#include "../simd/neon.h"
#include "kernels.h"

namespace scx { extern const KernelSet kernels__neon_i8mm = kernel_set("neon_i8mm"); }
