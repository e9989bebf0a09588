//===- ProgramInfo.cpp - What tile.program says, as plain data ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ProgramInfo.h"

using namespace attn;

FailureOr<ProgramInfo> attn::readProgram(ModuleOp module) {
  auto programs = module.getOps<tile::ProgramOp>();
  if (!llvm::hasSingleElement(programs)) {
    return module.emitError("expects one tile.program, but got ")
           << std::distance(programs.begin(), programs.end());
  }
  tile::ProgramOp program = *programs.begin();
  ProgramInfo info;
  info.name = program.getSymName().str();
  info.extentsKernel = program.getExtents().str();
  for (Operation &op : program.getBody().front()) {
    if (auto extent = dyn_cast<tile::ExtentOp>(op)) {
      info.extents.push_back({extent.getSource().str(), extent.getRank().str(),
                              int64_t(extent.getGroup())});
      continue;
    }
    if (auto buffer = dyn_cast<tile::BufferOp>(op)) {
      BufferInfo b;
      b.kind = buffer.getKind();
      b.index = buffer.getIndex();
      b.zero = buffer.getZero();
      b.shape.assign(buffer.getShape().begin(), buffer.getShape().end());
      Type type = buffer.getType();
      if (auto memory = dyn_cast<MemRefType>(type)) {
        b.memory = true;
        b.sizes.assign(memory.getShape().begin(), memory.getShape().end());
        type = memory.getElementType();
      }
      std::optional<DType> dtype = dtypeOf(type);
      if (!dtype) {
        return buffer.emitOpError(
                   "has an element type that arrays cannot hold: ")
               << type;
      }
      b.dtype = *dtype;
      if (b.kind == tile::BufferKind::operand ||
          b.kind == tile::BufferKind::scalar) {
        info.numArguments = std::max(info.numArguments, b.index + 1);
      }
      if (b.kind == tile::BufferKind::result) {
        info.numResults = std::max(info.numResults, b.index + 1);
      }
      info.buffers.push_back(std::move(b));
      continue;
    }
    auto launch = cast<tile::LaunchOp>(op);
    LaunchInfo l;
    l.kernel = launch.getKernel().str();
    l.merge = launch.getMerge().value_or("").str();
    l.range = launch.getRange().value_or("").str();
    l.classes = launch.getClasses().value_or("").str();
    auto copy = [](ArrayRef<int64_t> from, SmallVector<int64_t> &to) {
      to.assign(from.begin(), from.end());
    };
    copy(launch.getSegments(), l.segments);
    copy(launch.getHeads(), l.heads);
    copy(launch.getSubs(), l.subs);
    copy(launch.getStates(), l.states);
    copy(launch.getSize(), l.size);
    l.row = launch.getRow();
    l.fold = launch.getFold();
    l.ordered = launch.getOrdered();
    l.shares = launch.getShares();
    l.resumes = launch.getResumes();
    for (Attribute view : launch.getKeys()) {
      copy(cast<DenseI64ArrayAttr>(view).asArrayRef(), l.keys.emplace_back());
    }
    auto kernel = module.lookupSymbol<tile::KernelOp>(l.kernel);
    if (!kernel) {
      return launch.emitOpError("names a kernel that is not there: ")
             << l.kernel;
    }
    l.rows = kernel.getRows();
    l.cols = std::max<int64_t>(kernel.getCols(), 1);
    info.launches.push_back(std::move(l));
  }
  return info;
}

attnrt_dtype attn::runtimeType(DType dtype) {
  switch (dtype) {
  case DType::F64:
    return ATTNRT_F64;
  case DType::F32:
    return ATTNRT_F32;
  case DType::F16:
    return ATTNRT_F16;
  case DType::BF16:
    return ATTNRT_BF16;
  case DType::F8E4M3FN:
    return ATTNRT_F8E4M3FN;
  case DType::F8E5M2:
    return ATTNRT_F8E5M2;
  case DType::I64:
    return ATTNRT_I64;
  case DType::I32:
    return ATTNRT_I32;
  case DType::I16:
    return ATTNRT_I16;
  case DType::U16:
    return ATTNRT_U16;
  case DType::I8:
    return ATTNRT_I8;
  case DType::U8:
    return ATTNRT_U8;
  case DType::I4:
    return ATTNRT_U4X2;
  case DType::I1:
    return ATTNRT_BOOL;
  }
  llvm_unreachable("all types are covered");
}
