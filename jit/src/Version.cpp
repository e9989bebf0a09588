//===- Version.cpp - Which build of the compiler this is ----------------------
//===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A number that people count up is not enough for a key of cached code: two
// builds of one version differ. Every shared object has an ID of its build.
//
//===----------------------------------------------------------------------===//
#include "Request.h"

#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/TargetParser/Host.h"
#include <cstring>
#include <link.h>

namespace {
struct Search {
  uintptr_t address;
  std::string id;
};
} // namespace

static std::string readBuildId(const char *note, size_t size) {
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) header;
    std::memcpy(&header, note, sizeof(header));
    size_t name = (size_t(header.n_namesz) + 3) & ~size_t(3);
    size_t desc = (size_t(header.n_descsz) + 3) & ~size_t(3);
    size_t whole = sizeof(header) + name + desc;
    if (whole > size) {
      break;
    }
    const char *bytes = note + sizeof(header);
    if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 &&
        std::memcmp(bytes, "GNU", 4) == 0) {
      return llvm::toHex(llvm::StringRef(bytes + name, header.n_descsz),
                         /*LowerCase=*/true);
    }
    note += whole;
    size -= whole;
  }
  return "";
}

static int visit(dl_phdr_info *info, size_t, void *data) {
  auto &search = *static_cast<Search *>(data);
  bool isIt = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) &segment = info->dlpi_phdr[i];
    uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    isIt |= segment.p_type == PT_LOAD && search.address >= begin &&
            search.address - begin < segment.p_memsz;
  }
  for (int i = 0; isIt && search.id.empty() && i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) &segment = info->dlpi_phdr[i];
    if (segment.p_type == PT_NOTE) {
      search.id = readBuildId(
          reinterpret_cast<const char *>(info->dlpi_addr + segment.p_vaddr),
          segment.p_memsz);
    }
  }
  return isIt;
}

/// Of the shared object that holds the function; "?" if it has none.
template <class F> static std::string buildIdOf(F *function) {
  Search search{reinterpret_cast<uintptr_t>(function), ""};
  dl_iterate_phdr(visit, &search);
  return search.id.empty() ? "?" : search.id;
}

const std::string &attnjit::getVersion() {
  static const std::string version =
      "attn-mlir " ATTN_VERSION " " + buildIdOf(&visit) +
      ", LLVM " LLVM_VERSION_STRING " " +
      buildIdOf(&llvm::sys::getDefaultTargetTriple) + ", MLIR " +
      buildIdOf(&mlir::verify);
  return version;
}
