//===- PlanKernels.cpp - Compiled kernels called with any plan ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PlanKernels.h"

#include "attn/Compiler/Compiler.h"
#include "attnrt/attnrt.hpp"
#include "attnrt/cpu.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace attn;
using namespace attn::test;

attnrt_tensor attn::test::tensorOf(const void *data,
                                   const std::vector<int64_t> &sizes) {
  attnrt_tensor t{};
  t.data = const_cast<void *>(data);
  t.rank = uint32_t(sizes.size());
  int64_t stride = 1;
  for (size_t i = ATTNRT_MAX_RANK; i-- > 0;) {
    t.shape[i] = i < sizes.size() ? sizes[i] : 1;
    t.stride[i] = i < sizes.size() ? stride : 0;
    stride *= t.shape[i];
  }
  return t;
}

PlanKernels::PlanKernels(const std::string &text, int64_t rows, int64_t tile) {
  DialectRegistry registry;
  registerCompilerDialects(registry);
  context.appendDialectRegistry(registry);
  module = parseSourceString<ModuleOp>(text, &context);
  HostOptions host;
  CompileOptions options;
  options.unit = hostVectorUnit(host);
  // Weights in f32: tests compare plans, to the last digits.
  options.unit.dotsBF16 = options.unit.tilesBF16 = false;
  options.resumes = true;
  options.tile = tile;
  options.rows = rows;
  EXPECT_TRUE(module && succeeded(compileToTile(*module, "attend", options)));
  std::string extentsName, itemName, mergeName;
  int launches = 0;
  for (auto program : module->getOps<tile::ProgramOp>()) {
    extentsName = program.getExtents().str();
    for (Operation &op : program.getBody().front()) {
      if (auto buffer = dyn_cast<tile::BufferOp>(op)) {
        buffers.push_back({buffer.getKind(), buffer.getIndex()});
        if (buffer.getKind() == tile::BufferKind::state) {
          auto type = cast<ShapedType>(buffer.getType());
          auto sizes = type.getShape().drop_front();
          stateSizes.push_back({sizes.begin(), sizes.end()});
        }
      } else if (isa<tile::ExtentOp>(op)) {
        ++numExtents;
      } else if (auto launch = dyn_cast<tile::LaunchOp>(op)) {
        EXPECT_TRUE(launch.getMerge()) << "a stage of points";
        itemName = launch.getKernel().str();
        mergeName = launch.getMerge().value_or("").str();
        shares = launch.getShares();
        entry.ordered = launch.getOrdered();
        entry.resumes = launch.getResumes();
        ++launches;
      }
    }
  }
  EXPECT_EQ(1, launches);
  auto kernel = module->lookupSymbol<tile::KernelOp>(itemName);
  entry.struct_size = sizeof(entry);
  entry.max_packed_rows = int32_t(kernel.getRows());
  entry.kv_tile = int32_t(kernel.getCols());
  entry.states = int32_t(stateSizes.size());
  EXPECT_TRUE(succeeded(compileToVector(*module, options)));
  for (auto f : module->getOps<func::FuncOp>()) {
    if (auto bytes = f->getAttrOfType<IntegerAttr>("tile.scratch_bytes")) {
      scratch = std::max<uint64_t>(scratch, bytes.getInt());
    }
  }
  library = *HostLibrary::create(*module, host);
  extents = reinterpret_cast<void (*)(const attnrt_args *, int64_t *)>(
      library->lookup(extentsName));
  item = reinterpret_cast<attnrt_item_fn>(library->lookup(itemName));
  merge = reinterpret_cast<attnrt_merge_fn>(library->lookup(mergeName));
}

void PlanKernels::run(const attnrt_plan *plan, const KernelArguments &call,
                      std::vector<std::vector<float>> &states) const {
  std::vector<attnrt_tensor> tensors;
  std::vector<uint64_t> cells;
  std::vector<size_t> extentCells;
  for (auto [kind, index] : buffers) {
    switch (kind) {
    case tile::BufferKind::operand:
      tensors.push_back(call.arguments[size_t(index)]);
      break;
    case tile::BufferKind::result:
      tensors.push_back(call.result);
      break;
    case tile::BufferKind::state: {
      std::vector<int64_t> sizes{plan->slots};
      sizes.insert(sizes.end(), stateSizes[size_t(index)].begin(),
                   stateSizes[size_t(index)].end());
      tensors.push_back(tensorOf(states[size_t(index)].data(), sizes));
      break;
    }
    case tile::BufferKind::scalar:
      cells.push_back(0);
      std::memcpy(&cells.back(), call.arguments[size_t(index)].data,
                  sizeof(uint64_t));
      break;
    default:
      extentCells.push_back(cells.size());
      cells.push_back(uint64_t(index));
    }
  }
  attnrt_args args{};
  args.tensors = tensors.data();
  args.scalars = cells.data();
  std::vector<int64_t> values(numExtents);
  extents(&args, values.data());
  for (size_t cell : extentCells) {
    cells[cell] = uint64_t(values[cells[cell]]);
  }
  rt::throwIfFailed(
      attnrt_cpu_run(plan, 0, item, merge, &args, nullptr, scratch));
}
