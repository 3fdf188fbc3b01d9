#include "describe.h"

#include <cstdio>

#include "load.h"

namespace scx {
namespace {

// The input that gives the operation its size; null for normalize.
const Tensor* main_input(const Op& op) { return op.in[op.kind == Kind::channel_gate ? 1 : 0]; }

uint64_t pixels(const Tensor& t) { return uint64_t(t.height) * uint64_t(t.width); }
uint64_t elements(const Tensor* t) { return t ? pixels(*t) * uint64_t(t->channels) : 0; }

}  // namespace

void op_name(const Op& op, char name[kNameBytes]) {
  static const char* const acts[] = {"", " relu", " gelu", " sigmoid"};
  static const char* const gathers[] = {"", " rows", " columns", " pool", " skip"};
  static const char* const types[] = {"f32", "q8", "q16"};
  const Tensor* x = main_input(op);
  const Tensor* result = x ? x : op.out[0];
  const bool tail = !op.out[0], adds = addend_slot(op.kind) >= 0 && op.in[addend_slot(op.kind)];
  char stride[24] = "", dilation[24] = "";
  if (op.stride > 1) std::snprintf(stride, sizeof stride, " stride %d", op.stride);
  if (op.dilation > 1) std::snprintf(dilation, sizeof dilation, " dilation %d", op.dilation);
  std::snprintf(name, kNameBytes, "%s %dx%d %d>%d%s%s%s%s%s%s %s", kind_name(op.kind), result->height, result->width,
                x ? x->channels : 3, tail ? 1 : op.out[0]->channels, stride, dilation, op.pool ? " pool" : "",
                gathers[int(op.gather)], acts[int(op.act)], adds ? " add" : "", types[int(result->type)]);
}

uint64_t op_macs(const Op& op) {
  const Tensor* x = main_input(op);
  if (!x) return elements(op.out[0]);
  const uint64_t n = pixels(*x), c = uint64_t(x->channels), m = op.out[0] ? uint64_t(op.out[0]->channels) : 1;
  switch (op.kind) {
    case Kind::conv: return pixels(*op.out[0]) * (op.pool ? 4 : 1) * 9 * c * m;
    case Kind::linear: return pixels(*op.out[0]) * c * m;
    case Kind::depthwise: return n * 9 * c;
    case Kind::upsample: return op.mode == 2 ? 0 : 4 * n * c * 4;
    case Kind::deconv: {
      uint64_t sum = 0;
      for (int i = 0; i < 3; i++)
        if (op.in[i]) sum += n * 4 * uint64_t(op.in[i]->channels) * m;
      return sum;
    }
    case Kind::channel_gate: return 2 * c * uint64_t(op.blob[1].count) * (op.mode == 0 ? 2 : 1);
    case Kind::spatial_gate: return n * 98;
    case Kind::tail: return n * c;
    case Kind::tail_upsample: return 4 * n * c * 5;
    case Kind::tail_deconv: return 4 * n * (c + 1) * uint64_t(op.blob[1].count);
    case Kind::layernorm: return 4 * n * c;
    case Kind::spatial_summary: case Kind::cross: case Kind::eltwise: return n * c;
    default: return 0;
  }
}

double op_cost(const Op& op) {
  const Tensor* x = main_input(op);
  uint64_t moved = 0;
  for (const Tensor* t : op.in) moved += elements(t);
  for (const Tensor* t : op.out) moved += elements(t);
  const bool product = op.kind == Kind::conv || op.kind == Kind::linear || op.kind == Kind::deconv ||
                       op.kind == Kind::tail_deconv;
  const double pace = !product ? 8 : x->type == Type::f32 ? 32 : 80;  // multiply-accumulates in a nanosecond
  return double(op_macs(op)) / pace + double(moved) / 8;
}

}  // namespace scx
