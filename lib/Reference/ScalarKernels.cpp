//===- ScalarKernels.cpp - Scalar operations on runs of points ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ScalarKernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>

using namespace attn::reference;

//===----------------------------------------------------------------------===//
// Integers of a width
//===----------------------------------------------------------------------===//

static int64_t wrap(uint64_t x, unsigned width) {
  if (width == 1) {
    return x & 1;
  }
  unsigned shift = 64 - width;
  return static_cast<int64_t>(x << shift) >> shift;
}

static uint64_t asUnsigned(int64_t x, unsigned width) {
  return width == 64 ? x : static_cast<uint64_t>(x) & ((1ull << width) - 1);
}

/// i1 is kept as 0 or 1, but as a signed number 1 is -1.
static int64_t asSigned(int64_t x, unsigned width) {
  return width == 1 ? -x : x;
}

static int64_t floorDivide(int64_t a, int64_t b) {
  int64_t q = a / b;
  return q - (a % b != 0 && (a < 0) != (b < 0));
}

/// A quotient that exists: not x / 0, and not the smallest number by -1.
static bool divides(int64_t a, int64_t b, unsigned width) {
  return b != 0 && !(b == -1 && a == wrap(1ull << (width - 1), width));
}

//===----------------------------------------------------------------------===//
// Kernels by shape
//===----------------------------------------------------------------------===//

#define KERNEL_ARGS                                                            \
  Word *dst, [[maybe_unused]] const Word *a, [[maybe_unused]] const Word *b,   \
      [[maybe_unused]] const Word *c, int64_t n,                               \
      [[maybe_unused]] unsigned width, [[maybe_unused]] bool *trap
#define LOOP(field, expression)                                                \
  [](KERNEL_ARGS) {                                                            \
    for (int64_t k = 0; k < n; ++k) {                                          \
      dst[k].field = (expression);                                             \
    }                                                                          \
  }
// Operands of the kernel at point k.
#define FA a[k].f
#define FB b[k].f
#define FC c[k].f
#define IA a[k].i
#define IB b[k].i
#define UA asUnsigned(a[k].i, width)
#define UB asUnsigned(b[k].i, width)
#define SA asSigned(a[k].i, width)
#define SB asSigned(b[k].i, width)
#define CHECKED(condition, expression)                                         \
  ((condition) ? (expression) : (*trap = true, 0))

static double maximum(double x, double y) {
  return std::isnan(x) || std::isnan(y) ? x + y
         : x > y                        ? x
         : x < y                        ? y
         : std::signbit(x)              ? y
                                        : x;
}
static double minimum(double x, double y) { return -maximum(-x, -y); }

/// Nearest integer towards zero; 0 for what no 64-bit integer can hold.
static int64_t toInteger(double x) {
  return x >= -0x1p63 && x < 0x1p63 ? static_cast<int64_t>(x) : 0;
}
static uint64_t toUnsigned(double x) {
  return x > -1 && x < 0x1p64 ? static_cast<uint64_t>(x) : 0;
}

namespace {
struct Entry {
  const char *name;
  Kernel kernel;
};
} // namespace

