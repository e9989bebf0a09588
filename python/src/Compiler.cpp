// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// attnjit/attnjit.h, opened when it is first asked for: the package runs
// bundles where there is no compiler, and importing it does not load LLVM.
#include "Error.h"
#include "Tensor.h"

#include "attnjit/attnjit.h"

#include <dlfcn.h>
#include <memory>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <vector>

namespace nb = nanobind;
using namespace nb::literals;
using namespace attn::python;

namespace {

struct Library {
  decltype(&attnjit_check_abi) checkAbi;
  decltype(&attnjit_version) version;
  decltype(&attnjit_last_message) lastMessage;
  decltype(&attnjit_compile) compile;
  decltype(&attnjit_describe) describe;
  decltype(&attnjit_classify_tiles) classifyTiles;
  decltype(&attnjit_result_release) release;
  decltype(&attnjit_result_bytes) bytes;
  decltype(&attnjit_result_size) size;
  decltype(&attnjit_result_diagnostics) diagnostics;
  decltype(&attnjit_result_origin) origin;
};

struct Compiled {
  nb::bytes bundle;
  std::string diagnostics, origin;
};

} // namespace

template <typename T>
static void find(void *handle, const char *name, T &function) {
  function = reinterpret_cast<T>(dlsym(handle, name));
  if (!function) {
    raise(ATTNRT_INCOMPATIBLE,
          std::string("expects a libattnjit with ") + name + ", but got none");
  }
}

/// Opened once and never closed, as LLVM keeps pointers into it. With the GIL.
static const Library &open(const std::string &path) {
  static std::unique_ptr<Library> opened;
  if (opened) {
    return *opened;
  }
  // Lazily: a compile calls a hundredth of what LLVM would bind.
  void *handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (!handle) {
    raise(ATTNRT_UNAVAILABLE,
          "expects the compiler libattnjit.so beside the package, on the "
          "loader's path or named by ATTN_JIT_LIBRARY, but got: " +
              std::string(dlerror()));
  }
  auto library = std::make_unique<Library>();
  find(handle, "attnjit_check_abi", library->checkAbi);
  find(handle, "attnjit_version", library->version);
  find(handle, "attnjit_last_message", library->lastMessage);
  find(handle, "attnjit_compile", library->compile);
  find(handle, "attnjit_describe", library->describe);
  find(handle, "attnjit_classify_tiles", library->classifyTiles);
  find(handle, "attnjit_result_release", library->release);
  find(handle, "attnjit_result_bytes", library->bytes);
  find(handle, "attnjit_result_size", library->size);
  find(handle, "attnjit_result_diagnostics", library->diagnostics);
  find(handle, "attnjit_result_origin", library->origin);
  attnrt_status status = library->checkAbi(ATTNJIT_ABI_VERSION);
  if (status != ATTNRT_OK) {
    raise(status, library->lastMessage());
  }
  opened = std::move(library);
  return *opened;
}

static const char *nameOf(attnjit_origin origin) {
  switch (origin) {
  case ATTNJIT_COMPILED:
    return "compiled";
  case ATTNJIT_FROM_MEMORY:
    return "memory";
  case ATTNJIT_FROM_DISK:
    return "disk";
  default:
    return "failed";
  }
}

static Compiled compile(const std::string &path, const std::string &text,
                        const std::string &targets,
                        const std::optional<std::string> &entry, int64_t rows,
                        int64_t tile,
                        const std::optional<std::string> &cacheDir) {
  const Library &jit = open(path);
  attnjit_options options = {};
  options.struct_size = sizeof(options);
  options.targets = targets.c_str();
  options.entry = entry ? entry->c_str() : nullptr;
  options.rows = rows;
  options.tile = tile;
  options.cache_dir = cacheDir ? cacheDir->c_str() : nullptr;
  attnjit_result *made = nullptr;
  attnrt_status status;
  {
    nb::gil_scoped_release unlocked;
    status = jit.compile(text.data(), text.size(), &options, &made);
  }
  std::unique_ptr<attnjit_result, decltype(jit.release)> result(made,
                                                                jit.release);
  if (status != ATTNRT_OK) {
    std::string all = made ? jit.diagnostics(made) : "";
    raise(status, all.empty() ? jit.lastMessage() : all);
  }
  return {nb::bytes(jit.bytes(made), jit.size(made)), jit.diagnostics(made),
          nameOf(jit.origin(made))};
}

/// The bytes of a result that `call` makes, without the GIL.
template <class F> static std::string bytesOf(const Library &jit, F call) {
  attnjit_result *made = nullptr;
  attnrt_status status;
  {
    nb::gil_scoped_release unlocked;
    status = call(&made);
  }
  std::unique_ptr<attnjit_result, decltype(jit.release)> result(made,
                                                                jit.release);
  if (status != ATTNRT_OK) {
    std::string all = made ? jit.diagnostics(made) : "";
    raise(status, all.empty() ? jit.lastMessage() : all);
  }
  return {static_cast<const char *>(jit.bytes(made)), jit.size(made)};
}

static std::string describe(const std::string &path, const std::string &text) {
  const Library &jit = open(path);
  return bytesOf(jit, [&](attnjit_result **made) {
    return jit.describe(text.data(), text.size(), made);
  });
}

static nb::bytes classifyTiles(const std::string &path, const std::string &text,
                               std::pair<std::string, std::string> ranks,
                               std::pair<int64_t, int64_t> points,
                               std::pair<int64_t, int64_t> tile,
                               const std::map<std::string, int64_t> &values) {
  const Library &jit = open(path);
  std::vector<attnjit_value> named;
  for (const auto &[name, value] : values) {
    named.push_back({name.c_str(), value});
  }
  attnjit_tile_map map = {};
  map.struct_size = sizeof(map);
  map.row_rank = ranks.first.c_str();
  map.col_rank = ranks.second.c_str();
  map.rows = points.first;
  map.cols = points.second;
  map.tile_rows = tile.first;
  map.tile_cols = tile.second;
  map.values = named.data();
  map.num_values = named.size();
  std::string classes = bytesOf(jit, [&](attnjit_result **made) {
    return jit.classifyTiles(text.data(), text.size(), &map, made);
  });
  return nb::bytes(classes.data(), classes.size());
}

void attn::python::bindCompiler(nb::module_ &m) {
  nb::class_<Compiled>(m, "Compiled", "What compile() gives.")
      .def_ro("bundle", &Compiled::bundle, "Bytes for Context.load.")
      .def_ro("diagnostics", &Compiled::diagnostics,
              "Warnings, a line each; \"\" if there are none.")
      .def_ro("origin", &Compiled::origin,
              "\"compiled\", \"memory\" or \"disk\" (caches).");
  m.def("compile", &compile, "library"_a, "text"_a, "targets"_a, "entry"_a,
        "rows"_a, "tile"_a, "cache_dir"_a);
  m.def("describe", &describe, "library"_a, "text"_a);
  m.def("classify_tiles", &classifyTiles, "library"_a, "text"_a, "ranks"_a,
        "points"_a, "tile"_a, "values"_a);
  m.def(
      "compiler_version",
      [](const std::string &path) { return std::string(open(path).version()); },
      "library"_a);
}
