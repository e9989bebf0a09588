//===- attn-run.cpp - Runs an attn program on arrays ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exit codes: 0 good, 1 a result differs from what was expected, 2 bad input.
// Everything that can be wrong with the input is found before the program runs
// and said in one line.
//
//===----------------------------------------------------------------------===//
#include "Arguments.h"
#include "Devices.h"
#include "attn/Analysis/CascadeInfo.h"
#include "attn/Analysis/RequestIo.h"
#include "attn/Compiler/Compiler.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Reference/Interpreter.h"
#include "attn/Support/Npy.h"
#include "attn/Support/ReadModule.h"
#include "attn/Support/RowCompare.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <cmath>

using namespace attn;

static constexpr const char kUsage[] =
    R"(usage: attn-run FILE --entry=NAME [options] --arg=SPEC ...
  --device=NAME     reference (default), cpu, or sim: the PTX of a GPU, run and
                    checked by the simulator; a defect is an error
  --chip=NAME       sim: the chip to compile for (default sm_80)
  --cpu=TARGET      cpu: the instructions to use: x86-64-v2, x86-64-v3,
                    x86-64-v4, with +avx512bf16, +amx-bf16 (default: all
                    there are)
  --rows=N, --tile=N  cpu, sim: most packed rows of a work item, and keys of a
                    tile (default: chosen)
  --warps=N, --stages=N  sim: warps of a kernel, and tiles that there is
                    room for at the same time (default: chosen)
  --split-loops     sim: tiles before the first mask have a loop of their own
  --sim-seed=N      sim: of what is drawn (default 1)
  --schedule=0|1|2  sim: warps in turn, at random, one as far as it gets
  --completion=0|1|2  sim: copies as late as they may be, at once, at random
  --sabotage=no-waits  sim: kernels do not wait for their copies, which must be
                    an error
  --workers=N       threads of a device that has them (default: all cores)
  --split=K         run each fold in K parts (default: as planned)
  --merge-seed=N    reference: run folds in random parts, merged in a random tree
  --arg=SPEC        one per argument of the function, in its order:
                    FILE.npy, a number, rand:SHAPE:SEED (standard normal),
                    zeros:SHAPE. In files bf16 is u2, i4 is packed u1, f8 is u1
  --out=FILE.npy    write the next result (one option per result)
  --out-arg=I:FILE.npy  write argument I after the run (memrefs are written to)
  --print           print the results as text
  --expect=FILE.npy compare the next result (one option per result)
  --rtol=R          tolerance of each row, relative to the row's largest
                    expected value (default 1e-5)
  --bench=N         run N more times and print the times
  --stats=FILE.json write what is known of the run:
                    passes        over the keys: as written, as run
                    tiles         empty, partial and full ones (cpu without
                                  --bench)
                    pairs         (row, key) pairs that the mask admits
                    kv_bytes      of keys, values, their scales and tables that
                                  any row needs, each once
                    bound_bytes   no schedule moves fewer to and from memory
                    plans         for each fold: its tiles, its work items, and
                                  what the simulator counted by instruction
                    max_row_error against --expect; parse_ms, compile_ms,
                                  seconds, ...
exit: 0 good, 1 mismatch, 2 bad input
)";

namespace {
struct Options {
  std::string file, entry, device = "reference", stats;
  SmallVector<std::string> args, outs, expects;
  SmallVector<std::pair<unsigned, std::string>> outArgs;
  std::optional<uint64_t> mergeSeed;
  int64_t workers = 0, splits = 0, repeats = 0;
  std::string chip = "sm_80", cpu = "cpu";
  int64_t rows = 0, tile = 0, warps = 0, stages = 0;
  uint64_t simSeed = 1;
  int schedule = 0, completion = 0;
  double rtol = 1e-5;
  bool print = false, help = false, splitLoops = false, sabotage = false;
};
} // namespace

static int badInput(const Twine &message) {
  llvm::errs() << "attn-run: " << message << '\n';
  return 2;
}

