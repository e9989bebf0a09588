//===- SimulatedKernel.cpp - An sm kernel on the simulated device ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SimulatedKernel.h"

#include "attn/Conversion/Passes.h"
#include "attn/Dialect/SM/Transforms/Passes.h"
#include "attn/Target/PTX/PTX.h"
#include "ptxsim/Device.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/APFloat.h"
#include "gtest/gtest.h"
#include <cstring>
#include <functional>

using namespace attn;

//===----------------------------------------------------------------------===//
// From text to PTX
//===----------------------------------------------------------------------===//

/// The recipes of a function, as the host would read them.
static std::vector<TestTensorMap> readMaps(mlir::LLVM::LLVMFuncOp func) {
  std::vector<TestTensorMap> maps;
  auto recipes = func->getAttrOfType<mlir::ArrayAttr>("sm.tensor_maps");
  for (mlir::Attribute each :
       recipes ? recipes.getValue() : llvm::ArrayRef<mlir::Attribute>()) {
    auto recipe = llvm::cast<mlir::DictionaryAttr>(each);
    auto number = [&](llvm::StringRef name) {
      return recipe.getAs<mlir::IntegerAttr>(name).getInt();
    };
    TestTensorMap map = {number("tensor"), {}};
    mlir::Type element = recipe.getAs<mlir::TypeAttr>("element").getValue();
    map.recipe.dtype = element.isF16() ? ATTNRT_F16 : ATTNRT_BF16;
    map.recipe.swizzle = uint32_t(number("swizzle"));
    llvm::copy(recipe.getAs<mlir::DenseI64ArrayAttr>("box").asArrayRef(),
               map.recipe.box);
    maps.push_back(map);
  }
  return maps;
}

CompiledKernel compileKernel(const std::string &text, const std::string &chip) {
  mlir::DialectRegistry registry;
  registry.insert<sm::SMDialect, tile::TileDialect, mlir::arith::ArithDialect,
                  mlir::math::MathDialect, mlir::memref::MemRefDialect,
                  mlir::scf::SCFDialect>();
  registerPtxTranslations(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module) {
    ADD_FAILURE() << "expects a kernel that verifies, but got\n" << text;
    return {};
  }
  mlir::PassManager passes(&context);
  passes.addPass(createSMAllocateSharedPass());
  passes.addPass(createSMPlaceWaitsPass());
  ConvertSMToNVVMPassOptions toNVVM;
  toNVVM.chip = chip;
  passes.addPass(createConvertSMToNVVMPass(toNVVM));
  passes.addPass(mlir::createCSEPass());
  if (failed(passes.run(*module))) {
    ADD_FAILURE() << "expects a kernel that can be lowered, but got\n" << text;
    return {};
  }
  for (mlir::Operation &op : module->getOps()) {
    bool isLLVM =
        !op.walk([](mlir::Operation *in) {
             return llvm::isa<mlir::LLVM::LLVMDialect, mlir::NVVM::NVVMDialect>(
                        in->getDialect())
                        ? mlir::WalkResult::advance()
                        : mlir::WalkResult::interrupt();
           }).wasInterrupted();
    EXPECT_TRUE(isLLVM) << "expects nothing but llvm and nvvm";
  }
  CompiledKernel kernel;
  for (auto func : module->getOps<mlir::LLVM::LLVMFuncOp>()) {
    kernel.sharedBytes =
        func->getAttrOfType<mlir::IntegerAttr>("sm.shared_bytes").getInt();
    kernel.maps = readMaps(func);
  }
  auto ptx = emitPtx(*module, {chip});
  EXPECT_TRUE(succeeded(ptx)) << "expects PTX for " << chip;
  kernel.ptx = succeeded(ptx) ? *ptx : "";
  return kernel;
}

//===----------------------------------------------------------------------===//
// Records on the device
//===----------------------------------------------------------------------===//

