#define SCX_VNNI
#include "../simd/avx512.h"
#include "kernels.h"

#ifdef SCX_SIMDE
namespace scx { extern const KernelSet kernels__avx512vnni_emulated = kernel_set("avx512vnni-emulated"); }
#else
namespace scx { extern const KernelSet kernels__avx512vnni = kernel_set("avx512vnni"); }
#endif
