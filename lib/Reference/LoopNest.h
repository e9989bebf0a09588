//===- LoopNest.h - Loops over the points that are present -----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Visits the present points of a rank space and says where each operand's
// element stands. Everything the interpreter does (einsum, select, place,
// writing a result, checking a view) is one nest with another body.
//
// Use: add operands and conditions; `compile` with the ranks to loop over;
// `run`. A condition is evaluated at the loop that fixes the last rank it
// names: there it becomes runs [begin, end) of that rank, so that a constraint
// that fails skips everything inside. The body gets runs of the innermost rank.
// Symbols are looked up when a condition or an address asks for them, and
// addresses are formed only after all conditions hold: entries outside of a
// domain are never looked at.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_REFERENCE_LOOPNEST_H
#define ATTN_LIB_REFERENCE_LOOPNEST_H

#include "Values.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <deque>

namespace attn::reference {

/// Ranks of a cascade or axes of a view: names, extents, and the coordinates
/// of those that are bound from outside (a fold's rank, a slice).
struct Space {
  SmallVector<std::string, 8> names;
  SmallVector<int64_t, 8> extents;
  SmallVector<int64_t, 8> current;
  llvm::SmallBitVector bound;

  void resize(unsigned count) {
    names.resize(count);
    extents.resize(count, 0);
    current.resize(count, 0);
    bound.resize(count);
  }
};

/// A run of present coordinates of the innermost rank.
struct Run {
  int64_t begin, end;
};

class LoopNest {
public:
  /// An extent that stands for "not bounded yet" (see `Extents.cpp`).
  static constexpr int64_t kUnbounded = int64_t(1) << 40;

  LoopNest(MLIRContext *context, const Space &space, std::string &error)
      : context(context), space(space), error(error) {}

  //===--- Building -------------------------------------------------------===//

  /// An element of `tensor` at `at`, expressions over (dims)[lookups of this
  /// nest]; its presence becomes a condition. Returns its number.
  unsigned addOperand(const Tensor &tensor, ArrayRef<AffineExpr> at);
  /// A symbol; the same lookup twice is one.
  AffineExpr addLookup(const Tensor &tensor, ArrayRef<AffineExpr> at,
                       StringRef name);
  /// A condition over (dims)[lookups of this nest]; twice is once.
  void require(Condition condition);
  /// All conditions of `other`, whose dims are replaced by `dims`.
  void require(const Presence &other, ArrayRef<AffineExpr> dims);
  const Presence &getPresence() const { return presence; }
  /// Whether every lookup can be evaluated.
  bool isKnown() const;

  //===--- Running --------------------------------------------------------===//

  /// Fixes the loops: `ranks` in this order if `keepOrder`, else in a good one.
  void compile(ArrayRef<int64_t> ranks, bool keepOrder = false);
  /// Calls `body` for each run of the innermost rank. Failure: `error` is set.
  LogicalResult run(function_ref<LogicalResult(int64_t, int64_t)> body);

  /// Inside of the body, for [begin, begin + count) of the innermost rank with
  /// count <= kChunk: the elements of an operand, checked. Null: `error` is
  /// set. The memory is good until the next load of this operand.
  static constexpr int64_t kChunk = 256;
  const double *load(unsigned operand, int64_t begin, int64_t count);
  /// The same in 64-bit integers.
  const int64_t *loadInts(unsigned operand, int64_t begin, int64_t count);
  /// The positions of these elements in the base array.
  const int64_t *locate(unsigned operand, int64_t begin, int64_t count);
  /// Checks them and gives the position of coordinate 0 of the innermost rank,
  /// if the operand has a constant step along it (`hasStep`).
  FailureOr<int64_t> position(unsigned operand, int64_t begin, int64_t count);
  /// The array behind an operand.
  const Tensor &getBase(unsigned operand) const {
    return *operands[operand].access.base;
  }

