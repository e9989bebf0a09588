//===- attn-demo.cpp - Decode and prefill of a ragged paged batch ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exit codes: 0 all rows agree, 1 a row differs, 2 bad input.
//
//===----------------------------------------------------------------------===//
#include "Check.h"
#include "Derivation.h"
#include "Options.h"
#include "Progress.h"
#include "Report.h"
#include "Requests.h"
#include "attn/Analysis/RequestIo.h"
#include "attn/Compiler/Compiler.h"
#include "attn/JIT/Executable.h"
#include "attn/Reference/Interpreter.h"
#include "attn/Support/ReadModule.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"
#include <thread>

using namespace attn;
using llvm::formatv;
using llvm::outs;

namespace {

/// f16 keys and values, summed in f32.
constexpr double kTolerance = 2e-3;
/// Queries of each request that the reference runs.
constexpr int64_t kCheckedQueries = 8;
/// Timed runs: up to so many, as long as they take less than so many seconds.
constexpr int64_t kRepeats = 5;
constexpr double kMostSeconds = 8;

class Demo {
public:
  explicit Demo(const DemoOptions &options) : options(options), progress(7) {
    report.program = options.program;
    report.cpu = llvm::sys::getHostCPUName().str();
    report.workers = options.workers;
    if (report.workers == 0) {
      report.workers = std::max(1u, std::thread::hardware_concurrency());
    }
  }

  int run();

private:
  int badInput(const Twine &message) {
    progress.abandon();
    llvm::errs() << "attn-demo: " << message << '\n';
    return 2;
  }
  LogicalResult parse();
  LogicalResult compile();
  LogicalResult runJob(StringRef name, int64_t queries);
  LogicalResult measure(const Batch &batch, Job &job, HostArray &result);

  DemoOptions options;
  Progress progress;
  std::string error;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  func::FuncOp entry;
  std::unique_ptr<Executable> executable, counting;
  DemoReport report;
};

} // namespace

LogicalResult Demo::parse() {
  DialectRegistry registry;
  registerCompilerDialects(registry);
  context.appendDialectRegistry(registry);
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
    if (error.empty() && d.getSeverity() == DiagnosticSeverity::Error) {
      error = d.str();
    }
    return success();
  });
  module = readModuleFile(options.program, context);
  if (!module) {
    error = "cannot read '" + options.program + "'" +
            (error.empty() ? "" : ": " + error);
    return failure();
  }
  auto functions = module->getOps<func::FuncOp>();
  if (functions.empty()) {
    error = "expects a function in '" + options.program + "'";
    return failure();
  }
  entry = *functions.begin();
  FailureOr<CacheShape> shape = readCacheShape(entry, error);
  if (failed(shape)) {
    return failure();
  }
  report.shape = *shape;
  return success();
}

LogicalResult Demo::compile() {
  progress.start("compile " + options.program);
  double start = now();
  if (failed(parse())) {
    return failure();
  }
  CompileMilliseconds &ms = report.compile;
  ms.parse = (now() - start) * 1e3;
  executable = Executable::compile(*module, entry.getName(), {}, error);
  if (!executable) {
    return failure();
  }
  const CompileTimes &times = executable->times();
  ms.derive = times.tile;
  ms.vector = times.vector;
  ms.llvm = times.total - times.tile - times.vector;
  // The same once more, with code that counts tiles.
  CompileOptions countOptions;
  countOptions.countTiles = true;
  counting = Executable::compile(*module, entry.getName(), countOptions, error);
  if (!counting) {
    return failure();
  }
  FailureOr<Derivation> derivation = deriveCopy(entry);
  if (failed(derivation)) {
    error = "cannot derive '" + options.program + "'";
    return failure();
  }
  report.derivation = *derivation;
  progress.done(formatv("text to callable in {0:F0} ms: parse {1:F0}, derive "
                        "and tile {2:F0}, vector {3:F0}, LLVM {4:F0}",
                        ms.total(), ms.parse, ms.derive, ms.vector, ms.llvm)
                    .str());
  outs() << formatv("      passes over the keys: {0} -> {1}",
                    derivation->passesWritten, derivation->passesDerived);
  if (!derivation->fold.empty()) {
    outs() << "; one fold " << derivation->fold;
  }
  outs() << '\n';
  return success();
}

