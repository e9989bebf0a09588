//===- Mutator.h - Damages PTX text -----------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_FUZZ_MUTATOR_H
#define PTXSIM_TEST_FUZZ_MUTATOR_H

#include <cstddef>
#include <random>
#include <string>

namespace ptxsim::test {

/// The ways of it, each of them at a place that is drawn.
enum class Damage : uint8_t {
  FlipByte,     // any bits of one byte
  DropToken,    // a word, a number or a mark
  DropLine,     //
  RepeatToken,  //
  RepeatLine,   // to another place
  SwapTokens,   // of two lines: operands, modifiers, marks
  CopyToken,    // over another one
  Truncate,     //
  ChangeNumber, // to a huge, negative or odd one
  Nest,         // opening marks: a few, hundreds, thousands
  LongToken,    // of up to 100000 characters
  OpenEnd,      // a comment or a string that is not closed
  Count
};

/// The text with one damage, at most `most` bytes long. The same state of
/// `random` gives the same text on every machine.
std::string damage(std::string text, Damage kind, std::mt19937 &random,
                   size_t most);

/// With one to four that are drawn.
std::string mutate(std::string text, std::mt19937 &random, size_t most);

} // namespace ptxsim::test

#endif // PTXSIM_TEST_FUZZ_MUTATOR_H