static const Entry kTable[] = {
    {"arith.addf", LOOP(f, FA + FB)},
    {"arith.subf", LOOP(f, FA - FB)},
    {"arith.mulf", LOOP(f, FA *FB)},
    {"arith.divf", LOOP(f, FA / FB)},
    {"arith.remf", LOOP(f, std::fmod(FA, FB))},
    {"arith.negf", LOOP(f, -FA)},
    {"arith.maximumf", LOOP(f, maximum(FA, FB))},
    {"arith.minimumf", LOOP(f, minimum(FA, FB))},
    {"arith.maxnumf", LOOP(f, std::fmax(FA, FB))},
    {"arith.minnumf", LOOP(f, std::fmin(FA, FB))},
    {"arith.extf", LOOP(f, FA)},
    {"arith.truncf", LOOP(f, FA)},
    {"arith.select", LOOP(i, IA ? IB : c[k].i)},

    {"arith.addi", LOOP(i, wrap(uint64_t(IA) + uint64_t(IB), width))},
    {"arith.subi", LOOP(i, wrap(uint64_t(IA) - uint64_t(IB), width))},
    {"arith.muli", LOOP(i, wrap(uint64_t(IA) * uint64_t(IB), width))},
    {"arith.divsi",
     LOOP(i, CHECKED(divides(SA, SB, width), wrap(SA / SB, width)))},
    {"arith.remsi",
     LOOP(i, CHECKED(divides(SA, SB, width), wrap(SA % SB, width)))},
    {"arith.floordivsi", LOOP(i, CHECKED(divides(SA, SB, width),
                                         wrap(floorDivide(SA, SB), width)))},
    {"arith.ceildivsi",
     LOOP(i, CHECKED(divides(SA, SB, width),
                     wrap(SA / SB + (SA % SB != 0 && (SA < 0) == (SB < 0)),
                          width)))},
    {"arith.divui", LOOP(i, CHECKED(UB != 0, wrap(UA / UB, width)))},
    {"arith.remui", LOOP(i, CHECKED(UB != 0, wrap(UA % UB, width)))},
    {"arith.ceildivui",
     LOOP(i, CHECKED(UB != 0, wrap(UA / UB + (UA % UB != 0), width)))},
    {"arith.maxsi", LOOP(i, SA > SB ? IA : IB)},
    {"arith.minsi", LOOP(i, SA < SB ? IA : IB)},
    {"arith.maxui", LOOP(i, UA > UB ? IA : IB)},
    {"arith.minui", LOOP(i, UA < UB ? IA : IB)},
    {"arith.andi", LOOP(i, IA &IB)},
    {"arith.ori", LOOP(i, IA | IB)},
    {"arith.xori", LOOP(i, IA ^ IB)},
    {"arith.shli", LOOP(i, UB < width ? wrap(UA << UB, width) : 0)},
    {"arith.shrui", LOOP(i, UB < width ? wrap(UA >> UB, width) : 0)},
    {"arith.shrsi",
     LOOP(i, UB < width ? wrap(SA >> UB, width) : wrap(-(SA < 0), width))},

    {"arith.extsi", LOOP(i, SA)},
    {"arith.extui", LOOP(i, int64_t(UA))},
    {"arith.trunci", LOOP(i, wrap(uint64_t(IA), width))},
    {"arith.index_cast", LOOP(i, SA)},
    {"arith.index_castui", LOOP(i, int64_t(UA))},
    {"arith.sitofp", LOOP(f, double(SA))},
    {"arith.uitofp", LOOP(f, double(UA))},
    {"arith.fptosi", LOOP(i, wrap(toInteger(FA), width))},
    {"arith.fptoui", LOOP(i, wrap(toUnsigned(FA), width))},

    {"arith.cmpi eq", LOOP(i, IA == IB)},
    {"arith.cmpi ne", LOOP(i, IA != IB)},
    {"arith.cmpi slt", LOOP(i, SA < SB)},
    {"arith.cmpi sle", LOOP(i, SA <= SB)},
    {"arith.cmpi sgt", LOOP(i, SA > SB)},
    {"arith.cmpi sge", LOOP(i, SA >= SB)},
    {"arith.cmpi ult", LOOP(i, UA < UB)},
    {"arith.cmpi ule", LOOP(i, UA <= UB)},
    {"arith.cmpi ugt", LOOP(i, UA > UB)},
    {"arith.cmpi uge", LOOP(i, UA >= UB)},

    {"arith.cmpf false", LOOP(i, 0)},
    {"arith.cmpf oeq", LOOP(i, FA == FB)},
    {"arith.cmpf ogt", LOOP(i, FA > FB)},
    {"arith.cmpf oge", LOOP(i, FA >= FB)},
    {"arith.cmpf olt", LOOP(i, FA < FB)},
    {"arith.cmpf ole", LOOP(i, FA <= FB)},
    {"arith.cmpf one", LOOP(i, FA<FB || FA> FB)},
    {"arith.cmpf ord", LOOP(i, !std::isunordered(FA, FB))},
    {"arith.cmpf ueq", LOOP(i, !(FA < FB || FA > FB))},
    {"arith.cmpf ugt", LOOP(i, !(FA <= FB))},
    {"arith.cmpf uge", LOOP(i, !(FA < FB))},
    {"arith.cmpf ult", LOOP(i, !(FA >= FB))},
    {"arith.cmpf ule", LOOP(i, !(FA > FB))},
    {"arith.cmpf une", LOOP(i, FA != FB)},
    {"arith.cmpf uno", LOOP(i, std::isunordered(FA, FB))},
    {"arith.cmpf true", LOOP(i, 1)},

    {"math.absf", LOOP(f, std::fabs(FA))},
    {"math.absi", LOOP(i, wrap(IA < 0 ? -uint64_t(IA) : uint64_t(IA), width))},
    {"math.acos", LOOP(f, std::acos(FA))},
    {"math.asin", LOOP(f, std::asin(FA))},
    {"math.atan", LOOP(f, std::atan(FA))},
    {"math.atan2", LOOP(f, std::atan2(FA, FB))},
    {"math.cbrt", LOOP(f, std::cbrt(FA))},
    {"math.ceil", LOOP(f, std::ceil(FA))},
    {"math.copysign", LOOP(f, std::copysign(FA, FB))},
    {"math.cos", LOOP(f, std::cos(FA))},
    {"math.cosh", LOOP(f, std::cosh(FA))},
    {"math.erf", LOOP(f, std::erf(FA))},
    {"math.exp", LOOP(f, std::exp(FA))},
    {"math.exp2", LOOP(f, std::exp2(FA))},
    {"math.expm1", LOOP(f, std::expm1(FA))},
    {"math.floor", LOOP(f, std::floor(FA))},
    {"math.fma", LOOP(f, std::fma(FA, FB, FC))},
    {"math.fpowi", LOOP(f, std::pow(FA, double(IB)))},
    {"math.log", LOOP(f, std::log(FA))},
    {"math.log10", LOOP(f, std::log10(FA))},
    {"math.log1p", LOOP(f, std::log1p(FA))},
    {"math.log2", LOOP(f, std::log2(FA))},
    {"math.powf", LOOP(f, std::pow(FA, FB))},
    {"math.round", LOOP(f, std::round(FA))},
    {"math.roundeven", LOOP(f, std::nearbyint(FA))},
    {"math.rsqrt", LOOP(f, 1.0 / std::sqrt(FA))},
    {"math.sin", LOOP(f, std::sin(FA))},
    {"math.sinh", LOOP(f, std::sinh(FA))},
    {"math.sqrt", LOOP(f, std::sqrt(FA))},
    {"math.tan", LOOP(f, std::tan(FA))},
    {"math.tanh", LOOP(f, std::tanh(FA))},
    {"math.trunc", LOOP(f, std::trunc(FA))},
};