LogicalResult Demo::measure(const Batch &batch, Job &job, HostArray &result) {
  SmallVector<HostArray> args = batch.args(), results;
  RunOptions runOptions;
  runOptions.workers = int(report.workers);
  if (failed(counting->run(args, runOptions, results, error, &job.tiles))) {
    return failure();
  }
  SmallVector<double> seconds;
  double start = now();
  for (int64_t i = 0; i <= kRepeats; ++i) {
    if (i > 1 && now() - start > kMostSeconds) {
      break;
    }
    RunStats stats;
    if (failed(executable->run(args, runOptions, results, error, &stats))) {
      return failure();
    }
    if (i > 0) {
      seconds.push_back(stats.seconds);
    }
    progress.show(formatv("run {0} of {1}", i + 1, kRepeats + 1).str());
  }
  llvm::sort(seconds);
  job.seconds = seconds[seconds.size() / 2];
  result = results[0];
  FailureOr<RankExtents> extents = findRankExtents(entry, args, error);
  if (failed(extents)) {
    return failure();
  }
  IoSettings settings;
  if (report.derivation.tileRows) {
    settings.rows = report.derivation.tileRows;
  }
  FailureOr<IoReport> io =
      evaluateRequests(entry, args, *extents, settings, error);
  if (failed(io)) {
    return failure();
  }
  job.io = *io;
  return success();
}

LogicalResult Demo::runJob(StringRef name, int64_t queries) {
  const CacheShape &shape = report.shape;
  Job &job = report.jobs.emplace_back();
  job.name = name.str();
  progress.start(name + ": fill the page pool");
  FailureOr<Batch> batch =
      makeBatch(shape, report.lengths, queries, options.seed, error);
  if (failed(batch)) {
    return failure();
  }
  progress.done(formatv("{0} pages in use of {1}, shuffled; the others and all "
                        "free slots are NaN",
                        batch->usedPages, batch->numPages)
                    .str());
  progress.start(name + ": run on " + Twine(report.workers) + " threads");
  FailureOr<Batch> seen = *batch;
  if (options.skipToken) {
    seen = withoutNeedle(shape, *batch, error);
  }
  HostArray result;
  if (failed(seen) || failed(measure(*seen, job, result))) {
    return failure();
  }
  progress.done(formatv("{0:F1} ms", job.seconds * 1e3).str());
  progress.start(name + ": check against the f64 reference");
  int64_t n = batch->lengths.size();
  FailureOr<CheckReport> check = checkBatch(
      entry, *batch, result, kCheckedQueries, kTolerance, options.seed,
      [&](int64_t done) {
        progress.show(formatv("{0} of {1} requests", done, n).str());
      },
      error);
  if (failed(check)) {
    return failure();
  }
  job.check = *check;
  progress.done(formatv("{0} of {1} rows, worst row error {2:e1}", check->rows,
                        check->allRows, check->maxRowError)
                    .str());
  return success();
}

int Demo::run() {
  FailureOr<SmallVector<int64_t>> lengths = makeLengths(options, error);
  if (failed(lengths)) {
    return badInput(error);
  }
  report.lengths = *lengths;
  int64_t tokens = 0;
  for (int64_t length : *lengths) {
    tokens += length;
  }
  outs() << "attn-demo: " << options.requests
         << " requests, an empty one and one of a single token; " << tokens
         << " tokens, the longest has " << *llvm::max_element(*lengths) << "; "
         << report.cpu << ", " << report.workers << " threads\n";
  if (failed(compile()) || failed(runJob("decode", 1)) ||
      failed(runJob("prefill", options.chunk))) {
    return badInput(error);
  }
  printReport(report, outs());
  if (!options.json.empty() &&
      failed(writeReport(report, options.json, error))) {
    return badInput(error);
  }
  outs().flush();
  bool good = true;
  for (const Job &job : report.jobs) {
    if (job.check.badRows) {
      good = false;
      llvm::errs() << "attn-demo: " << job.name << ": " << job.check.badRows
                   << " rows differ from the reference; " << job.check.message
                   << '\n';
    }
  }
  if (good) {
    outs() << "\nEvery checked row agrees with the reference to "
           << formatv("{0:e1}", kTolerance) << ".\n";
  }
  return good ? 0 : 1;
}

int main(int argc, char **argv) {
  int code;
  std::optional<DemoOptions> options =
      parseDemoOptions(ArrayRef<char *>(argv, argc).drop_front(), code);
  if (!options) {
    return code;
  }
  return Demo(*options).run();
}
