//===- Request.cpp - Options checked, and the key of a bundle -----------------
//===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Request.h"

#include "attn/Target/Host/Host.h"
#include "attnrt/cpu_features.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/SHA256.h"
#include <cstring>

using namespace attnjit;
using llvm::StringRef;
using llvm::Twine;

static Failure invalid(const Twine &message) {
  return {ATTNRT_INVALID_ARGUMENT, message.str()};
}

/// The struct as this library knows it.
static Failure readOptions(const attnjit_options *given,
                           attnjit_options &options) {
  options = {};
  options.struct_size = sizeof(options);
  if (!given) {
    return {};
  }
  uint32_t size = given->struct_size;
  if (size < 8 || size > 4096) {
    return invalid("expects struct_size of attnjit_options to be its size (" +
                   Twine(sizeof(options)) + " here), but got " + Twine(size));
  }
  const char *bytes = reinterpret_cast<const char *>(given);
  for (uint32_t i = sizeof(options); i < size; ++i) {
    if (bytes[i]) {
      return {ATTNRT_INCOMPATIBLE,
              ("attnjit_options has a field at byte " + Twine(i) +
               " that this library does not know")
                  .str()};
    }
  }
  std::memcpy(&options, given, std::min<size_t>(size, sizeof(options)));
  constexpr uint32_t known = ATTNJIT_NO_MEMORY_CACHE | ATTNJIT_SINGLE_THREAD;
  if (options.flags & ~known) {
    return invalid("expects flags of attnjit_options out of 0x" +
                   llvm::utohexstr(known) + ", but got 0x" +
                   llvm::utohexstr(options.flags));
  }
  if (options.reserved) {
    return invalid("expects reserved of attnjit_options to be 0, but got " +
                   Twine(options.reserved));
  }
  for (auto [name, number] :
       {std::pair("rows", options.rows), std::pair("tile", options.tile),
        std::pair("warps", options.warps),
        std::pair("stages", options.stages)}) {
    // Far beyond what any target has room for.
    constexpr int64_t most = 1 << 16;
    if (number < 0 || number > most) {
      return invalid(Twine("expects ") + name + " of 0 to " + Twine(most) +
                     ", but got " + Twine(number));
    }
  }
  return {};
}

/// What "cpu" stands for: the same list that bundles name CPUs with.
static const std::string &getThisCpu() {
  static const std::string cpu = [] {
    std::string names;
#define X(level)                                                               \
  if (attn::hostRuns(level)) {                                                 \
    names = level;                                                             \
  }
    ATTNRT_CPU_LEVELS(X)
#undef X
#define X(feature)                                                             \
  if (attn::hostRuns("+" feature)) {                                           \
    names += ",+" feature;                                                     \
  }
    ATTNRT_CPU_FEATURES(X)
#undef X
    return names;
  }();
  return cpu;
}

static std::string makeKey(const Request &request) {
  llvm::SHA256 hash;
  // Lengths in front: no two lists of parts are the same bytes.
  auto add = [&](StringRef part) {
    hash.update(llvm::formatv("{0}:", part.size()).str());
    hash.update(part);
  };
  const attn::BundleOptions &options = request.options;
  add(getVersion());
  add(request.text);
  for (StringRef target : options.targets) {
    add(target);
  }
  add(getThisCpu());
  for (StringRef entry : options.entries) {
    add(entry);
  }
  add(llvm::formatv("rows={0} tile={1} warps={2} stages={3} level={4}",
                    options.tiles.rows, options.tiles.tile, options.ptx.warps,
                    options.ptx.stages, options.ptx.level)
          .str());
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}

Failure attnjit::readRequest(const char *text, uint64_t length,
                             const attnjit_options *given, Request &request) {
  attnjit_options options;
  if (Failure failure = readOptions(given, options)) {
    return failure;
  }
  if (!text) {
    return invalid("expects text, but got null");
  }
  if (length > ATTNJIT_MAX_TEXT) {
    return invalid("expects text of at most " + Twine(ATTNJIT_MAX_TEXT) +
                   " bytes, but got " + Twine(length));
  }
  request.text.assign(text, length);
  // The reader of bytecode trusts its input more than that of text does.
  if (size_t zero = request.text.find('\0'); zero != std::string::npos) {
    return invalid("expects text, but got a zero at byte " + Twine(zero));
  }
  if (StringRef(request.text).starts_with("ML\xefR")) {
    return invalid("expects text, but got bytecode");
  }
  llvm::SmallVector<StringRef> names;
  StringRef(options.targets ? options.targets : "cpu").split(names, ',');
  for (StringRef name : names) {
    request.options.targets.push_back(name.trim().str());
  }
  if (options.entry) {
    request.options.entries.push_back(options.entry);
  }
  request.options.tiles.rows = options.rows;
  request.options.tiles.tile = options.tile;
  request.options.ptx.warps = options.warps;
  request.options.ptx.stages = options.stages;
  request.options.ptx.level = options.ptx_level;
  std::string error;
  if (llvm::failed(attn::validateBundleOptions(request.options, error))) {
    return invalid(error);
  }
  request.useMemory = !(options.flags & ATTNJIT_NO_MEMORY_CACHE);
  request.singleThread = options.flags & ATTNJIT_SINGLE_THREAD;
  request.cacheDir = options.cache_dir ? options.cache_dir : "";
  request.cacheDirBytes =
      options.cache_dir_bytes ? options.cache_dir_bytes : uint64_t(1) << 30;
  request.key = makeKey(request);
  return {};
}
