//===- CopyKit.cpp - Bulk copies and what they leave behind ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CopyKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

static std::string number(uint64_t i) { return std::to_string(i); }

//===--- Text -------------------------------------------------------------===//

static const char *const kHead =
    ".version 8.6\n.target sm_90a\n.address_size 64\n"
    ".extern .shared .align 1024 .b8 smem[];\n"
    ".visible .entry k(.param .align 64 .b8 map[128], .param .u64 global,\n"
    "  .param .u64 out, .param .u32 tx, .param .u32 mask, .param .u32 words,\n"
    "  .param .s32 c0, .param .s32 c1, .param .s32 c2, .param .s32 c3,\n"
    "  .param .s32 c4)\n{\n"
    "  .shared .align 8 .b64 bars[4];\n"
    "  .reg .b32 %thread, %step, %at, %to, %x, %y, %smem, %words, %tx, %rank;\n"
    "  .reg .b32 %bar, %far, %farbar, %c<5>;\n  .reg .b16 %mask;\n"
    "  .reg .b64 %map, %global, %out, %p, %smem64, %bar64, %far64, %policy;\n"
    "  .reg .b64 %state;\n"
    "  .reg .pred %one, %first, %done;\n"
    "  mov.b64 %map, map;\n  cvta.param.u64 %map, %map;\n"
    "  ld.param.u64 %global, [global];\n  ld.param.u64 %out, [out];\n"
    "  ld.param.u32 %tx, [tx];\n  ld.param.u16 %mask, [mask];\n"
    "  ld.param.u32 %words, [words];\n"
    "  ld.param.s32 %c0, [c0];\n  ld.param.s32 %c1, [c1];\n"
    "  ld.param.s32 %c2, [c2];\n  ld.param.s32 %c3, [c3];\n"
    "  ld.param.s32 %c4, [c4];\n"
    "  mov.u32 %smem, smem;\n  mov.u64 %smem64, smem;\n"
    "  mov.u32 %bar, bars;\n  mov.u64 %bar64, bars;\n"
    "  mov.u32 %rank, %cluster_ctarank;\n"
    "  mov.u32 %thread, %tid.x;\n  mov.u32 %step, %ntid.x;\n"
    "  setp.eq.u32 %one, %thread, 0;\n"
    "  setp.eq.u32 %first, %rank, 0;\n"
    "  and.pred %first, %first, %one;\n"
    "  mul.lo.u32 %y, %rank, 0x100000;\n  add.u32 %y, %y, 0xC0000000;\n"
    "  mov.u32 %at, %thread;\n"
    "fill:\n"
    "  setp.ge.u32 %done, %at, %words;\n  @%done bra filled;\n"
    "  shl.b32 %to, %at, 2;\n  add.u32 %to, %smem, %to;\n"
    "  add.u32 %x, %y, %at;\n"
    "  st.shared.b32 [%to], %x; // @fill\n"
    "  add.u32 %at, %at, %step;\n  bra fill;\n"
    "filled:\n"
    "  @!%one bra initialised;\n"
    "  mbarrier.init.shared::cta.b64 [bars], 1; // @init\n"
    "  mbarrier.init.shared::cta.b64 [bars+8], 1;\n"
    "  mbarrier.init.shared::cta.b64 [bars+16], 1;\n"
    "  mbarrier.init.shared::cta.b64 [bars+24], 1;\n"
    "  fence.mbarrier_init.release.cluster;\n"
    "initialised:\n"
    "  fence.proxy.async; // @proxy\n"
    "  bar.sync 0; // @ready\n";

static const char *const kCluster = "  barrier.cluster.arrive.aligned;\n"
                                    "  barrier.cluster.wait.aligned;\n";

static const char *const kTail =
    "  mul.lo.u32 %x, %rank, %words;\n"
    "  mad.wide.u32 %out, %x, 4, %out;\n"
    "  mov.u32 %at, %thread;\n"
    "dump:\n"
    "  setp.ge.u32 %done, %at, %words;\n  @%done bra dumped;\n"
    "  shl.b32 %to, %at, 2;\n  add.u32 %to, %smem, %to;\n"
    "  ld.shared.b32 %x, [%to]; // @read\n"
    "  mad.wide.u32 %p, %at, 4, %out;\n"
    "  st.global.b32 [%p], %x;\n"
    "  add.u32 %at, %at, %step;\n  bra dump;\n"
    "dumped:\n";