TestPlan TestPlan::get(int items, int rows) {
  TestPlan plan;
  attnrt_segment segment = {};
  segment.select = segment.len_ref = segment.head = -1;
  plan.segments.push_back(segment);
  for (int i = 0; i < items; ++i) {
    attnrt_item item = {};
    item.row_begin = i * rows;
    item.row_count = rows;
    item.kv_count = 1;
    item.slot = item.carry = item.mask = -1;
    item.sub_count = 1;
    plan.items.push_back(item);
    for (int r = 0; r < rows; ++r) {
      attnrt_row row = {};
      row.q = row.coord = i * rows + r;
      row.len_ref = -1;
      plan.rows.push_back(row);
    }
  }
  return plan;
}

namespace {
/// The block that a plan is, and where its arrays begin.
class PlanBlock {
public:
  explicit PlanBlock(const TestPlan &plan) : bytes(sizeof(attnrt_plan)) {
    attnrt_plan header = {};
    header.magic = ATTNRT_PLAN_MAGIC;
    header.format = ATTNRT_PLAN_FORMAT;
    bool merges = !plan.merges.empty();
    std::vector<int32_t> work = plan.work;
    if (work.empty()) {
      work = {0, int32_t(merges ? plan.merges.size() : plan.items.size())};
    }
    workers = uint32_t(work.size()) - 1;
    // Stage 1 is what runs; a kernel that reads stage 0 finds no work there.
    attnrt_stage stages[2] = {};
    stages[1].work_begin = merges ? 0 : 3;
    stages[1].merge_work_begin = merges ? 3 : 0;
    stages[1].workers = int32_t(workers);
    work.insert(work.begin(), 3, 0);
    header.segments = add(plan.segments);
    header.rows = add(plan.rows);
    header.items = add(plan.items);
    header.merges = add(plan.merges);
    header.stages = add(std::vector<attnrt_stage>(stages, stages + 2));
    header.work = add(work);
    header.merge_slots = add(plan.mergeSlots);
    header.bytes = bytes.size();
    std::memcpy(bytes.data(), &header, sizeof(header));
  }

  std::vector<uint8_t> bytes;
  uint32_t workers;

private:
  template <class T> attnrt_plan_array add(const std::vector<T> &records) {
    bytes.resize((bytes.size() + 63) / 64 * 64);
    attnrt_plan_array array = {bytes.size(), uint32_t(records.size()),
                               uint32_t(records.size())};
    auto *data = reinterpret_cast<const uint8_t *>(records.data());
    bytes.insert(bytes.end(), data, data + records.size() * sizeof(T));
    return array;
  }
};

/// One device with everything that a launch names.
class Bench {
public:
  explicit Bench(const ptxsim::Options &options)
      : device(ptxsim::Device::create(options)) {}

  ptxsim::DevicePointer put(const void *data, size_t bytes, const char *name) {
    auto pointer = device->allocate(std::max<size_t>(bytes, 16), name);
    if (!pointer || (bytes && !device->copyIn(*pointer, data, bytes))) {
      ADD_FAILURE() << "expects room on the device";
      return 0;
    }
    return *pointer;
  }

