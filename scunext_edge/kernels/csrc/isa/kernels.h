// The kernels of one instruction set, gathered. A translation unit isa/kernels__NAME.cpp includes a simd/*.h, then this.
#pragma once
#include "../ops/channel_gate.h"
#include "../ops/channel_stats.h"
#include "../ops/concat.h"
#include "../ops/conv.h"
#include "../ops/cross.h"
#include "../ops/deconv.h"
#include "../ops/depthwise.h"
#include "../ops/eltwise.h"
#include "../ops/layernorm.h"
#include "../ops/linear.h"
#include "../ops/max_pool.h"
#include "../ops/normalize.h"
#include "../ops/spatial.h"
#include "../ops/tail.h"
#include "../ops/tail_deconv.h"
#include "../ops/tail_upsample.h"
#include "../ops/upsample.h"
#include "peak.h"

namespace {

template <class K>
constexpr Kernel kernel() {
  return {K::rows, K::packed, K::pack, K::scratch, K::run};
}

constexpr scx::KernelSet kernel_set(const char* name) {  // in the order of scx::Kind
  return {name, kQ8Offset,
          {kernel<Normalize>(), kernel<Conv>(), kernel<Linear>(), kernel<Depthwise>(), kernel<LayerNorm>(),
           kernel<Upsample>(), kernel<Deconv>(), kernel<MaxPool>(), kernel<ChannelStats>(), kernel<ChannelGate>(),
           kernel<SpatialSummary>(), kernel<SpatialGate>(), kernel<Cross>(), kernel<Eltwise>(), kernel<Concat>(),
           kernel<Tail>(), kernel<TailUpsample>(), kernel<TailDeconv>()},
          peak};
}

}  // namespace
