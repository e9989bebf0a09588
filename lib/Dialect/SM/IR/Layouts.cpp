//===- Layouts.cpp - Layouts of the sm dialect ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Dialect/SM/IR/SM.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace attn;
using namespace attn::sm;

using Found = std::optional<FragmentLayout>;

static std::string describe(ArrayRef<int64_t> shape) {
  std::string text;
  for (int64_t size : shape) {
    text += (text.empty() ? "" : "x") + std::to_string(size);
  }
  return text;
}

/// Without `why` nobody asks for the reason.
static Found fail(std::string *why, const Twine &text) {
  if (why) {
    *why = text.str();
  }
  return std::nullopt;
}

/// Blocks of 16 x 8 elements over warps: what divides each axis.
static Found checkBlock(std::string *why, ArrayRef<int64_t> shape,
                        int64_t rowStep, int64_t columnStep, Found layout) {
  return layout ? layout
                : fail(why,
                       "expects rows that are a multiple of " + Twine(rowStep) +
                           " and columns that are one of " + Twine(columnStep) +
                           ", but got " + describe(shape));
}

/// A layout without an axis does not say how long that axis is: any length
/// that fits gives the same.
static Found getParent(std::string *why, Attribute parent, int64_t axis,
                       int64_t size) {
  return TypeSwitch<Attribute, Found>(parent)
      .Case<AccAttr>([&](AccAttr acc) -> Found {
        int64_t shape[] = {16 * acc.getRowWarps(), 8 * acc.getColumnWarps()};
        shape[1 - axis] = size;
        return getLayout(acc, shape, why);
      })
      .Case<LhsAttr>([&](LhsAttr lhs) -> Found {
        int64_t shape[] = {16 * lhs.getRowWarps(), 16};
        shape[1 - axis] = size;
        return getLayout(lhs, shape, why);
      })
      .Case<RhsAttr>([&](RhsAttr rhs) -> Found {
        int64_t shape[] = {16, 8 * rhs.getColumnWarps()};
        if (rhs.getTransposed()) {
          std::swap(shape[0], shape[1]);
        }
        shape[1 - axis] = size;
        return getLayout(rhs, shape, why);
      })
      .Default([&](Attribute) -> Found {
        return fail(why, "expects a layout of two axes below a slice");
      });
}

static Found getMover(std::string *why, MoverAttr mover,
                      ArrayRef<int64_t> shape) {
  int64_t threads = mover.getThreads(), warps = mover.getWarps();
  int64_t columnWarps = mover.getColumnWarps();
  if (threads <= 0 || threads > FragmentLayout::kLanes ||
      !llvm::isPowerOf2_64(uint64_t(threads)) || warps <= 0) {
    return fail(why, "expects a power of two of threads up to 32 for a row and "
                     "at least one warp, but got " +
                         Twine(threads) + " and " + Twine(warps));
  }
  if (columnWarps <= 0 || warps % columnWarps) {
    return fail(why, "expects a number of warps on a row that divides " +
                         Twine(warps) + ", but got " + Twine(columnWarps));
  }
  int64_t perWarp = FragmentLayout::kLanes / threads;
  int64_t rowWarps = warps / columnWarps, together = perWarp * rowWarps;
  if (shape[0] <= 0 || shape[0] % together) {
    return fail(why, "expects a multiple of " + Twine(together) +
                         " rows, but got " + Twine(shape[0]));
  }
  return FragmentLayout(
      1, {{shape[0] / together, 0, together}},
      {{threads, Digit::kReplicated, 0}, {perWarp, 0, 1}},
      {{rowWarps, 0, perWarp}, {columnWarps, Digit::kReplicated, 0}});
}

static Found getLanes(std::string *why, LanesAttr lanes,
                      ArrayRef<int64_t> shape) {
  constexpr int64_t all = FragmentLayout::kLanes;
  int64_t size = shape[0], inWarp = std::min(size, all);
  if (size <= 0 || lanes.getWarps() <= 0 ||
      !llvm::isPowerOf2_64(uint64_t(inWarp)) || size % inWarp) {
    return fail(why, "expects a power of two of elements up to " + Twine(all) +
                         " or a multiple of it, and at least one warp, but "
                         "got " +
                         Twine(size) + " and " + Twine(lanes.getWarps()));
  }
  return FragmentLayout(1, {{size / inWarp, 0, inWarp}},
                        {{inWarp, 0, 1}, {all / inWarp, Digit::kReplicated, 0}},
                        {{lanes.getWarps(), Digit::kReplicated, 0}});
}

