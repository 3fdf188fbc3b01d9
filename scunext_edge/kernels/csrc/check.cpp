// Whether every operation has what rules.h says that it needs. Kernels rely on all of this: what passes here cannot make
// them read or write where they must not.
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "load.h"
#include "refuse.h"
#include "rules.h"

namespace scx {
namespace {

constexpr const char* kAgain = "export it again: scunext-edge export ARTIFACT --to native";

bool is_tail(Kind kind) { return kind >= Kind::tail; }
bool fits(const Shape& a, const Shape& b) { return a.height == b.height && a.width == b.width; }

// One operation against its rule.
class Checker {
 public:
  Checker(const Model& model, int index, int height, int width)
      : model_(model), op_(model.ops[index]), rule_(kRules[int(op_.kind)]), index_(index), image_{height, width, 3} {}

  bool run() { return settings() && inputs() && outputs() && weights(); }

 private:
  static constexpr int kEltwiseAffine = 2;

  bool no(const char* reason) const {
    return refuse("operation %d (%s): %s; %s", index_, rule_.name, reason, kAgain);
  }
  bool no(const char* what, int slot, const char* reason) const {
    return refuse("operation %d (%s): %s %d %s; %s", index_, rule_.name, what, slot, reason, kAgain);
  }

  const TensorRecord& tensor(int i) const { return model_.tensors[size_t(i)]; }
  const TensorRecord& in(int slot) const { return tensor(op_.in[slot]); }
  Shape shape_of(int i) const { return shape(tensor(i), image_.height, image_.width); }

  bool settings() const {
    const bool conv = op_.kind == Kind::conv, linear = op_.kind == Kind::linear;
    if (op_.stride > 2 || op_.dilation > 32 || (conv && (op_.stride < 1 || op_.dilation < 1)))
      return no("its stride or dilation does not exist");
    if (conv && op_.pool && (op_.stride > 1 || op_.dilation > 1)) return no("it can pool at stride 1 and dilation 1 only");
    if (!conv && (op_.stride > 1 || op_.dilation > 1 || op_.pool)) return no("it has the settings of a conv");
    if (!linear && op_.gather != Gather::plain) return no("it has the settings of a linear");
    if (op_.mode >= rule_.modes) return no("its mode does not exist");
    if (op_.act != Act::none && !rule_.act) return no("it cannot have an activation");
    if (op_.kind == Kind::layernorm && !(op_.value[0] > 0)) return no("its value 0, epsilon, must be above 0");
    return true;
  }

  // How far it reads beyond the border of input `slot`.
  int reach(int slot) const {
    if (slot) return rule_.in[slot].halo;
    if (op_.kind == Kind::conv) return op_.dilation;
    return op_.gather == Gather::rows || op_.gather == Gather::columns ? 2 : rule_.in[slot].halo;
  }

  Shape sized(Size size) const {
    const Shape& g = grid_;
    const int stride = op_.stride > 1 ? 2 : 1;
    const Shape after = {(g.height - 1) / stride + 1, (g.width - 1) / stride + 1};  // of a conv
    const bool gathers_half = op_.gather == Gather::pool || op_.gather == Gather::skip;
    auto half = [](const Shape& s) {  // an odd side has none
      return Shape{s.height % 2 ? 0 : s.height / 2, s.width % 2 ? 0 : s.width / 2};
    };
    switch (size) {
      case Size::out: return sized(rule_.out_size);
      case Size::half: return half(g);
      case Size::twice: return {2 * g.height, 2 * g.width};
      case Size::rows: return {g.height, 1};
      case Size::one: return {1, 1};
      case Size::conv: return op_.pool ? half(after) : after;
      case Size::linear: return gathers_half ? half(g) : g;
      default: return g;
    }
  }

  bool deep(Depth depth, const TensorRecord& t) const {
    switch (depth) {
      case Depth::in: return t.channels == grid_.channels;
      case Depth::out: return t.channels == tensor(op_.out[0]).channels;
      case Depth::twice_in: return t.channels == 2 * grid_.channels;
      case Depth::one: return t.channels == 1;
      case Depth::sum: return t.channels == sum_;
      case Depth::image: return t.channels % 8 == 0 || t.channels == (t.type == Type::q8 ? 4 : 3);
      default: return t.channels % 8 == 0;
    }
  }

