//===- Statements.h - PTX text cut into statements --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The body of one kernel as statements that know where they stand in the text,
// what they read and what they write. It is made from text alone, with nothing
// of the simulator's parser: mutants are edits of the text that is shipped, and
// a parser that reads an instruction wrongly must not hide its mutants.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_MUTATION_STATEMENTS_H
#define PTXSIM_TEST_MUTATION_STATEMENTS_H

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace ptxsim::mutation {

/// Registers, labels and variables alike.
using Words = std::set<std::string, std::less<>>;

struct Statement {
  enum class Kind : uint8_t { Instruction, Label, Directive, Open, Close };
  Kind kind = Kind::Directive;
  /// Where it stands in the text of the module, its `;` or `:` included.
  size_t begin = 0, end = 0;
  uint32_t line = 0; // from 1
  /// "@%p1", "@!%p1" or empty.
  std::string guard;
  /// "cp.async.wait_group"; of a label its name, of a directive its first word.
  std::string name;
  /// As written, without blanks around them: "%r1", "[%r2+8]", "{a, b}".
  std::vector<std::string> operands;
  /// Open and Close: the statement that belongs to it.
  size_t partner = 0;

  bool isInstruction() const { return kind == Kind::Instruction; }
  /// The name starts with these words: "mbarrier.try_wait" does with
  /// "mbarrier".
  bool is(std::string_view words) const;
  /// One of the words behind a dot is this one.
  bool has(std::string_view word) const;
  /// Without `;` and comments, blanks as single ones.
  std::string text() const;
  /// What it does when it is not guarded.
  std::string withOperands(const std::vector<std::string> &other) const;

  /// The result is read as well where the instruction may leave it alone.
  Words reads() const;
  Words writes() const;
  /// bra and all else that ends a basic block.
  bool isBranch() const;
  /// It touches memory that others see, or orders those who do.
  bool touchesMemory() const;
  /// Barriers, fences, waits, commits, arrivals, announcements of bytes, and
  /// setmaxnreg: what the suite deletes, moves and changes.
  bool isSynchronisation() const;
};

/// The words of an operand: "[%r1+8]" has "%r1".
Words wordsOf(std::string_view operand);

/// The statements between the braces of `.entry kernel`, both braces included.
/// Empty if there is no such kernel, or if the braces do not fit.
std::vector<Statement> findStatements(std::string_view ptx,
                                      std::string_view kernel);

} // namespace ptxsim::mutation

#endif // PTXSIM_TEST_MUTATION_STATEMENTS_H
