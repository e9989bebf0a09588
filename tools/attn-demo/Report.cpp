//===- Report.cpp - The figures of the demo -------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Report.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

using namespace attn;
using llvm::formatv;

static std::string megabytes(int64_t bytes) {
  return formatv("{0:F1} MB", double(bytes) / 1e6).str();
}

void attn::printReport(const DemoReport &report, raw_ostream &os) {
  auto line = [&](StringRef title,
                  function_ref<std::string(const Job &)> value) {
    os << formatv("{0,-32}", title);
    for (const Job &job : report.jobs) {
      os << formatv("{0,20}", value(job));
    }
    os << '\n';
  };
  auto number = [&](StringRef title, function_ref<int64_t(const Job &)> value) {
    line(title, [&](const Job &job) { return std::to_string(value(job)); });
  };
  os << '\n';
  line("", [](const Job &job) { return job.name; });
  line("passes over the keys", [&](const Job &) {
    return formatv("{0} -> {1}", report.derivation.passesWritten,
                   report.derivation.passesDerived)
        .str();
  });
  number("tiles, counted: empty",
         [](const Job &job) { return job.tiles.emptyTiles; });
  number("                partial",
         [](const Job &job) { return job.tiles.partialTiles; });
  number("                full",
         [](const Job &job) { return job.tiles.fullTiles; });
  line("work items, merges", [](const Job &job) {
    return formatv("{0}, {1}", job.tiles.items, job.tiles.merges).str();
  });
  line("bytes, modelled: keys and values",
       [](const Job &job) { return megabytes(job.io.kvBytes); });
  line("                 into cores",
       [](const Job &job) { return megabytes(job.io.coreBytes); });
  line("                 lower bound",
       [](const Job &job) { return megabytes(job.io.boundBytes()); });
  line("                 cores / bound", [](const Job &job) {
    return formatv("{0:F2}", job.bytesOverBound()).str();
  });
  line("median time, measured", [](const Job &job) {
    return formatv("{0:F2} ms", job.seconds * 1e3).str();
  });
  line("GFLOP/s", [&](const Job &job) {
    return formatv("{0:F1}", job.gflops(report.shape.channels)).str();
  });
  line("GB/s of keys and values",
       [](const Job &job) { return formatv("{0:F2}", job.gigabytes()).str(); });
  line("rows checked", [](const Job &job) {
    return formatv("{0} of {1}", job.check.rows, job.check.allRows).str();
  });
  line("worst row error", [](const Job &job) {
    return formatv("{0:e1}", job.check.maxRowError).str();
  });
  number("rows out of tolerance",
         [](const Job &job) { return job.check.badRows; });
}

static llvm::json::Object toJson(const Job &job, int64_t channels) {
  double error = job.check.maxRowError;
  return llvm::json::Object{{"tiles_empty", job.tiles.emptyTiles},
                            {"tiles_partial", job.tiles.partialTiles},
                            {"tiles_full", job.tiles.fullTiles},
                            {"kv_bytes", job.io.kvBytes},
                            {"core_bytes", job.io.coreBytes},
                            {"bound_bytes", job.io.boundBytes()},
                            {"pairs", job.io.pairs},
                            {"seconds", job.seconds},
                            {"gflops", job.gflops(channels)},
                            {"gigabytes_per_second", job.gigabytes()},
                            {"rows_checked", job.check.rows},
                            {"rows", job.check.allRows},
                            {"bad_rows", job.check.badRows},
                            // JSON has no infinity.
                            {"max_row_error", std::isfinite(error)
                                                  ? llvm::json::Value(error)
                                                  : llvm::json::Value("inf")}};
}

LogicalResult attn::writeReport(const DemoReport &report, StringRef path,
                                std::string &error) {
  const CompileMilliseconds &ms = report.compile;
  llvm::json::Object all{
      {"program", report.program},
      {"cpu", report.cpu},
      {"workers", report.workers},
      {"lengths", llvm::json::Array(report.lengths)},
      {"compile_ms", llvm::json::Object{{"parse", ms.parse},
                                        {"derive", ms.derive},
                                        {"vector", ms.vector},
                                        {"llvm", ms.llvm},
                                        {"total", ms.total()}}},
      {"passes_written", report.derivation.passesWritten},
      {"passes_derived", report.derivation.passesDerived},
      {"fold", report.derivation.fold}};
  for (const Job &job : report.jobs) {
    all[job.name] = toJson(job, report.shape.channels);
  }
  std::error_code code;
  llvm::raw_fd_ostream os(path, code);
  if (!code) {
    os << formatv("{0:2}\n", llvm::json::Value(std::move(all)));
    os.close();
    code = os.error();
    os.clear_error();
  }
  if (code) {
    error = "cannot write '" + path.str() + "': " + code.message();
    return failure();
  }
  return success();
}
