//===- Special.cpp - Functions of the MUFU pipe -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.3] rcp, sqrt, rsqrt, ex2, lg2, sin, cos and tanh with .approx. The
// hardware's results are off by an error that the manual bounds; these are
// computed in f64 and rounded once, so they keep every bound. Halves use the
// same functions.
//
//===----------------------------------------------------------------------===//
#include "Special.h"
#include "Families.h"
#include "Operands.h"

using namespace ptxsim;

namespace {

struct RcpApprox {
  PTXSIM_INLINE float operator()(float a) const { return 1.0f / a; }
};
struct SqrtApprox {
  PTXSIM_INLINE float operator()(float a) const { return std::sqrt(a); }
};
struct RsqrtApprox {
  PTXSIM_INLINE float operator()(float a) const {
    return float(1.0 / std::sqrt(double(a)));
  }
};
struct Lg2Approx {
  float operator()(float a) const { return float(std::log2(double(a))); }
};
struct SinApprox {
  float operator()(float a) const { return float(std::sin(double(a))); }
};
struct CosApprox {
  float operator()(float a) const { return float(std::cos(double(a))); }
};

/// The f64 forms give the upper word of the result; the lower one is zero.
struct RcpApprox64 {
  double operator()(double a) const { return upperWord(1.0 / a); }
  static double upperWord(double value) {
    uint64_t bits = std::bit_cast<uint64_t>(value) & 0xFFFF'FFFF'0000'0000;
    // Subnormal numbers are flushed.
    bits = bits & 0x7FF0'0000'0000'0000 ? bits : bits & uint64_t(1) << 63;
    return std::bit_cast<double>(bits);
  }
};
struct RsqrtApprox64 {
  double operator()(double a) const {
    return RcpApprox64::upperWord(1.0 / std::sqrt(a));
  }
};
template <class F> struct Flush64 {
  double operator()(double a) const {
    uint64_t bits = std::bit_cast<uint64_t>(a);
    bits = bits & 0x7FF0'0000'0000'0000 ? bits : bits & uint64_t(1) << 63;
    return F()(std::bit_cast<double>(bits));
  }
};

template <class F, bool isFtz> struct OnFloat {
  PTXSIM_INLINE float operator()(float a) const {
    return canonical(isFtz ? flush(F()(flush(a))) : F()(a));
  }
};

} // namespace

void ptxsim::countExp2(Warp &w, const Inst &in) {
  size_t at = size_t(&in - w.program.code.data());
  w.cta.group.counters[at].ex2 += uint64_t(std::popcount(w.exec));
}

template <class F> static Handler floatHandler(bool isFtz) {
  return isFtz ? lanewise<OnFloat<F, true>, float, float>()
               : lanewise<OnFloat<F, false>, float, float>();
}
template <bool isFtz> static Step runExp2(Warp &w, const Inst &in) {
  countExp2(w, in);
  return handler<OnFloat<Exp2Approx, isFtz>, float, float>(w, in);
}
template <bool isFtz>
PTXSIM_WIDE static Step runExp2Wide(Warp &w, const Inst &in) {
  countExp2(w, in);
  return handlerWide<OnFloat<Exp2Approx, isFtz>, float, float>(w, in);
}

static bool decodeSpecial(const Instruction &text, Builder &builder,
                          Inst &inst) {
  Words words(text);
  std::optional<Type> type = words.tryType();
  if (!type || !type->isFloat() || type->packed != 1 || type->bits < 32 ||
      !words.take("approx")) {
    return false;
  }
  bool isFtz = words.take("ftz");
  words.done();
  setPlain(text, builder, inst, *type, {*type});
  inst.kind = InstClass::Special;
  const std::string &op = text.opcode;
  if (type->bits == 64) {
    if (op == "rsqrt") {
      inst.run = isFtz ? lanewise<Flush64<RsqrtApprox64>, double, double>()
                       : lanewise<RsqrtApprox64, double, double>();
    } else if (op == "rcp" && isFtz) {
      inst.run = lanewise<Flush64<RcpApprox64>, double, double>();
    } else {
      failType(text);
    }
    return true;
  }
  if (op == "ex2") {
    if (hasWideLanes()) {
      inst.run = isFtz ? runExp2Wide<true> : runExp2Wide<false>;
    } else {
      inst.run = isFtz ? runExp2<true> : runExp2<false>;
    }
    return true;
  }
  inst.run = op == "rcp"     ? floatHandler<RcpApprox>(isFtz)
             : op == "sqrt"  ? floatHandler<SqrtApprox>(isFtz)
             : op == "rsqrt" ? floatHandler<RsqrtApprox>(isFtz)
             : op == "lg2"   ? floatHandler<Lg2Approx>(isFtz)
             : op == "sin"   ? floatHandler<SinApprox>(isFtz)
             : op == "cos"   ? floatHandler<CosApprox>(isFtz)
                             : floatHandler<TanhApprox>(isFtz);
  return true;
}

void ptxsim::addSpecials(DecoderTable &table) {
  for (const char *opcode :
       {"rcp", "sqrt", "rsqrt", "ex2", "lg2", "sin", "cos", "tanh"}) {
    table[opcode].push_back(decodeSpecial);
  }
}
