//===- Exec.cpp - Runs a warp -------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Warp.h"
#include "check/RaceDetector.h"
#include "check/Reporter.h"
#include "ops/BulkQueue.h"
#include "ops/CopyQueue.h"
#include "ops/ProductQueue.h"

using namespace ptxsim;

Warp::Warp(Cta &cta, const Program &program, uint32_t number, Mask lanes)
    : cta(cta), program(program), number(number),
      registers(program.registerBytes), predicates(program.numPredicates, 0),
      live(lanes), registersPerThread(cta.group.launch.registersPerThread) {
  const Checks &checks = cta.group.launch.options.checks;
  if (checks.uninitialised) {
    defined.assign(program.numRegisters, 0);
    // Whoever computes with these shows it.
    std::fill(registers.begin(), registers.end(), std::byte(0xCD));
  }
  if (checks.async && program.hasProducts) {
    writeFences.assign(program.numRegisters, 0);
  }
  local.resize(size_t(program.localBytes) * kLanes);
  localWritten.resize(checks.uninitialised ? local.size() : 0);
  // The last one is met only by lanes that end.
  paths.push_back({uint32_t(program.code.size()), lanes, 0});
}

Warp::~Warp() = default;

Step Warp::branch(const Inst &in) {
  Path &top = paths.back();
  uint32_t target = in.targets[0];
  if (exec == top.lanes) {
    top.pc = target;
    return Step::Jump;
  }
  const std::pair<Mask, uint32_t> ways[] = {{top.lanes & ~exec, top.pc + 1},
                                            {exec, target}};
  return divide(in, ways);
}

Step Warp::divide(const Inst &in, Ways ways) {
  Path &top = paths.back();
  if (in.meet == top.meet) {
    // The lanes go on to where this path meets its own sibling.
    paths.pop_back();
  } else {
    top.pc = in.meet;
  }
  for (const auto &[lanes, pc] : ways) {
    if (lanes && pc != in.meet) {
      paths.push_back({in.meet, lanes, pc});
    }
  }
  return Step::Jump;
}

void Warp::exit(Mask lanes) {
  live &= ~lanes;
  for (Path &path : paths) {
    path.lanes &= live;
  }
  std::erase_if(paths, [](const Path &path) { return path.lanes == 0; });
  if (paths.empty()) {
    status = WarpStatus::Done;
  }
  if (cta.group.ctas.size() > 1) {
    cta.group.updateBarrier();
  }
}

/// Registers that wgmma may read or write are out of bounds until the wait. A
/// copy of sums is what compilers print between two products on one set of
/// sums: it stands for no instruction, so it sees the sums complete.
void Warp::checkInFlight(const Inst &in) {
  const Options &options = cta.group.launch.options;
  Reporter &reporter = cta.group.launch.reporter;
  auto text = [&](const char *verb, const Ref &ref) {
    return std::string(verb) + " register '" + program.registerNames[ref.reg] +
           "', which ";
  };
  for (const Ref &ref : in.s) {
    if (ref.reg == kNoRegister ||
        products->useOf(ref.reg) != ProductQueue::kSum) {
      continue;
    }
    std::string message = text("reads", ref) + "wgmma at line " +
                          std::to_string(products->writerOf(ref.reg)->line()) +
                          " may still be writing to";
    if (in.isCopy) {
      products->performUpTo(*this, products->openGroup);
      reporter.warn(*this, in, "async", exec, std::move(message));
    } else if (options.checks.async) {
      reporter.report(*this, in, "async", exec, std::move(message));
      return;
    }
  }
  for (const Ref &ref : in.d) {
    ProductQueue::Use use =
        ref.reg == kNoRegister ? ProductQueue::kFree : products->useOf(ref.reg);
    if (use != ProductQueue::kFree && options.checks.async) {
      reporter.report(*this, in, "async", exec,
                      text("writes to", ref) +
                          (use == ProductQueue::kSum
                               ? "a wgmma may still be writing to"
                               : "a wgmma may still read as A"));
      return;
    }
  }
}