CopyJob::CopyJob(const std::string &body, unsigned ctas) : ctas(ctas) {
  std::string together = ctas > 1 ? kCluster : "";
  // Nobody leaves while others may write to its memory.
  source.text = kHead + together + body + kTail + together + "  ret;\n}\n";
  global = noise(16384);
  map.dim[0] = map.box[0] = 8; // the least there is
}

static std::string coordinates(unsigned rank) {
  std::string text = "{%c0";
  for (unsigned d = 1; d < rank; ++d) {
    text += ", %c" + number(d);
  }
  return text + "}";
}

std::string ptxsim::test::tensorLoad(unsigned rank, const std::string &to,
                                     const std::string &barrier,
                                     const std::string &space,
                                     const std::string &options,
                                     const std::string &operands) {
  return "cp.async.bulk.tensor." + number(rank) + "d.shared::" + space +
         ".global.tile.mbarrier::complete_tx::bytes" + options + " [" + to +
         "], [%map, " + coordinates(rank) + "], [" + barrier + "]" + operands;
}

std::string ptxsim::test::tensorStore(unsigned rank, const std::string &from,
                                      const std::string &options,
                                      const std::string &operands) {
  return "cp.async.bulk.tensor." + number(rank) +
         "d.global.shared::cta.tile.bulk_group" + options + " [%map, " +
         coordinates(rank) + "], [" + from + "]" + operands;
}

std::string ptxsim::test::waitForCopies(const std::string &barrier,
                                        const std::string &parity,
                                        const std::string &name) {
  return "poll_" + name +
         ":\n  mbarrier.try_wait.parity.shared::cta.b64 %done, [" + barrier +
         "], " + parity + "; // @" + name + "\n  @!%done bra poll_" + name +
         ";\n";
}

std::string ptxsim::test::loadText(const std::string &copy) {
  return "  @!%one bra poll_wait;\n"
         "  mbarrier.arrive.expect_tx.shared::cta.b64 %state, [bars], %tx; // "
         "@expect\n  " +
         copy + "; // @copy\n" + waitForCopies("bars", "0", "wait");
}

std::string ptxsim::test::storeText(const std::string &copy) {
  return "  @!%one bra stored;\n  " + copy +
         "; // @copy\n  cp.async.bulk.commit_group; // @commit\n"
         "  cp.async.bulk.wait_group 0; // @done\n"
         "stored:\n";
}

//===--- Running ----------------------------------------------------------===//

Bytes CopyJob::filled(unsigned cta) const {
  Bytes bytes(sharedBytes);
  for (uint32_t i = 0; i < sharedBytes / 4; ++i) {
    uint32_t word = 0xC0000000 + cta * 0x100000 + i;
    std::memcpy(&bytes[4 * i], &word, 4);
  }
  return bytes;
}

CopyOutcome CopyJob::run(const Options &options) const {
  CopyOutcome outcome;
  std::unique_ptr<Device> device = Device::create(options);
  auto fail = [&](const std::string &message) {
    outcome.error = message;
    return outcome;
  };
  Result<std::unique_ptr<LoadedModule>> module =
      device->loadModule(source.text);
  if (!module) {
    return fail(module.message());
  }
  Result<Kernel *> kernel = (*module)->kernel("k");
  if (!kernel) {
    return fail(kernel.message());
  }
  Result<DevicePointer> buffer = device->allocate(global.size(), "global");
  Result<DevicePointer> out = device->allocate(sharedBytes * ctas, "out");
  if (!buffer || !out) {
    return fail("out of memory");
  }
  size_t copied = std::min(written, global.size());
  if (copied != 0 && !device->copyIn(*buffer, global.data(), copied)) {
    return fail("nothing copied in");
  }
  TensorMapDesc description = map;
  description.base += *buffer;
  Result<TensorMap> encoded = encodeTensorMap(description);
  if (!encoded) {
    return fail(encoded.message());
  }
  KernelArguments arguments;
  if (mapBytes.empty()) {
    arguments.add(*encoded);
  } else {
    arguments.addBytes(mapBytes.data(), mapBytes.size(), 64);
  }
  arguments.add(*buffer).add(*out).add(tx).add(mask).add(sharedBytes / 4);
  for (int32_t c : at) {
    arguments.add(c);
  }
  LaunchConfig config;
  config.grid.x = config.cluster.x = ctas;
  config.block.x = threads;
  config.dynamicSharedBytes = sharedBytes;
  Result<bool> launched = device->launch(**kernel, config, arguments);
  outcome.findings = device->findings();
  outcome.stats = device->stats();
  if (!launched) {
    return fail(launched.message());
  }
  outcome.global.resize(global.size());
  Bytes shared(size_t(sharedBytes) * ctas);
  if (!device->copyOut(outcome.global.data(), *buffer, global.size()) ||
      !device->copyOut(shared.data(), *out, shared.size())) {
    return fail("nothing copied out");
  }
  for (unsigned cta = 0; cta < ctas; ++cta) {
    auto begin = shared.begin() + size_t(cta) * sharedBytes;
    outcome.shared.emplace_back(begin, begin + sharedBytes);
  }
  return outcome;
}

