#include "../simd/neon.h"
#include "kernels.h"

namespace scx { extern const KernelSet kernels__neon = kernel_set("neon"); }
