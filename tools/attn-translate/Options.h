//===- Options.h - What attn-translate is asked for -------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TOOLS_ATTN_TRANSLATE_OPTIONS_H
#define ATTN_TOOLS_ATTN_TRANSLATE_OPTIONS_H

#include "attn/Compiler/CompileToPtx.h"
#include "attn/JIT/Bundle.h"
#include "attn/Target/PTX/PTX.h"
#include "llvm/ADT/ArrayRef.h"
#include <string>

namespace attn {

struct TranslateOptions {
  enum Emit { Ptx, Cubin, Bundle };

  std::string file, out = "-", ptxas, entry, times;
  /// How often it is made; only the times of all but the first differ.
  unsigned repeats = 1;
  PtxOptions ptx;
  /// Of kernels that are made here: rows, tile; warps, stages.
  CompileOptions tiles;
  PtxCompileOptions lowering;
  /// Of a bundle.
  SmallVector<std::string> targets;
  Emit emit = Ptx;
  bool cubins = false; ///< in a bundle
  bool printTable = false, strict = false, help = false;

  BundleOptions bundle() const {
    BundleOptions bundle;
    bundle.targets = targets;
    if (!entry.empty()) {
      bundle.entries.push_back(entry);
    }
    bundle.tiles = tiles;
    bundle.ptx = lowering;
    bundle.cubins = cubins;
    bundle.ptxas = ptxas;
    return bundle;
  }

  /// Whether anything of it needs ptxas.
  bool wantsAssembly() const { return emit == Cubin || printTable || strict; }
};

/// Fails with `error`, one line, for words that do not fit.
LogicalResult parseTranslateOptions(ArrayRef<char *> words,
                                    TranslateOptions &options,
                                    std::string &error);

void printTranslateHelp(raw_ostream &os);

} // namespace attn

#endif // ATTN_TOOLS_ATTN_TRANSLATE_OPTIONS_H
