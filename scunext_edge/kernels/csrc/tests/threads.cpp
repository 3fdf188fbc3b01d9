// Threads in every combination that scunext.h allows, each result compared to the byte with that of one thread alone:
// threads FILE... Made for -fsanitize=thread.
#include <atomic>
#include <cstdio>
#include <functional>
#include <memory>
#include <thread>

#include "exercise.h"

namespace {

constexpr int kHeight = 64, kWidth = 96, kImages = 3, kCallers = 4, kRounds = 3;

struct Closed {
  void operator()(scx_model* model) const { scx_close(model); }
};
using Handle = std::unique_ptr<scx_model, Closed>;

// A file with what one thread makes of some images.
struct Known {
  const char* path;
  std::string isa;
  std::vector<Bytes> images;
  std::vector<Outputs> expected;
};

std::atomic<int> g_failures{0};

void fail(const Known& known, const char* what, const char* why) {
  g_failures++;
  std::printf("FAILED %s on %s: %s: %s\n", known.path, known.isa.c_str(), what, why);
}

Handle open(const Known& known, const scx_options& o) { return Handle(scx_open_file(known.path, &o)); }

scx_options threaded(const Known& known, int threads, int spin_us) {
  scx_options o = options({known.isa.c_str(), threads, kHeight, kWidth});
  o.spin_us = spin_us;
  return o;
}

void compare(const Known& known, scx_model* model, int image, const char* what) {
  if (!(run(model, known.images[size_t(image)]) == known.expected[size_t(image)]))
    fail(known, what, "it differs from one thread alone");
}

void compare_all(const Known& known, const scx_options& o, const char* what) {
  const Handle model = open(known, o);
  if (!model) return fail(known, what, scx_last_error());
  for (int round = 0; round < kRounds; round++) compare(known, model.get(), round % kImages, what);
}

void at_once(int count, const std::function<void(int)>& work) {
  std::vector<std::thread> all;
  for (int i = 0; i < count; i++) all.emplace_back(work, i);
  for (std::thread& one : all) one.join();
}

// Its own pool: from the thread that sleeps at once to the one that hardly ever does, more of them than there are cores.
void own_pool(const Known& known) {
  for (int threads : {1, 2, 3, 5, 8})
    for (int spin_us : {0, -1, 2000}) compare_all(known, threaded(known, threads, spin_us), "its own pool");
  for (int i = 0; i < 20; i++)
    if (!open(known, threaded(known, 4, i % 2 ? 0 : -1))) fail(known, "a pool that never works", scx_last_error());
}

void many_handles(const Known& known) {
  at_once(kCallers, [&](int i) { compare_all(known, threaded(known, 1 + i % 3, i % 2 ? 0 : -1), "many handles"); });
}

// One handle, called by all: each gets the outputs of its own image. Questions come in between.
void one_handle(const Known& known) {
  scx_options o = threaded(known, 2, -1);
  o.profile = 1;
  const Handle model = open(known, o);
  if (!model) return fail(known, "one handle", scx_last_error());
  at_once(kCallers, [&](int i) {
    for (int round = 0; round < kRounds; round++) {
      compare(known, model.get(), (i + round) % kImages, "one handle");
      scx_description d = {};
      d.bytes = sizeof d;
      scx_describe(model.get(), &d);
      for (int op = 0; op < d.operations; op++) scx_op_time(model.get(), op);
    }
  });
}

// The caller's threads: as many as there are jobs; one after the other and backwards; from several handles at once.
void callers_threads(const Known& known) {
  using Job = void (*)(void*, int32_t);
  const scx_parallel parallel = [](void*, int32_t count, Job job, void* argument) {
    at_once(count, [=](int i) { job(argument, i); });
  };
  const scx_parallel backwards = [](void* user, int32_t count, Job job, void* argument) {
    *static_cast<int*>(user) += 1;
    while (count--) job(argument, count);
  };
  for (int threads : {2, 5}) {
    scx_options o = threaded(known, threads, -1);
    o.parallel = parallel;
    compare_all(known, o, "the caller's threads");
    at_once(2, [&](int) { compare_all(known, o, "the caller's threads, twice at once"); });
    int calls = 0;
    o.parallel = backwards, o.user = &calls;
    compare_all(known, o, "the caller's loop");
    if (!calls) fail(known, "the caller's loop", "it was never called");
  }
}

// Errors belong to the thread that made them.
void errors(const Known& known) {
  at_once(kCallers, [&](int i) {
    const std::string wrong = "no-set-" + std::to_string(i);
    scx_options o = threaded(known, 1, -1);
    o.isa = wrong.c_str();
    for (int round = 0; round < 200; round++) {
      if (open(known, o)) fail(known, "errors", "an unknown instruction set was taken");
      if (!std::strstr(scx_last_error(), wrong.c_str())) fail(known, "errors", scx_last_error());
    }
  });
}

void check(const char* path, const std::string& isa) {
  Known known{path, isa, {}, {}};
  const Handle alone = open(known, threaded(known, 1, -1));
  if (!alone) return fail(known, "opening it", scx_last_error());
  for (int i = 0; i < kImages; i++) {
    known.images.push_back(made_up_image(size_t(kHeight) * kWidth, uint32_t(i)));
    known.expected.push_back(run(alone.get(), known.images.back()));
    if (known.expected.back().score.empty()) return fail(known, "running it", scx_last_error());
  }
  if (known.expected[0] == known.expected[1]) fail(known, "running it", "two images give the same");
  own_pool(known);
  many_handles(known);
  one_handle(known);
  callers_threads(known);
  errors(known);
}

}  // namespace

int main(int count, char** paths) {
  for (int i = 1; i < count; i++)
    for (const std::string& isa : sets()) {
      check(paths[i], isa);
      std::printf("threads %s %s\n", paths[i], isa.c_str());
      std::fflush(stdout);
    }
  if (count < 2) std::printf("threads FILE...\n");
  return count < 2 || g_failures;
}
