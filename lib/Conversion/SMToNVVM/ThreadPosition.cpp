//===- ThreadPosition.cpp - Which thread this is --------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ThreadPosition.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace attn;
using namespace attn::sm;

static Value constant(ImplicitLocOpBuilder &b, int64_t value) {
  return arith::ConstantIntOp::create(b, value, 32);
}

/// number / place mod size, where number < end.
static Value digitOf(ImplicitLocOpBuilder &b, Value number, int64_t place,
                     int64_t size, int64_t end) {
  if (place > 1) {
    number = arith::DivUIOp::create(b, number, constant(b, place));
  }
  if (place * size < end) {
    number = arith::RemUIOp::create(b, number, constant(b, size));
  }
  return number;
}

static int64_t sizeOf(llvm::ArrayRef<Digit> digits) {
  int64_t size = 1;
  for (const Digit &digit : digits) {
    size *= digit.size;
  }
  return size;
}

/// sum + the digits of `axis` times their strides; none is 0.
static Value addDigits(ImplicitLocOpBuilder &b, Value sum, Value number,
                       llvm::ArrayRef<Digit> digits, int axis) {
  int64_t place = 1, end = sizeOf(digits);
  for (const Digit &digit : digits) {
    if (digit.axis == axis) {
      Value part = digitOf(b, number, place, digit.size, end);
      if (digit.stride != 1) {
        part = arith::MulIOp::create(b, part, constant(b, digit.stride));
      }
      sum = sum ? arith::AddIOp::create(b, sum, part).getResult() : part;
    }
    place *= digit.size;
  }
  return sum;
}

ThreadPosition::ThreadPosition(ImplicitLocOpBuilder &b) {
  Value thread = NVVM::ThreadIdXOp::create(b, b.getI32Type());
  Value lanes = constant(b, FragmentLayout::kLanes);
  lane = arith::RemUIOp::create(b, thread, lanes);
  warp = arith::DivUIOp::create(b, thread, lanes);
}

Value ThreadPosition::locate(ImplicitLocOpBuilder &b,
                             const FragmentLayout &layout, int axis) const {
  Value sum = addDigits(b, Value(), lane, layout.getLanes(), axis);
  sum = addDigits(b, sum, warp, layout.getWarps(), axis);
  return sum ? sum : constant(b, 0);
}

Value ThreadPosition::locateWarp(ImplicitLocOpBuilder &b,
                                 const FragmentLayout &layout, int axis) const {
  Value sum = addDigits(b, Value(), warp, layout.getWarps(), axis);
  return sum ? sum : constant(b, 0);
}

/// Digits with those of a kind that is no axis as an axis that counts them.
static FragmentLayout::Digits countKind(llvm::ArrayRef<Digit> given, int kind) {
  FragmentLayout::Digits digits;
  int64_t stride = 1;
  for (Digit digit : given) {
    if (digit.axis == kind) {
      digit.stride = stride;
      stride *= digit.size;
    }
    digits.push_back(digit);
  }
  return digits;
}

Value ThreadPosition::getReplica(ImplicitLocOpBuilder &b,
                                 const FragmentLayout &layout) const {
  Value sum = addDigits(b, Value(), lane,
                        countKind(layout.getLanes(), Digit::kReplicated),
                        Digit::kReplicated);
  return sum ? sum : constant(b, 0);
}

int64_t ThreadPosition::countReplicas(const FragmentLayout &layout) {
  int64_t count = 1;
  for (const Digit &digit : layout.getLanes()) {
    count *= digit.axis == Digit::kReplicated ? digit.size : 1;
  }
  return count;
}

Value ThreadPosition::getThreadReplica(ImplicitLocOpBuilder &b,
                                       const FragmentLayout &layout) const {
  Value inWarp = getReplica(b, layout);
  Value ofWarp = addDigits(b, Value(), warp,
                           countKind(layout.getWarps(), Digit::kReplicated),
                           Digit::kReplicated);
  if (!ofWarp) {
    return inWarp;
  }
  Value before =
      arith::MulIOp::create(b, ofWarp, constant(b, countReplicas(layout)));
  return arith::AddIOp::create(b, inWarp, before);
}

Value ThreadPosition::getPart(ImplicitLocOpBuilder &b,
                              const FragmentLayout &layout) const {
  Value sum =
      addDigits(b, Value(), warp, countKind(layout.getWarps(), Digit::kPartial),
                Digit::kPartial);
  return sum ? sum : constant(b, 0);
}

Value ThreadPosition::isFirstReplica(ImplicitLocOpBuilder &b,
                                     const FragmentLayout &layout) const {
  Value first;
  auto add = [&](Value number, llvm::ArrayRef<Digit> digits) {
    int64_t place = 1, end = sizeOf(digits);
    for (const Digit &digit : digits) {
      if (digit.axis == Digit::kReplicated) {
        Value value = digitOf(b, number, place, digit.size, end);
        Value zero = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, value,
                                           constant(b, 0));
        first =
            first ? arith::AndIOp::create(b, first, zero).getResult() : zero;
      }
      place *= digit.size;
    }
  };
  add(lane, layout.getLanes());
  add(warp, layout.getWarps());
  return first;
}
