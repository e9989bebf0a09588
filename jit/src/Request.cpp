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
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/SHA256.h"
#include <cstring>

using namespace attnjit;
using llvm::StringRef;
using llvm::Twine;

static Failure invalid(const Twine &message) {
  return {ATTNRT_INVALID_ARGUMENT, message.str()};
}

/// A struct as this library knows it.
template <class T>
static Failure readStruct(const T &given, const char *name, T &out) {
  out = {};
  uint32_t size = given.struct_size;
  if (size < 8 || size > 4096) {
    return invalid(Twine("expects struct_size of ") + name +
                   " to be its size (" + Twine(sizeof(T)) + " here), but got " +
                   Twine(size));
  }
  const char *bytes = reinterpret_cast<const char *>(&given);
  for (uint32_t i = sizeof(T); i < size; ++i) {
    if (bytes[i]) {
      return {ATTNRT_INCOMPATIBLE,
              (Twine(name) + " has a field at byte " + Twine(i) +
               " that this library does not know")
                  .str()};
    }
  }
  std::memcpy(&out, &given, std::min<size_t>(size, sizeof(T)));
  if (out.reserved) {
    return invalid(Twine("expects reserved of ") + name + " to be 0, but got " +
                   Twine(out.reserved));
  }
  return {};
}

static Failure readOptions(const attnjit_options *given,
                           attnjit_options &options) {
  options = {};
  if (!given) {
    return {};
  }
  if (Failure failure = readStruct(*given, "attnjit_options", options)) {
    return failure;
  }
  constexpr uint32_t known = ATTNJIT_NO_MEMORY_CACHE | ATTNJIT_SINGLE_THREAD;
  if (options.flags & ~known) {
    return invalid("expects flags of attnjit_options out of 0x" +
                   llvm::utohexstr(known) + ", but got 0x" +
                   llvm::utohexstr(options.flags));
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

Failure attnjit::readTileMap(const attnjit_tile_map *given,
                             attn::TileMapRequest &request) {
  if (!given) {
    return invalid("expects an attnjit_tile_map, but got null");
  }
  attnjit_tile_map map;
  if (Failure failure = readStruct(*given, "attnjit_tile_map", map)) {
    return failure;
  }
  if (!map.row_rank || !map.col_rank || (map.num_values && !map.values)) {
    return invalid("expects names of two ranks and values, but got null");
  }
  constexpr int64_t limit = int64_t(1) << 31;
  for (auto [name, number] :
       {std::pair("rows", map.rows), std::pair("cols", map.cols),
        std::pair("tile_rows", map.tile_rows),
        std::pair("tile_cols", map.tile_cols)}) {
    if (number < 1 || number >= limit) {
      return invalid(Twine("expects ") + name + " of 1 to " + Twine(limit - 1) +
                     ", but got " + Twine(number));
    }
  }
  // Neither factor is above 2^31.
  uint64_t tiles = llvm::divideCeil(uint64_t(map.rows), map.tile_rows) *
                   llvm::divideCeil(uint64_t(map.cols), map.tile_cols);
  if (tiles > ATTNJIT_MAX_TILES) {
    return invalid("expects at most " + Twine(ATTNJIT_MAX_TILES) +
                   " tiles, but got " + Twine(tiles));
  }
  request.rowRank = map.row_rank;
  request.colRank = map.col_rank;
  request.rows = map.rows;
  request.cols = map.cols;
  request.tileRows = map.tile_rows;
  request.tileCols = map.tile_cols;
  for (uint64_t i = 0; i < map.num_values; ++i) {
    const attnjit_value &value = map.values[i];
    if (!value.name || value.value <= -limit || value.value >= limit) {
      return invalid("expects values with names below 2^31 in magnitude, but "
                     "got " +
                     Twine(value.name ? value.name : "null") + " = " +
                     Twine(value.value));
    }
    request.values.emplace_back(value.name, value.value);
  }
  return {};
}