Bytes ptxsim::test::noise(size_t bytes, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes result(bytes);
  for (uint8_t &byte : result) {
    byte = uint8_t(random() >> 11);
  }
  return result;
}

std::vector<Options> ptxsim::test::everyOptions() {
  std::vector<Options> all = everyCompletion();
  Options other;
  other.completion = Completion::Random;
  other.schedule = Schedule::Random;
  other.seed = 5;
  all.push_back(other);
  other.schedule = Schedule::Adversarial;
  other.seed = 11;
  all.push_back(other);
  for (Options &options : all) {
    options.maxInstructions = 2'000'000;
    options.threads = 1;
  }
  return all;
}

std::string ptxsim::test::wayOf(const Options &options) {
  return nameOf(options.completion) + ", schedule " +
         number(unsigned(options.schedule)) + ", seed " + number(options.seed);
}

static std::string describe(const CopyJob &job, const CopyOutcome &got,
                            const Options &options) {
  return wayOf(options) + ": " + got.error + "\n" + got.describe() +
         job.source.text;
}

void ptxsim::test::expectFinding(const CopyJob &job, const std::string &line,
                                 const std::string &check,
                                 const std::string &says) {
  for (const Options &options : everyOptions()) {
    CopyOutcome got = job.run(options);
    uint32_t where = job.source.line(line);
    bool isFound = false;
    for (const Finding &finding : got.findings) {
      isFound |= !finding.isWarning && finding.line == where &&
                 finding.check == check &&
                 finding.message.find(says) != std::string::npos;
    }
    EXPECT_TRUE(isFound) << "expects '" << check << "' on line " << where
                         << " that says '" << says << "'\n"
                         << describe(job, got, options);
  }
}

void ptxsim::test::expectRace(const CopyJob &job, const std::string &one,
                              const std::string &other) {
  uint32_t lines[] = {job.source.line(one), job.source.line(other)};
  for (const Options &options : everyOptions()) {
    CopyOutcome got = job.run(options);
    bool isFound = false;
    for (const Finding &finding : got.findings) {
      for (int i : {0, 1}) {
        std::string where = " line " + number(lines[1 - i]) + " ";
        isFound |= !finding.isWarning && finding.check == "races" &&
                   finding.line == lines[i] &&
                   (finding.message + " ").find(where) != std::string::npos;
      }
    }
    EXPECT_TRUE(isFound) << "expects a race of lines " << lines[0] << " and "
                         << lines[1] << "\n"
                         << describe(job, got, options);
  }
}

void ptxsim::test::expectDeadlock(const CopyJob &job, const std::string &line,
                                  const std::string &says) {
  std::string where = "at line " + number(job.source.line(line)) + " ";
  for (const Options &options : everyOptions()) {
    CopyOutcome got = job.run(options);
    bool isFound = false;
    for (const Finding &finding : got.findings) {
      auto has = [&](const std::string &text) {
        return finding.message.find(text) != std::string::npos;
      };
      isFound |= !finding.isWarning && finding.check == "barriers" &&
                 has("deadlock") && has(where) && has(says);
    }
    EXPECT_TRUE(isFound) << "expects a deadlock " << where << "that says '"
                         << says << "'\n"
                         << describe(job, got, options);
  }
}

void ptxsim::test::expectNoFinding(const CopyJob &job) {
  for (const Options &options : everyOptions()) {
    CopyOutcome got = job.run(options);
    EXPECT_TRUE(got.error.empty() && got.findings.empty())
        << describe(job, got, options);
  }
}
