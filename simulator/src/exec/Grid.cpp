//===- Grid.cpp - All CTAs of a launch ----------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Grid.h"
#include "check/Reporter.h"

#include <algorithm>
#include <thread>

using namespace ptxsim;

Grid::Grid(const LaunchContext &launch, uint64_t mostResident)
    : launch(launch),
      numGroups(launch.config.grid.count() / launch.config.cluster.count()),
      mostResident(std::max<uint64_t>(mostResident, 1)),
      counters(launch.program.code.size()) {}

void Grid::run(unsigned threads, LaunchStats &stats) {
  numWorkers = unsigned(std::min<uint64_t>(std::max(threads, 1u), numGroups));
  std::vector<std::thread> workers;
  for (unsigned t = 1, n = numWorkers; t < n; ++t) {
    workers.emplace_back([&] { work(stats); });
  }
  work(stats);
  for (std::thread &worker : workers) {
    worker.join();
  }
  for (size_t i = 0; i < counters.size(); ++i) {
    stats.total += counters[i];
    const Inst &in = launch.program.code[i];
    if (in.macs && counters[i].warpInstructions) {
      stats.matrixMacs[std::string(in.macType)] +=
          in.macs * counters[i].warpInstructions;
    }
    uint32_t line = in.line();
    if (counters[i].warpInstructions && line) {
      stats.lines[line] += counters[i];
    }
  }
}

void Grid::work(LaunchStats &stats) {
  Totals totals;
  totals.counters.resize(counters.size());
  Stalled stalled;
  while (std::unique_ptr<Running> running = pick(stalled)) {
    uint64_t before = running->group.progress;
    Scheduler::Outcome outcome = running->scheduler.run();
    std::lock_guard lock(mutex);
    if (outcome != Scheduler::Outcome::Stalled) {
      collect(*running, totals, stats);
      --numResident;
      running.reset();
    }
    if (!running || running->group.progress != before) {
      ++epoch;
      numStuck = 0;
      changed.notify_all();
    }
    if (running) {
      stalled.push_back(std::move(running));
    }
  }
  std::lock_guard lock(mutex);
  for (size_t i = 0; i < counters.size(); ++i) {
    counters[i] += totals.counters[i];
  }
  for (size_t k = 0; k < size_t(InstClass::Count); ++k) {
    stats.warpInstructions[k] += totals.stats.warpInstructions[k];
  }
}

std::unique_ptr<Grid::Running> Grid::pick(Stalled &stalled) {
  std::unique_lock lock(mutex);
  while (true) {
    if (isDead) {
      for (const auto &running : stalled) {
        reportDeadlock(*running);
      }
      return nullptr;
    }
    if (next < numGroups && numResident < mostResident) {
      uint64_t number = next++, now = epoch;
      ++numResident;
      lock.unlock();
      auto running = std::make_unique<Running>(launch, number);
      running->epoch = now;
      return running;
    }
    // Kernels let a CTA wait for later ones, so that the latest goes first.
    auto old = std::find_if(
        stalled.rbegin(), stalled.rend(),
        [&](const auto &running) { return running->epoch != epoch; });
    if (old != stalled.rend()) {
      std::unique_ptr<Running> running = std::move(*old);
      stalled.erase(std::next(old).base());
      running->epoch = epoch;
      return running;
    }
    bool isOver = stalled.empty() && next == numGroups;
    if (isOver) {
      --numWorkers;
    } else {
      ++numStuck;
    }
    if (numStuck && numStuck == numWorkers) {
      isDead = true;
      changed.notify_all();
    }
    if (isOver) {
      return nullptr;
    }
    uint64_t seen = epoch;
    changed.wait(lock, [&] { return isDead || epoch != seen; });
  }
}

void Grid::collect(const Running &running, Totals &totals, LaunchStats &stats) {
  const Group &group = running.group;
  for (size_t i = 0; i < counters.size(); ++i) {
    totals.counters[i] += group.counters[i];
  }
  for (size_t k = 0; k < size_t(InstClass::Count); ++k) {
    totals.stats.warpInstructions[k] += group.stats.warpInstructions[k];
  }
  const Dim3 &grid = launch.config.grid;
  for (const auto &cta : group.ctas) {
    uint64_t sum = 0;
    for (const auto &warp : cta->warps) {
      sum += warp->threadInstructions;
    }
    const auto &at = cta->index;
    stats.ctaInstructions[(uint64_t(at[2]) * grid.y + at[1]) * grid.x + at[0]] =
        sum;
  }
}

void Grid::reportDeadlock(const Running &running) {
  std::string text = "deadlock: " + running.scheduler.describeWaiters();
  if (next < numGroups) {
    text += "; " + std::to_string(numGroups - next) + " of " +
            std::to_string(numGroups) +
            " CTAs or clusters have not started, since the device holds " +
            std::to_string(mostResident) + " at a time";
  }
  launch.reporter.report(*running.group.ctas.front(), "barriers",
                         std::move(text));
}
