//===- ClusterPairs.cpp - Two accesses in a cluster -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ClusterPairs.h"

using namespace ptxsim;
using namespace ptxsim::test;

std::string ClusterAccess::name() const {
  static const char *const names[] = {
      "load",        "store",     "generic load", "generic store", "add",
      "copy",        "drain",     "tensor drain", "send",          "fill",
      "tensor fill", "multicast", "push"};
  return std::string(names[size_t(kind)]) + " by thread " +
         std::to_string(thread) + " of CTA " + std::to_string(rank);
}

/// Copies out of the cell must be issued where it is.
std::vector<ClusterAccess> ptxsim::test::everyAccess() {
  std::vector<ClusterAccess> list;
  for (AccessKind kind :
       {AccessKind::Load, AccessKind::Store, AccessKind::GenericLoad,
        AccessKind::GenericStore, AccessKind::Add}) {
    list.push_back({kind, 0, 0});
    list.push_back({kind, 0, 32});
    list.push_back({kind, 1, 0});
  }
  for (unsigned thread : {0, 32}) {
    list.push_back({AccessKind::Copy, 0, thread});
    list.push_back({AccessKind::Drain, 0, thread});
    list.push_back({AccessKind::Fill, 0, thread});
  }
  list.push_back({AccessKind::TensorDrain, 0, 0});
  list.push_back({AccessKind::Send, 0, 0});
  list.push_back({AccessKind::TensorFill, 0, 0});
  list.push_back({AccessKind::Multicast, 1, 0});
  list.push_back({AccessKind::Push, 1, 0});
  return list;
}

/// Lines: access<step>.
static std::string stepText(const ClusterAccess &access, unsigned step) {
  std::string i = std::to_string(step), bar = "[filled" + i + "]";
  std::string text = "  setp.eq.u32 %q, %thread, " +
                     std::to_string(access.thread) +
                     ";\n  setp.eq.and.u32 %who" + i + ", %rank, " +
                     std::to_string(access.rank) + ", %q;\n";
  // Who is sent to, as all of its threads wait for the bytes.
  const char *owner = access.kind == AccessKind::Send ? "%sentTo" : "%owner";
  bool isAwaited = access.fills() || access.kind == AccessKind::Send;
  if (isAwaited) {
    text += "  setp.eq.and.u32 %q, %thread, 0, " + std::string(owner) +
            ";\n  @%q mbarrier.arrive.expect_tx.shared.b64 _, " + bar +
            ", 16;\n";
  }
  std::string who = "  @%who" + i + " ";
  std::string end = "; // @access" + i + "\n";
  std::string into = "cp.async.bulk.shared::cluster.global.mbarrier::"
                     "complete_tx::bytes";
  std::string across = "cp.async.bulk.shared::cluster.shared::cta.mbarrier::"
                       "complete_tx::bytes ";
  std::string across1 = "  mov.u32 %there, filled" + i +
                        ";\n  mapa.shared::cluster.u32 %there, %there, ";
  std::string drained = who + "cp.async.bulk.commit_group;\n" + who +
                        "cp.async.bulk.wait_group.read 0;\n";
  switch (access.kind) {
  case AccessKind::Load:
    text += who + "ld.shared::cluster.u32 %got, [%cell]" + end;
    break;
  case AccessKind::Store:
    text += who + "st.shared::cluster.u32 [%cell], 1" + i + end;
    break;
  case AccessKind::GenericLoad:
    text += who + "ld.u32 %got, [%generic]" + end;
    break;
  case AccessKind::GenericStore:
    text += who + "st.u32 [%generic], 1" + i + end;
    break;
  case AccessKind::Copy:
    text += who + "cp.async.ca.shared.global [cell], [%in], 16" + end + who +
            "cp.async.wait_all;\n";
    break;
  case AccessKind::Add:
    text +=
        who + "red.relaxed.cluster.shared::cluster.add.u32 [%cell], 1" + end;
    break;
  case AccessKind::Drain:
    text += who + "cp.async.bulk.global.shared::cta.bulk_group [%out" + i +
            "], [cell], 16" + end + drained;
    break;
  case AccessKind::TensorDrain:
    text += who +
            "cp.async.bulk.tensor.1d.global.shared::cta.bulk_group "
            "[%map, {" +
            std::to_string(4 * step - 4) + "}], [cell]" + end + drained;
    break;
  case AccessKind::Send:
    text += across1 + "1;\n" + who + across + "[%sent" + i +
            "], [cell], 16, [%there]" + end;
    break;
  case AccessKind::Fill:
    text += who + into + " [cell], [%in], 16, " + bar + end;
    break;
  case AccessKind::TensorFill:
    text += who +
            "cp.async.bulk.tensor.1d.shared::cluster.global.mbarrier::"
            "complete_tx::bytes [cell], [%map, {8}], " +
            bar + end;
    break;
  case AccessKind::Multicast:
    text += who + into + ".multicast::cluster [cell], [%in], 16, " + bar +
            ", %mask" + end;
    break;
  case AccessKind::Push:
    text += across1 + "0;\n" + who + across +
            "[%cell], [pushed], 16, [%there]" + end;
    break;
  }
  if (!isAwaited) {
    return text;
  }
  return text + "  @!" + owner + " bra done" + i + ";\nagain" + i +
         ":\n  mbarrier.try_wait.parity.shared.b64 %q, " + bar +
         ", 0;\n  @!%q bra again" + i + ";\ndone" + i + ":\n";
}