  bool inputs() {
    const int main = op_.kind == Kind::channel_gate ? 1 : 0;
    grid_ = image_;
    if (op_.kind != Kind::normalize) {
      if (op_.in[main] < 0) return no("its input is missing");
      grid_ = shape_of(op_.in[main]);
      const bool image = rule_.in[0].depth == Depth::image, map = rule_.in[0].depth == Depth::one;
      if (!image && !map && grid_.channels % 8) return no("the channels of its input are no multiple of 8");
    }
    if (!is_tail(op_.kind) && op_.out[0] < 0) return no("its output is missing");
    for (int slot = 0; slot < kInputs; slot++) {
      const Input need = slot < 6 ? rule_.in[slot] : Input();
      const int i = op_.in[slot];
      if (i < 0 && need.use == Use::needed) return no("input", slot, "is missing");
      if (i < 0) continue;
      if (need.use == Use::never) return no("input", slot, "cannot be used");
      const TensorRecord& t = tensor(i);
      if (!(need.types >> int(t.type) & 1)) return no("input", slot, "has a type that it cannot read");
      if (!fits(shape_of(i), sized(need.size))) return no("input", slot, "has the wrong size");
      if (!deep(need.depth, t)) return no("input", slot, "has the wrong number of channels");
      if (t.halo < reach(slot)) return no("input", slot, "has too small a halo");
      if (op_.kind == Kind::concat) sum_ += t.channels;
      if (slot && slot != addend_slot(op_.kind) && need.depth == Depth::any && op_.in[slot - 1] < 0)
        return no("input", slot, "follows one that is missing");
    }
    if (op_.kind == Kind::cross && (op_.in[3] < 0) != (op_.in[4] < 0)) return no("it needs both z and x, or neither");
    if (op_.kind == Kind::eltwise && (op_.in[1] < 0) != (op_.mode == kEltwiseAffine))
      return no("it needs two inputs in modes 0 and 1, one in mode 2");
    return true;
  }

  bool outputs() const {
    const int count = (op_.out[0] >= 0) + (op_.out[1] >= 0);
    if (count < rule_.min_out || count > rule_.max_out) return no("it has the wrong number of outputs");
    const Shape size = sized(rule_.out_size);
    if (is_tail(op_.kind)) return fits(size, image_) || no("its result does not have the size of the image");
    for (int slot = 0; slot < count; slot++) {
      const TensorRecord& t = tensor(op_.out[slot]);
      if (!(rule_.out_types >> int(t.type) & 1)) return no("output", slot, "has a type that it cannot write");
      if (size.height < 1 || size.width < 1 || !fits(shape_of(op_.out[slot]), size))
        return no("output", slot, "has the wrong size");
      if (!deep(rule_.out_depth, t) || (op_.kind == Kind::normalize && t.channels > 4))
        return no("output", slot, "has the wrong number of channels");
      if (rule_.out_depth == Depth::any && t.channels != tensor(op_.out[0]).channels)
        return no("its outputs differ in their channels");
    }
    return true;
  }

  // Output channels; where there is no output, or a gate, the hidden units: what the biases count.
  int64_t units() const {
    const bool hidden = op_.kind == Kind::tail_deconv || op_.kind == Kind::channel_gate;
    if (!hidden) return op_.out[0] < 0 ? 0 : tensor(op_.out[0]).channels;
    return op_.blob[1] < 0 ? 0 : int64_t(model_.blobs[size_t(op_.blob[1])].count);
  }

  bool weights() const {
    const int64_t m = units();
    if (op_.kind == Kind::tail_deconv && (m < 8 || m > kMaxChannels || m % 8))
      return no("its hidden channels are no multiple of 8");
    if (op_.kind == Kind::channel_gate && (m < 1 || m > kMaxChannels)) return no("its hidden units are too many");
    bool used[kBlobs] = {};
    const int sources = op_.kind == Kind::deconv ? 3 : 1;
    for (int source = 0; source < sources; source++) {
      if (source && op_.in[source] < 0) break;
      const bool has_input = op_.in[source] >= 0;
      const int64_t c = op_.kind == Kind::channel_gate ? grid_.channels : has_input ? in(source).channels : 3;
      const Type type = has_input ? in(source).type : Type::f32;
      for (int k = 0; k < 4; k++) {
        Weights want = rule_.weights[k];
        if (op_.kind == Kind::eltwise && op_.mode == kEltwiseAffine && k < 2) want = kAffine;
        if (want.role == Role::none || (want.role == Role::multiplier && type != Type::q8)) continue;
        const int slot = 3 * source + k;
        used[slot] = true;
        const int64_t count = want.factor * (want.dims & kC ? c : 1) * (want.dims & kM ? m : 1);
        if (!one(slot, want, type, count, c)) return false;
      }
    }
    for (int slot = 0; slot < kBlobs; slot++)
      if (!used[slot] && op_.blob[slot] >= 0) return no("weights", slot, "cannot be used");
    return true;
  }

