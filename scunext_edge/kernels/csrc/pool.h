// Threads that wait for work. A task is cut into as many chunks as there are threads; thread i takes chunk i if it can
// (its data are in its cache), and then any that nobody has begun: a thread that sleeps or was interrupted holds up
// nobody, and the pool works with none of them awake.
#pragma once
#include <cstdint>

#if !defined(__wasm__)
#define SCX_THREADS 1
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>
#endif

namespace scx {

class Pool {
 public:
  using Work = void (*)(void* argument, int32_t i);
  static constexpr int kMost = 64;

  Pool(int threads, int spin_us);  // may throw std::system_error or std::bad_alloc; starts threads - 1
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Calls work(argument, i) for every i below `threads`, and returns when all have returned.
  void run(Work work, void* argument) noexcept;

 private:
#if SCX_THREADS
  void wait_and_work(int me) noexcept;
  void take_chunks(uint32_t ticket, int me) noexcept;
  template <class Done>
  bool spin(Done done) const noexcept;
  void stop() noexcept;

  const int threads_, spin_us_;
  Work work_ = nullptr;  // of the current task: only read by who has claimed one of its chunks
  void* argument_ = nullptr;
  alignas(64) std::atomic<uint32_t> ticket_{0};    // of the current task, which counts them
  alignas(64) std::atomic<int32_t> unfinished_{0};  // chunks
  alignas(64) std::atomic<uint32_t> claimed_[kMost] = {};  // the last task in which this chunk was claimed
  std::atomic<bool> stopping_{false};
  std::atomic<int32_t> asleep_{0};
  std::atomic<bool> caller_asleep_{false};
  std::mutex mutex_;
  std::condition_variable wake_, finished_;
  std::vector<std::thread> workers_;
  int64_t process_ = 0;
#else
  const int threads_;
#endif
};

}  // namespace scx
