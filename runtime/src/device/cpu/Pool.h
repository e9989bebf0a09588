//===- Pool.h - A persistent thread pool ----------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One job at a time: a counter of iterations that threads claim by compare and
// swap. Counter and job number share one word (the ticket), so that a thread
// that wakes late can never claim an iteration of a job it did not look at.
//
//   caller   close the ticket, write the job, open the ticket, wake sleepers,
//            claim like the others, wait until no iteration is pending
//   others   wait for a new job number, claim until none is left
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_CPU_POOL_H
#define ATTNRT_SRC_CPU_POOL_H

#include "attnrt/cpu.h"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <vector>

namespace attnrt {

/// Memory of one thread for kernels, 64-byte aligned, grown on demand.
class Scratch {
public:
  /// False if there is no memory; the old block is then kept.
  bool reserve(uint64_t bytes);
  void *data() const { return memory.get(); }

private:
  struct Free {
    void operator()(void *block) const { std::free(block); }
  };
  std::unique_ptr<void, Free> memory;
  uint64_t size = 0;
};

/// How kernels compute, on this thread: to nearest, denormals flushed to zero
/// in and out, no exception trapped, whatever the caller's mode is. Restores
/// that, its exception flags too.
class KernelMode {
public:
  KernelMode();
  ~KernelMode();

private:
  uint64_t saved;
};

/// The threads of one process; see attnrt_pool.
class ThreadTeam {
public:
  /// Null if not all threads start and `all` is set, or if there is no memory.
  static ThreadTeam *start(int32_t threads, bool pin, bool all);
  ~ThreadTeam();

  /// Makes room for runs with so many bytes of scratch for each thread: these
  /// ask for no memory then. Waits for the run that has its turn if there is
  /// not the room yet. False if there is no memory.
  bool reserve(uint64_t scratchBytes);

  /// Runs on the team, or on this thread alone where `thread` of the team is
  /// already inside a body. False if there is no memory for scratch.
  bool run(int64_t n, attnrt_body_fn body, void *ctx, uint64_t scratchBytes);

  void *scratch(int32_t thread) const {
    return members[thread]->scratch.data();
  }

  const pid_t process;

private:
  struct alignas(64) Member {
    ThreadTeam *team;
    int32_t number;
    int32_t cpu; ///< -1 = not pinned
    pthread_t handle;
    Scratch scratch;
  };

  explicit ThreadTeam(pid_t process) : process(process) {}
  bool startMembers(int32_t threads, bool pin, bool all);
  bool reserveInTurn(uint64_t scratchBytes);
  static void *threadMain(void *member);
  void serve(int32_t thread);
  void claim(uint32_t job, int32_t thread);
  uint32_t waitForJob(uint32_t seen);
  void waitForEnd();

  std::mutex turn;                   ///< held by the caller whose job runs
  std::atomic<uint64_t> reserved{0}; ///< scratch that all members have
  std::vector<std::unique_ptr<Member>> members; ///< [0] stands for the caller

  // Written by the caller while the ticket is closed.
  attnrt_body_fn body = nullptr;
  void *ctx = nullptr;

  alignas(64) std::atomic<uint64_t> ticket; ///< job number, next iteration
  std::atomic<uint32_t> count{0};           ///< iterations of the job
  alignas(64) std::atomic<uint32_t> job{0}; ///< futex of idle threads
  std::atomic<int32_t> sleepers{0};
  std::atomic<bool> stop{false};
  alignas(64) std::atomic<uint32_t> pending{0}; ///< futex of the caller
  std::atomic<bool> callerSleeps{false};
};

} // namespace attnrt

/// Options and the team of the present process. A child of fork() finds the
/// team of another process and replaces it; that one's memory is given up.
struct attnrt_pool {
  int32_t threads;
  bool pin;
  std::atomic<attnrt::ThreadTeam *> team;

  attnrt::ThreadTeam *current();
};

#endif // ATTNRT_SRC_CPU_POOL_H