  bool one(int slot, const Weights& want, Type type, int64_t count, int64_t channels) const {
    if (op_.blob[slot] < 0) return no("weights", slot, "are missing");
    const BlobRecord& blob = model_.blobs[size_t(op_.blob[slot])];
    if (blob.count != count) return no("weights", slot, "have the wrong count");
    const bool bytes = type == Type::q8 && (op_.kind == Kind::conv || op_.kind == Kind::linear ||
                                            op_.kind == Kind::deconv || op_.kind == Kind::tail_deconv);
    BlobType needed = BlobType::f32;
    if (want.role == Role::weights && bytes) needed = BlobType::i8;
    if (want.role == Role::bias && bytes) needed = BlobType::i32;
    if (want.role == Role::projection && type == Type::q16) needed = BlobType::i16;
    const bool narrow = (want.role == Role::weights || want.role == Role::projection) && needed == BlobType::f32;
    if (blob.type != needed && !(narrow && blob.type == BlobType::bf16))
      return no("weights", slot, "are of a type that it cannot use");
    switch (needed) {
      case BlobType::i8: return std::memchr(blob.data, 0x80, blob.count) ? no("weights", slot, "hold -128") : true;
      case BlobType::i16: return small_enough(blob) || no("weights", slot, "would overflow");
      case BlobType::i32: return sums_fit(blob, channels) || no("weights", slot, "would overflow");
      default: return finite(blob) || no("weights", slot, "hold what is no number");
    }
  }

  // sum of max(v, 0) * w with v up to 16 * 2047 must fit 32 bits.
  static bool small_enough(const BlobRecord& blob) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < blob.count; i++) {
      int16_t w;
      std::memcpy(&w, blob.data + 2 * i, 2);
      sum += std::abs(int32_t(w));
    }
    return sum * 16 * 2047 <= INT32_MAX;
  }

  // A bias plus the sum of up to taps * channels products of bytes must fit 32 bits.
  bool sums_fit(const BlobRecord& blob, int64_t channels) const {
    const int64_t taps = op_.kind == Kind::conv ? 9 : 1;
    const int64_t most = INT32_MAX - taps * channels * 128 * 127;
    for (uint32_t i = 0; i < blob.count; i++) {
      int32_t bias;
      std::memcpy(&bias, blob.data + 4 * size_t(i), 4);
      if (std::llabs(int64_t(bias)) > most) return false;
    }
    return true;
  }

  static bool finite(const BlobRecord& blob) {
    uint32_t bad = 0;  // an exponent of ones
    if (blob.type == BlobType::bf16) {
      for (uint32_t i = 0; i < blob.count; i++) {
        uint16_t bits;
        std::memcpy(&bits, blob.data + 2 * size_t(i), 2);
        bad |= (bits & 0x7F80u) == 0x7F80u;
      }
      return !bad;
    }
    for (uint32_t i = 0; i < blob.count; i++) {
      uint32_t bits;
      std::memcpy(&bits, blob.data + 4 * size_t(i), 4);
      bad |= (bits & 0x7F800000u) == 0x7F800000u;
    }
    return !bad;
  }

  const Model& model_;
  const OpRecord& op_;
  const Rule& rule_;
  const int index_;
  const Shape image_;
  Shape grid_;
  int64_t sum_ = 0;  // of a concat's channels
};

}  // namespace

const char* kind_name(Kind kind) { return kRules[int(kind)].name; }

int addend_slot(Kind kind) {
  switch (kind) {
    case Kind::conv: case Kind::linear: case Kind::depthwise: case Kind::upsample: return 1;
    case Kind::deconv: return 3;
    default: return -1;
  }
}

bool check(const Model& model, int height, int width) {
  if (!check_side("the height", height) || !check_side("the width", width)) return false;
  std::vector<bool> written(model.tensors.size());
  for (size_t i = 0; i < model.ops.size(); i++) {
    const OpRecord& op = model.ops[i];
    for (int in : op.in)
      if (in >= 0 && !written[size_t(in)])
        return refuse("operation %d (%s) reads tensor %d, which was not written before; %s", int(i),
                      kind_name(op.kind), in, kAgain);
    for (int out : op.out)
      if (out >= 0 && written[size_t(out)])
        return refuse("operation %d (%s) writes tensor %d again; %s", int(i), kind_name(op.kind), out, kAgain);
      else if (out >= 0) written[size_t(out)] = true;
    if (is_tail(op.kind) != (i + 1 == model.ops.size()))
      return refuse("operation %d (%s): the last one, and no other, must be a tail; %s", int(i), kind_name(op.kind),
                    kAgain);
    if (!Checker(model, int(i), height, width).run()) return false;
  }
  return !model.ops.empty() || refuse("the file has no operations; %s", kAgain);
}

}  // namespace scx
