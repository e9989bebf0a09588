//===- Lanes.cpp - Lanes that look at each other ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.9.6] shfl.sync, [9.7.13.9] vote.sync, match.sync, activemask,
// redux.sync, [9.7.13.14] elect.sync. Lanes of a mask that are elsewhere are
// waited for on a GPU; here lanes of different paths never run together, so the
// mask must be what runs.
//
//===----------------------------------------------------------------------===//
#include "Families.h"
#include "check/Reporter.h"
#include "exec/Warp.h"

#include <algorithm>

using namespace ptxsim;

namespace {

const Type kB32{Type::Kind::Bits, 32, 1};

std::string toHex(Mask mask) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", mask);
  return text;
}

/// The mask operand, which all lanes that run must give alike and be in.
Mask checkMask(Warp &w, const Inst &in, const Ref &ref) {
  unsigned first = unsigned(std::countr_zero(w.exec));
  Mask mask = Mask(w.lane(ref, first));
  Mask different = 0, outside = 0;
  forEachLane(w.exec, [&](unsigned l) {
    Mask own = Mask(w.lane(ref, l));
    different |= Mask(own != mask) << l;
    outside |= Mask(!(own >> l & 1)) << l;
  });
  if (outside) {
    report(w, in, "lanes", outside,
           "runs in lanes that are not in the mask " + toHex(mask));
  } else if (different) {
    report(w, in, "lanes", different, "has different masks in different lanes");
  } else if (Mask missing = mask & w.live & ~w.exec) {
    report(w, in, "lanes", missing,
           "lanes of the mask " + toHex(mask) +
               " are elsewhere: relies on progress inside of a warp");
  } else if (Mask ended = mask & ~w.live) {
    report(w, in, "lanes", ended,
           "lanes of the mask " + toHex(mask) + " have ended or never were");
  }
  return mask;
}

enum ShflMode : uint32_t { kUp, kDown, kBfly, kIdx };

Step runShfl(Warp &w, const Inst &in) {
  Mask mask = checkMask(w, in, in.s[3]);
  uint32_t values[kLanes];
  std::copy_n(w.in<uint32_t>(in.s[0]), kLanes, values);
  Mask valid = 0, bad = 0;
  uint32_t *d = w.out<uint32_t>(in.d[0]);
  forEachLane(w.exec, [&](unsigned l) {
    uint32_t b = uint32_t(w.lane(in.s[1], l)) & 31;
    uint32_t c = uint32_t(w.lane(in.s[2], l));
    int clamp = int(c & 31), segment = int(c >> 8 & 31);
    int least = int(l) & segment;
    int most = least | (clamp & ~segment);
    int lane = int(l), j = 0;
    bool isIn = false;
    switch (in.flags) {
    case kUp:
      j = lane - int(b);
      isIn = j >= most;
      break;
    case kDown:
      j = lane + int(b);
      isIn = j <= most;
      break;
    case kBfly:
      j = lane ^ int(b);
      isIn = j <= most;
      break;
    default:
      j = least | (int(b) & ~segment);
      isIn = j <= most;
    }
    j = isIn ? j : lane;
    if (isIn && !(w.exec & mask & (Mask(1) << j))) {
      bad |= Mask(1) << l;
    }
    valid |= Mask(isIn) << l;
    d[l] = values[j];
  });
  if (bad) {
    report(w, in, "lanes", bad, "reads lanes that do not take part");
  }
  if (in.d.size() > 1) {
    w.setPredicate(in.d[1], valid);
  }
  return Step::Next;
}

/// shfl.sync.mode.b32 d{|p}, a, b, c, mask;
bool decodeShfl(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  if (!words.take("sync")) {
    Builder::fail("expects shfl.sync, which names its lanes, but got '" +
                  text.name() + "'");
  }
  std::string_view mode = words.take({"up", "down", "bfly", "idx"});
  words.take("b32");
  words.done();
  Builder::expectOperands(text, 5, 5);
  inst.flags = mode == "up"     ? kUp
               : mode == "down" ? kDown
               : mode == "bfly" ? kBfly
                                : kIdx;
  const Operand &result = text.operands[0];
  std::vector<Ref> d;
  if (result.kind == Operand::Kind::Pair) {
    d = {builder.dst(result.elements[0], 32),
         builder.predDst(result.elements[1])};
  } else {
    d = {builder.dst(result, 32)};
  }
  std::vector<Ref> s;
  for (int i = 1; i < 5; ++i) {
    s.push_back(builder.src(text.operands[i], kB32));
  }
  builder.setOperands(inst, std::move(d), std::move(s));
  inst.run = runShfl;
  inst.kind = InstClass::Lanes;
  return true;
}

