//===- Statements.cpp - PTX text cut into statements ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Statements.h"

#include <algorithm>
#include <cctype>
#include <cstddef>

using namespace ptxsim::mutation;

static bool isWordStart(char c) {
  return std::isalpha(uint8_t(c)) || c == '_' || c == '$' || c == '%';
}

static bool isWordPart(char c) {
  return isWordStart(c) || std::isdigit(uint8_t(c)) || c == '.' || c == ':';
}

static std::string trim(std::string_view text) {
  std::string result;
  for (char c : text) {
    bool isBlank = std::isspace(uint8_t(c));
    if (!isBlank) {
      result += c;
    } else if (!result.empty() && result.back() != ' ') {
      result += ' ';
    }
  }
  while (!result.empty() && result.back() == ' ') {
    result.pop_back();
  }
  return result;
}

Words ptxsim::mutation::wordsOf(std::string_view operand) {
  Words words;
  for (size_t i = 0; i < operand.size();) {
    size_t start = i;
    if (isWordStart(operand[i])) {
      while (i < operand.size() && isWordPart(operand[i])) {
        ++i;
      }
      if (std::string word(operand.substr(start, i - start)); word != "_") {
        words.insert(std::move(word));
      }
    } else if (std::isdigit(uint8_t(operand[i]))) {
      // 0f3F800000 is no word.
      while (i < operand.size() && isWordPart(operand[i])) {
        ++i;
      }
    } else {
      ++i;
    }
  }
  return words;
}

bool Statement::is(std::string_view words) const {
  return name.starts_with(words) &&
         (name.size() == words.size() || name[words.size()] == '.');
}

bool Statement::has(std::string_view word) const {
  for (size_t at = name.find(word); at != std::string::npos;
       at = name.find(word, at + 1)) {
    size_t end = at + word.size();
    if (at && name[at - 1] == '.' && (end == name.size() || name[end] == '.')) {
      return true;
    }
  }
  return false;
}

std::string
Statement::withOperands(const std::vector<std::string> &other) const {
  std::string text = name;
  for (size_t i = 0; i < other.size(); ++i) {
    text += (i ? ", " : " ") + other[i];
  }
  return text + ";";
}

std::string Statement::text() const {
  std::string text = withOperands(operands);
  text.pop_back();
  return guard.empty() ? text : guard + " " + text;
}

/// Whether operand 0 is a result.
static bool hasResult(const Statement &statement) {
  if (statement.operands.empty() || statement.operands[0][0] == '[') {
    return false;
  }
  bool isReduction = statement.is("bar.red") || statement.is("barrier.red") ||
                     statement.is("barrier.cta.red");
  for (const char *name : {"bar", "barrier", "bra", "brx", "setmaxnreg",
                           "nanosleep", "fence", "membar", "cp", "wgmma.fence",
                           "wgmma.commit_group", "wgmma.wait_group", "call"}) {
    if (statement.is(name)) {
      return isReduction;
    }
  }
  return true;
}

Words Statement::writes() const {
  Words words = hasResult(*this) ? wordsOf(operands[0]) : Words();
  if (has("local")) {
    words.insert("local memory");
  }
  return words;
}

Words Statement::reads() const {
  Words words = wordsOf(guard);
  bool keeps = !guard.empty() || is("wgmma") || has("local");
  for (size_t i = hasResult(*this) && !keeps ? 1 : 0; i < operands.size();
       ++i) {
    words.merge(wordsOf(operands[i]));
  }
  if (has("local")) {
    words.insert("local memory");
  }
  return words;
}

bool Statement::isBranch() const {
  return is("bra") || is("brx") || is("ret") || is("exit") || is("trap") ||
         is("call");
}

bool Statement::touchesMemory() const {
  if (is("ld") || is("st") || is("ldu")) {
    return !has("param") && !has("const") && !has("local") && !has("nc") &&
           !is("ldu");
  }
  for (const char *first :
       {"atom", "red", "cp", "ldmatrix", "stmatrix", "mbarrier", "bar",
        "barrier", "membar", "fence", "wgmma", "setmaxnreg", "tensormap",
        "griddepcontrol", "multimem"}) {
    if (is(first)) {
      return true;
    }
  }
  return false;
}

bool Statement::isSynchronisation() const {
  if (!isInstruction()) {
    return false;
  }
  if (is("wgmma")) {
    return !has("mma_async");
  }
  if (is("cp")) {
    return has("commit_group") || has("wait_group") || has("wait_all") ||
           is("cp.async.mbarrier");
  }
  for (const char *first : {"bar", "barrier", "membar", "fence", "mbarrier",
                            "setmaxnreg", "griddepcontrol"}) {
    if (is(first)) {
      return true;
    }
  }
  return false;
}

namespace {

class Splitter {
public:
  explicit Splitter(std::string_view ptx) : text(ptx) { hideComments(); }

