//===- Options.cpp - What attn-translate is asked for ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Options.h"

#include "attn/Target/PTX/Chips.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/raw_ostream.h"

using namespace attn;

static constexpr const char usage[] =
    R"(usage: attn-translate --emit=ptx|cubin --chip=NAME [options] FILE [-o OUT]
       attn-translate --emit=bundle --target=NAME,.. [options] FILE -o OUT
Makes PTX text, or the code of one chip, from a function with a cascade or from
kernels in the dialects llvm and nvvm (llvm.func with nvvm.kernel); or a bundle of
all functions with cascades for the runtime. FILE of "-" is standard input.
  -o OUT            the file to write (default "-": standard output)
  --emit=ptx        PTX text (default); CUDA is not needed for it
  --emit=cubin      what ptxas makes of it for the chip
  --emit=bundle     one file that attnrt/attnrt.h loads without a compiler
  --entry=NAME      the function, where a file has several; of a bundle: the only
                    one to take (default: all)
  --target=NAME,..  of a bundle: cpu (this machine), x86-64-v2, x86-64-v3,
                    x86-64-v4, and chips as for --chip
  --chip=NAME       the GPU to serve; PTX for sm_80 runs on later ones too, PTX
                    for sm_90a on this one only
  --ptx-level=N     the version of PTX times ten, as 70 (default: the lowest that
                    the chip and the instructions need, for the oldest driver)
  --rows=N          most packed rows of a work item, a multiple of 16
  --tile=N          keys of a tile, a multiple of 16 (both: chosen)
  --warps=N         warps of a kernel (default: chosen)
  --stages=N        tiles that there is room for at the same time (default: chosen)
  --split-loops     tiles before the first mask have a loop of their own
  --cubins          of a bundle: beside the PTX of each chip what ptxas makes of
                    it, which GPUs of just that chip load at once
  --ptxas=PATH      the assembler (default: ptxas on PATH, in CUDA_HOME/bin, in
                    /usr/local/cuda/bin)
  --ptxas-table     print what ptxas says of each kernel to standard error:
                    registers per thread, barriers, bytes of shared memory per
                    CTA, of stack per thread, stored and loaded for spills
  --times=FILE      write where the time went as JSON, in milliseconds
  --repeat=N        make the PTX N times, one after the other, for --times
  --strict          exit with 1 if a kernel spills, or if ptxas says that it
                    serialises products of matrices or drops setmaxnreg
chips and their lowest levels:
)";

void attn::printTranslateHelp(raw_ostream &os) {
  os << usage;
  for (auto [i, chip] : llvm::enumerate(getPtxChips())) {
    os << "  " << chip.name << ' ' << chip.lowestLevel;
    os << (i % 6 == 5 ? "\n" : "");
  }
  os << "\nexit: 0 good, 1 --strict found something, 2 bad input\n";
}

LogicalResult attn::parseTranslateOptions(ArrayRef<char *> words,
                                          TranslateOptions &options,
                                          std::string &error) {
  auto fail = [&](const Twine &message) {
    error = message.str();
    return failure();
  };
  for (size_t i = 0; i < words.size(); ++i) {
    StringRef word = words[i];
    auto [key, value] = word.split('=');
    if (word == "-o") {
      if (++i == words.size()) {
        return fail("expects a file behind -o");
      }
      options.out = words[i];
    } else if (!word.starts_with("-") || word == "-") {
      if (!options.file.empty()) {
        return fail("expects one file, but got '" + word + "' as well");
      }
      options.file = word.str();
    } else if (key == "--emit") {
      auto emit =
          llvm::StringSwitch<std::optional<TranslateOptions::Emit>>(value)
              .Case("ptx", TranslateOptions::Ptx)
              .Case("cubin", TranslateOptions::Cubin)
              .Case("bundle", TranslateOptions::Bundle)
              .Default(std::nullopt);
      if (!emit) {
        return fail("expects --emit of ptx, cubin, bundle, but got '" + value +
                    "'");
      }
      options.emit = *emit;
    } else if (key == "--entry") {
      options.entry = value.str();
    } else if (key == "--chip") {
      options.ptx.chip = value.str();
    } else if (key == "--target") {
      SmallVector<StringRef> names;
      value.split(names, ',');
      for (StringRef name : names) {
        options.targets.push_back(name.str());
      }
    } else if (key == "--ptx-level") {
      if (value.getAsInteger(10, options.ptx.level) || !options.ptx.level) {
        return fail("expects a PTX version times ten, as 70, but got '" +
                    value + "'");
      }
    } else if (int64_t *number = llvm::StringSwitch<int64_t *>(key)
                                     .Case("--rows", &options.tiles.rows)
                                     .Case("--tile", &options.tiles.tile)
                                     .Case("--warps", &options.lowering.warps)
                                     .Case("--stages", &options.lowering.stages)
                                     .Default(nullptr)) {
      if (value.getAsInteger(10, *number)) {
        return fail("expects " + key + " to be a number, but got '" + value +
                    "'");
      }
    } else if (key == "--times") {
      options.times = value.str();
    } else if (key == "--repeat") {
      if (value.getAsInteger(10, options.repeats) || options.repeats < 1) {
        return fail("expects --repeat of at least 1, but got '" + value + "'");
      }
    } else if (key == "--ptxas") {
      options.ptxas = value.str();
    } else if (word == "--split-loops") {
      options.lowering.splitLoops = true;
    } else if (word == "--cubins") {
      options.cubins = true;
    } else if (word == "--ptxas-table") {
      options.printTable = true;
    } else if (word == "--strict") {
      options.strict = true;
    } else if (word == "--help") {
      options.help = true;
      return success();
    } else {
      return fail("unknown option '" + word + "'");
    }
  }
  if (options.file.empty()) {
    return fail("expects a file (see --help)");
  }
  bool isBundle = options.emit == TranslateOptions::Bundle;
  if (options.cubins && !isBundle) {
    return fail("expects --cubins with --emit=bundle only");
  }
  if (isBundle && options.out == "-") {
    return fail("expects -o with the place of the bundle");
  }
  if (isBundle != options.ptx.chip.empty()) {
    return fail(isBundle ? "expects --target for a bundle, but got --chip"
                         : "expects --chip of " + listPtxChips());
  }
  if (isBundle) {
    options.lowering.level = options.ptx.level;
    BundleOptions bundle = options.bundle();
    return validateBundleOptions(bundle, error);
  }
  if (!options.targets.empty()) {
    return fail("expects --target with --emit=bundle only");
  }
  if (failed(validatePtxOptions(options.ptx, error))) {
    return failure();
  }
  options.lowering.chip = options.ptx.chip;
  options.lowering.level = options.ptx.level;
  return success();
}