enum VoteMode : uint32_t { kAll, kAny, kUni, kBallot };

Step runVote(Warp &w, const Inst &in) {
  Mask lanes = checkMask(w, in, in.s[1]) & w.exec;
  Mask yes = w.predicate(in.s[0]) & lanes;
  bool all = yes == lanes, any = yes != 0;
  if (in.flags == kBallot) {
    forEachLane(w.exec, [&](unsigned l) { w.setLane(in.d[0], l, yes); });
    return Step::Next;
  }
  bool value = in.flags == kAll ? all : in.flags == kAny ? any : all || !any;
  w.setPredicate(in.d[0], value ? kAllLanes : 0);
  return Step::Next;
}

/// vote.sync.{all,any,uni}.pred p, {!}a, mask; vote.sync.ballot.b32 d, {!}a,
/// mask;
bool decodeVote(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  if (!words.take("sync")) {
    Builder::fail("expects vote.sync, which names its lanes, but got '" +
                  text.name() + "'");
  }
  std::string_view mode = words.take({"all", "any", "uni", "ballot"});
  words.take({"pred", "b32"});
  words.done();
  Builder::expectOperands(text, 3, 3);
  inst.flags = mode == "all"   ? kAll
               : mode == "any" ? kAny
               : mode == "uni" ? kUni
                               : kBallot;
  Ref d = inst.flags == kBallot ? builder.dst(text.operands[0], 32)
                                : builder.predDst(text.operands[0]);
  builder.setOperands(
      inst, {d},
      {builder.predSrc(text.operands[1]), builder.src(text.operands[2], kB32)});
  inst.run = runVote;
  inst.kind = InstClass::Lanes;
  return true;
}

Step runMatch(Warp &w, const Inst &in) {
  Mask lanes = checkMask(w, in, in.s[1]) & w.exec;
  Mask result[kLanes] = {};
  bool all = true;
  for (unsigned l = 0; l < kLanes; ++l) {
    for (unsigned k = 0; k < kLanes; ++k) {
      if ((lanes >> l & 1) && (lanes >> k & 1)) {
        bool same = w.lane(in.s[0], l) == w.lane(in.s[0], k);
        result[l] |= Mask(same) << k;
        all &= same;
      }
    }
  }
  forEachLane(w.exec, [&](unsigned l) {
    w.setLane(in.d[0], l, in.flags ? (all ? lanes : 0) : result[l]);
  });
  if (in.d.size() > 1) {
    w.setPredicate(in.d[1], all ? kAllLanes : 0);
  }
  return Step::Next;
}

/// match.any.sync.type d, a, mask; match.all.sync.type d{|p}, a, mask;
bool decodeMatch(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  bool isAll = words.take({"any", "all"}) == "all";
  words.take("sync");
  Type type = words.takeType();
  words.done();
  Builder::expectOperands(text, 3, 3);
  const Operand &result = text.operands[0];
  std::vector<Ref> d;
  if (result.kind == Operand::Kind::Pair) {
    d = {builder.dst(result.elements[0], 32),
         builder.predDst(result.elements[1])};
  } else {
    d = {builder.dst(result, 32)};
  }
  builder.setOperands(inst, std::move(d),
                      {builder.src(text.operands[1], type),
                       builder.src(text.operands[2], kB32)});
  inst.flags = isAll;
  inst.run = runMatch;
  inst.kind = InstClass::Lanes;
  return true;
}

