// What every operation needs of its tensors and weights: one table. check.cpp applies it.
#pragma once
#include "plan.h"

namespace scx {
namespace {

// Sizes and channels relative to the operation's `grid`, the size of its main input (of the image for normalize).
enum class Size : uint8_t { grid, out, half, twice, rows, one, conv, linear };
enum class Depth : uint8_t { any, in, out, twice_in, one, image, sum };  // any: a multiple of 8

enum : uint8_t { kF32 = 1, kQ8 = 2, kQ16 = 4, kValue = kF32 | kQ8, kStored = kF32 | kQ8 | kQ16 };  // types
enum class Use : uint8_t { never, needed, maybe };

struct Input {
  Use use = Use::never;
  uint8_t types = kValue;
  Size size = Size::grid;
  Depth depth = Depth::in;
  uint8_t halo = 0;
};

enum class Role : uint8_t { none, weights, bias, multiplier, floats, projection };
enum : uint8_t { kC = 1, kM = 2 };  // factors of a count: input channels, output channels or hidden units

struct Weights {
  Role role = Role::none;
  uint8_t factor = 1, dims = 0;
};

struct Rule {
  const char* name;
  uint8_t min_out, max_out, out_types;
  Size out_size;
  Depth out_depth;
  bool act;  // whether it may have an activation
  uint8_t modes;
  Input in[6];
  Weights weights[4];
};

constexpr Input kAddend = {Use::maybe, kValue, Size::out, Depth::out, 0};
constexpr Input kX = {Use::needed};
constexpr Input x_with(uint8_t halo, Depth depth = Depth::in) { return {Use::needed, kValue, Size::grid, depth, halo}; }
constexpr Input maybe(Size size, Depth depth, uint8_t types = kValue) { return {Use::maybe, types, size, depth, 0}; }

// In the order of Kind. Halo and settings of conv and linear depend on the operation: see `reach` and `settings`.
constexpr Rule kRules[kKinds] = {
    {"normalize", 1, 2, kValue, Size::grid, Depth::image, false, 1, {}, {{Role::floats, 3}, {Role::floats, 3}}},
    {"conv", 1, 2, kStored, Size::conv, Depth::any, true, 1, {x_with(0, Depth::image), kAddend},
     {{Role::weights, 9, kC | kM}, {Role::bias, 1, kM}, {Role::multiplier, 1, kM}}},
    {"linear", 1, 2, kStored, Size::linear, Depth::any, true, 1, {x_with(0, Depth::image), kAddend},
     {{Role::weights, 1, kC | kM}, {Role::bias, 1, kM}, {Role::multiplier, 1, kM}}},
    {"depthwise", 1, 2, kStored, Size::grid, Depth::in, true, 1, {x_with(1), kAddend},
     {{Role::weights, 9, kC}, {Role::floats, 1, kC}}},
    {"layernorm", 1, 2, kStored, Size::grid, Depth::in, true, 1, {kX}, {{Role::floats, 1, kC}, {Role::floats, 1, kC}}},
    {"upsample", 1, 2, kStored, Size::twice, Depth::in, true, 3, {kX, kAddend}, {}},
    {"deconv", 1, 2, kStored, Size::twice, Depth::any, true, 1,
     {kX, maybe(Size::grid, Depth::any), maybe(Size::grid, Depth::any), kAddend},
     {{Role::weights, 4, kC | kM}, {Role::bias, 1, kM}, {Role::multiplier, 1, kM}}},
    {"max_pool", 1, 2, kStored, Size::half, Depth::in, true, 1, {kX}, {}},
    {"channel_stats", 1, 1, kF32, Size::rows, Depth::twice_in, false, 1, {kX}, {}},
    {"channel_gate", 1, 1, kF32, Size::one, Depth::in, false, 2,
     {{Use::needed, kF32, Size::rows, Depth::twice_in, 0}, kX},
     {{Role::floats, 1, kC | kM}, {Role::floats, 1, kM}, {Role::floats, 1, kC | kM}, {Role::floats, 1, kC}}},
    {"spatial_summary", 2, 2, kF32, Size::grid, Depth::one, false, 1, {kX, maybe(Size::one, Depth::in, kF32)}, {}},
    {"spatial_gate", 1, 1, kF32, Size::grid, Depth::one, true, 1,
     {{Use::needed, kF32, Size::grid, Depth::one, 3}, {Use::needed, kF32, Size::grid, Depth::one, 3}},
     {{Role::floats, 98}, {Role::floats, 1}}},
    {"cross", 1, 2, kStored, Size::grid, Depth::in, true, 1,
     {kX, maybe(Size::one, Depth::in, kF32), maybe(Size::grid, Depth::one, kF32), maybe(Size::grid, Depth::in),
      maybe(Size::grid, Depth::in)}, {}},
    {"eltwise", 1, 2, kStored, Size::grid, Depth::in, true, 3, {kX, maybe(Size::grid, Depth::in)}, {}},
    {"concat", 1, 2, kStored, Size::grid, Depth::sum, true, 1,
     {kX, x_with(0, Depth::any), maybe(Size::grid, Depth::any), maybe(Size::grid, Depth::any),
      maybe(Size::grid, Depth::any), maybe(Size::grid, Depth::any)}, {}},
    {"tail", 0, 0, 0, Size::grid, Depth::any, false, 1, {kX}, {{Role::weights, 1, kC}, {Role::floats, 1}}},
    {"tail_upsample", 0, 0, 0, Size::twice, Depth::any, false, 1, {{Use::needed, kF32 | kQ16}},
     {{Role::projection, 1, kC}, {Role::floats, 1}}},
    {"tail_deconv", 0, 0, 0, Size::twice, Depth::any, false, 1, {kX},
     {{Role::weights, 4, kC | kM}, {Role::bias, 1, kM}, {Role::floats, 1, kM}, {Role::floats, 1}}},
};
constexpr Weights kAffine = {Role::floats, 1, kC};  // both weights of an eltwise in mode 2

}  // namespace
}  // namespace scx