/// None, and a line on stderr, if an option is wrong.
static std::optional<Options> parseOptions(ArrayRef<char *> words) {
  Options options;
  auto fail = [](const Twine &message) -> std::optional<Options> {
    badInput(message);
    return std::nullopt;
  };
  for (StringRef word : words) {
    if (!word.starts_with("--")) {
      if (!options.file.empty()) {
        return fail("expects one file, but got '" + word + "' as well");
      }
      options.file = word.str();
      continue;
    }
    auto [key, value] = word.drop_front(2).split('=');
    bool isNumber = true;
    if (key == "entry") {
      options.entry = value.str();
    } else if (key == "device") {
      options.device = value.str();
    } else if (key == "arg") {
      options.args.push_back(value.str());
    } else if (key == "out") {
      options.outs.push_back(value.str());
    } else if (key == "out-arg") {
      auto [index, path] = value.split(':');
      auto &target = options.outArgs.emplace_back();
      isNumber = !index.getAsInteger(10, target.first);
      target.second = path.str();
    } else if (key == "expect") {
      options.expects.push_back(value.str());
    } else if (key == "stats") {
      options.stats = value.str();
    } else if (key == "rtol") {
      isNumber = !value.getAsDouble(options.rtol) && options.rtol >= 0;
    } else if (key == "workers") {
      isNumber = !value.getAsInteger(10, options.workers) &&
                 options.workers >= 1 && options.workers <= 4096;
    } else if (key == "split") {
      isNumber = !value.getAsInteger(10, options.splits) &&
                 options.splits >= 1 && options.splits <= 4096;
    } else if (key == "chip") {
      options.chip = value.str();
    } else if (key == "cpu") {
      options.cpu = value.str();
    } else if (key == "rows") {
      isNumber = !value.getAsInteger(10, options.rows) && options.rows >= 0;
    } else if (key == "tile") {
      isNumber = !value.getAsInteger(10, options.tile) && options.tile >= 0;
    } else if (key == "warps") {
      isNumber = !value.getAsInteger(10, options.warps);
    } else if (key == "stages") {
      isNumber = !value.getAsInteger(10, options.stages);
    } else if (key == "sim-seed") {
      isNumber = !value.getAsInteger(10, options.simSeed);
    } else if (key == "schedule") {
      isNumber = !value.getAsInteger(10, options.schedule) &&
                 options.schedule >= 0 && options.schedule <= 2;
    } else if (key == "completion") {
      isNumber = !value.getAsInteger(10, options.completion) &&
                 options.completion >= 0 && options.completion <= 2;
    } else if (key == "merge-seed") {
      isNumber = !value.getAsInteger(10, options.mergeSeed.emplace());
    } else if (key == "bench") {
      isNumber =
          !value.getAsInteger(10, options.repeats) && options.repeats >= 0;
    } else if (word == "--sabotage=no-waits") {
      options.sabotage = true;
    } else if (word == "--split-loops") {
      options.splitLoops = true;
    } else if (word == "--print") {
      options.print = true;
    } else if (word == "--help") {
      options.help = true;
    } else {
      return fail("unknown option '" + word + "'");
    }
    if (!isNumber) {
      return fail("expects a number in range, but got '" + word + "'");
    }
  }
  return options;
}

/// Parses and verifies; the first error becomes one line.
static OwningOpRef<ModuleOp>
parseModule(MLIRContext &context, const std::string &file, std::string &error) {
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (error.empty() &&
        diagnostic.getSeverity() == DiagnosticSeverity::Error) {
      llvm::raw_string_ostream os(error);
      if (auto loc =
              diagnostic.getLocation()->findInstanceOf<FileLineColLoc>()) {
        os << loc.getFilename().getValue() << ':' << loc.getLine() << ':'
           << loc.getColumn() << ": ";
      }
      os << diagnostic.str();
    }
    return success();
  });
  OwningOpRef<ModuleOp> module = readModuleFile(file, context);
  if (!module && error.empty()) {
    error = "cannot parse '" + file + "'";
  }
  return module;
}

