//===- BundleViews.cpp - The views of a function, for a bundle ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "BundleViews.h"

#include "mlir/IR/IntegerSet.h"

using namespace attn;
namespace fb = flatbuffers;
namespace format = attnrt::bundle;

static std::optional<unsigned> argumentOf(Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument || !isa<func::FuncOp>(argument.getOwner()->getParentOp())) {
    return std::nullopt;
  }
  return argument.getArgNumber();
}

BundleViews attn::findViews(func::FuncOp func) {
  BundleViews views;
  auto add = [&](auto op, bool isWritten) {
    std::optional<unsigned> storage = argumentOf(op.getStorage());
    if (!storage) {
      return;
    }
    if (isWritten && isa<MemRefType>(op.getStorage().getType())) {
      views.written.insert(*storage);
    }
    if (llvm::all_of(op.getSymbols(),
                     [](Value v) { return argumentOf(v).has_value(); })) {
      views.ops.push_back(op);
    }
  };
  func.walk([&](Operation *op) {
    if (auto view = dyn_cast<ViewOp>(op)) {
      add(view, false);
    } else if (auto place = dyn_cast<PlaceOp>(op)) {
      add(place, true);
    }
  });
  return views;
}

/// Appends the steps of an expression in postfix order.
static void addSteps(AffineExpr e, std::vector<format::Step> &steps) {
  auto add = [&](format::StepKind kind, int64_t value = 0) {
    steps.emplace_back(kind, value);
  };
  if (auto constant = dyn_cast<AffineConstantExpr>(e)) {
    return add(format::StepKind::Constant, constant.getValue());
  }
  if (auto dim = dyn_cast<AffineDimExpr>(e)) {
    return add(format::StepKind::Axis, dim.getPosition());
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(e)) {
    return add(format::StepKind::Symbol, symbol.getPosition());
  }
  auto binary = cast<AffineBinaryOpExpr>(e);
  bool isCeil = e.getKind() == AffineExprKind::CeilDiv;
  addSteps(binary.getLHS(), steps);
  auto negate = [&] {
    add(format::StepKind::Constant, -1);
    add(format::StepKind::Mul);
  };
  if (isCeil) { // -floor(-x / d)
    negate();
  }
  addSteps(binary.getRHS(), steps);
  switch (e.getKind()) {
  case AffineExprKind::Add:
    return add(format::StepKind::Add);
  case AffineExprKind::Mul:
    return add(format::StepKind::Mul);
  case AffineExprKind::Mod:
    return add(format::StepKind::Mod);
  default:
    add(format::StepKind::FloorDiv);
  }
  if (isCeil) {
    negate();
  }
}

namespace {
class ViewWriter {
public:
  explicit ViewWriter(fb::FlatBufferBuilder &b) : b(b) {}

  template <class Op>
  fb::Offset<format::View> write(Op op, bool isWritten, Value logical);
  fb::Offset<format::Selection> write(SelectOp op);

private:
  fb::Offset<format::Expression> expression(AffineExpr e) {
    std::vector<format::Step> steps;
    addSteps(e, steps);
    return format::CreateExpression(b, b.CreateVectorOfStructs(steps));
  }
  auto expressions(ArrayRef<AffineExpr> list) {
    std::vector<fb::Offset<format::Expression>> out;
    for (AffineExpr e : list) {
      out.push_back(expression(e));
    }
    return b.CreateVector(out);
  }
  fb::FlatBufferBuilder &b;
};
} // namespace

template <class Op>
fb::Offset<format::View> ViewWriter::write(Op op, bool isWritten,
                                           Value logical) {
  std::vector<fb::Offset<fb::String>> axes;
  for (Attribute name : op.getDims()) {
    axes.push_back(b.CreateString(cast<StringAttr>(name).str()));
  }
  std::vector<fb::Offset<format::Lookup>> symbols;
  for (auto [i, value] : llvm::enumerate(op.getSymbols())) {
    auto at = expressions(op.getSymbolMap(i).getResults());
    auto name = b.CreateString(cast<StringAttr>(op.getSymbolNames()[i]).str());
    symbols.push_back(format::CreateLookup(b, name, *argumentOf(value), at));
  }
  std::vector<fb::Offset<format::Set>> domain;
  for (IntegerSet set : op.getWhereSets()) {
    std::vector<fb::Offset<format::Constraint>> constraints;
    for (unsigned i = 0; i < set.getNumConstraints(); ++i) {
      constraints.push_back(format::CreateConstraint(
          b, expression(set.getConstraint(i)), set.isEq(i)));
    }
    domain.push_back(format::CreateSet(b, b.CreateVector(constraints)));
  }
  auto address = expressions(op.getAddress().getResults());
  auto axisList = b.CreateVector(axes);
  auto symbolList = b.CreateVector(symbols);
  auto domainList = b.CreateVector(domain);
  std::vector<int64_t> sizes;
  for (int64_t size : cast<ShapedType>(logical.getType()).getShape()) {
    sizes.push_back(ShapedType::isDynamic(size) ? -1 : size);
  }
  auto sizeList = b.CreateVector(sizes);
  return format::CreateView(b, *argumentOf(op.getStorage()), axisList,
                            symbolList, domainList, address, isWritten,
                            sizeList);
}

