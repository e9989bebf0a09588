//===- SharedAddress.cpp - Addresses inside of a block --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SharedAddress.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace attn;
using namespace attn::sm;

/// What the banks bring at once, as the swizzle counts lines.
static constexpr int64_t kLineBytes = 128;

int64_t SharedAddress::getFar(BlockPlace step) const {
  return step.row * layout.getSpan() +
         step.byte / layout.getSpan() * layout.getPanelBytes();
}

bool SharedAddress::isConstantStep(BlockPlace step) const {
  int64_t near = step.byte % layout.getSpan();
  return llvm::all_of(places, [&](BlockPlace place) {
    int64_t at = layout.getOffset(place.row, place.byte);
    return layout.getOffset(place.row + step.row, place.byte + step.byte) ==
           (at ^ near) + getFar(step);
  });
}

/// SharedLayout::getOffset of values that the thread computes.
Value SharedAddress::getOffset(Value row, Value byte) {
  auto constant = [&](int64_t value) { return constantI32(b, value); };
  int64_t span = layout.getSpan(), chunks = span / SharedLayout::kChunkBytes;
  Value panel = arith::DivUIOp::create(b, byte, constant(span));
  Value inPanel = arith::RemUIOp::create(b, byte, constant(span));
  Value begin = arith::MulIOp::create(b, row, constant(span));
  Value line = arith::DivUIOp::create(b, begin, constant(kLineBytes));
  Value swizzle = arith::RemUIOp::create(b, line, constant(chunks));
  swizzle =
      arith::MulIOp::create(b, swizzle, constant(SharedLayout::kChunkBytes));
  Value inLine = arith::XOrIOp::create(b, inPanel, swizzle);
  Value offset =
      arith::MulIOp::create(b, panel, constant(layout.getPanelBytes()));
  offset = arith::AddIOp::create(b, offset, begin);
  return arith::AddIOp::create(b, offset, inLine);
}

Value SharedAddress::get(BlockPlace step) {
  if (!isConstantStep(step)) {
    Value offset =
        getOffset(arith::AddIOp::create(b, row, constantI32(b, step.row)),
                  arith::AddIOp::create(b, byte, constantI32(b, step.byte)));
    return addBytes(b, kernel.shared,
                    arith::AddIOp::create(b, buffer, offset).getResult());
  }
  int64_t near = step.byte % layout.getSpan();
  Value &pointer = pointers[near];
  if (!pointer) {
    if (!own) {
      own = getOffset(row, byte);
    }
    Value offset = own;
    if (near) {
      offset = arith::XOrIOp::create(b, offset, constantI32(b, near));
    }
    pointer = addBytes(b, kernel.shared,
                       arith::AddIOp::create(b, buffer, offset).getResult());
  }
  return addBytes(b, pointer, getFar(step));
}
