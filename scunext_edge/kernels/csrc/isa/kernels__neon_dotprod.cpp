#include "../simd/neon.h"
#include "kernels.h"

namespace scx { extern const KernelSet kernels__neon_dotprod = kernel_set("neon_dotprod"); }
