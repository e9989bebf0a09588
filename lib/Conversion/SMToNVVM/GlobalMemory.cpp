//===- GlobalMemory.cpp - Loads and stores of fragments -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace attn;
using namespace attn::sm;

/// What one instruction moves at most.
static constexpr int64_t kAccessBytes = 16;

namespace {
/// Neighbouring elements of one row that lie in neighbouring registers.
struct Run {
  int64_t element, column, size;
};

/// How a thread goes through a block whose rows have addresses of their own.
class BlockAccess {
public:
  /// `columns`: how many there are, as the op and as its lowered operands have
  /// it; null: all.
  BlockAccess(ImplicitLocOpBuilder &b, const KernelValues &kernel,
              RankedTensorType block, Type rows, int64_t alignment,
              Value columns, Value lowered)
      : b(b), layout(getLayout(block)), element(block.getElementType()),
        bytes(getMemoryBytes(element)), alignment(alignment) {
    if (APInt known; columns && matchPattern(columns, m_ConstantInt(&known))) {
      numColumns = known.getSExtValue();
    }
    auto map = getLayout(rows).gather(layout, {0});
    assert(map && "expects rows in the slice of their block");
    rowRuns.resize(getLayout(rows).getNumRegisters());
    for (int64_t i = 0, e = layout.getNumRegisters(); i < e; ++i) {
      SmallVector<Run> &runs = rowRuns[(*map)[i]];
      int64_t column = layout.locateRegister(i)[1];
      if (!runs.empty() && continues(runs.back(), i, column)) {
        ++runs.back().size;
      } else {
        runs.push_back({i, column, 1});
      }
    }
    for (SmallVector<Run> &runs : rowRuns) {
      split(runs);
    }
    Value column = kernel.thread.locate(b, layout, 1);
    if (lowered) {
      left = arith::SubIOp::create(b, toI32(b, lowered), column);
      isLimited = !numColumns || *numColumns < layout.getShape()[1];
    }
    Value away = arith::MulIOp::create(b, column, constantI32(b, bytes));
    threadBytes = arith::ExtUIOp::create(b, b.getI64Type(), away);
  }

  const FragmentLayout &getLayoutOfBlock() const { return layout; }
  /// By register of the rows.
  ArrayRef<SmallVector<Run>> getRuns() const { return rowRuns; }

  Value getPointer(Value rowAddress, const Run &run) {
    Value at = arith::AddIOp::create(b, rowAddress, threadBytes);
    Value pointer =
        LLVM::IntToPtrOp::create(b, globalPointer(b.getContext()), at);
    return addBytes(b, pointer, run.column * bytes);
  }
  /// Of what lies in memory.
  Type getType(const Run &run) const {
    Type type = getMemoryType(element);
    return run.size == 1 ? type : VectorType::get({run.size}, type);
  }
  unsigned getAlignment(const Run &run) const { return run.size * bytes; }

  /// Whether the columns of a run are there; null: they are.
  Value isInside(const Run &run) {
    if (!isLimited) {
      return {};
    }
    return arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, left,
                                 constantI32(b, run.column));
  }

private:
  static bool continues(const Run &run, int64_t element, int64_t column) {
    return run.element + run.size == element && run.column + run.size == column;
  }

  /// Into accesses whose size is a power of two, divides every column that a
  /// thread begins at and what rows are aligned to, and lies inside or outside
  /// of the columns that there are.
  void split(SmallVector<Run> &runs) {
    SmallVector<Run> result;
    for (Run run : runs) {
      while (run.size) {
        int64_t size = kAccessBytes / bytes;
        while (size > 1 &&
               (size > run.size || run.column % size ||
                size * bytes > alignment || !isThreadMultiple(size) ||
                (isLimited && (!numColumns || *numColumns % size)))) {
          size /= 2;
        }
        result.push_back({run.element, run.column, size});
        run = {run.element + size, run.column + size, run.size - size};
      }
    }
    runs = std::move(result);
  }

  bool isThreadMultiple(int64_t size) const {
    auto fits = [&](const Digit &digit) {
      return digit.axis != 1 || digit.stride % size == 0;
    };
    return llvm::all_of(layout.getLanes(), fits) &&
           llvm::all_of(layout.getWarps(), fits);
  }

  ImplicitLocOpBuilder &b;
  FragmentLayout layout;
  Type element;
  int64_t bytes, alignment;
  /// If it is known.
  std::optional<int64_t> numColumns;
  /// Whether some threads have columns that are not there.
  bool isLimited = false;
  Value left; // i32: columns from the thread's first on
  SmallVector<SmallVector<Run>> rowRuns;
  Value threadBytes; // i64
};

