//===- TileHint.cpp - What tile would fit a GPU ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/TargetModel/TileHint.h"

#include "llvm/ADT/STLExtras.h"
#include <iterator>

using namespace attn;

std::string attn::suggestTile(const GpuTargetModel &model,
                              const TileProblem &problem,
                              const GpuTile &given) {
  struct Number {
    const char *name;
    int64_t GpuTile::*member;
  };
  // From what is changed at the least cost on.
  constexpr Number numbers[] = {{"stages", &GpuTile::stages},
                                {"warps", &GpuTile::warps},
                                {"tile", &GpuTile::cols},
                                {"rows", &GpuTile::rows}};
  constexpr unsigned all = 1u << std::size(numbers);
  for (unsigned changed = 1; changed < all; ++changed) {
    GpuTile tile = given;
    for (auto [i, number] : llvm::enumerate(numbers)) {
      tile.*number.member = changed >> i & 1 ? 0 : given.*number.member;
    }
    std::optional<GpuTile> best = chooseTile(model, problem, tile);
    if (!best) {
      continue;
    }
    std::string text;
    for (const Number &number : llvm::reverse(numbers)) {
      if ((*best).*number.member != given.*number.member) {
        text += (text.empty() ? "'" : " with '") + std::string(number.name) +
                "' of " + std::to_string((*best).*number.member);
      }
    }
    return text;
  }
  return "";
}
