//===- Kernel.cpp - A kernel as a function --------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "attn/Dialect/SM/Transforms/SharedPlacement.h"
#include "attnrt/plan_format.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace attn;
using namespace attn::sm;

/// All kernels of a module name the same room: how long it is, the launch says.
static constexpr StringLiteral kSharedName = "sm_shared";
static constexpr int64_t kSharedAlignment = 1024;

/// What PTX has room for as parameters (32764 bytes), less plan, stage and the
/// maps of tensors.
static constexpr int64_t kMostArgsBytes = 28 << 10;

static Value getShared(ImplicitLocOpBuilder &b, KernelOp kernel) {
  auto module = kernel->getParentOfType<ModuleOp>();
  if (!module.lookupSymbol(kSharedName)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    LLVM::GlobalOp::create(b, LLVM::LLVMArrayType::get(b.getI8Type(), 0),
                           /*isConstant=*/false, LLVM::Linkage::External,
                           kSharedName, Attribute(), kSharedAlignment,
                           kSharedSpace);
  }
  auto type = LLVM::LLVMPointerType::get(b.getContext(), kSharedSpace);
  return LLVM::AddressOfOp::create(b, type, kSharedName);
}

/// Tensors and scalars of the program are counted apart.
static int64_t countTensors(KernelOp kernel) {
  return llvm::count_if(kernel.getBody().getArgumentTypes(),
                        [](Type type) { return isa<MemRefType>(type); });
}

static int64_t getArgsBytes(KernelOp kernel) {
  int64_t all = kernel.getBody().getNumArguments(),
          tensors = countTensors(kernel);
  // PTX has no parameter of no bytes.
  return std::max<int64_t>(
      tensors * sizeof(attnrt_tensor) + 8 * (all - tensors), 8);
}

/// They are a parameter by value, records of tensors and then cells: nothing of
/// a launch but the plan lies in the device's memory, so a launch can be
/// captured in a graph, and kernels read them from the bank of constants.
static LogicalResult bindArguments(ImplicitLocOpBuilder &b, KernelOp kernel,
                                   const KernelValues &values) {
  if (getArgsBytes(kernel) > kMostArgsBytes) {
    return kernel.emitOpError("expects arguments of at most ")
           << kMostArgsBytes << " bytes, but got " << getArgsBytes(kernel);
  }
  int64_t tensors = 0, scalars = 0;
  Value cells =
      addBytes(b, values.args, countTensors(kernel) * sizeof(attnrt_tensor));
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    Type type = argument.getType();
    if (isa<MemRefType>(type)) {
      Value record =
          addBytes(b, values.args, tensors++ * sizeof(attnrt_tensor));
      argument.replaceAllUsesWith(
          UnrealizedConversionCastOp::create(b, type, record).getResult(0));
      continue;
    }
    if (!type.isIntOrIndexOrFloat()) {
      return kernel.emitOpError("expects memory and scalars as arguments, but "
                                "got ")
             << type;
    }
    int64_t offset = 8 * scalars++;
    Value value;
    if (type.isIndex()) {
      value = loadIndex(b, cells, offset, 64);
    } else if (type.isInteger(1)) {
      value = fromMemory(b, loadField(b, cells, offset, b.getI8Type()), type);
    } else {
      value = loadField(b, cells, offset, type);
    }
    argument.replaceAllUsesWith(value);
  }
  return success();
}

static LLVM::LLVMFuncOp createEmpty(ImplicitLocOpBuilder &b, KernelOp kernel) {
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(b.getContext()),
      {LLVM::LLVMPointerType::get(b.getContext()),
       globalPointer(b.getContext()), b.getI32Type()});
  auto func = LLVM::LLVMFuncOp::create(b, kernel.getSymName(), type);
  func.setArgAttr(0, LLVM::LLVMDialect::getByValAttrName(),
                  TypeAttr::get(LLVM::LLVMArrayType::get(
                      b.getI8Type(), getArgsBytes(kernel))));
  func.setArgAttr(0, LLVM::LLVMDialect::getAlignAttrName(),
                  b.getI64IntegerAttr(8));
  func.setArgAttr(0, NVVM::NVVMDialect::getGridConstantAttrName(),
                  b.getUnitAttr());
  int64_t threads = FragmentLayout::kLanes * kernel.getWarps();
  func->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
  func->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                b.getDenseI32ArrayAttr({int32_t(threads)}));
  if (std::optional<uint64_t> ctas = kernel.getCtas()) {
    func->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                  b.getI32IntegerAttr(int32_t(*ctas)));
  }
  // Else each exp2 treats values that are too small apart.
  func.setDenormalFpMathF32("preserve-sign,preserve-sign");
  auto bytes = kernel->getAttrOfType<IntegerAttr>(kSharedBytesAttr);
  func->setAttr("sm.shared_bytes", bytes ? bytes : b.getI64IntegerAttr(0));
  return func;
}

/// The ops of the only role take the place of sm.roles.
static void inlineRole(ImplicitLocOpBuilder &b, RolesOp roles) {
  Region &role = roles.getBodies().front();
  if (role.getNumArguments()) {
    b.setInsertionPoint(roles);
    role.getArgument(0).replaceAllUsesWith(constantIndex(b, 0));
  }
  role.front().getTerminator()->erase();
  roles->getBlock()->getOperations().splice(Block::iterator(roles),
                                            role.front().getOperations());
  roles.erase();
}

FailureOr<LLVM::LLVMFuncOp> sm::createFunction(KernelOp kernel,
                                               KernelState &state) {
  // None: of all that it did nothing is left.
  auto all = kernel.getBody().getOps<RolesOp>();
  RolesOp roles = all.empty() ? RolesOp() : *all.begin();
  bool isAlone = roles && roles.getBodies().size() == 1;
  if (isAlone && roles.getNumInstances(0) > 1) {
    return roles.emitOpError("expects one instance of the only role, but got ")
           << roles.getNumInstances(0);
  }
  ImplicitLocOpBuilder b(kernel.getLoc(), kernel);
  LLVM::LLVMFuncOp func = createEmpty(b, kernel);
  Block *entry = func.addEntryBlock(b);
  bindTensorMaps(kernel, func);
  b.setInsertionPointToStart(entry);
  KernelValues values;
  values.merges = kernel.getMerges();
  values.args = entry->getArgument(0);
  values.plan = entry->getArgument(1);
  values.stage = entry->getArgument(2);
  values.shared = getShared(b, kernel);
  values.thread = ThreadPosition(b);
  values.warps = kernel.getWarps();
  kernel.walk([&](GemmAsyncOp) { values.multiplies = true; });
  state.roles.push_back(values);
  if (failed(bindArguments(b, kernel, values)) ||
      (roles && !isAlone && failed(prepareRoles(b, roles, state)))) {
    // Kernel and function refer to each other by now: both go with the module.
    return failure();
  }
  if (roles &&
      llvm::any_of(roles.getRegisters(), [](int64_t n) { return n != 0; })) {
    // Else the assembler does not know how many there are to share.
    func->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                  b.getI32IntegerAttr(1));
  }
  if (isAlone) {
    inlineRole(b, roles);
  }
  Block &body = kernel.getBody().front();
  body.getTerminator()->erase();
  entry->getOperations().splice(entry->end(), body.getOperations());
  b.setInsertionPointToEnd(entry);
  LLVM::ReturnOp::create(b, ValueRange());
  kernel.erase();
  return func;
}
