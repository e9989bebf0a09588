//===- Roles.cpp - Several roles of warps in one function -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// While ops are lowered, sm.roles stays around them, so that each op finds the
// thread that its role knows. Afterwards it becomes a branch on the number of
// the warp.
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "attn/Dialect/SM/Transforms/SharedPlacement.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace attn;
using namespace attn::sm;

/// The barriers that the hardware has for a CTA; 0 is the one of all threads.
static constexpr int64_t kHardwareBarriers = 16;
/// Registers are given and taken in steps of so many.
static constexpr int64_t kRegisterStep = 8;

const KernelValues &KernelState::of(Operation *op) const {
  auto in = op->getParentOfType<RolesOp>();
  return roles[in ? in.getRole(op) : 0];
}

void sm::synchronise(ImplicitLocOpBuilder &b, const KernelValues &role) {
  if (role.isAlone) {
    NVVM::BarrierOp::create(b);
    return;
  }
  Value number = constantI32(b, role.barrier);
  if (role.instance) {
    number = arith::AddIOp::create(b, number, role.instance);
  }
  Value threads = constantI32(b, role.warps * FragmentLayout::kLanes);
  NVVM::BarrierOp::create(b, TypeRange(), number, threads, {}, Value());
}

//===----------------------------------------------------------------------===//
// In front of the roles
//===----------------------------------------------------------------------===//

static bool waitsInside(FillOp fill) {
  return !fill.getBody().front().getOps<WaitOp>().empty();
}

/// How many threads arrive in a round.
static int64_t getArrivals(RolesOp roles, RingOp ring, RingBarrier barrier) {
  if (barrier != RingBarrier::Empty) {
    return 1;
  }
  for (Operation *user : ring.getResult().getUsers()) {
    if (isa<TakeOp>(user)) {
      unsigned role = roles.getRole(user);
      return roles.getWarps()[role] * roles.getNumInstances(role);
    }
  }
  llvm_unreachable("a ring that verifies is taken from");
}

static LogicalResult createBarriers(ImplicitLocOpBuilder &b, RolesOp roles,
                                    const KernelValues &kernel) {
  for (auto ring : roles->getBlock()->getOps<RingOp>()) {
    auto offset = ring->getAttrOfType<IntegerAttr>(kBarriersAttr);
    if (!offset) {
      return ring.emitOpError("expects barriers in shared memory, but got "
                              "none: sm-allocate-shared gives them");
    }
    bool lands = llvm::any_of(ring.getResult().getUsers(), [](Operation *user) {
      auto fill = dyn_cast<FillOp>(user);
      return fill && waitsInside(fill);
    });
    if (lands) {
      ring->setAttr(kLandsAttr, b.getUnitAttr());
    }
    int64_t places = cast<RingType>(ring.getResult().getType()).getSlots();
    for (RingBarrier barrier :
         {RingBarrier::Landed, RingBarrier::Full, RingBarrier::Empty}) {
      if (barrier == RingBarrier::Landed && !lands) {
        continue;
      }
      int64_t first = offset.getInt() + getBarrierOffset(places, barrier);
      Value count = constantI32(b, getArrivals(roles, ring, barrier));
      for (int64_t place = 0; place < places; ++place) {
        Value pointer =
            addBytes(b, kernel.shared, first + place * kBarrierBytes);
        NVVM::MBarrierInitOp::create(b, pointer, count, Value());
      }
    }
  }
  NVVM::FenceMbarrierInitOp::create(b);
  return success();
}

/// The hardware's barriers: each instance one, and one for each turn.
static LogicalResult shareBarriers(RolesOp roles, KernelState &state) {
  Builder b(roles.getContext());
  int64_t next = 1;
  for (auto [number, body] : llvm::enumerate(roles.getBodies())) {
    KernelValues &role = state.roles[number];
    role.barrier = next;
    next += role.instances;
    for (auto turns : body.getOps<TurnsOp>()) {
      turns->setAttr(kBarrierAttr, b.getI64IntegerAttr(next));
      next += role.instances;
    }
  }
  if (next > kHardwareBarriers) {
    return roles.emitOpError("expects instances and turns to share ")
           << kHardwareBarriers - 1 << " barriers, but got " << next - 1;
  }
  return success();
}

