//===- Records.cpp - Records of the plan, and their loop ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "attn/Dialect/Tile/IR/Tile.h"
#include "attnrt/plan_format.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace attn;
using namespace attn::sm;

#define OFFSET(record, member) int64_t(offsetof(attnrt_##record, member))

/// Record 0 of an array of the plan.
static Value planArray(ImplicitLocOpBuilder &b, Value plan, int64_t array) {
  Value offset =
      loadField(b, plan, array + OFFSET(plan_array, offset), b.getI64Type());
  return addBytes(b, plan, offset);
}

namespace {
/// Reads fields of a record that is an item or a merge.
class Record {
public:
  Record(ImplicitLocOpBuilder &b, const KernelValues &kernel, Value record)
      : b(b), kernel(kernel), record(record) {}

  /// None where the record has no such field.
  Value get(tile::Field field) {
    using tile::Field;
    switch (field) {
    case Field::row_begin:
      return pick(OFFSET(item, row_begin), OFFSET(merge, first), 32);
    case Field::row_count:
      return pick(OFFSET(item, row_count), OFFSET(merge, n), 32);
    case Field::kv_begin:
      return pick(OFFSET(item, kv_begin), kNone, 32);
    case Field::kv_count:
      return pick(OFFSET(item, kv_count), kNone, 32);
    case Field::slot:
      return pick(OFFSET(item, slot), OFFSET(merge, dst), 32);
    case Field::carry:
      return pick(OFFSET(item, carry), kNone, 32);
    case Field::head:
      return pick(OFFSET(item, head), OFFSET(merge, head), 16);
    case Field::sub_begin:
      return pick(OFFSET(item, sub_begin), OFFSET(merge, sub_begin), 16);
    case Field::sub_count:
      return pick(OFFSET(item, sub_count), OFFSET(merge, sub_count), 16);
    case Field::param:
      return kernel.merges ? Value() : segment(OFFSET(segment, param));
    case Field::coord0:
      return kernel.merges ? Value() : segment(OFFSET(segment, coord0));
    case Field::row_first:
      return row(get(Field::row_begin), OFFSET(row, coord));
    case Field::row_last: {
      Value end = arith::AddIOp::create(b, get(Field::row_begin),
                                        get(Field::row_count));
      Value last = arith::SubIOp::create(b, end, constantIndex(b, 1));
      return row(last, OFFSET(row, coord));
    }
    case Field::part_count:
      return pick(kNone, OFFSET(merge, count), 32);
    case Field::sym_first:
      return row(get(Field::row_begin), OFFSET(row, sym));
    case Field::flags:
      return pick(OFFSET(item, flags), kNone, 32);
    }
    llvm_unreachable("a field");
  }

  /// Of the plan.
  Value array(int64_t member) { return planArray(b, kernel.plan, member); }

private:
  static constexpr int64_t kNone = -1;

  Value pick(int64_t item, int64_t merge, unsigned bits) {
    int64_t offset = kernel.merges ? merge : item;
    return offset == kNone ? Value() : loadIndex(b, record, offset, bits);
  }

  Value row(Value index, int64_t offset) {
    Value rows = array(OFFSET(plan, rows));
    return loadIndex(b, recordAt(b, rows, index, sizeof(attnrt_row)), offset,
                     32);
  }

  Value segment(int64_t offset) {
    Value segments = array(OFFSET(plan, segments));
    Value index = pick(OFFSET(item, seg), kNone, 32);
    return loadIndex(b, recordAt(b, segments, index, sizeof(attnrt_segment)),
                     offset, 32);
  }

  ImplicitLocOpBuilder &b;
  const KernelValues &kernel;
  Value record;
};

class FieldLowering : public Lowering<FieldOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(FieldOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    std::optional<tile::Field> field = tile::symbolizeField(op.getName());
    if (!field) {
      return op.emitOpError("expects a field of tile.item, but got '")
             << op.getName() << "'";
    }
    Value value = Record(b, kernel, adaptor.getItem()).get(*field);
    if (!value) {
      return op.emitOpError("expects a field of ")
             << (kernel.merges ? "a merge" : "a work item") << ", but got '"
             << op.getName() << "'";
    }
    rewriter.replaceOp(op, value);
    return success();
  }
};

class ThreadLowering : public Lowering<ThreadOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(ThreadOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Value warp = arith::MulIOp::create(b, kernel.thread.getWarp(),
                                       constantI32(b, FragmentLayout::kLanes));
    Value thread = arith::AddIOp::create(b, warp, kernel.thread.getLane());
    rewriter.replaceOp(
        op, arith::IndexCastUIOp::create(b, b.getIndexType(), thread));
    return success();
  }
};

/// The parts of a merge are named by their first slots.
class PartLowering : public Lowering<PartOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(PartOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    if (!kernel.merges) {
      return op.emitOpError("expects a kernel of merges, but got one of work "
                            "items");
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Value begin = loadIndex(b, adaptor.getItem(), OFFSET(merge, begin), 32);
    Value at = arith::AddIOp::create(b, begin, adaptor.getPart());
    Value slots = planArray(b, kernel.plan, OFFSET(plan, merge_slots));
    rewriter.replaceOp(
        op, loadIndex(b, recordAt(b, slots, at, sizeof(int32_t)), 0, 32));
    return success();
  }
};

