//===- Options.cpp - What the demo is asked for ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Options.h"

#include "llvm/Support/raw_ostream.h"

using namespace attn;

static constexpr const char kUsage[] =
    R"(usage: attn-demo [options]
Compiles textbook attention over a paged KV cache, runs decode and chunked
prefill of a ragged batch on this CPU, and checks both against the f64 reference.
  --program=FILE   the cascade (default examples/paged_gqa.mlir; another one must
                   have its arguments)
  --trace=FILE     lengths of requests: one JSON object per line, of which
                   "input_length" counts, as in published traces of LLM
                   services; without it lengths are drawn
  --requests=N     requests of that kind (default 16), beside an empty one and
                   one of a single token
  --cut=N          longest request in tokens (default 8192)
  --chunk=N        queries per request of the prefill (default 256)
  --workers=N      threads (default: all cores)
  --seed=N         of data, pages and lengths (default 1)
  --sabotage=skip-token
                   the compiled runs do not see one token of the longest
                   request: the check must fail
  --json=FILE      write the figures as JSON
exit: 0 all rows agree, 1 a row differs, 2 bad input
)";

std::optional<DemoOptions> attn::parseDemoOptions(ArrayRef<char *> words,
                                                  int &code) {
  DemoOptions options;
  code = 2;
  auto fail = [](const Twine &message) {
    llvm::errs() << "attn-demo: " << message << '\n';
    return std::nullopt;
  };
  for (StringRef word : words) {
    if (word == "--help") {
      llvm::outs() << kUsage;
      code = 0;
      return std::nullopt;
    }
    auto [key, value] = word.split('=');
    auto number = [&, value = value](int64_t &to, int64_t least, int64_t most) {
      return !value.getAsInteger(10, to) && to >= least && to <= most;
    };
    bool good = true;
    if (key == "--program") {
      options.program = value.str();
    } else if (key == "--trace") {
      options.trace = value.str();
    } else if (key == "--json") {
      options.json = value.str();
    } else if (key == "--requests") {
      good = number(options.requests, 1, 1024);
    } else if (key == "--cut") {
      good = number(options.cut, 2, 1 << 20);
    } else if (key == "--chunk") {
      good = number(options.chunk, 1, 1 << 16);
    } else if (key == "--workers") {
      good = number(options.workers, 1, 4096);
    } else if (key == "--seed") {
      good = !value.getAsInteger(10, options.seed);
    } else if (word == "--sabotage=skip-token") {
      options.skipToken = true;
    } else {
      return fail("unknown option '" + word + "' (see --help)");
    }
    if (!good) {
      return fail("expects a number in range, but got '" + word + "'");
    }
  }
  return options;
}