  /// The first findings.
  std::vector<std::string> run(const CompiledKernel &compiled,
                               const TestPlan &plan,
                               std::vector<TestTensor> &tensors) {
    std::vector<attnrt_tensor> records;
    std::vector<ptxsim::DevicePointer> data;
    for (TestTensor &tensor : tensors) {
      data.push_back(put(tensor.bytes.data(), tensor.bytes.size(), "tensor"));
      records.push_back(describe(tensor, data.back()));
    }
    PlanBlock block(plan);
    uint64_t planAt = put(block.bytes.data(), block.bytes.size(), "plan");
    std::vector<char> args(records.size() * sizeof(attnrt_tensor) +
                           plan.scalars.size() * 8);
    std::memcpy(args.data(), records.data(),
                records.size() * sizeof(attnrt_tensor));
    std::memcpy(args.data() + records.size() * sizeof(attnrt_tensor),
                plan.scalars.data(), plan.scalars.size() * 8);
    args.resize(std::max<size_t>(args.size(), 8));
    ptxsim::KernelArguments arguments;
    arguments.addBytes(args.data(), args.size(), 8);
    arguments.add(planAt).add(int32_t(1));
    for (const TestTensorMap &map : compiled.maps) {
      auto encoded = encode(map.recipe, records[map.tensor]);
      if (!encoded) {
        return {encoded.message()};
      }
      arguments.add(*encoded);
    }

    auto module = device->loadModule(compiled.ptx);
    if (!module) {
      return {module.message()};
    }
    ptxsim::KernelInfo info = (*module)->kernels()[0];
    auto kernel = (*module)->kernel(info.name);
    if (!kernel) {
      return {kernel.message()};
    }
    ptxsim::LaunchConfig config;
    config.grid = {block.workers, 1, 1};
    config.block = info.requiredThreads;
    config.dynamicSharedBytes = compiled.sharedBytes;
    auto done = device->launch(**kernel, config, arguments);
    std::vector<std::string> found;
    if (!done) {
      found.push_back(done.message());
    }
    for (const ptxsim::Finding &finding : device->findings()) {
      if (!finding.isWarning) {
        found.push_back(finding.message);
      }
    }
    for (auto [tensor, at] : llvm::zip_equal(tensors, data)) {
      if (!device->copyOut(tensor.bytes.data(), at, tensor.bytes.size())) {
        found.push_back("expects to read a tensor");
      }
    }
    return found;
  }

  const ptxsim::LaunchStats &getStats() const { return device->stats(); }

private:
  static attnrt_tensor describe(const TestTensor &tensor, uint64_t at) {
    attnrt_tensor record = {};
    record.data = reinterpret_cast<void *>(at);
    std::vector<int64_t> shape = tensor.axes;
    if (shape.empty()) {
      shape.push_back(tensor.rows);
    }
    shape.push_back(tensor.columns);
    int64_t stride = 1;
    for (size_t axis = shape.size(); axis-- > 0; stride *= shape[axis]) {
      record.shape[axis] = shape[axis];
      record.stride[axis] = stride;
    }
    record.rank = uint32_t(shape.size());
    return record;
  }

  /// As a GPU's driver would get it.
  static ptxsim::Result<ptxsim::TensorMap>
  encode(const attnrt_map_recipe &recipe, const attnrt_tensor &tensor) {
    attnrt_map map;
    if (attnrt_describe_map(&recipe, &tensor, &map) != ATTNRT_OK) {
      return ptxsim::Error{attnrt_last_message()};
    }
    auto description = ptxsim::describeTiled(
        map.type, map.rank, map.base, map.dim, map.stride, map.box, map.step,
        map.interleave, map.swizzle, map.fill);
    return description ? ptxsim::encodeTensorMap(*description)
                       : description.error();
  }

  std::unique_ptr<ptxsim::Device> device;
};
} // namespace

static SharedAccesses getAccesses(const Bench &bench) {
  const ptxsim::Counters &total = bench.getStats().total;
  return {total.sharedWavefronts, total.sharedIdealWavefronts};
}

std::vector<std::string> findDefects(const CompiledKernel &kernel,
                                     const TestPlan &plan,
                                     std::vector<TestTensor> &tensors,
                                     uint64_t seed, SharedAccesses *accesses) {
  ptxsim::Options options;
  options.seed = seed;
  if (seed > 1) {
    options.schedule = ptxsim::Schedule::Adversarial;
    options.completion = ptxsim::Completion::Random;
  }
  Bench bench(options);
  std::vector<std::string> found = bench.run(kernel, plan, tensors);
  if (accesses) {
    *accesses = getAccesses(bench);
  }
  return found;
}

