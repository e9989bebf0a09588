//===- Moves.h - Where an instruction can be moved to -----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_MUTATION_MOVES_H
#define PTXSIM_TEST_MUTATION_MOVES_H

#include "Mutants.h"
#include "Statements.h"

#include <map>
#include <optional>

namespace ptxsim::mutation {

/// Moves over the nearest statement of the basic block that matters; see
/// Mutants.h. The arguments outlive it.
class Moves {
public:
  Moves(std::string_view ptx, const std::vector<Statement> &statements);

  /// None if the block ends before anything that matters, or if a value
  /// forbids it.
  std::optional<std::vector<Mutant::Edit>> make(size_t statement,
                                                bool isUp) const;

private:
  /// Statements that move as one.
  struct Unit {
    size_t first, last;
    Words reads, writes;
  };

  Unit makeUnit(size_t first, size_t last) const;
  /// The next larger unit in which this statement is the only one that matters.
  std::optional<Unit> grow(const Unit &unit, size_t statement) const;
  enum class Outcome { Done, Tied, BlockEnds };
  Outcome moveUnit(const Unit &unit, size_t statement, bool isUp,
                   std::vector<Mutant::Edit> &edits) const;
  /// The unit that ends (or starts) here; none: the block does.
  std::optional<Unit> unitAt(size_t statement, bool isUp) const;
  /// Nothing enters or leaves but at its ends.
  bool isClosed(size_t first, size_t last) const;
  /// Of what matters in there, all is waits for an mbarrier.
  bool onlyWaits(size_t first, size_t last) const;
  size_t countMemory(size_t first, size_t last) const;
  bool matters(const Unit &unit, const Statement &moved) const;
  /// On one line.
  std::string textOf(const Unit &unit) const;

  std::string_view ptx;
  const std::vector<Statement> &statements;
  /// Labels that a branch names, with those branches.
  std::map<std::string, std::vector<size_t>, std::less<>> branches;
  std::map<std::string, size_t, std::less<>> labels;
  /// First and last statement of loops that do nothing but wait, and of
  /// branches over one statement that matters at most.
  std::vector<std::pair<size_t, size_t>> regions;
  /// Operands of wgmma in registers.
  Words productRegisters;
};

} // namespace ptxsim::mutation

#endif // PTXSIM_TEST_MUTATION_MOVES_H
