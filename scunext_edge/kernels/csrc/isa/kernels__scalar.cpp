#include "../simd/scalar.h"
#include "kernels.h"

namespace scx { extern const KernelSet kernels__scalar = kernel_set("scalar"); }