Step Warp::step(const Inst &in) {
  Group &group = cta.group;
  const Options &options = group.launch.options;
  Reporter &reporter = group.launch.reporter;
  if (!defined.empty()) {
    auto check = [&](const Ref &ref) {
      if (ref.reg == kNoRegister) {
        return;
      }
      if (Mask missing = exec & ~defined[ref.reg]) {
        std::string message = "reads register '" +
                              program.registerNames[ref.reg] +
                              "', which was not written";
        // LLVM prints a value that does not matter so.
        if (program.isWritten[ref.reg]) {
          reporter.report(*this, in, "uninitialised", missing,
                          std::move(message));
        } else {
          reporter.warn(*this, in, "uninitialised", missing,
                        std::move(message) + " by any instruction");
        }
        defined[ref.reg] |= missing;
      }
    };
    for (const Ref &ref : in.s) {
      check(ref);
    }
  }
  Mask needed = in.needsWholeWarp ? kAllLanes : live;
  if (in.needsAllLanes && exec != needed && options.checks.barriers) {
    reporter.report(*this, in, "barriers", exec,
                    "'" + in.text->name() +
                        "' must be executed by all lanes of the warp, but " +
                        std::to_string(std::popcount(exec)) + " of " +
                        std::to_string(std::popcount(needed)) + " do");
  }
  if (products && !products->isIdle() && !in.isProduct) {
    checkInFlight(in);
  }
  uint32_t at = paths.back().pc;
  Step result = in.run(*this, in);
  if (result == Step::Wait) {
    status = WarpStatus::Blocked;
    isResumed = true;
    ++group.counters[at].barrierWaits;
    return result;
  }
  isResumed = false;
  ++instructions;
  // Without a machine's own instruction, counting bits is a call.
  unsigned lanes = exec == kAllLanes ? kLanes : unsigned(std::popcount(exec));
  threadInstructions += lanes;
  Counters &counters = group.counters[at];
  ++counters.warpInstructions;
  counters.threadInstructions += lanes;
  ++group.stats.warpInstructions[size_t(in.kind)];
  if (!defined.empty()) {
    for (const Ref &ref : in.d) {
      if (ref.reg != kNoRegister) {
        defined[ref.reg] |= exec;
      }
    }
  }
  if (!writeFences.empty() && !in.isProduct) {
    for (const Ref &ref : in.d) {
      if (ref.reg != kNoRegister) {
        // Compilers put copies anywhere before their use, also behind a fence:
        // they stand for no instruction.
        writeFences[ref.reg] = !in.isCopy ? numFences
                               : in.s[0].reg == kNoRegister
                                   ? 0
                                   : writeFences[in.s[0].reg];
      }
    }
  }
  if (result != Step::Jump && status != WarpStatus::Done) {
    ++paths.back().pc;
  }
  if (result == Step::Block) {
    status = WarpStatus::Blocked;
    ++counters.barrierWaits;
  }
  return result;
}

bool Warp::run(uint64_t quantum) {
  for (; quantum > 0 && status == WarpStatus::Ready; --quantum) {
    // Lanes that have come to where they meet others wait there for them.
    while (paths.back().pc == paths.back().meet && paths.size() > 1) {
      paths.pop_back();
    }
    const Path &top = paths.back();
    const Inst &in = program.code[top.pc];
    exec = top.lanes;
    if (in.guard) {
      if (!defined.empty()) {
        if (Mask missing = exec & ~defined[in.guard.reg]) {
          cta.group.launch.reporter.report(
              *this, in, "uninitialised", missing,
              "is guarded by '" + program.registerNames[in.guard.reg] +
                  "', which was not written");
          defined[in.guard.reg] |= missing;
        }
      }
      exec &= predicate(in.guard);
      if (exec == 0) {
        ++paths.back().pc;
        continue;
      }
    }
    Step result = step(in);
    if (result == Step::Poll) {
      vainQuanta = 0;
      return false;
    }
    if (result == Step::Yield) {
      vainQuanta = kMostVainQuanta;
      break;
    }
  }
  if (status == WarpStatus::Ready && vainQuanta < kMostVainQuanta) {
    ++vainQuanta;
    return false;
  }
  return true;
}