static std::string entryNames(ModuleOp module) {
  std::string text;
  for (auto function : module.getOps<func::FuncOp>()) {
    text += (text.empty() ? "@" : ", @") + function.getSymName().str();
  }
  return text.empty() ? "none" : text;
}

static void printTimes(SmallVector<double> seconds, raw_ostream &os) {
  llvm::sort(seconds);
  os << "bench: runs " << seconds.size() << ", min "
     << llvm::format("%.3f", seconds.front() * 1e3) << " ms, median "
     << llvm::format("%.3f", seconds[seconds.size() / 2] * 1e3) << " ms\n";
}

/// Bytes that these arguments make any device move.
static void addBytes(const RunRequest &request, llvm::json::Object &stats) {
  std::string error;
  FailureOr<RankExtents> extents =
      findRankExtents(request.entry, request.args, error);
  FailureOr<IoReport> io = failure();
  if (succeeded(extents)) {
    io = evaluateRequests(request.entry, request.args, *extents, IoSettings(),
                          error);
  }
  if (failed(io)) {
    stats["bytes_unknown"] = error;
    return;
  }
  stats["pairs"] = io->pairs;
  stats["kv_bytes"] = io->kvBytes;
  stats["bound_bytes"] = io->boundBytes();
}

static LogicalResult writeStats(const Options &options,
                                const RunRequest &request,
                                RunResponse &response, double maxRowError,
                                double parseMilliseconds, std::string &error) {
  llvm::json::Object stats;
  // The documented keys are always there; what is not known is null.
  for (const char *key : {"passes", "tiles", "pairs", "kv_bytes", "bound_bytes",
                          "max_row_error"}) {
    stats[key] = nullptr;
  }
  stats["device"] = options.device;
  stats["parse_ms"] = parseMilliseconds;
  if (response.passes) {
    stats["passes"] =
        llvm::json::Object{{"written", *countMostPasses(request.entry)},
                           {"run", *response.passes}};
  }
  addBytes(request, stats);
  for (auto &entry : response.stats) {
    stats[entry.first] = entry.second;
  }
  if (!options.expects.empty()) {
    // JSON has no infinity.
    stats["max_row_error"] = std::isfinite(maxRowError)
                                 ? llvm::json::Value(maxRowError)
                                 : llvm::json::Value("inf");
  }
  if (!response.seconds.empty()) {
    stats["seconds"] = llvm::json::Array(response.seconds);
  }
  std::error_code code;
  llvm::raw_fd_ostream os(options.stats, code);
  if (!code) {
    os << llvm::formatv("{0:2}\n", llvm::json::Value(std::move(stats)));
    os.close();
    code = os.error();
    os.clear_error();
  }
  if (code) {
    error = "cannot write '" + options.stats + "': " + code.message();
    return failure();
  }
  return success();
}

