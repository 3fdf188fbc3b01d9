// The C interface of include/scunext.h. No exception leaves it.
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <new>

#include "cpu.h"
#include "engine.h"
#include "include/scunext.h"
#include "refuse.h"

#if defined(__cpp_exceptions)
#define SCX_TRY try
#define SCX_CATCH catch (...) { scx::refuse("not enough memory, or threads, to open it"); }
#else
#define SCX_TRY
#define SCX_CATCH
#endif

#ifndef SCX_VERSION
#define SCX_VERSION "0.0.0"
#endif

struct scx_model {
  std::unique_ptr<scx::Engine> engine;
#if SCX_THREADS
  mutable std::mutex mutex;
#endif
};

namespace {

using scx::refuse;

#if SCX_THREADS
#define SCX_ALONE(model) std::lock_guard<std::mutex> alone((model)->mutex)
#else
#define SCX_ALONE(model)
#endif

constexpr int kDefaultSpin = 50, kMostSpin = 1000000;

bool read_options(const scx_options* given, scx::Settings* settings) {
  scx_options o = {};
  o.spin_us = -1;
  if (given) {
    if (given->bytes < 8) return refuse("scx_options.bytes is %u; set it to sizeof(scx_options)", given->bytes);
    std::memcpy(&o, given, given->bytes < sizeof o ? given->bytes : sizeof o);
  }
  if (o.threads < 0 || o.threads > scx::Pool::kMost)
    return refuse("%d threads were asked for; 1 to %d are possible", o.threads, scx::Pool::kMost);
  if (o.spin_us < -1 || o.spin_us > kMostSpin)
    return refuse("spin_us is %d; -1 to %d are possible", o.spin_us, kMostSpin);
  if (o.height && !scx::check_side("the height", o.height)) return false;
  if (o.width && !scx::check_side("the width", o.width)) return false;
  settings->threads = o.threads ? o.threads : 1;
  settings->height = o.height, settings->width = o.width;
  settings->spin_us = o.spin_us < 0 ? kDefaultSpin : o.spin_us;
  settings->parallel = o.parallel, settings->user = o.user, settings->profile = o.profile;
  settings->set = scx::choose_set(o.isa);
  return settings->set;
}

// The whole file, or null: its header is read first, so that something large which is no .scx file costs nothing.
std::unique_ptr<uint8_t[]> read_file(const char* path, uint64_t* bytes) {
  struct Closed {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Closed> file(std::fopen(path, "rb"));
  if (!file) {
    refuse("%.300s cannot be opened; is the path right?", path);
    return nullptr;
  }
  uint8_t header[scx::kHeaderBytes];
  if (std::fread(header, 1, sizeof header, file.get()) != sizeof header) {
    refuse("%.300s is no .scx file: it is shorter than a header", path);
    return nullptr;
  }
  *bytes = scx::file_bytes(header);
  if (!*bytes) return nullptr;
  long end = -1;
  if (!std::fseek(file.get(), 0, SEEK_END)) end = std::ftell(file.get());
  if (end < 0 || uint64_t(end) != *bytes) {
    refuse("%.300s has not the size that its header states: it is cut short or damaged; copy it again", path);
    return nullptr;
  }
  std::unique_ptr<uint8_t[]> content(new (std::nothrow) uint8_t[size_t(*bytes)]);
  if (!content) refuse("the memory to read %.300s is not to be had", path);
  else if (std::fseek(file.get(), 0, SEEK_SET) || std::fread(content.get(), 1, size_t(*bytes), file.get()) != *bytes) {
    refuse("%.300s cannot be read to its end", path);
    return nullptr;
  }
  return content;
}

bool misused(const scx_model* model, int32_t i, int count, const char* what) {
  if (!model) refuse("the model is NULL: scx_open_file or scx_open_memory has failed before");
  else if (i < 0 || i >= count) refuse("%s %d does not exist; there are %d", what, i, count);
  else return false;
  return true;
}

bool bad_tensor(const scx_model* model, int32_t i) {
  if (misused(model, i, model ? model->engine->tensors() : 0, "tensor")) return true;
  if (model->engine->settings().profile < 2) refuse("tensors are kept only by models opened with profile = 2");
  else if (!model->engine->tensor(i).data) refuse("tensor %d is never written", i);
  else return false;
  return true;
}

// Stored numbers as f32. `e` counts elements from the first of row y.
float read_stored(const scx::Tensor& t, int q8_offset, int y, int64_t e) {
  if (t.type == scx::Type::f32) return t.f32(y)[e];
  if (t.type == scx::Type::q16) return t.q16(y)[e];
  const uint8_t byte = t.q8(y)[e];
  return q8_offset ? float(byte) - float(q8_offset) : float(int8_t(byte));
}

void write_stored(const scx::Tensor& t, int q8_offset, int y, int64_t e, float value) {
  auto within = [&](float low, float high) { return int(value > low ? value < high ? value : high : low); };
  if (t.type == scx::Type::f32) t.f32(y)[e] = value;
  else if (t.type == scx::Type::q16) t.q16(y)[e] = int16_t(within(-2047, 2047));
  else t.q8(y)[e] = uint8_t(within(-128, 127) + q8_offset);
}

// Calls use(y, element of the row, element of the tensor) for all of them.
template <class Use>
void each_element(const scx::Tensor& t, Use use) {
  const int64_t n = int64_t(t.width) * t.channels;
  for (int y = 0; y < t.height; y++)
    for (int64_t e = 0; e < n; e++) use(y, e, y * n + e);
}

}  // namespace

const char* scx_version(void) { return SCX_VERSION; }
const char* scx_isas(void) { return scx::usable_sets(); }
const char* scx_last_error(void) { return scx::last_error(); }

scx_model* scx_open_memory(const void* data, size_t bytes, const scx_options* options) {
  SCX_TRY {
    scx::Settings settings;
    scx::Model parsed;
    if (!data) return refuse("the data are NULL; give the bytes of a whole file"), nullptr;
    if (!read_options(options, &settings)) return nullptr;
    if (!scx::load(static_cast<const uint8_t*>(data), bytes, &parsed)) return nullptr;
    std::unique_ptr<scx_model> model(new scx_model);
    model->engine = scx::Engine::open(parsed, settings);
    return model->engine ? model.release() : nullptr;
  }
  SCX_CATCH
  return nullptr;
}

scx_model* scx_open_file(const char* path, const scx_options* options) {
  if (!path) return refuse("the path is NULL"), nullptr;
  uint64_t bytes = 0;
  const std::unique_ptr<uint8_t[]> content = read_file(path, &bytes);
  return content ? scx_open_memory(content.get(), size_t(bytes), options) : nullptr;
}

void scx_describe(const scx_model* model, scx_description* description) {
  if (!model || !description) return;
  const scx::Engine& engine = *model->engine;
  scx_description d = {};
  d.bytes = description->bytes;
  d.height = engine.settings().height, d.width = engine.settings().width;
  d.precision = engine.precision(), d.threads = engine.settings().threads;
  d.isa = engine.settings().set->name;
  d.arena_bytes = engine.arena_bytes(), d.file_bytes = engine.file_bytes();
  d.operations = engine.ops();
  d.contract = engine.contract().data(), d.contract_bytes = uint32_t(engine.contract().size());
  std::memcpy(description, &d, description->bytes < sizeof d ? description->bytes : sizeof d);
}

int scx_run(scx_model* model, const uint8_t* images, int32_t count, scx_output what, void* output) {
  if (misused(model, 0, 1, "model")) return -1;
  if (!images || !output) return refuse("images or output are NULL"), -1;
  if (count < 1) return refuse("%d images were given; 1 or more are needed", count), -1;
  if (what != SCX_LOGITS && what != SCX_SCORE) return refuse("there is no output %d", int(what)), -1;
  SCX_ALONE(model);
  model->engine->run(images, count, what == SCX_LOGITS, output);
  return 0;
}

void scx_close(scx_model* model) { delete model; }

const char* scx_op_name(const scx_model* model, int32_t i) {
  return misused(model, i, model ? model->engine->ops() : 0, "operation") ? "" : model->engine->name(i);
}

uint64_t scx_op_macs(const scx_model* model, int32_t i) {
  return misused(model, i, model ? model->engine->ops() : 0, "operation") ? 0 : model->engine->macs(i);
}

uint64_t scx_op_time(const scx_model* model, int32_t i) {
  if (misused(model, i, model ? model->engine->ops() : 0, "operation")) return 0;
  SCX_ALONE(model);
  return model->engine->time(i);
}

int64_t scx_tensor_count(const scx_model* model, int32_t i) {
  if (misused(model, i, model ? model->engine->tensors() : 0, "tensor")) return -1;
  const scx::Tensor& t = model->engine->tensor(i);
  return int64_t(t.height) * t.width * t.channels;
}

int scx_tensor_write(scx_model* model, int32_t i, const float* values) {
  if (bad_tensor(model, i)) return -1;
  if (!values) return refuse("the values are NULL"), -1;
  SCX_ALONE(model);
  const scx::Tensor& t = model->engine->tensor(i);
  const int offset = model->engine->q8_offset();
  each_element(t, [&](int y, int64_t e, int64_t k) { write_stored(t, offset, y, e, values[k]); });
  return 0;
}

int scx_tensor_read(scx_model* model, int32_t i, float* values) {
  if (bad_tensor(model, i)) return -1;
  if (!values) return refuse("the values are NULL"), -1;
  SCX_ALONE(model);
  const scx::Tensor& t = model->engine->tensor(i);
  const int offset = model->engine->q8_offset();
  each_element(t, [&](int y, int64_t e, int64_t k) { values[k] = read_stored(t, offset, y, e); });
  return 0;
}

int scx_op_run(scx_model* model, int32_t i, const uint8_t* image, scx_output what, void* output) {
  if (misused(model, i, model ? model->engine->ops() : 0, "operation")) return -1;
  if (model->engine->settings().profile < 2) return refuse("one operation alone needs profile = 2"), -1;
  if (!image || !output) return refuse("image or output are NULL"), -1;
  SCX_ALONE(model);
  model->engine->run_op(i, image, what == SCX_LOGITS, output);
  return 0;
}