class StoreRowsLowering : public Lowering<StoreRowsOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(StoreRowsOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    BlockAccess access(b, kernel,
                       cast<RankedTensorType>(op.getValue().getType()),
                       op.getAddresses().getType(), op.getAlignment(),
                       op.getColumns(), adaptor.getColumns());
    SmallVector<Value> elements = unpack(b, adaptor.getValue());
    SmallVector<Value> addresses = unpack(b, adaptor.getAddresses());
    SmallVector<Value> live = unpack(b, adaptor.getLive());
    Value first = kernel.thread.isFirstReplica(b, access.getLayoutOfBlock());
    for (auto [row, runs] : llvm::enumerate(access.getRuns())) {
      Value writes = live[row];
      if (first) {
        writes = arith::AndIOp::create(b, writes, first);
      }
      auto branch = scf::IfOp::create(b, writes, /*withElseRegion=*/false);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      for (const Run &run : runs) {
        ArrayRef<Value> part =
            ArrayRef<Value>(elements).slice(run.element, run.size);
        Value value = toMemory(b, run.size == 1 ? part[0] : pack(b, part));
        OpBuilder::InsertionGuard guard(b);
        if (Value inside = access.isInside(run)) {
          auto choice = scf::IfOp::create(b, inside, /*withElseRegion=*/false);
          b.setInsertionPointToStart(choice.thenBlock());
        }
        LLVM::StoreOp::create(b, value, access.getPointer(addresses[row], run),
                              access.getAlignment(run));
      }
    }
    rewriter.eraseOp(op);
    return success();
  }
};

static Value zeroOf(ImplicitLocOpBuilder &b, Type type) {
  return arith::ConstantOp::create(b, b.getZeroAttr(type));
}

/// What `load` gives, or 0.
static Value loadIf(ImplicitLocOpBuilder &b, Value condition, Type type,
                    function_ref<Value()> load) {
  auto branch = scf::IfOp::create(b, TypeRange(type), condition,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, load());
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, zeroOf(b, type));
  return branch.getResult(0);
}

class LoadRowsLowering : public Lowering<LoadRowsOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(LoadRowsOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    BlockAccess access(b, kernel,
                       cast<RankedTensorType>(op.getResult().getType()),
                       op.getAddresses().getType(), op.getAlignment(),
                       op.getColumns(), adaptor.getColumns());
    SmallVector<Value> addresses = unpack(b, adaptor.getAddresses());
    SmallVector<Value> live = unpack(b, adaptor.getLive());
    SmallVector<Value> elements(access.getLayoutOfBlock().getNumRegisters());
    Type element = getElementTypeOrSelf(op.getResult().getType());
    for (auto [row, runs] : llvm::enumerate(access.getRuns())) {
      SmallVector<Type> types;
      for (const Run &run : runs) {
        types.push_back(access.getType(run));
      }
      auto branch =
          scf::IfOp::create(b, types, live[row], /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(b);
      SmallVector<Value> loads, zeros;
      b.setInsertionPointToStart(branch.thenBlock());
      for (const Run &run : runs) {
        auto load = [&]() -> Value {
          return LLVM::LoadOp::create(b, access.getType(run),
                                      access.getPointer(addresses[row], run),
                                      access.getAlignment(run));
        };
        Value inside = access.isInside(run);
        loads.push_back(inside ? loadIf(b, inside, access.getType(run), load)
                               : load());
      }
      scf::YieldOp::create(b, loads);
      b.setInsertionPointToStart(branch.elseBlock());
      for (Type type : types) {
        zeros.push_back(zeroOf(b, type));
      }
      scf::YieldOp::create(b, zeros);
      b.setInsertionPointAfter(branch);
      for (auto [run, value] : llvm::zip_equal(runs, branch.getResults())) {
        SmallVector<Value> part{value};
        if (run.size > 1) {
          part = unpack(b, value);
        }
        for (Value &each : part) {
          each = fromMemory(b, each, element);
        }
        llvm::copy(part, elements.begin() + run.element);
      }
    }
    rewriter.replaceOp(op, pack(b, elements));
    return success();
  }
};

class LoadLowering : public Lowering<LoadOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(LoadOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Type element =
        cast<RankedTensorType>(op.getResult().getType()).getElementType();
    Type inMemory = getMemoryType(element);
    SmallVector<Value> addresses = unpack(b, adaptor.getAddresses());
    SmallVector<Value> live = unpack(b, adaptor.getLive());
    SmallVector<Value> elements;
    for (auto [address, isLive] : llvm::zip_equal(addresses, live)) {
      Value value = loadIf(b, isLive, inMemory, [&]() -> Value {
        Value pointer =
            LLVM::IntToPtrOp::create(b, globalPointer(b.getContext()), address);
        return LLVM::LoadOp::create(b, inMemory, pointer,
                                    getMemoryBytes(element));
      });
      elements.push_back(fromMemory(b, value, element));
    }
    rewriter.replaceOp(op, pack(b, elements));
    return success();
  }
};

class StoreLowering : public Lowering<StoreOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(StoreOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Value first =
        kernel.thread.isFirstReplica(b, getLayout(op.getValue().getType()));
    SmallVector<Value> values = unpack(b, adaptor.getValue());
    SmallVector<Value> addresses = unpack(b, adaptor.getAddresses());
    SmallVector<Value> live = unpack(b, adaptor.getLive());
    for (auto [value, address, isLive] :
         llvm::zip_equal(values, addresses, live)) {
      Value writes = isLive;
      if (first) {
        writes = arith::AndIOp::create(b, writes, first);
      }
      auto branch = scf::IfOp::create(b, writes, /*withElseRegion=*/false);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      Value pointer =
          LLVM::IntToPtrOp::create(b, globalPointer(b.getContext()), address);
      LLVM::StoreOp::create(b, toMemory(b, value), pointer,
                            getMemoryBytes(value.getType()));
    }
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void sm::populateGlobalMemory(const TypeConverter &converter,
                              KernelState &state, RewritePatternSet &patterns) {
  patterns
      .add<StoreRowsLowering, LoadRowsLowering, LoadLowering, StoreLowering>(
          converter, patterns.getContext(), state);
}
