//===- Hints.cpp - Caches, policies and spaces of addresses -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.9.15-19] prefetch, prefetchu, applypriority, discard, createpolicy,
// isspacep.
//
//===----------------------------------------------------------------------===//
#include "Addresses.h"
#include "Families.h"
#include "Operands.h"

using namespace ptxsim;

static Step runNothing(Warp &, const Inst &) { return Step::Next; }

/// prefetch{.space}.{L1,L2}{::evict_..} [a]; prefetchu.L1 [a];
/// applypriority{.global}.L2::evict_normal [a], size; discard{.global}.L2 [a],
/// size. Nothing but a cache changes: even a bad address does no harm.
static bool decodeHint(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  takeSpace(words);
  std::string_view level = words.take(
      {"L1", "L2", "L2::evict_last", "L2::evict_normal", "tensormap"});
  if (level.empty()) {
    Builder::fail("expects a level of cache in '" + text.name() + "'");
  }
  words.done();
  bool hasSize = text.opcode == "applypriority" || text.opcode == "discard";
  Builder::expectOperands(text, hasSize ? 2 : 1, hasSize ? 2 : 1);
  builder.setOperands(inst, {}, {builder.address(text.operands[0], inst.imm)});
  inst.run = runNothing;
  inst.kind = InstClass::OtherMemory;
  return true;
}

/// What a policy holds is nobody's business: it is a zero.
static Step runPolicy(Warp &w, const Inst &in) {
  forEachLane(w.exec, [&](unsigned l) { w.setLane(in.d[0], l, 0); });
  return Step::Next;
}

/// createpolicy.fractional.L2::x{.L2::y}.b64 d{, fraction};
/// createpolicy.range{.global}.L2::x{.L2::y}.b64 d, [a], size, size;
/// createpolicy.cvt.L2.b64 d, bits.
static bool decodePolicy(const Instruction &text, Builder &builder,
                         Inst &inst) {
  Words words(text);
  std::string_view what = words.take({"fractional", "range", "cvt"});
  if (what.empty()) {
    Builder::fail("expects fractional, range or cvt in '" + text.name() + "'");
  }
  words.take("global");
  while (!words
              .take({"L2", "L2::evict_last", "L2::evict_normal",
                     "L2::evict_first", "L2::evict_unchanged"})
              .empty()) {
  }
  words.take("b64");
  words.done();
  bool isRange = what == "range";
  Builder::expectOperands(text,
                          isRange         ? 4
                          : what == "cvt" ? 2
                                          : 1,
                          isRange ? 4 : 2);
  std::vector<Ref> s;
  for (const Operand &operand : std::span(text.operands).subspan(1)) {
    if (operand.kind == Operand::Kind::Address) {
      s.push_back(builder.address(operand, inst.imm));
    } else if (operand.kind == Operand::Kind::Register) {
      s.push_back(builder.src(operand, kB32));
    }
  }
  builder.setOperands(inst, {exactDst(builder, text.operands[0], kB64)},
                      std::move(s));
  inst.run = runPolicy;
  inst.kind = InstClass::OtherMemory;
  return true;
}

static Space spaceOf(const Warp &w, uint64_t address) {
  auto isIn = [&](uint64_t window) { return address - window < kWindowBytes; };
  if (isIn(kSharedWindow)) {
    return Space::Shared;
  }
  if (isIn(kLocalWindow)) {
    return Space::Local;
  }
  if (isIn(kParamWindow)) {
    return Space::Param;
  }
  const Buffer *buffer = w.cta.group.launch.memory.find(address);
  bool isConst = buffer && buffer->isConst && buffer->contains(address, 1);
  return isConst ? Space::Const : Space::Global;
}

static Step runIsSpace(Warp &w, const Inst &in) {
  Mask result = selectLanes(w.exec, [&](unsigned l) {
    return spaceOf(w, w.lane(in.s[0], l)) == Space(in.flags);
  });
  w.setPredicate(in.d[0], result);
  return Step::Next;
}

/// isspacep.space p, a: whether the generic address points there.
static bool decodeIsSpace(const Instruction &text, Builder &builder,
                          Inst &inst) {
  Words words(text);
  Space space = takeSpace(words);
  if (space == Space::Generic) {
    Builder::fail("expects a space in '" + text.name() + "'");
  }
  words.done();
  Builder::expectOperands(text, 2, 2);
  builder.setOperands(inst, {builder.predDst(text.operands[0])},
                      {builder.src(text.operands[1], kB64)});
  inst.flags = uint32_t(space);
  inst.run = runIsSpace;
  inst.kind = InstClass::Integer;
  return true;
}

void ptxsim::addHints(DecoderTable &table) {
  for (const char *hint :
       {"prefetch", "prefetchu", "applypriority", "discard"}) {
    table[hint].push_back(decodeHint);
  }
  table["createpolicy"].push_back(decodePolicy);
  table["isspacep"].push_back(decodeIsSpace);
}