SharedAccesses runKernel(const std::string &text, TestPlan plan,
                         std::vector<TestTensor> &tensors,
                         const std::string &chip) {
  CompiledKernel kernel = compileKernel(text, chip);
  if (kernel.ptx.empty()) {
    return {};
  }
  auto expectClean = [&](const std::vector<std::string> &found) {
    EXPECT_TRUE(found.empty()) << found.front() << "\n" << kernel.ptx;
  };
  ptxsim::Options options;
  std::vector<TestTensor> first = tensors;
  Bench bench(options);
  expectClean(bench.run(kernel, plan, first));
  SharedAccesses accesses = getAccesses(bench);
  for (uint64_t seed : {1, 2, 3}) {
    options.schedule = ptxsim::Schedule::Adversarial;
    options.completion =
        seed == 1 ? ptxsim::Completion::Lazy : ptxsim::Completion::Random;
    options.seed = seed;
    std::vector<TestTensor> again = tensors;
    expectClean(Bench(options).run(kernel, plan, again));
    for (auto [a, b] : llvm::zip_equal(first, again)) {
      EXPECT_EQ(a.bytes, b.bytes) << "expects one result in every order";
    }
  }
  tensors = std::move(first);
  return accesses;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

std::string wrapKernel(const std::string &aliases, const std::string &arguments,
                       int warps, const std::string &body, bool merges) {
  std::string count = std::to_string(warps);
  return aliases + "sm.kernel " + (merges ? "merges " : "") + "@kernel(" +
         arguments + ") warps(" + count + ") {\n  sm.roles [\"all\"] warps [" +
         count +
         "] registers [0] {\n  sm.items {\n  ^bb0(%item: !sm.item):\n"
         "  %zero = arith.constant 0 : index\n" +
         body + "  sm.yield\n  }\n  sm.yield\n  }\n  sm.return\n}\n";
}

std::string rowAddresses(const std::string &name, const std::string &tensor,
                         const std::string &type, int rows, int elementBytes,
                         const std::string &layout) {
  std::string n = "%" + name;
  std::string shape = "tensor<" + std::to_string(rows) + "x";
  std::string i32 = shape + "i32, " + layout + ">";
  std::string i64 = shape + "i64, " + layout + ">";
  return n + "_b = sm.address " + tensor + " : " + type + "\n" + n +
         "_s = sm.stride " + tensor + ", 0 : " + type + "\n" + n +
         "_s1 = arith.index_cast " + n + "_s : index to i64\n" + n +
         "_e = arith.constant " + std::to_string(elementBytes) + " : i64\n" +
         n + "_s2 = arith.muli " + n + "_s1, " + n + "_e : i64\n" + n +
         "_n = sm.coord %zero : " + i32 + "\n" + n + "_n1 = arith.extsi " + n +
         "_n : " + i32 + " to " + i64 + "\n" + n + "_s3 = sm.splat " + n +
         "_s2 : i64 -> " + i64 + "\n" + n + "_a = arith.muli " + n + "_n1, " +
         n + "_s3 : " + i64 + "\n" + n + "_b1 = sm.splat " + n +
         "_b : i64 -> " + i64 + "\n" + n + " = arith.addi " + n + "_b1, " + n +
         "_a : " + i64 + "\n" + n +
         "_live = arith.constant dense<true> : " + shape + "i1, " + layout +
         ">\n";
}

float halfToFloat(uint16_t bits) {
  llvm::APFloat value(llvm::APFloat::IEEEhalf(), llvm::APInt(16, bits));
  bool lost;
  value.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven,
                &lost);
  return value.convertToFloat();
}

uint16_t floatToHalf(float number) {
  llvm::APFloat value(number);
  bool lost;
  value.convert(llvm::APFloat::IEEEhalf(), llvm::APFloat::rmNearestTiesToEven,
                &lost);
  return uint16_t(value.bitcastToAPInt().getZExtValue());
}
