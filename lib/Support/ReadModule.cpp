//===- ReadModule.cpp - Modules from text that nobody vouches for ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Support/ReadModule.h"

#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"

using namespace attn;

//===----------------------------------------------------------------------===//
// findTooDeep
//===----------------------------------------------------------------------===//

namespace {
/// Goes through the tokens once. It knows as much of the syntax as it takes to
/// count: '<' opens a list of parameters or compares, which only what follows
/// tells, and counts as open until something closes around it. An alias counts
/// as deep as what it stands for.
class NestingScan {
public:
  explicit NestingScan(StringRef text) : text(text) {}
  std::optional<NestingError> run();

private:
  StringRef peekWord() const;
  void skipString();
  void scanWord();
  void scanAlias();
  void endDefinition();
  void reach(unsigned depth, const Twine &what);
  void open(char bracket);
  void close(char bracket);
  void countOperator(size_t length, bool divides = false);
  /// The list element or the like ends: the next expression is another one.
  void endExpression() {
    openOperators -= levels.back().operators;
    levels.back() = Level{levels.back().bracket};
  }
  void dropComparisons() {
    while (levels.back().bracket == '<') {
      pop();
    }
  }
  /// The operators of a bracket are its expression's from now on.
  void pop() {
    Level inside = levels.pop_back_val();
    levels.back().operators += inside.operators;
    levels.back().inside = std::max(levels.back().inside, inside.getDepth());
  }
  void fail(const Twine &message);

  struct Level {
    char bracket = 0;
    unsigned operators = 0; ///< of the expression that is open here
    unsigned divisions = 0; ///< of the term that is open here, one on another
    unsigned inside = 0;    ///< divisions that its brackets have
    unsigned before = 0;    ///< the depth of the terms before it

    unsigned getDepth() const { return std::max(before, divisions + inside); }
    void endTerm() {
      before = getDepth();
      divisions = inside = 0;
    }
  };
  StringRef text;
  size_t at = 0;
  SmallVector<Level> levels = {Level()};
  unsigned openOperators = 0;        ///< of all levels
  llvm::StringMap<unsigned> aliases; ///< how deep
  unsigned *defined = nullptr;       ///< of the alias whose definition this is
  bool expectsMore = false;          ///< after '=', ':', ',' and '->'
  std::optional<NestingError> error;
};
} // namespace

void NestingScan::fail(const Twine &message) {
  StringRef before = text.take_front(at);
  size_t lineStart = before.rfind('\n') + 1; // npos + 1 is 0
  error = NestingError{unsigned(before.count('\n') + 1),
                       unsigned(at - lineStart + 1), message.str()};
}

/// A string ends at its line's end, whatever stands there.
void NestingScan::skipString() {
  for (++at; at < text.size() && text[at] != '"' && text[at] != '\n'; ++at) {
    at += text[at] == '\\';
  }
  ++at;
}

StringRef NestingScan::peekWord() const {
  return text.drop_front(at).take_while([](char c) {
    return llvm::isAlnum(c) || c == '_' || c == '.' || c == '$';
  });
}

void NestingScan::scanWord() {
  StringRef word = peekWord();
  if (word == "and" || word == "or") {
    dropComparisons();
    endExpression();
  } else if (word == "mod" || word == "floordiv" || word == "ceildiv") {
    countOperator(word.size(), /*divides=*/true);
  }
  at += word.size();
}

/// `what` is `depth` deep here.
void NestingScan::reach(unsigned depth, const Twine &what) {
  if (depth > kMostNestedBrackets) {
    return fail("expects brackets nested at most " +
                Twine(kMostNestedBrackets) + " deep, but this " + what +
                " is at depth " + Twine(depth));
  }
  if (defined) {
    *defined = std::max(*defined, depth);
  }
}

void NestingScan::open(char bracket) {
  reach(levels.size(), "'" + Twine(bracket) + "'");
  levels.push_back(Level{bracket});
}

/// A '#' or '!': the use of an alias, or its definition.
void NestingScan::scanAlias() {
  size_t start = at++;
  at += peekWord().size();
  StringRef name = text.slice(start, at);
  StringRef after = text.drop_front(at).ltrim();
  if (levels.size() == 1 && after.starts_with("=") &&
      !after.starts_with("==")) {
    defined = &aliases.insert_or_assign(name, 0).first->second;
    return;
  }
  auto known = aliases.find(name);
  if (known != aliases.end()) {
    at = start;
    reach(levels.size() + known->second, "'" + name + "'");
    at = start + name.size();
  }
}