static int run(const Options &options) {
  if (options.file.empty() || options.entry.empty()) {
    return badInput("expects a file and --entry=NAME (see --help)");
  }
  Device device = findDevice(options.device);
  if (!device) {
    return badInput("expects a device of " + deviceNames() + ", but got '" +
                    options.device + "'");
  }
  auto start = std::chrono::steady_clock::now();
  DialectRegistry registry;
  registerCompilerDialects(registry);
  MLIRContext context(registry);
  std::string error;
  OwningOpRef<ModuleOp> module = parseModule(context, options.file, error);
  if (!module) {
    return badInput(error);
  }
  double parseMilliseconds = std::chrono::duration<double, std::milli>(
                                 std::chrono::steady_clock::now() - start)
                                 .count();
  auto entry = module->lookupSymbol<func::FuncOp>(options.entry);
  if (!entry) {
    return badInput("expects an entry of '" + options.file + "' (" +
                    entryNames(*module) + "), but got '" + options.entry + "'");
  }
  unsigned numResults = entry.getNumResults();
  if (options.args.size() != entry.getNumArguments()) {
    return badInput("expects " + Twine(entry.getNumArguments()) +
                    " arguments, but got " + Twine(options.args.size()));
  }
  if (options.outs.size() > numResults || options.expects.size() > numResults) {
    return badInput("expects --out and --expect at most once per result (" +
                    Twine(numResults) + ")");
  }
  SmallVector<HostArray> args, expected;
  for (auto [i, spec] : llvm::enumerate(options.args)) {
    Type type = entry.getArgumentTypes()[i];
    FailureOr<HostArray> array = makeArgument(spec, type, error);
    if (failed(array) || failed(checkArgument(type, *array, error))) {
      return badInput("argument #" + Twine(i) + " (" + spec + "): " + error);
    }
    args.push_back(*array);
  }
  for (const std::string &path : options.expects) {
    FailureOr<HostArray> array = readNpy(path, error);
    if (failed(array)) {
      return badInput(error);
    }
    unsigned i = expected.size();
    Type type = entry.getResultTypes()[i];
    if (array->dtype() == DType::U16 && getElementTypeOrSelf(type).isBF16()) {
      array = array->reinterpret(DType::BF16);
    }
    expected.push_back(*array);
  }
  for (const auto &[index, path] : options.outArgs) {
    if (index >= args.size()) {
      return badInput("expects an argument below " + Twine(args.size()) +
                      " in --out-arg, but got " + Twine(index));
    }
  }
  if (failed(checkArguments(entry, args, error))) {
    return badInput(error);
  }

  RunRequest request;
  request.module = *module;
  request.entry = entry;
  request.args = args;
  request.workers = options.workers;
  request.splits = options.splits;
  request.mergeSeed = options.mergeSeed;
  request.repeats = options.repeats;
  request.chip = options.chip;
  request.cpu = options.cpu;
  request.rows = options.rows;
  request.tile = options.tile;
  request.warps = options.warps;
  request.stages = options.stages;
  request.simSeed = options.simSeed;
  request.schedule = options.schedule;
  request.completion = options.completion;
  request.splitLoops = options.splitLoops;
  request.sabotage = options.sabotage;
  request.wantStats = !options.stats.empty();
  FailureOr<RunResponse> response = device(request, error);
  if (failed(response)) {
    return badInput(error);
  }

  for (auto [path, array] : llvm::zip(options.outs, response->results)) {
    if (failed(writeNpy(path, array, error))) {
      return badInput(error);
    }
  }
  for (const auto &[index, path] : options.outArgs) {
    if (failed(writeNpy(path, args[index], error))) {
      return badInput(error);
    }
  }
  if (options.print) {
    for (auto [i, array] : llvm::enumerate(response->results)) {
      llvm::outs() << "result #" << i << ": ";
      printArray(array, llvm::outs());
    }
  }
  double maxRowError = 0;
  bool good = true;
  for (auto [i, array] : llvm::enumerate(expected)) {
    RowComparison comparison =
        compareRows(response->results[i], array, options.rtol);
    maxRowError = std::max(maxRowError, comparison.maxRowError);
    good &= comparison.ok;
    if (!comparison.ok) {
      llvm::errs() << "attn-run: result #" << i << ": " << comparison.badRows
                   << " bad rows; " << comparison.message << '\n';
    }
  }
  if (!response->seconds.empty()) {
    printTimes(response->seconds, llvm::outs());
  }
  if (!options.stats.empty() &&
      failed(writeStats(options, request, *response, maxRowError,
                        parseMilliseconds, error))) {
    return badInput(error);
  }
  return good ? 0 : 1;
}

int main(int argc, char **argv) {
  std::optional<Options> options =
      parseOptions(ArrayRef<char *>(argv, argc).drop_front());
  if (!options) {
    return 2;
  }
  if (options->help) {
    llvm::outs() << kUsage;
    return 0;
  }
  return run(*options);
}