/// Arguments: the map of a tensor of 12 words, in boxes of 4; the last 4 of
/// them, which it loads, and all of them, of which it stores the first 8.
Source ptxsim::test::kernelOf(const ClusterAccess &first,
                              const ClusterAccess &second) {
  Source source;
  source.text =
      ".version 8.6\n.target sm_90a\n.address_size 64\n"
      ".visible .entry k(.param .align 64 .b8 map[128], .param .u64 in, "
      ".param .u64 out)\n{\n"
      "  .shared .align 128 .b8 cell[144];\n"
      "  .shared .align 16 .b8 pushed[16];\n"
      "  .shared .align 16 .b8 sent[32];\n"
      "  .shared .align 8 .b64 filled1;\n  .shared .align 8 .b64 filled2;\n"
      "  .shared .align 8 .b64 met;\n"
      "  .reg .b32 %thread, %rank, %cell, %met, %got, %there, %sent1, %sent2;\n"
      "  .reg .b64 %in, %out1, %out2, %map, %generic;\n  .reg .b16 %mask;\n"
      "  .reg .pred %q, %first, %owner, %sentTo, %who1, %who2;\n"
      "  mov.b64 %map, map;\n  cvta.param.u64 %map, %map;\n"
      "  ld.param.u64 %in, [in];\n  ld.param.u64 %out1, [out];\n"
      "  add.u64 %out2, %out1, 16;\n  mov.u16 %mask, 1;\n"
      "  mov.u32 %thread, %tid.x;\n  mov.u32 %rank, %cluster_ctarank;\n"
      "  setp.eq.u32 %owner, %rank, 0;\n"
      "  setp.eq.u32 %sentTo, %rank, 1;\n"
      "  setp.eq.and.u32 %first, %thread, 0, %owner;\n"
      "  mov.u32 %cell, cell;\n  mapa.shared::cluster.u32 %cell, %cell, 0;\n"
      "  mov.u64 %generic, cell;\n  cvta.shared.u64 %generic, %generic;\n"
      "  mapa.u64 %generic, %generic, 0;\n"
      "  mov.u32 %sent1, sent;\n"
      "  mapa.shared::cluster.u32 %sent1, %sent1, 1;\n"
      "  add.u32 %sent2, %sent1, 16;\n"
      "  setp.ne.u32 %q, %thread, 0;\n"
      "  @%q bra ready;\n"
      "  mbarrier.init.shared.b64 [filled1], 1;\n"
      "  mbarrier.init.shared.b64 [filled2], 1;\n"
      "  mbarrier.init.shared.b64 [met], 128;\n"
      "  st.shared.v4.u32 [cell], {1, 2, 3, 4};\n"
      "  st.shared.v4.u32 [pushed], {5, 6, 7, 8};\n"
      "  fence.mbarrier_init.release.cluster;\n  fence.proxy.async;\n"
      "ready:\n"
      "  barrier.cluster.arrive;\n  barrier.cluster.wait;\n" +
      stepText(first, 1) +
      "  @%who1 fence.proxy.async; // @proxy\n"
      "  barrier.cluster.arrive; // @arrive\n"
      "  barrier.cluster.wait; // @wait\n"
      "  // @late\n" +
      stepText(second, 2) +
      "  barrier.cluster.arrive; // @leaveArrive\n"
      "  barrier.cluster.wait; // @leave\n  ret;\n}\n";
  return source;
}

Outcome ptxsim::test::runPair(const Source &source, const Options &options) {
  Outcome outcome;
  auto device = Device::create(options);
  auto module = device->loadModule(source.text);
  if (!module) {
    outcome.error = module.message();
    return outcome;
  }
  auto kernel = (*module)->kernel("k");
  if (!kernel) {
    outcome.error = kernel.message();
    return outcome;
  }
  // A tensor of the bytes that are stored, and of some to load.
  DevicePointer out = *device->allocate(48, "out"), in = out + 32;
  (void)device->fill(in, 9, 16);
  TensorMapDesc map;
  map.element = TensorMapDesc::Element::U32;
  map.base = out;
  map.dim[0] = 12;
  map.box[0] = 4;
  LaunchConfig config;
  config.grid.x = config.cluster.x = 2;
  config.block.x = 64;
  KernelArguments arguments;
  arguments.add(*encodeTensorMap(map)).add(in).add(out);
  auto launched = device->launch(**kernel, config, arguments);
  outcome.error = launched ? "" : launched.message();
  outcome.findings = device->findings();
  return outcome;
}
