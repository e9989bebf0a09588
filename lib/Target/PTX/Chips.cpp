//===- Chips.cpp - GPUs that PTX is emitted for ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Target/PTX/Chips.h"

#include "attn/Target/PTX/PTX.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace attn;

// What LLVM takes without a level, except sm_101, which CUDA 13 renamed to
// sm_110. test/Target/PTX/chips.test holds each row against the code generator:
// it would end the process at a level that is too low.
static const PtxChip chips[] = {
    {"sm_80", 80, 0, 70},      {"sm_86", 86, 0, 71},
    {"sm_87", 87, 0, 74},      {"sm_88", 88, 0, 90},
    {"sm_89", 89, 0, 78},      {"sm_90", 90, 0, 78},
    {"sm_90a", 90, 'a', 80},   {"sm_100", 100, 0, 86},
    {"sm_100a", 100, 'a', 86}, {"sm_100f", 100, 'f', 88},
    {"sm_103", 103, 0, 88},    {"sm_103a", 103, 'a', 88},
    {"sm_103f", 103, 'f', 88}, {"sm_110", 110, 0, 90},
    {"sm_110a", 110, 'a', 90}, {"sm_110f", 110, 'f', 90},
    {"sm_120", 120, 0, 87},    {"sm_120a", 120, 'a', 87},
    {"sm_120f", 120, 'f', 88}, {"sm_121", 121, 0, 88},
    {"sm_121a", 121, 'a', 88}, {"sm_121f", 121, 'f', 88},
};

// LLVM takes no notice of a level that it does not know.
static const unsigned levels[] = {70, 71, 72, 73, 74, 75, 76, 77, 78, 80,
                                  81, 82, 83, 84, 85, 86, 87, 88, 90};

ArrayRef<PtxChip> attn::getPtxChips() { return chips; }

const PtxChip *attn::findPtxChip(StringRef name) {
  const PtxChip *chip = llvm::find_if(
      chips, [&](const PtxChip &chip) { return chip.name == name; });
  return chip == std::end(chips) ? nullptr : chip;
}

std::string attn::listPtxChips() {
  return llvm::join(
      llvm::map_range(chips, [](const PtxChip &c) { return c.name; }), ", ");
}

ArrayRef<unsigned> attn::getPtxLevels() { return levels; }

std::string attn::formatPtxLevel(unsigned level) {
  return std::to_string(level / 10) + "." + std::to_string(level % 10);
}

LogicalResult attn::validatePtxOptions(const PtxOptions &options,
                                       std::string &error) {
  const PtxChip *chip = findPtxChip(options.chip);
  if (!chip) {
    error = "expects a chip of " + listPtxChips() + ", but got '" +
            options.chip + "'";
    return failure();
  }
  if (options.level == 0) {
    return success();
  }
  if (!llvm::is_contained(levels, options.level)) {
    error = "expects a PTX level of " +
            llvm::join(llvm::map_range(levels,
                                       [](unsigned level) {
                                         return std::to_string(level);
                                       }),
                       ", ") +
            ", but got " + std::to_string(options.level);
    return failure();
  }
  if (options.level < chip->lowestLevel) {
    error = "expects PTX level " + std::to_string(chip->lowestLevel) +
            " or higher for " + options.chip + ", but got " +
            std::to_string(options.level);
    return failure();
  }
  return success();
}
