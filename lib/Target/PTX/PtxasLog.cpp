//===- PtxasLog.cpp - What the assembler says -----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Target/PTX/Ptxas.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FormatVariadic.h"

using namespace attn;

bool PtxasLog::isClean() const {
  return llvm::none_of(functions,
                       [](const PtxasFunction &f) { return f.spills(); }) &&
         llvm::none_of(messages,
                       [](const PtxasMessage &m) { return m.costsSpeed; });
}

static bool costsSpeed(StringRef code) {
  return llvm::StringSwitch<bool>(code)
      .Cases({"C7504", "C7508", "C7511", "C7512", "C7514", "C7517", "C7519"},
             true)
      .Default(false);
}

/// The text in the first pair of single quotes; empty if there is none.
static StringRef quoted(StringRef text) {
  return text.split('\'').second.split('\'').first;
}

namespace {
/// The log comes in groups of lines: "Compiling entry function 'k'", "Function
/// properties for k", an indented line of stack and spills, "Used N registers".
class Reader {
public:
  PtxasLog log;

  void readLine(StringRef line) {
    line = line.rtrim();
    StringRef start = line.ltrim();
    if (start.size() < line.size()) {
      readAmounts(start);
      return;
    }
    auto [program, rest] = line.split(' ');
    if (program != "ptxas") {
      return;
    }
    if (rest.consume_front("info") || rest.consume_front("warning")) {
      readInfo(rest.ltrim().ltrim(':').ltrim());
    } else {
      readError(rest);
    }
  }

private:
  PtxasFunction *current = nullptr;

  void open(StringRef name, bool isKernel) {
    auto known = llvm::find_if(
        log.functions, [&](const PtxasFunction &f) { return f.name == name; });
    if (known == log.functions.end()) {
      log.functions.emplace_back();
      known = std::prev(log.functions.end());
      known->name = name.str();
    }
    known->isKernel |= isKernel;
    current = &*known;
  }

  void readInfo(StringRef text) {
    if (text.consume_front("Compiling entry function")) {
      open(quoted(text), /*isKernel=*/true);
    } else if (text.consume_front("Function properties for ")) {
      open(text.trim(), /*isKernel=*/false);
    } else if (text.starts_with("Used ")) {
      readAmounts(text);
    } else if (text.consume_front("(")) {
      readMessage(text);
    }
  }

  void readMessage(StringRef text) {
    PtxasMessage message;
    auto [code, words] = text.split(')');
    message.code = code.str();
    message.text = words.trim().str();
    message.costsSpeed = costsSpeed(code);
    for (StringRef before :
         {"in function '", "for the function '", "in the function '"}) {
      size_t at = words.find(before);
      if (at != StringRef::npos) {
        message.kernel = quoted(words.substr(at)).str();
      }
    }
    log.messages.push_back(message);
  }

  /// "Used 24 registers, used 1 barriers, 100 bytes smem", or "8 bytes stack
  /// frame, 4 bytes spill stores, 4 bytes spill loads".
  void readAmounts(StringRef text) {
    if (!current) {
      return;
    }
    SmallVector<StringRef> parts;
    text.split(parts, ',');
    for (StringRef part : parts) {
      part = part.trim();
      if (!part.consume_front("Used ")) {
        part.consume_front("used ");
      }
      unsigned amount = 0;
      if (part.consumeInteger(10, amount)) {
        continue;
      }
      unsigned unused;
      unsigned &target =
          *llvm::StringSwitch<unsigned *>(part.trim())
               .Case("registers", &current->registers)
               .Case("barriers", &current->barriers)
               .Case("bytes smem", &current->sharedBytes)
               .Case("bytes stack frame", &current->stackBytes)
               .Case("bytes spill stores", &current->spillStoreBytes)
               .Case("bytes spill loads", &current->spillLoadBytes)
               .Default(&unused);
      target = amount;
    }
  }

  /// "FILE, line 4; error   : text", "fatal   : text" or "error   : text".
  void readError(StringRef text) {
    auto [place, words] = text.split(" : ");
    if (!place.contains("error") && !place.contains("fatal")) {
      return;
    }
    size_t at = place.rfind("line ");
    StringRef line = at == StringRef::npos
                         ? StringRef()
                         : place.substr(at).split(';').first.trim();
    log.errors.push_back((line.empty() ? "" : line + ": ").str() +
                         words.trim().str());
  }
};
} // namespace

PtxasLog attn::parsePtxasLog(StringRef text) {
  Reader reader;
  while (!text.empty()) {
    auto [line, rest] = text.split('\n');
    reader.readLine(line);
    text = rest;
  }
  PtxasLog log = std::move(reader.log);
  // Some messages name no kernel; if there is one only, it is that one.
  SmallVector<StringRef> kernels;
  for (const PtxasFunction &function : log.functions) {
    if (function.isKernel) {
      kernels.push_back(function.name);
    }
  }
  for (PtxasMessage &message : log.messages) {
    if (message.kernel.empty() && kernels.size() == 1) {
      message.kernel = kernels.front().str();
    }
  }
  return log;
}

void attn::warnAbout(const PtxasLog &log, Location loc) {
  for (const PtxasFunction &function : log.functions) {
    if (function.spills()) {
      emitWarning(loc) << "kernel '" << function.name
                       << "' spills: " << function.spillStoreBytes
                       << " bytes stored, " << function.spillLoadBytes
                       << " bytes loaded at " << function.registers
                       << " registers";
    }
  }
  for (const PtxasMessage &message : log.messages) {
    if (message.costsSpeed) {
      emitWarning(loc) << "kernel '"
                       << (message.kernel.empty() ? "?" : message.kernel)
                       << "': ptxas " << message.code << ": " << message.text;
    }
  }
}

void attn::printTable(const PtxasLog &log, raw_ostream &os) {
  size_t width = StringRef("function").size();
  for (const PtxasFunction &function : log.functions) {
    width = std::max(width, function.name.size());
  }
  auto row = [&](StringRef name, auto... cells) {
    os << name;
    os.indent(width - name.size());
    ((os << llvm::formatv("{0,11}", cells)), ...);
    os << '\n';
  };
  row("function", "registers", "barriers", "shared B", "stack B", "stored B",
      "loaded B");
  for (const PtxasFunction &function : log.functions) {
    row(function.name, function.registers, function.barriers,
        function.sharedBytes, function.stackBytes, function.spillStoreBytes,
        function.spillLoadBytes);
  }
  for (const PtxasMessage &message : log.messages) {
    os << message.code << ": " << message.text << '\n';
  }
}
