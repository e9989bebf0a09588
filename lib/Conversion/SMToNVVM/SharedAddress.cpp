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

bool SharedAddress::isConstantStep(BlockPlace from, BlockPlace step) const {
  int64_t near = step.byte % layout.getSpan();
  return step.row >= 0 && step.byte >= 0 &&
         llvm::all_of(places, [&](BlockPlace place) {
           int64_t row = place.row + from.row, byte = place.byte + from.byte;
           return layout.getOffset(row + step.row, byte + step.byte) ==
                  (layout.getOffset(row, byte) ^ near) + getFar(step);
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

SharedAddress::Anchor &SharedAddress::findAnchor(BlockPlace to) {
  if (anchors.empty()) {
    anchors.push_back({{0, 0}, {}, {}});
  }
  for (Anchor &anchor : anchors) {
    BlockPlace step{to.row - anchor.at.row, to.byte - anchor.at.byte};
    if (isConstantStep(anchor.at, step)) {
      return anchor;
    }
  }
  // One that other rows can be reached from, if there is one.
  BlockPlace first{0, to.byte};
  bool isOfAll = isConstantStep(first, {to.row, 0});
  return anchors.emplace_back(Anchor{isOfAll ? first : to, {}, {}});
}

Value SharedAddress::get(BlockPlace to) {
  auto add = [&](Value value, int64_t count) -> Value {
    return arith::AddIOp::create(b, value, constantI32(b, count));
  };
  Anchor &anchor = findAnchor(to);
  BlockPlace step{to.row - anchor.at.row, to.byte - anchor.at.byte};
  int64_t near = step.byte % layout.getSpan();
  Value &pointer = anchor.pointers[near];
  if (!pointer) {
    if (!anchor.offset) {
      anchor.offset =
          getOffset(add(row, anchor.at.row), add(byte, anchor.at.byte));
    }
    Value offset = anchor.offset;
    if (near) {
      offset = arith::XOrIOp::create(b, offset, constantI32(b, near));
    }
    pointer = addBytes(b, kernel.shared,
                       arith::AddIOp::create(b, buffer, offset).getResult());
  }
  return addBytes(b, pointer, getFar(step));
}
