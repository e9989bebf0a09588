//===- Ptxas.cpp - Runs CUDA's assembler ----------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Target/PTX/Ptxas.h"

#include "attn/Target/PTX/Chips.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>

using namespace attn;

std::string attn::findPtxas() {
  if (llvm::ErrorOr<std::string> found =
          llvm::sys::findProgramByName("ptxas")) {
    return *found;
  }
  SmallVector<std::string> folders;
  if (const char *home = std::getenv("CUDA_HOME")) {
    folders.push_back(std::string(home) + "/bin");
  }
  folders.push_back("/usr/local/cuda/bin");
  for (const std::string &folder : folders) {
    if (llvm::ErrorOr<std::string> found =
            llvm::sys::findProgramByName("ptxas", {folder})) {
      return *found;
    }
  }
  return "";
}

namespace {
/// A file for one run, removed behind it.
class TemporaryFile {
public:
  explicit TemporaryFile(StringRef suffix)
      : code(llvm::sys::fs::createTemporaryFile("attn", suffix, path)) {}
  ~TemporaryFile() {
    if (!code) {
      llvm::sys::fs::remove(path);
    }
  }
  TemporaryFile(const TemporaryFile &) = delete;
  TemporaryFile &operator=(const TemporaryFile &) = delete;

  SmallString<128> path;
  std::error_code code;

  FailureOr<std::unique_ptr<llvm::MemoryBuffer>> read() const {
    auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                              /*RequiresNullTerminator=*/false,
                                              /*IsVolatile=*/true);
    if (!buffer) {
      return failure();
    }
    return std::move(*buffer);
  }
};
} // namespace

static std::error_code write(const TemporaryFile &file, StringRef text) {
  std::error_code code;
  llvm::raw_fd_ostream os(file.path, code);
  if (!code) {
    os << text;
    os.close();
    code = os.error();
    os.clear_error();
  }
  return code;
}

FailureOr<Assembly> attn::assemblePtx(StringRef ptx, StringRef chip,
                                      Location loc, StringRef program) {
  auto fail = [&](const Twine &message) -> FailureOr<Assembly> {
    return emitError(loc, message), failure();
  };
  if (!findPtxChip(chip)) {
    return fail("expects a chip of " + listPtxChips() + ", but got '" + chip +
                "'");
  }
  std::string found = program.empty() ? findPtxas() : program.str();
  if (found.empty()) {
    return fail("expects ptxas of CUDA on PATH, in CUDA_HOME/bin or in "
                "/usr/local/cuda/bin, but found none");
  }
  if (!llvm::sys::fs::can_execute(found)) {
    return fail("expects ptxas of CUDA, but '" + found + "' is no program");
  }
  TemporaryFile input("ptx"), output("cubin"), words("log");
  for (const TemporaryFile *file : {&input, &output, &words}) {
    if (file->code) {
      return fail("cannot make a temporary file: " + file->code.message());
    }
  }
  if (std::error_code code = write(input, ptx)) {
    return fail("cannot write '" + input.path + "': " + code.message());
  }

  std::string arch = ("-arch=" + chip).str();
  SmallVector<StringRef> arguments = {found,      arch, "-v",
                                      input.path, "-o", output.path};
  std::string problem;
  // No input; what it says goes to one file.
  int status = llvm::sys::ExecuteAndWait(
      found, arguments, /*Env=*/std::nullopt,
      {StringRef(""), StringRef(words.path), StringRef(words.path)},
      /*SecondsToWait=*/0, /*MemoryLimit=*/0, &problem);
  auto said = words.read();
  if (status < 0 || failed(said)) {
    return fail("cannot run '" + found + "': " + problem);
  }
  Assembly assembly;
  assembly.log = parsePtxasLog((*said)->getBuffer());
  if (status != 0) {
    StringRef first = assembly.log.errors.empty()
                          ? (*said)->getBuffer().split('\n').first
                          : StringRef(assembly.log.errors.front());
    return fail("expects PTX that ptxas takes for " + chip + ", but it says: " +
                (first.empty() ? "status " + Twine(status) : Twine(first)));
  }
  auto cubin = output.read();
  if (failed(cubin) || (*cubin)->getBufferSize() == 0) {
    return fail("expects ptxas to write a cubin, but it wrote nothing");
  }
  assembly.cubin.assign((*cubin)->getBufferStart(), (*cubin)->getBufferEnd());
  warnAbout(assembly.log, loc);
  return assembly;
}
