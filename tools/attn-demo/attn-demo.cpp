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
#include "Options.h"
#include "Requests.h"
#include "attn/Analysis/CascadeInfo.h"
#include "attn/Analysis/RequestIo.h"
#include "attn/Compiler/Compiler.h"
#include "attn/JIT/Executable.h"
#include "attn/Reference/Interpreter.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"
#include <chrono>
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

double now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// "[3/6] reference of decode ... 1.2 s", with what is done while it runs.
class Phases {
public:
  explicit Phases(int total) : total(total) {}

  void start(const Twine &what) {
    text = formatv("[{0}/{1}] {2}", ++number, total, what.str()).str();
    since = now();
    outs() << text << " ...";
    outs().flush();
  }
  void show(const Twine &state) {
    if (llvm::sys::Process::StandardOutIsDisplayed()) {
      outs() << '\r' << text << " ... " << state << "   ";
      outs().flush();
    }
  }
  void done(const Twine &result = "") {
    if (llvm::sys::Process::StandardOutIsDisplayed()) {
      outs() << '\r' << text << " ...";
    }
    outs() << formatv(" {0:F1} s", now() - since)
           << (result.isTriviallyEmpty() ? "" : "; ") << result << "\n";
    outs().flush();
  }

private:
  int number = 0, total;
  std::string text;
  double since = 0;
};

/// What is printed of one job.
struct Job {
  std::string name;
  RunStats tiles;
  IoReport io;
  CheckReport check;
  double seconds = 0;

  double gflops(int64_t channels) const {
    // Two dots of a multiply and an add per channel.
    return 4.0 * double(channels) * double(io.pairs) / seconds / 1e9;
  }
};

class Demo {
public:
  explicit Demo(const DemoOptions &options)
      : options(options), phases(7), workers(options.workers) {
    if (workers == 0) {
      workers = std::max(1u, std::thread::hardware_concurrency());
    }
  }

  int run();

private:
  int badInput(const Twine &message) {
    outs().flush();
    llvm::errs() << "\nattn-demo: " << message << '\n';
    return 2;
  }
  LogicalResult compile();
  LogicalResult runJob(StringRef name, int64_t queries, Job &job);
  LogicalResult measure(const Batch &batch, Job &job, HostArray &result);
  int64_t countPassesOf(func::FuncOp function);
  void print(ArrayRef<Job> jobs);
  LogicalResult writeJson(ArrayRef<Job> jobs);

  DemoOptions options;
  Phases phases;
  int64_t workers;
  std::string error;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  func::FuncOp entry;
  CacheShape shape;
  SmallVector<int64_t> lengths;
  std::unique_ptr<Executable> executable, counting;
  int64_t passesWritten = 0, passesDerived = 0;
  double compileMilliseconds = 0;
  /// Rows of the tiles that were compiled.
  IoSettings ioSettings;
};

} // namespace

int64_t Demo::countPassesOf(func::FuncOp function) {
  int64_t most = 0;
  function.walk([&](CascadeOp cascade) {
    if (std::optional<int64_t> rank = getFoldRank(cascade)) {
      most = std::max<int64_t>(most, countPasses(cascade, *rank).passes);
    }
  });
  return most;
}

LogicalResult Demo::compile() {
  DialectRegistry registry;
  registerCompilerDialects(registry);
  context.appendDialectRegistry(registry);
  phases.start("compile " + options.program);
  double start = now();
  {
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
      if (error.empty() && d.getSeverity() == DiagnosticSeverity::Error) {
        error = d.str();
      }
      return success();
    });
    module = parseSourceFile<ModuleOp>(options.program, &context);
  }
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
  FailureOr<CacheShape> found = readCacheShape(entry, error);
  if (failed(found)) {
    return failure();
  }
  shape = *found;
  executable = Executable::compile(*module, entry.getName(), {}, {}, error);
  if (!executable) {
    return failure();
  }
  compileMilliseconds = (now() - start) * 1e3;
  // The same once more, with code that counts tiles.
  CompileOptions countOptions;
  countOptions.countTiles = true;
  counting =
      Executable::compile(*module, entry.getName(), countOptions, {}, error);
  OwningOpRef<func::FuncOp> derived(entry.clone());
  if (!counting || failed(derive(*derived, {}))) {
    return failure();
  }
  passesWritten = countPassesOf(entry);
  passesDerived = countPassesOf(*derived);
  derived->walk([&](CascadeOp cascade) {
    if (std::optional<ArrayRef<int64_t>> tiles = cascade.getTiles()) {
      ioSettings.rows = (*tiles)[0];
    }
  });
  phases.done(formatv("text to callable in {0:F0} ms, passes over the keys: "
                      "{1} -> {2}",
                      compileMilliseconds, passesWritten, passesDerived)
                  .str());
  return success();
}

