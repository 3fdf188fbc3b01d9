#include "../simd/avx2.h"
#include "kernels.h"

namespace scx { extern const KernelSet kernels__avx2 = kernel_set("avx2"); }