bool sm::isBlockLayout(Attribute encoding) {
  return isa_and_nonnull<AccAttr, LhsAttr, RhsAttr>(encoding);
}

static int64_t getRank(Attribute encoding) {
  return isBlockLayout(encoding) ? 2 : 1;
}

std::optional<FragmentLayout>
sm::getLayout(Attribute encoding, ArrayRef<int64_t> shape, std::string *why) {
  if (int64_t(shape.size()) != getRank(encoding)) {
    return fail(why, "expects " + Twine(getRank(encoding)) +
                         " axes for this layout, but got " +
                         Twine(shape.size()));
  }
  return TypeSwitch<Attribute, Found>(encoding)
      .Case<AccAttr>([&](AccAttr acc) {
        return checkBlock(
            why, shape, 16 * acc.getRowWarps(), 8 * acc.getColumnWarps(),
            FragmentLayout::accumulator(shape[0], shape[1], acc.getRowWarps(),
                                        acc.getColumnWarps()));
      })
      .Case<LhsAttr>([&](LhsAttr lhs) {
        return checkBlock(why, shape, 16 * lhs.getRowWarps(), 16,
                          FragmentLayout::leftOperand(shape[0], shape[1],
                                                      lhs.getRowWarps(),
                                                      lhs.getColumnWarps()));
      })
      .Case<RhsAttr>([&](RhsAttr rhs) {
        bool flip = rhs.getTransposed();
        int64_t steps[] = {16, 8 * rhs.getColumnWarps()};
        Found layout = FragmentLayout::rightOperand(
            shape[flip], shape[!flip], rhs.getRowWarps(), rhs.getColumnWarps());
        return checkBlock(why, shape, steps[flip], steps[!flip],
                          layout && flip ? Found(layout->transpose()) : layout);
      })
      .Case<MoverAttr>(
          [&](MoverAttr mover) { return getMover(why, mover, shape); })
      .Case<LanesAttr>(
          [&](LanesAttr lanes) { return getLanes(why, lanes, shape); })
      .Case<SliceAttr>([&](SliceAttr slice) -> Found {
        Found parent =
            getParent(why, slice.getParent(), slice.getAxis(), shape[0]);
        return parent ? Found(parent->dropAxis(int(slice.getAxis())))
                      : std::nullopt;
      })
      .Case<PartialAttr>([&](PartialAttr partial) -> Found {
        Found parent =
            getParent(why, partial.getParent(), partial.getAxis(), shape[0]);
        return parent ? Found(parent->dropAxis(int(partial.getAxis()),
                                               /*isPartial=*/true))
                      : std::nullopt;
      })
      .Default([&](Attribute) -> Found {
        return fail(why, "expects a layout of this dialect");
      });
}

FragmentLayout sm::getLayout(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return *getLayout(tensor.getEncoding(), tensor.getShape());
}

bool sm::isFragment(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.hasStaticShape() && tensor.getEncoding() &&
         getLayout(tensor.getEncoding(), tensor.getShape());
}

int64_t sm::getNumWarps(Attribute encoding) {
  return TypeSwitch<Attribute, int64_t>(encoding)
      .Case<AccAttr, LhsAttr, RhsAttr>(
          [](auto a) { return a.getRowWarps() * a.getColumnWarps(); })
      .Case<MoverAttr, LanesAttr>([](auto rows) { return rows.getWarps(); })
      .Case<SliceAttr, PartialAttr>(
          [](auto part) { return getNumWarps(part.getParent()); })
      .Default([](Attribute) { return 0; });
}

//===----------------------------------------------------------------------===//
// Verifiers of attributes and types
//===----------------------------------------------------------------------===//

static LogicalResult verifyAxis(function_ref<InFlightDiagnostic()> error,
                                int64_t axis, Attribute parent) {
  if (!isBlockLayout(parent)) {
    return error() << "expects a layout of two axes, but got " << parent;
  }
  if (axis != 0 && axis != 1) {
    return error() << "expects axis 0 or 1, but got " << axis;
  }
  return success();
}

LogicalResult SliceAttr::verify(function_ref<InFlightDiagnostic()> error,
                                int64_t axis, Attribute parent) {
  return verifyAxis(error, axis, parent);
}

LogicalResult PartialAttr::verify(function_ref<InFlightDiagnostic()> error,
                                  Kind, int64_t axis, Attribute parent) {
  return verifyAxis(error, axis, parent);
}
