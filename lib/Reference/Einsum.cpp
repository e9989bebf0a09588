//===- Einsum.cpp - Einsums in the interpreter ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Machine.h"

using namespace attn;
using namespace attn::reference;

LogicalResult Machine::addConditions(EinsumOp op, LoopNest &nest) {
  auto lookUp = [&](Value value, AffineMap map,
                    StringRef name) -> FailureOr<AffineExpr> {
    Tensor *tensor = tensorOf(value);
    if (!tensor) {
      return fail(op, "expects symbols and presence operands that are known");
    }
    return nest.addLookup(*tensor, map.getResults(), name);
  };
  // The union of sets, its symbols replaced by the nest's.
  SmallVector<AffineExpr> symbols;
  for (auto [i, value] : llvm::enumerate(op.getSymbols())) {
    StringRef name = cast<StringAttr>(op.getSymbolNames()[i]).getValue();
    FailureOr<AffineExpr> symbol = lookUp(value, op.getSymbolMap(i), name);
    if (failed(symbol)) {
      return failure();
    }
    symbols.push_back(*symbol);
  }
  Condition sets;
  for (IntegerSet set : op.getWhereSets()) {
    auto &disjunct = sets.anyOf.emplace_back();
    for (unsigned i = 0; i < set.getNumConstraints(); ++i) {
      AffineExpr expr = set.getConstraint(i).replaceDimsAndSymbols({}, symbols);
      disjunct.push_back({expr, set.isEq(i)});
    }
  }
  if (!sets.anyOf.empty()) {
    nest.require(sets);
  }
  // Data terms: a flag is 1; two integers are equal.
  unsigned next = 0;
  for (int32_t arity : op.getPresenceArity()) {
    AffineExpr expr = getAffineConstantExpr(arity == 1 ? -1 : 0, context);
    for (int32_t i = 0; i < arity; ++i, ++next) {
      FailureOr<AffineExpr> datum =
          lookUp(op.getPresence()[next], op.getPresenceMap(next), "data");
      if (failed(datum)) {
        return failure();
      }
      expr = i == 0 ? expr + *datum : expr - *datum;
    }
    Condition term;
    term.anyOf.push_back({Constraint{expr, /*isEquality=*/true}});
    nest.require(term);
  }
  if (Value selection = op.getSelection()) {
    Coords *coords = selections.lookup(selection);
    if (!coords) {
      return fail(op, "expects a selection that is known");
    }
    Chosen chosen{coords, getAffineDimExpr(*op.getSelectedRank(), context), {}};
    llvm::append_range(chosen.at, op.getSelectionMap()->getResults());
    Condition condition;
    condition.chosen = chosen;
    nest.require(condition);
  }
  return success();
}

LogicalResult Machine::buildMap(EinsumOp op, Stage &stage) {
  stage.nest = std::make_unique<LoopNest>(context, ranks, error);
  for (auto [i, value] : llvm::enumerate(op.getInputs())) {
    Tensor *tensor = tensorOf(value);
    if (!tensor) {
      return fail(op, "expects inputs that are known");
    }
    stage.inputs.push_back(
        stage.nest->addOperand(*tensor, op.getInputMap(i).getResults()));
  }
  if (failed(addConditions(op, *stage.nest))) {
    return failure();
  }
  if (op.hasRegion()) {
    stage.program.emplace();
    auto scalar = [&](Value value) { return scalarOf(value); };
    auto tensor = [&](Value value) -> const Tensor * {
      return tensorOf(value);
    };
    std::string message;
    if (failed(stage.program->compile(op.getBody().front(), {scalar, tensor},
                                      message))) {
      return fail(op, message);
    }
  }
  return success();
}

LogicalResult Machine::finishStage(EinsumOp op, Stage &stage,
                                   const llvm::SmallBitVector &iteration,
                                   const llvm::SmallBitVector &reduced,
                                   ArrayRef<int64_t> resultRanks,
                                   Tensor *result) {
  if (!result) {
    FailureOr<Tensor *> created = newComputed(op, resultRanks);
    if (failed(created)) {
      return failure();
    }
    result = *created;
  }
  stage.result = result;
  result->presence = {};
  stage.output = stage.nest->addOperand(*result, dimsOf(resultRanks));
  result->presence = handOn(stage.nest->getPresence(), reduced);
  stage.nest->compile(unbound(iteration));
  return success();
}

