//===- FloatPairs.cpp - Two f32 in a register of 64 bits ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.3] add, sub, mul and fma of f32x2, which sm_100 and later have: each
// half is what the instruction of f32 gives.
//
//===----------------------------------------------------------------------===//
#include "Families.h"
#include "Formats.h"
#include "Operands.h"

#include <cfenv>
#include <cmath>
#include <functional>

using namespace ptxsim;

namespace {

struct Fma {
  PTXSIM_INLINE float operator()(float a, float b, float c) const {
    return std::fma(a, b, c);
  }
};

/// F of the halves of words.
template <class F, bool isFtz> struct OfPairs {
  PTXSIM_INLINE static float half(uint64_t word, unsigned shift) {
    float value = std::bit_cast<float>(uint32_t(word >> shift));
    return isFtz ? flush(value) : value;
  }
  PTXSIM_INLINE static uint64_t finish(float value) {
    value = canonical(value);
    return std::bit_cast<uint32_t>(isFtz ? flush(value) : value);
  }
  template <class... Words>
  PTXSIM_INLINE uint64_t operator()(Words... words) const {
    return finish(F()(half(words, 32)...)) << 32 |
           finish(F()(half(words, 0)...));
  }
};

/// inst.flags: how to round.
template <class F, class... S> Step runDirected(Warp &w, const Inst &in) {
  std::fesetround(int(in.flags));
  Step step = handler<F, uint64_t, S...>(w, in);
  std::fesetround(FE_TONEAREST);
  return step;
}

template <class F, class... S> Handler handlerOf(int rounding) {
  return rounding == FE_TONEAREST ? lanewise<F, uint64_t, S...>()
                                  : runDirected<F, S...>;
}

} // namespace

template <class F, size_t numSources>
static bool decodePairs(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  Type pair{Type::Kind::Float, 32, 2};
  std::optional<Type> type = words.tryType();
  if (!type || *type != pair) {
    return false;
  }
  std::string_view word = words.take({"rn", "rz", "rm", "rp"});
  int rounding = word == "rz"   ? FE_TOWARDZERO
                 : word == "rm" ? FE_DOWNWARD
                 : word == "rp" ? FE_UPWARD
                                : FE_TONEAREST;
  bool isFtz = words.take("ftz");
  words.done();
  inst.kind = InstClass::Float;
  inst.flags = uint32_t(rounding);
  using Word = uint64_t;
  if constexpr (numSources == 2) {
    setPlain(text, builder, inst, pair, {pair, pair});
    inst.run = isFtz ? handlerOf<OfPairs<F, true>, Word, Word>(rounding)
                     : handlerOf<OfPairs<F, false>, Word, Word>(rounding);
  } else {
    setPlain(text, builder, inst, pair, {pair, pair, pair});
    inst.run = isFtz ? handlerOf<OfPairs<F, true>, Word, Word, Word>(rounding)
                     : handlerOf<OfPairs<F, false>, Word, Word, Word>(rounding);
  }
  return true;
}

void ptxsim::addFloatPairs(DecoderTable &table) {
  table["add"].push_back(decodePairs<std::plus<float>, 2>);
  table["sub"].push_back(decodePairs<std::minus<float>, 2>);
  table["mul"].push_back(decodePairs<std::multiplies<float>, 2>);
  table["fma"].push_back(decodePairs<Fma, 3>);
}
