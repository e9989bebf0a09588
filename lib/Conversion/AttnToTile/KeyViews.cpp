//===- KeyViews.cpp - Views that a fold reads along its keys --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KeyViews.h"

#include "attn/Conversion/AttnToTile.h"

using namespace attn;

/// What the expression of an axis makes of it; none: a mixture.
static std::optional<int64_t> roleOf(AffineExpr e, const RankBinding &binding) {
  auto names = [&](ArrayRef<int64_t> ranks) {
    return llvm::any_of(ranks, [&](int64_t r) { return e.isFunctionOfDim(r); });
  };
  auto dim = dyn_cast<AffineDimExpr>(e);
  bool isKey = e.isFunctionOfDim(binding.fold);
  for (auto [i, r] : llvm::enumerate(binding.segments)) {
    if (dim && dim.getPosition() == uint64_t(r)) {
      return int64_t(i);
    }
  }
  if (names(binding.segments)) {
    return std::nullopt;
  }
  if (!isKey) {
    return tile::kOtherAxis;
  }
  // fold * tile + inner: the key itself.
  AffineExpr fold = getAffineDimExpr(binding.fold, e.getContext());
  if (binding.tile == 1) {
    return e == fold ? std::optional(tile::kKeyAxis) : std::nullopt;
  }
  for (int64_t r : binding.group) {
    if (e == fold * binding.tile + getAffineDimExpr(r, e.getContext())) {
      return tile::kKeyAxis;
    }
  }
  return std::nullopt;
}

SmallVector<Attribute> attn::findKeyViews(FoldOp fold,
                                          const RankBinding &binding) {
  SmallVector<Attribute> found;
  fold.getStep().walk([&](EinsumOp e) {
    for (auto [i, input] : llvm::enumerate(e.getInputs())) {
      auto view = input.getDefiningOp<ViewOp>();
      auto number =
          view ? view->getAttrOfType<IntegerAttr>(kViewNumber) : IntegerAttr();
      AffineMap map = e.getInputMap(i);
      if (!number || !map.isFunctionOfDim(binding.fold)) {
        continue;
      }
      SmallVector<int64_t> record{number.getInt()};
      for (AffineExpr axis : map.getResults()) {
        std::optional<int64_t> role = roleOf(axis, binding);
        if (!role) {
          break;
        }
        record.push_back(*role);
      }
      Attribute attr = DenseI64ArrayAttr::get(fold.getContext(), record);
      if (record.size() == map.getNumResults() + 1 &&
          !llvm::is_contained(found, attr)) {
        found.push_back(attr);
      }
    }
  });
  return found;
}