template <class F> Step runRedux(Warp &w, const Inst &in) {
  Mask lanes = checkMask(w, in, in.s[1]) & w.exec;
  const uint32_t *a = w.in<uint32_t>(in.s[0]);
  uint32_t sum = 0;
  bool isFirst = true;
  forEachLane(lanes, [&](unsigned l) {
    uint32_t x = a[l];
    sum = isFirst ? x : F{}(sum, x);
    isFirst = false;
  });
  forEachLane(w.exec, [&](unsigned l) { w.setLane(in.d[0], l, sum); });
  return Step::Next;
}

struct Add {
  uint32_t operator()(uint32_t a, uint32_t b) const { return a + b; }
};
struct And {
  uint32_t operator()(uint32_t a, uint32_t b) const { return a & b; }
};
struct Or {
  uint32_t operator()(uint32_t a, uint32_t b) const { return a | b; }
};
struct Xor {
  uint32_t operator()(uint32_t a, uint32_t b) const { return a ^ b; }
};
template <class T> struct Min {
  uint32_t operator()(uint32_t a, uint32_t b) const {
    return uint32_t(std::min(T(a), T(b)));
  }
};
template <class T> struct Max {
  uint32_t operator()(uint32_t a, uint32_t b) const {
    return uint32_t(std::max(T(a), T(b)));
  }
};

/// redux.sync.op.type d, a, mask;
bool decodeRedux(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  words.take("sync");
  std::string_view op = words.take({"add", "min", "max", "and", "or", "xor"});
  Type type = words.takeType();
  words.done();
  if (type.totalBits() != 32 || type.isFloat()) {
    return false;
  }
  Builder::expectOperands(text, 3, 3);
  bool isSigned = type.isSigned();
  inst.run =
      op == "add"   ? runRedux<Add>
      : op == "and" ? runRedux<And>
      : op == "or"  ? runRedux<Or>
      : op == "xor" ? runRedux<Xor>
      : op == "min"
          ? (isSigned ? runRedux<Min<int32_t>> : runRedux<Min<uint32_t>>)
          : (isSigned ? runRedux<Max<int32_t>> : runRedux<Max<uint32_t>>);
  builder.setOperands(inst, {builder.dst(text.operands[0], 32)},
                      {builder.src(text.operands[1], type),
                       builder.src(text.operands[2], kB32)});
  inst.kind = InstClass::Lanes;
  return true;
}

Step runActiveMask(Warp &w, const Inst &in) {
  forEachLane(w.exec, [&](unsigned l) { w.setLane(in.d[0], l, w.exec); });
  return Step::Next;
}

bool decodeActiveMask(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  words.take("b32");
  words.done();
  Builder::expectOperands(text, 1, 1);
  builder.setOperands(inst, {builder.dst(text.operands[0], 32)}, {});
  inst.run = runActiveMask;
  inst.kind = InstClass::Lanes;
  return true;
}

/// The lowest lane of the mask leads. A GPU promises only that it is the same
/// one for the same mask.
Step runElect(Warp &w, const Inst &in) {
  Mask lanes = checkMask(w, in, in.s[0]) & w.exec;
  unsigned leader = unsigned(std::countr_zero(lanes ? lanes : w.exec));
  forEachLane(w.exec, [&](unsigned l) { w.setLane(in.d[0], l, leader); });
  w.setPredicate(in.d[1], Mask(1) << leader);
  return Step::Next;
}

/// elect.sync d|p, mask;
bool decodeElect(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  words.take("sync");
  words.done();
  Builder::expectOperands(text, 2, 2);
  const Operand &result = text.operands[0];
  if (result.kind != Operand::Kind::Pair) {
    Builder::fail("expects a register and a predicate, d|p");
  }
  builder.setOperands(inst,
                      {builder.dst(result.elements[0], 32),
                       builder.predDst(result.elements[1])},
                      {builder.src(text.operands[1], kB32)});
  inst.run = runElect;
  inst.kind = InstClass::Lanes;
  return true;
}

} // namespace

void ptxsim::addLanes(DecoderTable &table) {
  table["shfl"].push_back(decodeShfl);
  table["vote"].push_back(decodeVote);
  table["match"].push_back(decodeMatch);
  table["redux"].push_back(decodeRedux);
  table["activemask"].push_back(decodeActiveMask);
  table["elect"].push_back(decodeElect);
}