  std::vector<Statement> run(std::string_view kernel) {
    size_t at = findBody(kernel);
    while (at < text.size()) {
      at = skipBlanks(at);
      if (at == text.size() || !take(at)) {
        return {};
      }
      at = statements.back().end;
      if (open.empty()) {
        return std::move(statements);
      }
    }
    return {};
  }

private:
  /// Blanks of the same length: places stay.
  void hideComments() {
    for (size_t i = 0; i + 1 < text.size(); ++i) {
      size_t end = i;
      if (text[i] == '"') {
        end = text.find('"', i + 1);
        i = end == std::string::npos ? text.size() : end;
        continue;
      }
      if (text[i] == '/' && text[i + 1] == '/') {
        end = text.find('\n', i);
      } else if (text[i] == '/' && text[i + 1] == '*') {
        end = text.find("*/", i);
        end = end == std::string::npos ? end : end + 2;
      }
      end = std::min(end, text.size());
      for (; i < end; ++i) {
        text[i] = text[i] == '\n' ? '\n' : ' ';
      }
    }
  }

  size_t findBody(std::string_view kernel) const {
    for (size_t at = text.find(".entry"); at != std::string::npos;
         at = text.find(".entry", at + 1)) {
      size_t name = skipBlanks(at + 6), end = name;
      while (end < text.size() && isWordPart(text[end])) {
        ++end;
      }
      if (std::string_view(text).substr(name, end - name) == kernel) {
        return std::min(text.find('{', end), text.size());
      }
    }
    return text.size();
  }

  size_t skipBlanks(size_t at) const {
    while (at < text.size() && std::isspace(uint8_t(text[at]))) {
      ++at;
    }
    return at;
  }

  /// Appends the statement that starts here; false: it has no end.
  bool take(size_t at) {
    Statement statement;
    statement.begin = at;
    lines += uint32_t(std::count(text.begin() + ptrdiff_t(counted),
                                 text.begin() + ptrdiff_t(at), '\n'));
    counted = at;
    statement.line = 1 + lines;
    if (text[at] == '{' || text[at] == '}') {
      statement.end = at + 1;
      return addBrace(std::move(statement));
    }
    size_t word = at;
    while (word < text.size() && isWordPart(text[word])) {
      ++word;
    }
    if (size_t colon = findColon(at, word); colon < word) {
      statement.kind = Statement::Kind::Label;
      statement.name = text.substr(at, colon - at);
      statement.end = colon + 1;
    } else if (text[at] == '.') {
      // Of all directives only .loc ends with its line.
      bool isLine = text.compare(at, 4, ".loc") == 0 && text[at + 4] != 'a';
      size_t end = text.find(isLine ? '\n' : ';', at);
      statement.name = text.substr(at, word - at);
      statement.end = end == std::string::npos ? end : end + 1;
    } else {
      size_t end = text.find(';', at);
      if (end == std::string::npos) {
        return false;
      }
      statement.kind = Statement::Kind::Instruction;
      statement.end = end + 1;
      parse(statement, std::string_view(text).substr(at, end - at));
    }
    statements.push_back(std::move(statement));
    return statements.back().end != std::string::npos;
  }

  /// That of `label:`, not those of `shared::cta`; `end` if there is none.
  size_t findColon(size_t begin, size_t end) const {
    for (size_t i = begin; i < end; ++i) {
      if (text[i] == ':') {
        if (i + 1 == text.size() || text[i + 1] != ':') {
          return i;
        }
        ++i;
      }
    }
    return end;
  }

  bool addBrace(Statement statement) {
    size_t index = statements.size();
    if (text[statement.begin] == '{') {
      statement.kind = Statement::Kind::Open;
      open.push_back(index);
    } else {
      if (open.empty()) {
        return false;
      }
      statement.kind = Statement::Kind::Close;
      statement.partner = open.back();
      statements[open.back()].partner = index;
      open.pop_back();
    }
    statements.push_back(std::move(statement));
    return true;
  }

  static void parse(Statement &statement, std::string_view line) {
    size_t at = 0;
    auto takeWord = [&](auto isPart) {
      size_t start = at;
      while (at < line.size() && isPart(line[at])) {
        ++at;
      }
      std::string word(line.substr(start, at - start));
      while (at < line.size() && std::isspace(uint8_t(line[at]))) {
        ++at;
      }
      return word;
    };
    auto isDense = [](char c) { return !std::isspace(uint8_t(c)); };
    if (line[at] == '@') {
      statement.guard = takeWord(isDense);
    }
    statement.name = takeWord(isDense);
    int depth = 0;
    size_t start = at;
    for (; at <= line.size(); ++at) {
      char c = at < line.size() ? line[at] : ',';
      depth += c == '[' || c == '{' || c == '(';
      depth -= c == ']' || c == '}' || c == ')';
      if (c == ',' && !depth) {
        if (std::string operand = trim(line.substr(start, at - start));
            !operand.empty()) {
          statement.operands.push_back(std::move(operand));
        }
        start = at + 1;
      }
    }
  }

  std::string text;
  size_t counted = 0; // characters whose lines are counted
  uint32_t lines = 0;
  std::vector<Statement> statements;
  std::vector<size_t> open;
};

} // namespace

std::vector<Statement>
ptxsim::mutation::findStatements(std::string_view ptx,
                                 std::string_view kernel) {
  return Splitter(ptx).run(kernel);
}