LogicalResult Demo::measure(const Batch &batch, Job &job, HostArray &result) {
  SmallVector<HostArray> args = batch.args(), results;
  RunOptions runOptions;
  runOptions.workers = int(workers);
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
    phases.show(formatv("run {0} of {1}", i + 1, kRepeats + 1).str());
  }
  llvm::sort(seconds);
  job.seconds = seconds[seconds.size() / 2];
  result = results[0];
  FailureOr<RankExtents> extents = findRankExtents(entry, args, error);
  if (failed(extents)) {
    return failure();
  }
  FailureOr<IoReport> io =
      evaluateRequests(entry, args, *extents, ioSettings, error);
  if (failed(io)) {
    return failure();
  }
  job.io = *io;
  return success();
}

LogicalResult Demo::runJob(StringRef name, int64_t queries, Job &job) {
  job.name = name.str();
  phases.start(name + ": fill the page pool");
  FailureOr<Batch> batch =
      makeBatch(shape, lengths, queries, options.seed, error);
  if (failed(batch)) {
    return failure();
  }
  phases.done(formatv("{0} pages in use of {1}, shuffled; the others and all "
                      "free slots are NaN",
                      batch->usedPages, batch->numPages)
                  .str());
  phases.start(name + ": run on " + Twine(workers) + " threads");
  HostArray result;
  FailureOr<Batch> seen = *batch;
  if (options.skipToken) {
    seen = withoutNeedle(shape, *batch, error);
  }
  if (failed(seen) || failed(measure(*seen, job, result))) {
    return failure();
  }
  phases.done(formatv("{0:F1} ms", job.seconds * 1e3).str());
  phases.start(name + ": check against the f64 reference");
  int64_t n = batch->lengths.size();
  FailureOr<CheckReport> check = checkBatch(
      entry, *batch, result, kCheckedQueries, kTolerance, options.seed,
      [&](int64_t done) {
        phases.show(formatv("{0} of {1} requests", done, n).str());
      },
      error);
  if (failed(check)) {
    return failure();
  }
  job.check = *check;
  phases.done(formatv("{0} of {1} rows, worst row error {2:e1}", check->rows,
                      check->allRows, check->maxRowError)
                  .str());
  return success();
}

static std::string megabytes(int64_t bytes) {
  return formatv("{0:F1} MB", double(bytes) / 1e6).str();
}