/// What a thread has when the kernel begins: what its roles use, together.
static int64_t getFirstRegisters(RolesOp roles) {
  int64_t all = 0;
  for (auto [role, count] : llvm::enumerate(roles.getRegisters())) {
    all += count * roles.getWarps()[role] * roles.getNumInstances(role);
  }
  int64_t mean = all / roles.getFirstWarp(roles.getBodies().size());
  return mean / kRegisterStep * kRegisterStep;
}

static void setRegisters(ImplicitLocOpBuilder &b, RolesOp roles,
                         unsigned role) {
  int64_t count = roles.getRegisters()[role];
  int64_t first = getFirstRegisters(roles);
  if (count && count != first) {
    NVVM::SetMaxRegisterOp::create(b, uint32_t(count),
                                   count < first
                                       ? NVVM::SetMaxRegisterAction::decrease
                                       : NVVM::SetMaxRegisterAction::increase);
  }
}

LogicalResult sm::prepareRoles(ImplicitLocOpBuilder &b, RolesOp roles,
                               KernelState &state) {
  KernelValues common = state.roles.front();
  Value lane = common.thread.getLane(), warp = common.thread.getWarp();
  auto isFirst = [&](Value number) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, number,
                                 constantI32(b, 0));
  };
  b.setInsertionPoint(roles);
  // The same in all lanes, and the assembler may know.
  state.warp = NVVM::ShflOp::create(b, b.getI32Type(), constantI32(b, -1), warp,
                                    constantI32(b, 0),
                                    constantI32(b, FragmentLayout::kLanes - 1),
                                    NVVM::ShflKind::idx, UnitAttr());
  Value isOne = arith::AndIOp::create(b, isFirst(lane), isFirst(state.warp));
  auto branch = scf::IfOp::create(b, isOne, /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    if (failed(createBarriers(b, roles, common))) {
      return failure();
    }
  }
  NVVM::BarrierOp::create(b);

  state.roles.clear();
  for (auto [number, body] : llvm::enumerate(roles.getBodies())) {
    KernelValues role = common;
    role.isAlone = false;
    role.warps = roles.getWarps()[number];
    role.instances = roles.getNumInstances(number);
    b.setInsertionPointToStart(&body.front());
    setRegisters(b, roles, number);
    Value own = arith::SubIOp::create(
        b, state.warp, constantI32(b, roles.getFirstWarp(number)));
    if (role.instances > 1) {
      Value warps = constantI32(b, role.warps);
      role.instance = arith::DivUIOp::create(b, own, warps);
      own = arith::RemUIOp::create(b, own, warps);
    }
    role.thread = ThreadPosition(lane, own);
    if (body.getNumArguments()) {
      Value instance = role.instance ? role.instance : constantI32(b, 0);
      body.getArgument(0).replaceAllUsesWith(
          arith::IndexCastOp::create(b, b.getIndexType(), instance));
      body.eraseArgument(0);
    }
    state.roles.push_back(role);
  }
  return shareBarriers(roles, state);
}

//===----------------------------------------------------------------------===//
// Behind the lowering of their ops
//===----------------------------------------------------------------------===//

void sm::branchToRoles(LLVM::LLVMFuncOp func, const KernelState &state) {
  auto found = func.getBody().getOps<RolesOp>();
  if (found.empty()) {
    return;
  }
  RolesOp roles = *found.begin();
  ImplicitLocOpBuilder b(roles.getLoc(), roles);
  unsigned last = roles.getBodies().size() - 1;
  for (auto [number, body] : llvm::enumerate(roles.getBodies())) {
    Block &ops = body.front();
    ops.getTerminator()->erase();
    Block *to = b.getInsertionBlock();
    Block::iterator at = b.getInsertionPoint();
    if (number < last) {
      Value end = constantI32(b, roles.getFirstWarp(number + 1));
      Value isIn =
          arith::CmpIOp::create(b, arith::CmpIPredicate::ult, state.warp, end);
      auto branch = scf::IfOp::create(b, isIn, /*withElseRegion=*/true);
      to = branch.thenBlock();
      at = to->begin();
      b.setInsertionPointToStart(branch.elseBlock());
    }
    to->getOperations().splice(at, ops.getOperations());
  }
  roles.erase();
}
