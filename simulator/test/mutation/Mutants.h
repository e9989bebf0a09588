//===- Mutants.h - Kernels with one thing wrong -----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Makes every mutant of a kernel's synchronisation: each barrier, fence, wait,
// commit, arrival and announcement of bytes is deleted, moved up and down, and
// has each of its numbers changed by one.
//
// Names count instructions of one name from the start of the kernel, so that
// they outlive a change of registers and lines:
//
//     bar.sync#2 delete
//     bar.sync#2 up            over the instruction before it that matters
//     mbarrier.init.shared.b64#1 count+1
//
// * Moves go over the nearest instruction of the basic block that touches
//   memory or orders others. What lies between commutes, and is taken along
//   where the moved instruction depends on it; there is no mutant where a value
//   forbids the move. A `{ }` without ways in or out is one instruction, and so
//   are a loop that does nothing but wait and a branch over one instruction
//   that matters. They move as one where the instruction in them is the end of
//   a block.
// * A deleted instruction's result is replaced by a fixed one: a wait has
//   succeeded.
// * A number in a register is followed to the `mov` that sets it; a computed
//   one is changed by an instruction in front, a computed parity inverted.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_MUTATION_MUTANTS_H
#define PTXSIM_TEST_MUTATION_MUTANTS_H

#include "ptxsim/Result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ptxsim::mutation {

/// Lines keep their numbers.
struct Mutant {
  struct Edit {
    size_t begin, end; // of the original text
    std::string replacement;
  };

  std::string name;
  uint32_t line = 0; // of the instruction
  std::string instruction;
  /// Do not overlap; in the order of the text.
  std::vector<Edit> edits = {};
  /// It has another number, which may be one that the language does not know:
  /// then it is found when it is refused. All else that cannot run is a mutant
  /// made wrongly.
  bool mayBeRefused = false;

  std::string apply(std::string_view ptx) const;
};

/// In the order of the text. None if there is no such kernel.
std::vector<Mutant> makeMutants(std::string_view ptx, std::string_view kernel);

/// Those that a list describes, one per line:
///
///     swizzle : xor.b32#3 : mov.b32 $0, $1;
///
/// is the mutant "swizzle" that replaces the third `xor.b32`; `$0` is its
/// operand 0, `$1.0` word 0 of its operand 1. Lines that start with `#` and
/// empty ones count for nothing. An error if a line has another form or there
/// is no such instruction.
Result<std::vector<Mutant>> readMutants(std::string_view list,
                                        std::string_view ptx,
                                        std::string_view kernel);

} // namespace ptxsim::mutation

#endif // PTXSIM_TEST_MUTATION_MUTANTS_H
