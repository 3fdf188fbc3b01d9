// Why no wake-up is lost: who goes to sleep says so (asleep_, caller_asleep_) and then looks once more, under the mutex;
// who changes what the other waits for looks at that afterwards. Both in one total order (seq_cst), so one sees the other.
#include "pool.h"

#if SCX_THREADS
#include <chrono>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif
#if !defined(_WIN32)
#include <unistd.h>
#endif
#endif

namespace scx {

#if SCX_THREADS
namespace {

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");  // as long as x86's pause; yield is over at once
#endif
}

int64_t process() {
#if defined(_WIN32)
  return 0;
#else
  return int64_t(getpid());
#endif
}

}  // namespace

Pool::Pool(int threads, int spin_us) : threads_(threads), spin_us_(spin_us), process_(process()) {
  workers_.reserve(size_t(threads - 1));
  try {
    for (int i = 1; i < threads; i++) workers_.emplace_back([this, i] { wait_and_work(i); });
  } catch (...) {
    stop();
    throw;
  }
}

Pool::~Pool() { stop(); }

void Pool::stop() noexcept {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    ticket_++;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) {
    if (process_ == process()) worker.join();
    else worker.detach();  // a forked child has none of its parent's threads
  }
}

// True as soon as done() is; false when that took too long.
template <class Done>
bool Pool::spin(Done done) const noexcept {
  if (done()) return true;
  if (!spin_us_) return false;
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::microseconds(spin_us_);
  do {
    for (int i = 0; i < 32; i++) {
      if (done()) return true;
      pause();
    }
  } while (Clock::now() < end);
  return false;
}

void Pool::run(Work work, void* argument) noexcept {
  work_ = work, argument_ = argument;
  unfinished_.store(threads_, std::memory_order_relaxed);
  const uint32_t ticket = ticket_.load(std::memory_order_relaxed) + 1;
  ticket_.store(ticket);
  if (asleep_.load()) {
    { std::lock_guard<std::mutex> lock(mutex_); }  // whoever is about to sleep does so now, or has seen the ticket
    wake_.notify_all();
  }
  take_chunks(ticket, 0);
  auto done = [this] { return unfinished_.load() == 0; };
  if (spin(done)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  caller_asleep_ = true;
  finished_.wait(lock, done);
  caller_asleep_ = false;
}

void Pool::take_chunks(uint32_t ticket, int me) noexcept {
  for (int k = 0; k < threads_; k++) {
    const int chunk = (me + k) % threads_;
    uint32_t last = claimed_[chunk].load(std::memory_order_relaxed);
    // A claimed chunk keeps its task current, so work_ stays what it is until the chunk is counted off.
    if (int32_t(last - ticket) >= 0 || !claimed_[chunk].compare_exchange_strong(last, ticket)) continue;
    work_(argument_, chunk);
    if (unfinished_.fetch_sub(1) == 1 && caller_asleep_.load()) {
      { std::lock_guard<std::mutex> lock(mutex_); }
      finished_.notify_one();
    }
  }
}

void Pool::wait_and_work(int me) noexcept {
  uint32_t seen = 0;
  for (;;) {
    auto news = [&] { return ticket_.load() != seen; };
    if (!spin(news)) {
      std::unique_lock<std::mutex> lock(mutex_);
      asleep_++;
      wake_.wait(lock, news);
      asleep_--;
    }
    if (stopping_) return;
    seen = ticket_.load();
    take_chunks(seen, me);
  }
}

#else

Pool::Pool(int threads, int) : threads_(threads) {}
Pool::~Pool() {}
void Pool::run(Work work, void* argument) noexcept {
  for (int32_t i = 0; i < threads_; i++) work(argument, i);
}

#endif

}  // namespace scx