FailureOr<Machine::CompiledEinsum *> Machine::compileEinsum(EinsumOp op) {
  std::unique_ptr<CompiledEinsum> &slot = compiled[op];
  if (slot) {
    return slot.get();
  }
  auto einsum = std::make_unique<CompiledEinsum>();
  SmallVector<int64_t> resultRanks;
  for (AffineExpr expr : op.getResultMap().getResults()) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    if (!dim) {
      return fail(op, "expects a rank for each axis of the result");
    }
    resultRanks.push_back(dim.getPosition());
  }
  SmallVector<ReduceAttr> actions = op.getReduceActions();
  llvm::SmallBitVector iteration = op.getIterationRanks();
  unsigned count = std::max<size_t>(actions.size(), 1);
  einsum->stages.resize(count);
  for (unsigned i = 0; i < count; ++i) {
    Stage &stage = einsum->stages[i];
    if (i == 0) {
      if (failed(buildMap(op, stage))) {
        return failure();
      }
    } else {
      Tensor *previous = einsum->stages[i - 1].result;
      stage.nest = std::make_unique<LoopNest>(context, ranks, error);
      stage.inputs.push_back(
          stage.nest->addOperand(*previous, dimsOf(previous->ranks)));
    }
    llvm::SmallBitVector reduced(iteration.size());
    if (!actions.empty()) {
      stage.monoid = actions[i].getMonoid();
      for (int64_t rank : actions[i].getRanks()) {
        reduced.set(rank);
      }
    }
    // All that is left, up to the last action; a bound rank is no axis.
    SmallVector<int64_t> left = resultRanks;
    Tensor *result = tensors.lookup(op.getResult());
    if (i + 1 < count) {
      llvm::SmallBitVector rest = iteration;
      rest.reset(reduced);
      left.clear();
      for (unsigned rank : rest.set_bits()) {
        if (!ranks.bound.test(rank) || sliced.test(rank)) {
          left.push_back(rank);
        }
      }
      result = nullptr;
    }
    if (failed(finishStage(op, stage, iteration, reduced, left, result))) {
      return failure();
    }
    iteration.reset(reduced);
  }
  tensors[op.getResult()] = einsum->stages.back().result;
  slot = std::move(einsum);
  return slot.get();
}

static double unitOf(Monoid monoid, Type type) {
  switch (monoid) {
  case Monoid::add:
    return 0;
  case Monoid::mul:
    return 1;
  case Monoid::max:
  case Monoid::min:
    break;
  }
  double sign = monoid == Monoid::max ? -1 : 1;
  if (!isIntegerLike(type)) {
    return sign * HUGE_VAL;
  }
  unsigned width = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  double largest = std::ldexp(1.0, width - 1);
  return sign < 0 ? -largest : largest - 1;
}

LogicalResult Machine::runStage(EinsumOp op, Stage &stage, bool count) {
  LoopNest &nest = *stage.nest;
  Type type = cast<RankedTensorType>(op.getResult().getType()).getElementType();
  HostArray &array = stage.result->array;
  auto *output = static_cast<double *>(array.data());
  auto *combine = store;
  if (stage.monoid) {
    std::fill_n(output, array.numBytes() / int64_t(sizeof(double)),
                unitOf(*stage.monoid, type));
    constexpr decltype(combine) kCombine[] = {accumulateAdd, accumulateMul,
                                              accumulateMax, accumulateMin};
    combine = kCombine[static_cast<unsigned>(*stage.monoid)];
  }
  int64_t points = 0;
  std::vector<double> buffer(LoopNest::kChunk);
  // The values of up to kChunk points, null on an error.
  auto product = [&](int64_t x, int64_t length) -> const double * {
    const double *values = nullptr;
    for (unsigned input : stage.inputs) {
      const double *factor = nest.load(input, x, length);
      if (!factor) {
        return nullptr;
      }
      if (values) {
        multiply(buffer.data(), values, factor, length);
      }
      values = values ? buffer.data() : factor;
    }
    if (!values) {
      buffer.assign(LoopNest::kChunk, 1.0);
    }
    return values ? values : buffer.data();
  };
  auto evaluate = [&](int64_t x, int64_t length) -> const double * {
    ScalarProgram &program = *stage.program;
    for (auto [i, input] : llvm::enumerate(stage.inputs)) {
      Word *argument = program.argument(i);
      if (program.isIntegerArgument(i)) {
        const int64_t *values = nest.loadInts(input, x, length);
        for (int64_t k = 0; values && k < length; ++k) {
          argument[k].i = values[k];
        }
        if (!values) {
          return nullptr;
        }
        continue;
      }
      const double *values = nest.load(input, x, length);
      if (!values) {
        return nullptr;
      }
      std::memcpy(argument, values, length * sizeof(double));
    }
    if (failed(program.run(nest, x, length, error))) {
      return nullptr;
    }
    const Word *result = program.result();
    for (int64_t k = 0; k < length; ++k) {
      buffer[k] = program.isIntegerResult() ? double(result[k].i) : result[k].f;
    }
    return buffer.data();
  };
  if (stage.program) {
    auto scalar = [&](Value value) { return scalarOf(value); };
    auto tensor = [&](Value) -> const Tensor * { return nullptr; };
    stage.program->refresh({scalar, tensor});
  }
  LogicalResult done = nest.run([&](int64_t begin, int64_t end) {
    int64_t step = nest.getStep(stage.output);
    points += end - begin;
    for (int64_t x = begin; x < end; x += LoopNest::kChunk) {
      int64_t length = std::min(LoopNest::kChunk, end - x);
      const double *values =
          stage.program ? evaluate(x, length) : product(x, length);
      if (!values) {
        return failure();
      }
      FailureOr<int64_t> at = nest.position(stage.output, x, length);
      combine(output + *at + x * step, step, values, length);
    }
    return success();
  });
  if (failed(done)) {
    return fail(op, error);
  }
  if (count && options.stats) {
    options.stats->points[op] += points;
  }
  return success();
}

LogicalResult Machine::runEinsum(EinsumOp op) {
  FailureOr<CompiledEinsum *> einsum = compileEinsum(op);
  if (failed(einsum)) {
    return failure();
  }
  for (auto [i, stage] : llvm::enumerate((*einsum)->stages)) {
    if (!buildOnly && failed(runStage(op, stage, /*count=*/i == 0))) {
      return failure();
    }
  }
  return success();
}
