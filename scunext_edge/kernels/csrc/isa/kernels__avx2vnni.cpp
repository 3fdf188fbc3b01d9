#define SCX_VNNI
#include "../simd/avx2.h"
#include "kernels.h"

#ifdef SCX_SIMDE
namespace scx { extern const KernelSet kernels__avx2vnni_emulated = kernel_set("avx2vnni-emulated"); }
#else
namespace scx { extern const KernelSet kernels__avx2vnni = kernel_set("avx2vnni"); }
#endif
