//===- Api.cpp - The C ABI of the compiler ------------------------------------
//===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "DiskCache.h"
#include "MemoryCache.h"
#include "Request.h"

#include <atomic>
#include <cstdio>
#include <cstring>

using namespace attnjit;

// A fixed buffer, as in the runtime: nothing to destroy when a thread ends
// after the library was closed.
static thread_local char lastMessage[512];

static attnrt_status fail(const Failure &failure) {
  std::snprintf(lastMessage, sizeof(lastMessage), "%s",
                failure.message.c_str());
  return failure.status;
}

namespace {
struct State {
  MemoryCache cache;
  std::atomic<uint64_t> compiles{0}, memoryHits{0}, diskHits{0}, damaged{0};
};
} // namespace

static State &getState() {
  static State state;
  return state;
}

struct attnjit_result {
  CompiledPtr compiled;
  /// The result's own: whether a folder can be written to is not of the bundle.
  std::string diagnostics;
  attnjit_origin origin = ATTNJIT_FAILED;
};

//===----------------------------------------------------------------------===//
// Version and errors
//===----------------------------------------------------------------------===//

uint32_t attnjit_abi_version(void) { return ATTNJIT_ABI_VERSION; }

attnrt_status attnjit_check_abi(uint32_t version) {
  uint32_t major = version >> 16, minor = version & 0xffff;
  if (major == ATTNJIT_ABI_MAJOR && minor <= ATTNJIT_ABI_MINOR) {
    return ATTNRT_OK;
  }
  auto text = [](uint32_t a, uint32_t b) {
    return std::to_string(a) + "." + std::to_string(b);
  };
  return fail({ATTNRT_INCOMPATIBLE,
               "expects a header of version " +
                   text(ATTNJIT_ABI_MAJOR, ATTNJIT_ABI_MINOR) +
                   " or an earlier minor one, but got " + text(major, minor)});
}

const char *attnjit_version(void) { return getVersion().c_str(); }

const char *attnjit_last_message(void) { return lastMessage; }

//===----------------------------------------------------------------------===//
// Compiling
//===----------------------------------------------------------------------===//

/// From disk, else by the compiler.
static CompiledPtr make(const Request &request, attnjit_result &result) {
  State &state = getState();
  if (!request.cacheDir.empty()) {
    bool isDamaged;
    CompiledPtr found = readFromDisk(request, isDamaged);
    state.damaged += isDamaged;
    if (found) {
      ++state.diskHits;
      result.origin = ATTNJIT_FROM_DISK;
      return found;
    }
  }
  ++state.compiles;
  result.origin = ATTNJIT_COMPILED;
  CompiledPtr compiled = compile(request);
  std::string error;
  if (!request.cacheDir.empty() && !compiled->failure &&
      !writeToDisk(request, *compiled, error)) {
    result.diagnostics = "warning: " + error + '\n';
  }
  return compiled;
}

/// Reads a request and hands over what `work` makes of it: it sets `compiled`
/// and `origin` of a result, and may add to the diagnostics.
template <class F>
static attnrt_status answer(const char *text, uint64_t length,
                            const attnjit_options *options,
                            attnjit_result **out, F work) {
  if (!out) {
    return fail({ATTNRT_INVALID_ARGUMENT,
                 "expects a place for the result, but got null"});
  }
  auto result = std::make_unique<attnjit_result>();
  Request request;
  Failure failure = readRequest(text, length, options, request);
  if (failure) {
    result->diagnostics = "error: " + failure.message + '\n';
  } else {
    work(request, *result);
    result->diagnostics = result->compiled->diagnostics + result->diagnostics;
    failure = result->compiled->failure;
    if (failure) {
      result->origin = ATTNJIT_FAILED;
    }
  }
  *out = result.release();
  return failure ? fail(failure) : ATTNRT_OK;
}

attnrt_status attnjit_compile(const char *text, uint64_t length,
                              const attnjit_options *options,
                              attnjit_result **out) {
  return answer(text, length, options, out,
                [](const Request &request, attnjit_result &result) {
                  auto makeIt = [&] { return make(request, result); };
                  if (!request.useMemory) {
                    result.compiled = makeIt();
                    return;
                  }
                  bool wasKept;
                  result.compiled =
                      getState().cache.getOrMake(request.key, makeIt, wasKept);
                  if (wasKept) {
                    ++getState().memoryHits;
                    result.origin = ATTNJIT_FROM_MEMORY;
                  }
                });
}

attnrt_status attnjit_describe(const char *text, uint64_t length,
                               attnjit_result **out) {
  return answer(text, length, nullptr, out,
                [](Request &request, attnjit_result &result) {
                  request.singleThread = true; // a few milliseconds
                  result.compiled = describe(request);
                  result.origin = ATTNJIT_COMPILED;
                });
}

attnrt_status attnjit_classify_tiles(const char *text, uint64_t length,
                                     const attnjit_tile_map *map,
                                     attnjit_result **out) {
  return answer(text, length, nullptr, out,
                [&](Request &request, attnjit_result &result) {
                  attn::TileMapRequest wanted;
                  if (Failure failure = readTileMap(map, wanted)) {
                    auto failed = std::make_shared<Compiled>();
                    failed->diagnostics = "error: " + failure.message + '\n';
                    failed->failure = failure;
                    result.compiled = failed;
                    return;
                  }
                  request.singleThread = true; // a few milliseconds
                  result.compiled = classifyTiles(request, wanted);
                  result.origin = ATTNJIT_COMPILED;
                });
}

void attnjit_result_release(attnjit_result *result) { delete result; }

const void *attnjit_result_bytes(const attnjit_result *result) {
  bool hasBytes = result && result->compiled && !result->compiled->failure;
  return hasBytes ? result->compiled->bundle.data() : nullptr;
}

uint64_t attnjit_result_size(const attnjit_result *result) {
  return attnjit_result_bytes(result) ? result->compiled->bundle.size() : 0;
}

const char *attnjit_result_diagnostics(const attnjit_result *result) {
  return result ? result->diagnostics.c_str() : "";
}

attnjit_origin attnjit_result_origin(const attnjit_result *result) {
  return result ? result->origin : ATTNJIT_FAILED;
}

//===----------------------------------------------------------------------===//
// Caches
//===----------------------------------------------------------------------===//

void attnjit_set_memory_limit(uint64_t bytes) {
  getState().cache.setLimit(bytes);
}

attnrt_status attnjit_get_counters(attnjit_counters *out) {
  if (!out || out->struct_size < 8 || out->struct_size > 4096) {
    return fail({ATTNRT_INVALID_ARGUMENT,
                 "expects a place for attnjit_counters with struct_size set, "
                 "but got " +
                     (out ? "size " + std::to_string(out->struct_size)
                          : std::string("null"))});
  }
  State &state = getState();
  uint32_t size = out->struct_size;
  attnjit_counters counters = {size,
                               0,
                               state.compiles,
                               state.memoryHits,
                               state.diskHits,
                               state.damaged,
                               state.cache.getBytes()};
  std::memcpy(out, &counters, std::min<size_t>(size, sizeof(counters)));
  return ATTNRT_OK;
}
