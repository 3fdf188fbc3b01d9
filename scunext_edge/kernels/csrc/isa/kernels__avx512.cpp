#include "../simd/avx512.h"
#include "kernels.h"

#ifdef SCX_SIMDE
namespace scx { extern const KernelSet kernels__avx512_emulated = kernel_set("avx512-emulated"); }
#else
namespace scx { extern const KernelSet kernels__avx512 = kernel_set("avx512"); }
#endif