  int64_t innermost() const { return order.back(); }
  /// Coordinate of a rank at the current point; for the innermost rank it is
  /// not defined inside of the body.
  int64_t coordinate(int64_t rank) const { return current[rank]; }
  /// Whether the position of `operand` has a constant step along the innermost
  /// rank, and that step.
  bool hasStep(unsigned operand) const { return !operands[operand].scattered; }
  int64_t getStep(unsigned operand) const { return operands[operand].step; }

private:
  /// factor * (a rank, a symbol, or a division or remainder of a form).
  struct Term {
    enum Kind { Rank, Symbol, FloorDiv, CeilDiv, Mod } kind;
    int64_t factor;
    unsigned index; // rank, symbol or form
    int64_t divisor;
  };
  /// constant + sum of terms. `level`: the loop that fixes its value, -1 if
  /// none has to run.
  struct Form {
    int64_t constant = 0;
    SmallVector<Term, 3> terms;
    int level = -1;
  };
  /// A coordinate that must lie in [0, extent).
  struct Check {
    Form form;
    int64_t extent;
    const Tensor *tensor;
    unsigned axis;
    AffineExpr expr;
    /// The extents of the ranks prove it.
    bool proved = false;
  };
  /// An element behind views: its base array and the way there. A bound is an
  /// axis of the tensor or of one behind it, which `expr` must not leave.
  struct Access {
    const Tensor *base = nullptr;
    SmallVector<AffineExpr, 6> coordinates;
    SmallVector<Check, 6> bounds;
  };
  struct Operand {
    Access access;
    Form flat;
    bool scattered = false;
    int64_t step = 0;
    /// By level + 1: what the loop adds to the position, and what it checks.
    SmallVector<Form, 6> stages;
    SmallVector<SmallVector<Check, 1>, 6> checks;
    SmallVector<int64_t, 6> partial;
    /// Checks along the innermost rank; linear ones at the ends of a run only.
    SmallVector<Check, 2> linearChecks, pointChecks;
    /// What the last load gave; kept while it asks for the same elements.
    std::vector<double> values;
    std::vector<int64_t> integers, positions;
    int64_t loadedFrom = 0, loadedCount = -1;
  };
  struct SymbolState {
    Access access;
    Form flat;
    int level = -1;
    int64_t value = 0;
    uint64_t stamp = 0;
  };
  struct CompiledConstraint {
    Form form;
    bool isEquality;
    /// At its own level: linear with this coefficient, or monotone (+1, -1),
    /// or neither (0).
    bool linear = false;
    int64_t coefficient = 0;
    int direction = 0;
  };
  struct CompiledCondition {
    SmallVector<SmallVector<CompiledConstraint, 2>, 1> anyOf;
    const Chosen *chosen = nullptr;
    Form coordinate;
    SmallVector<Form, 4> at;
    int level = -1;
    bool listIsFixed = false;
  };

  Access resolve(const Tensor &tensor, ArrayRef<AffineExpr> at);
  /// Brings expressions of `from` here: dims by `dims`, symbols as lookups.
  class Import;

  Form compileExpr(AffineExpr expr);
  void addTerms(Form &form, AffineExpr expr, int64_t factor);
  int levelOfTerm(const Term &term) const;
  std::pair<int64_t, int64_t> range(const Form &form) const;
  bool isInside(const Form &form, int64_t extent) const;
  CompiledConstraint compileConstraint(const Constraint &constraint);
  void compileConditions();
  void compileOperand(Operand &operand);
  SmallVector<int64_t> chooseOrder(ArrayRef<int64_t> ranks);
  /// Linear coefficient of the rank at `level`; none if it is not linear.
  std::optional<int64_t> linearIn(const Form &form, int level) const;
  int directionIn(const Form &form, int level) const;

  int64_t eval(const Form &form);
  int64_t evalSymbol(unsigned symbol);
  void touch(int level) { versions[level + 1] = ++clock; }
  void fail(const Twine &message);
  void failBounds(const Check &check, int64_t value, StringRef symbol);
  bool passes(const Check &check, StringRef symbol = {});
  std::string point() const;

  bool checkRun(const Operand &operand, int64_t begin, int64_t count);
  void narrow(const CompiledConstraint &constraint, int level,
              SmallVectorImpl<Run> &runs);
  void narrowByPoint(int level, SmallVectorImpl<Run> &runs,
                     function_ref<bool()> holds);
  void narrowToChosen(const CompiledCondition &condition, int level,
                      SmallVectorImpl<Run> &runs);
  const SmallVectorImpl<int64_t> *chosenList(const CompiledCondition &c);
  void findRuns(int level, SmallVectorImpl<Run> &runs);
  bool holdsOutside(const CompiledCondition &condition);
  LogicalResult enter(int level);
  LogicalResult walk(unsigned level,
                     function_ref<LogicalResult(int64_t, int64_t)> body);

  MLIRContext *context;
  const Space &space;
  std::string &error;
  Presence presence;
  SmallVector<SymbolState, 4> symbols;
  SmallVector<Operand, 4> operands;
  std::deque<Form> forms; // inside of divisions; references stay good

  SmallVector<int64_t, 8> order;
  SmallVector<int, 8> levels; // of each rank, -1 if it is bound
  SmallVector<SmallVector<CompiledCondition, 2>, 8> conditions; // level + 1
  int lastCondition = -1;

  SmallVector<int64_t, 8> current;
  SmallVector<uint64_t, 8> versions;
  uint64_t clock = 0;
  bool failed = false;
};

} // namespace attn::reference

#endif // ATTN_LIB_REFERENCE_LOOPNEST_H