/// Worker w has the records work[begin + w] .. work[begin + w + 1).
class ItemsLowering : public Lowering<ItemsOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(ItemsOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Value plan = kernel.plan;
    Value number =
        arith::IndexCastOp::create(b, b.getIndexType(), kernel.stage);
    Value stage = recordAt(b, planArray(b, plan, OFFSET(plan, stages)), number,
                           sizeof(attnrt_stage));
    Value begin = loadIndex(b, stage,
                            kernel.merges ? OFFSET(stage, merge_work_begin)
                                          : OFFSET(stage, work_begin),
                            32);
    Value block = NVVM::BlockIdXOp::create(b, b.getI32Type());
    Value worker = arith::IndexCastOp::create(b, b.getIndexType(), block);
    Value at = arith::AddIOp::create(b, begin, worker);
    Value work = recordAt(b, planArray(b, plan, OFFSET(plan, work)), at,
                          sizeof(int32_t));
    // Counted in 32 bits: the counter and its end stand in registers while an
    // item is worked on.
    Value first = loadField(b, work, 0, b.getI32Type());
    Value end = loadField(b, work, sizeof(int32_t), b.getI32Type());
    Value records = planArray(
        b, plan, kernel.merges ? OFFSET(plan, merges) : OFFSET(plan, items));
    int64_t size = kernel.merges ? sizeof(attnrt_merge) : sizeof(attnrt_item);

    auto loop =
        scf::ForOp::create(b, first, end, constantI32(b, 1), adaptor.getInit());
    FailureOr<Block *> body =
        rewriter.convertRegionTypes(&op.getBody(), *getTypeConverter());
    if (failed(body)) {
      return failure();
    }
    Block *to = loop.getBody();
    if (!to->empty()) {
      rewriter.eraseOp(to->getTerminator());
    }
    b.setInsertionPointToStart(to);
    Value record =
        arith::IndexCastOp::create(b, b.getIndexType(), loop.getInductionVar());
    SmallVector<Value> values{recordAt(b, records, record, size)};
    llvm::append_range(values, loop.getRegionIterArgs());
    rewriter.inlineBlockBefore(*body, to, to->end(), values);
    rewriter.replaceOp(op, loop.getResults());
    return success();
  }
};

/// sm.yield of a loop over records, which is an scf.for by now.
class YieldLowering : public Lowering<YieldOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(YieldOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (!isa<scf::ForOp>(op->getParentOp())) {
      return failure();
    }
    rewriter.replaceOpWithNewOp<scf::YieldOp>(op, adaptor.getValues());
    return success();
  }
};

/// Rows past the live ones repeat the last live row: loads through these
/// coordinates stay inside.
class RowsLowering : public Lowering<RowsOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(RowsOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Record record(b, kernel, adaptor.getItem());
    auto type = cast<RankedTensorType>(op.getCoord().getType());
    FragmentLayout layout = getLayout(type);
    Value group = record.get(tile::Field::sub_count);
    Value total =
        arith::MulIOp::create(b, record.get(tile::Field::row_count), group);
    Value left = arith::SubIOp::create(b, total, adaptor.getFirst());
    Value size = constantIndex(b, type.getDimSize(0));
    Value count = arith::MinSIOp::create(b, left, size);
    count = arith::MaxSIOp::create(b, count, constantIndex(b, 0));

    // Packed rows are few: 32 bits hold their numbers.
    Value group32 = toI32(b, group);
    Value last = arith::SubIOp::create(b, toI32(b, total), constantI32(b, 1));
    Value begin = record.get(tile::Field::row_begin);
    Value sub = toI32(b, record.get(tile::Field::sub_begin));
    Value rows = record.array(OFFSET(plan, rows));
    Value first = arith::AddIOp::create(b, toI32(b, adaptor.getFirst()),
                                        kernel.thread.locate(b, layout, 0));
    // What may be read once is kept; `again` says that it is not worth it.
    auto read = [&](Value at, int64_t offset) {
      Value value = loadField(b, at, offset, b.getI32Type());
      auto load = value.getDefiningOp<LLVM::LoadOp>();
      load.setInvariant(!op.getAgain());
      load.setVolatile_(op.getAgain());
      return value;
    };
    SmallVector<Value> coords, minors, syms;
    for (int64_t i = 0, e = layout.getNumRegisters(); i < e; ++i) {
      Value own = constantI32(b, layout.locateRegister(i)[0]);
      Value packed = arith::AddIOp::create(b, first, own);
      packed = arith::MinSIOp::create(b, packed, last);
      Value row = arith::DivUIOp::create(b, packed, group32);
      Value whole = arith::MulIOp::create(b, row, group32);
      Value head = arith::SubIOp::create(b, packed, whole);
      Value index = arith::IndexCastOp::create(b, b.getIndexType(), row);
      index = arith::AddIOp::create(b, begin, index);
      Value at = recordAt(b, rows, index, sizeof(attnrt_row));
      coords.push_back(read(at, OFFSET(row, coord)));
      minors.push_back(arith::AddIOp::create(b, sub, head));
      // Loads that nobody wants are no code.
      syms.push_back(op.getSym().use_empty() ? minors.back()
                                             : read(at, OFFSET(row, sym)));
    }
    rewriter.replaceOp(
        op, {pack(b, coords), pack(b, minors), count, pack(b, syms)});
    return success();
  }
};
} // namespace

void sm::populateRecords(const TypeConverter &converter, KernelState &state,
                         RewritePatternSet &patterns) {
  patterns.add<FieldLowering, ThreadLowering, PartLowering, ItemsLowering,
               YieldLowering, RowsLowering>(converter, patterns.getContext(),
                                            state);
}