/// A view of the list over the ranks that it or its count has, and the place:
/// where (place < count) of %list[map, place].
fb::Offset<format::Selection> ViewWriter::write(SelectOp op) {
  auto cascade = op->getParentOfType<CascadeOp>();
  MLIRContext *ctx = op.getContext();
  std::vector<fb::Offset<fb::String>> axes;
  SmallVector<AffineExpr> axisOf(cascade.getNumRanks());
  for (int64_t rank = 0; rank < cascade.getNumRanks(); ++rank) {
    if (op.getInputMap(0).isFunctionOfDim(rank) ||
        op.getInputMap(1).isFunctionOfDim(rank)) {
      axisOf[rank] = getAffineDimExpr(axes.size(), ctx);
      axes.push_back(b.CreateString(cascade.getRankName(rank).str()));
    } else {
      axisOf[rank] = getAffineConstantExpr(0, ctx);
    }
  }
  AffineExpr place = getAffineDimExpr(axes.size(), ctx);
  axes.push_back(b.CreateString("place"));
  auto coordinates = [&](unsigned input) {
    SmallVector<AffineExpr> list;
    for (AffineExpr e : op.getInputMap(input).getResults()) {
      list.push_back(e.replaceDims(axisOf));
    }
    return list;
  };
  SmallVector<AffineExpr> address = coordinates(0);
  address.push_back(place);
  auto at = expressions(coordinates(1));
  auto name = b.CreateString("count");
  std::vector<fb::Offset<format::Lookup>> symbols{
      format::CreateLookup(b, name, *argumentOf(op.getInputs()[1]), at)};
  std::vector<fb::Offset<format::Constraint>> constraints{
      format::CreateConstraint(
          b, expression(getAffineSymbolExpr(0, ctx) - place - 1))};
  std::vector<fb::Offset<format::Set>> domain{
      format::CreateSet(b, b.CreateVector(constraints))};
  auto axisList = b.CreateVector(axes);
  auto symbolList = b.CreateVector(symbols);
  auto domainList = b.CreateVector(domain);
  auto addressList = expressions(address);
  auto list = format::CreateView(b, *argumentOf(op.getInputs()[0]), axisList,
                                 symbolList, domainList, addressList);
  return format::CreateSelection(
      b, list, cast<CoordsType>(op.getResult().getType()).getMax());
}

fb::Offset<fb::Vector<fb::Offset<format::View>>>
attn::writeViews(const BundleViews &views, fb::FlatBufferBuilder &b) {
  ViewWriter writer(b);
  std::vector<fb::Offset<format::View>> out;
  for (Operation *op : views.ops) {
    auto view = dyn_cast<ViewOp>(op);
    if (view) {
      out.push_back(writer.write(view, false, view.getResult()));
    } else {
      auto place = cast<PlaceOp>(op);
      out.push_back(writer.write(place, true, place.getSource()));
    }
  }
  return b.CreateVector(out);
}

fb::Offset<fb::Vector<fb::Offset<format::Selection>>>
attn::writeSelections(func::FuncOp func, fb::FlatBufferBuilder &b) {
  ViewWriter writer(b);
  std::vector<fb::Offset<format::Selection>> out;
  func.walk([&](SelectOp op) {
    if (op.getRule() == SelectRule::listed &&
        llvm::all_of(op.getInputs(),
                     [](Value v) { return argumentOf(v).has_value(); })) {
      out.push_back(writer.write(op));
    }
  });
  return b.CreateVector(out);
}