/// At the end of a line: what an alias stands for ends there, unless more must
/// follow or does.
void NestingScan::endDefinition() {
  StringRef after = text.drop_front(at).ltrim();
  if (levels.size() == 1 && !expectsMore && !after.empty() &&
      !StringRef("-:<").contains(after.front())) {
    defined = nullptr;
  }
}

void NestingScan::close(char bracket) {
  char opening = bracket == ')' ? '(' : bracket == ']' ? '[' : '{';
  if (bracket == '>') {
    opening = '<';
  } else {
    dropComparisons();
  }
  if (levels.back().bracket == opening) {
    pop();
  }
}

void NestingScan::countOperator(size_t length, bool divides) {
  auto check = [&](unsigned count, unsigned most, StringRef what) {
    if (count > most && !error) {
      fail("expects at most " + Twine(most) + " " + what + ", but this '" +
           text.substr(at, length) + "' is number " + Twine(count));
    }
  };
  ++levels.back().operators;
  check(++openOperators, kMostOperators, "operators in an expression");
  if (divides) {
    ++levels.back().divisions;
    // Those that are open further out are around this one or beside it.
    unsigned depth = levels.back().getDepth();
    for (const Level &level : ArrayRef(levels).drop_back()) {
      depth += level.divisions;
    }
    check(depth, kMostDivisions, "divisions inside of one another");
  } else if (length == 1 && StringRef("+-").contains(text[at])) {
    levels.back().endTerm();
  }
}

std::optional<NestingError> NestingScan::run() {
  while (at < text.size() && !error) {
    char c = text[at];
    StringRef two = text.substr(at, 2);
    if (llvm::isAlnum(c) || c == '_') {
      expectsMore = false;
      scanWord();
      continue;
    }
    if (two == "//") {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (c == '\n') {
      endDefinition();
    } else if (!llvm::isSpace(c)) {
      expectsMore = two == "->" || StringRef("=:,").contains(c);
    }
    switch (c) {
    case '"':
      endExpression();
      skipString();
      continue;
    case '-':
    case '+':
    case '*':
      if (two == "->") {
        endExpression();
        ++at;
      } else {
        countOperator(1);
      }
      break;
    case '<':
    case '>':
    case '=':
      endExpression();
      if (two.ends_with("=")) {
        ++at;
      } else if (c == '<') {
        open(c);
      } else if (c == '>') {
        close(c);
      }
      break;
    case '(':
    case '[':
      open(c);
      break;
    case '{':
      endExpression();
      open(c);
      break;
    case ')':
    case ']':
      close(c);
      break;
    case '}':
      close(c);
      endExpression();
      break;
    case '#':
    case '!':
      endExpression();
      scanAlias();
      continue;
    case ',':
    case ':':
    case ';':
    case '%':
    case '@':
    case '^':
      endExpression();
      break;
    default:
      break;
    }
    ++at;
  }
  return error;
}

std::optional<NestingError> attn::findTooDeep(StringRef text) {
  if (isBytecode(llvm::MemoryBufferRef(text, ""))) {
    return std::nullopt;
  }
  return NestingScan(text).run();
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

static OwningOpRef<ModuleOp>
readModule(std::unique_ptr<llvm::MemoryBuffer> buffer, MLIRContext &context) {
  StringRef name = buffer->getBufferIdentifier();
  if (std::optional<NestingError> deep = findTooDeep(buffer->getBuffer())) {
    emitError(FileLineColLoc::get(&context, name, deep->line, deep->column))
        << deep->message;
    return nullptr;
  }
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(buffer), SMLoc());
  return parseSourceFile<ModuleOp>(sources, &context);
}

OwningOpRef<ModuleOp> attn::readModule(StringRef text, MLIRContext &context) {
  return ::readModule(llvm::MemoryBuffer::getMemBufferCopy(text), context);
}

OwningOpRef<ModuleOp> attn::readModuleFile(StringRef path,
                                           MLIRContext &context) {
  std::string error;
  std::unique_ptr<llvm::MemoryBuffer> buffer = openInputFile(path, &error);
  if (!buffer) {
    emitError(UnknownLoc::get(&context))
        << "could not open input file " << path << ": " << error;
    return nullptr;
  }
  return ::readModule(std::move(buffer), context);
}