Kernel attn::reference::findKernel(const char *name) {
  const Entry *found =
      std::find_if(std::begin(kTable), std::end(kTable), [&](const Entry &e) {
        return std::strcmp(e.name, name) == 0;
      });
  return found == std::end(kTable) ? nullptr : found->kernel;
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

template <typename Fn>
static void accumulate(double *accumulator, int64_t step, const double *values,
                       int64_t n, Fn combine) {
  if (step == 0) {
    double sum = *accumulator;
    for (int64_t k = 0; k < n; ++k) {
      sum = combine(sum, values[k]);
    }
    *accumulator = sum;
    return;
  }
  if (step == 1) {
    for (int64_t k = 0; k < n; ++k) {
      accumulator[k] = combine(accumulator[k], values[k]);
    }
    return;
  }
  for (int64_t k = 0; k < n; ++k) {
    accumulator[k * step] = combine(accumulator[k * step], values[k]);
  }
}

void attn::reference::accumulateAdd(double *accumulator, int64_t step,
                                    const double *values, int64_t n) {
  if (step == 0) {
    // Four partial sums: one chain of additions would wait for itself.
    double part[4] = {*accumulator, 0, 0, 0};
    int64_t k = 0;
    for (; k + 4 <= n; k += 4) {
      for (int j = 0; j < 4; ++j) {
        part[j] += values[k + j];
      }
    }
    for (; k < n; ++k) {
      part[0] += values[k];
    }
    *accumulator = (part[0] + part[1]) + (part[2] + part[3]);
    return;
  }
  accumulate(accumulator, step, values, n,
             [](double x, double y) { return x + y; });
}

void attn::reference::accumulateMul(double *accumulator, int64_t step,
                                    const double *values, int64_t n) {
  accumulate(accumulator, step, values, n,
             [](double x, double y) { return x * y; });
}

void attn::reference::accumulateMax(double *accumulator, int64_t step,
                                    const double *values, int64_t n) {
  accumulate(accumulator, step, values, n, maximum);
}

void attn::reference::accumulateMin(double *accumulator, int64_t step,
                                    const double *values, int64_t n) {
  accumulate(accumulator, step, values, n, minimum);
}

void attn::reference::store(double *target, int64_t step, const double *values,
                            int64_t n) {
  for (int64_t k = 0; k < n; ++k) {
    target[k * step] = values[k];
  }
}

void attn::reference::multiply(double *out, const double *a, const double *b,
                               int64_t n) {
  for (int64_t k = 0; k < n; ++k) {
    out[k] = a[k] * b[k];
  }
}