void Demo::print(ArrayRef<Job> jobs) {
  auto line = [&](StringRef title,
                  function_ref<std::string(const Job &)> value) {
    outs() << formatv("{0,-28}", title);
    for (const Job &job : jobs) {
      outs() << formatv("{0,24}", value(job));
    }
    outs() << '\n';
  };
  outs() << '\n';
  line("", [](const Job &job) { return job.name; });
  line("passes over the keys", [&](const Job &) {
    return formatv("{0} -> {1}", passesWritten, passesDerived).str();
  });
  line("tiles: empty",
       [](const Job &job) { return std::to_string(job.tiles.emptyTiles); });
  line("       partial",
       [](const Job &job) { return std::to_string(job.tiles.partialTiles); });
  line("       full",
       [](const Job &job) { return std::to_string(job.tiles.fullTiles); });
  line("work items, merges", [](const Job &job) {
    return formatv("{0}, {1}", job.tiles.items, job.tiles.merges).str();
  });
  line("keys and values needed",
       [](const Job &job) { return megabytes(job.io.kvBytes); });
  line("bytes into cores (model)",
       [](const Job &job) { return megabytes(job.io.coreBytes); });
  line("lower bound of any schedule",
       [](const Job &job) { return megabytes(job.io.boundBytes()); });
  line("median time", [](const Job &job) {
    return formatv("{0:F2} ms", job.seconds * 1e3).str();
  });
  line("GFLOP/s", [&](const Job &job) {
    return formatv("{0:F1}", job.gflops(shape.channels)).str();
  });
  line("GB/s of the bound", [](const Job &job) {
    return formatv("{0:F1}", double(job.io.boundBytes()) / job.seconds / 1e9)
        .str();
  });
  line("rows checked", [](const Job &job) {
    return formatv("{0} of {1}", job.check.rows, job.check.allRows).str();
  });
  line("worst row error", [](const Job &job) {
    return formatv("{0:e1}", job.check.maxRowError).str();
  });
  line("rows out of tolerance",
       [](const Job &job) { return std::to_string(job.check.badRows); });
}

LogicalResult Demo::writeJson(ArrayRef<Job> jobs) {
  llvm::json::Object all{{"program", options.program},
                         {"workers", workers},
                         {"lengths", llvm::json::Array(lengths)},
                         {"compile_ms", compileMilliseconds},
                         {"passes_written", passesWritten},
                         {"passes_derived", passesDerived}};
  for (const Job &job : jobs) {
    bool isFinite = std::isfinite(job.check.maxRowError);
    all[job.name] = llvm::json::Object{
        {"tiles_empty", job.tiles.emptyTiles},
        {"tiles_partial", job.tiles.partialTiles},
        {"tiles_full", job.tiles.fullTiles},
        {"kv_bytes", job.io.kvBytes},
        {"core_bytes", job.io.coreBytes},
        {"bound_bytes", job.io.boundBytes()},
        {"pairs", job.io.pairs},
        {"seconds", job.seconds},
        {"gflops", job.gflops(shape.channels)},
        {"rows_checked", job.check.rows},
        {"rows", job.check.allRows},
        {"bad_rows", job.check.badRows},
        {"max_row_error", isFinite ? llvm::json::Value(job.check.maxRowError)
                                   : llvm::json::Value("inf")}};
  }
  std::error_code code;
  llvm::raw_fd_ostream os(options.json, code);
  if (!code) {
    os << formatv("{0:2}\n", llvm::json::Value(std::move(all)));
    os.close();
    code = os.error();
    os.clear_error();
  }
  if (code) {
    error = "cannot write '" + options.json + "': " + code.message();
    return failure();
  }
  return success();
}

int Demo::run() {
  FailureOr<SmallVector<int64_t>> made = makeLengths(options, error);
  if (failed(made)) {
    return badInput(error);
  }
  lengths = *made;
  int64_t tokens = 0;
  for (int64_t length : lengths) {
    tokens += length;
  }
  outs() << "attn-demo: " << options.requests
         << " requests, an empty one and one of a single token; " << tokens
         << " tokens, the longest has " << *llvm::max_element(lengths) << "; "
         << llvm::sys::getHostCPUName() << ", " << workers << " threads\n";
  SmallVector<Job> jobs(2);
  if (failed(compile()) || failed(runJob("decode", 1, jobs[0])) ||
      failed(runJob("prefill", options.chunk, jobs[1]))) {
    return badInput(error);
  }
  print(jobs);
  if (!options.json.empty() && failed(writeJson(jobs))) {
    return badInput(error);
  }
  int64_t bad = 0;
  for (const Job &job : jobs) {
    bad += job.check.badRows;
    if (job.check.badRows) {
      outs().flush();
      llvm::errs() << "attn-demo: " << job.name << ": " << job.check.badRows
                   << " rows differ from the reference; " << job.check.message
                   << '\n';
    }
  }
  if (bad == 0) {
    outs() << "\nEvery checked row agrees with the reference to "
           << formatv("{0:e1}", kTolerance) << ".\n";
  }
  return bad ? 1 : 0;
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
