//===- Mutants.cpp - Kernels with one thing wrong -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Mutants.h"

#include "Moves.h"

#include <algorithm>
#include <map>
#include <optional>

using namespace ptxsim;
using namespace ptxsim::mutation;

std::string Mutant::apply(std::string_view ptx) const {
  std::string text;
  size_t at = 0;
  for (const Edit &edit : edits) {
    text += ptx.substr(at, edit.begin - at);
    text += edit.replacement;
    // Places in findings stay those of the original.
    std::string_view old = ptx.substr(edit.begin, edit.end - edit.begin);
    auto lines =
        std::count(old.begin(), old.end(), '\n') -
        std::count(edit.replacement.begin(), edit.replacement.end(), '\n');
    text.append(size_t(std::max<ptrdiff_t>(lines, 0)), '\n');
    at = edit.end;
  }
  return text += ptx.substr(at);
}

/// What defines the results of a deleted instruction.
static std::string standIn(const Statement &statement) {
  Words results = statement.writes();
  std::string text;
  for (const std::string &result : results) {
    bool isPredicate = statement.has("try_wait") ||
                       statement.has("test_wait") || statement.has("and") ||
                       statement.has("or");
    text += statement.guard.empty() ? "" : statement.guard + " ";
    text += isPredicate                ? "mov.pred " + result + ", 1;"
            : statement.is("mbarrier") ? "mov.b64 " + result + ", 0;"
                                       : "mov.b32 " + result + ", 0;";
  }
  return text;
}

namespace {

struct Field {
  const char *name;
  size_t operand;
};

/// The numbers of an instruction that say what it synchronises.
std::vector<Field> findFields(const Statement &s) {
  if (s.is("bar.warp")) {
    return {};
  }
  size_t n = s.operands.size();
  std::vector<Field> fields;
  if (s.is("bar") || (s.is("barrier") && !s.is("barrier.cluster"))) {
    bool isReduction = s.has("red");
    fields.push_back({"barrier", size_t(isReduction)});
    if (n == (isReduction ? 4 : 2)) {
      fields.push_back({"count", size_t(isReduction) + 1});
    }
  } else if (s.has("wait_group")) {
    fields.push_back({"group", 0});
  } else if (s.is("setmaxnreg")) {
    fields.push_back({"registers", 0});
  } else if (s.is("mbarrier")) {
    size_t address = 0;
    while (address < n && s.operands[address][0] != '[') {
      ++address;
    }
    if (address + 1 < n) {
      const char *name =
          s.has("expect_tx") || s.has("complete_tx") ? "bytes"
          : s.has("parity")                          ? "parity"
          : s.is("mbarrier.init") || s.has("arrive") || s.has("arrive_drop")
              ? "count"
              : nullptr;
      if (name) {
        fields.push_back({name, address + 1});
      }
    }
  }
  return fields;
}

std::optional<int64_t> parseNumber(const std::string &text) {
  if (text.empty() || !(std::isdigit(uint8_t(text[0])) || text[0] == '-')) {
    return std::nullopt;
  }
  size_t used = 0;
  int64_t value = std::stoll(text, &used, 0);
  if (used < text.size() && text[used] == 'U') {
    ++used;
  }
  return used == text.size() ? std::optional(value) : std::nullopt;
}

class Maker {
public:
  Maker(std::string_view ptx, std::string_view kernel)
      : statements(findStatements(ptx, kernel)), moves(ptx, statements) {
    std::map<std::string, int> count;
    for (const Statement &statement : statements) {
      if (statement.isInstruction()) {
        labels.push_back(statement.name + "#" +
                         std::to_string(++count[statement.name]));
        for (const std::string &word : statement.writes()) {
          definitions[word].push_back(&statement);
        }
      } else {
        labels.emplace_back();
      }
    }
  }

  std::vector<Mutant> makeAll() {
    for (size_t i = 0; i < statements.size(); ++i) {
      if (statements[i].isSynchronisation()) {
        replace(i, "delete", standIn(statements[i]));
        for (bool isUp : {true, false}) {
          if (auto edits = moves.make(i, isUp)) {
            add(i, isUp ? "up" : "down", std::move(*edits));
          }
        }
        for (const Field &field : findFields(statements[i])) {
          changeNumber(i, field);
        }
      }
    }
    return std::move(mutants);
  }

  Result<std::vector<Mutant>> read(std::string_view list) {
    for (size_t at = 0, number = 1; at < list.size(); ++number) {
      size_t end = std::min(list.find('\n', at), list.size());
      std::string line(list.substr(at, end - at));
      at = end + 1;
      if (line.empty() || line[0] == '#') {
        continue;
      }
      size_t first = line.find(" : ");
      size_t second =
          first == std::string::npos ? first : line.find(" : ", first + 3);
      std::string where = "line " + std::to_string(number) + ": expects ";
      if (second == std::string::npos) {
        return Error{where + "'name : instruction#number : text', but got '" +
                     line + "'"};
      }
      std::string label = line.substr(first + 3, second - first - 3);
      auto it = std::find(labels.begin(), labels.end(), label);
      if (it == labels.end()) {
        return Error{where + "an instruction of the kernel, but got '" + label +
                     "'"};
      }
      size_t i = size_t(it - labels.begin());
      std::string text = fill(line.substr(second + 3), statements[i].operands);
      if (text.empty()) {
        return Error{where + "operands of '" + statements[i].text() +
                     "', but got '" + line.substr(second + 3) + "'"};
      }
      replace(i, "", std::move(text));
      mutants.back().name = line.substr(0, first);
    }
    return std::move(mutants);
  }

private:
  void add(size_t i, const std::string &change,
           std::vector<Mutant::Edit> edits) {
    mutants.push_back({.name = labels[i] + " " + change,
                       .line = statements[i].line,
                       .instruction = statements[i].text(),
                       .edits = std::move(edits)});
  }

  void replace(size_t i, const std::string &change, std::string text) {
    add(i, change, {{statements[i].begin, statements[i].end, std::move(text)}});
  }

  /// The words of an operand in their order; "_" is none.
  static std::vector<std::string> wordList(const std::string &operand) {
    std::vector<std::string> list;
    for (size_t i = 0, end = 0; i < operand.size(); i = end + 1) {
      end = std::min(operand.find_first_of("[]{}, +|", i), operand.size());
      Words words = wordsOf(operand.substr(i, end - i));
      list.insert(list.end(), words.begin(), words.end());
    }
    return list;
  }

  /// "$0" is operand 0, "$0.1" its word 1. Empty if there is none.
  static std::string fill(const std::string &text,
                          const std::vector<std::string> &operands) {
    auto digit = [&](size_t i) {
      return i < text.size() ? size_t(text[i] - '0') : 10;
    };
    std::string result;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '$' || digit(i + 1) > 9) {
        result += text[i];
        continue;
      }
      if (digit(i + 1) >= operands.size()) {
        return "";
      }
      const std::string &operand = operands[digit(++i)];
      if (i + 1 < text.size() && text[i + 1] == '.' && digit(i + 2) <= 9) {
        std::vector<std::string> words = wordList(operand);
        if (digit(i + 2) >= words.size()) {
          return "";
        }
        result += words[digit(i += 2)];
      } else {
        result += operand;
      }
    }
    return result;
  }

  /// Through registers that are set once.
  std::optional<int64_t> findNumber(const std::string &operand,
                                    int depth = 0) const {
    if (std::optional<int64_t> value = parseNumber(operand)) {
      return value;
    }
    auto it = definitions.find(operand);
    if (depth > 8 || it == definitions.end() || it->second.size() != 1) {
      return std::nullopt;
    }
    const Statement &source = *it->second[0];
    return source.is("mov") && source.guard.empty() &&
                   source.operands.size() == 2
               ? findNumber(source.operands[1], depth + 1)
               : std::nullopt;
  }

  void changeNumber(size_t i, const Field &field) {
    const Statement &statement = statements[i];
    std::vector<std::string> operands = statement.operands;
    std::string &operand = operands[field.operand];
    std::string guard = statement.guard.empty() ? "" : statement.guard + " ";
    if (std::optional<int64_t> value = findNumber(operand)) {
      for (int step : {1, -1}) {
        operand = std::to_string(*value + step);
        replace(i, field.name + std::string(step > 0 ? "+1" : "-1"),
                guard + statement.withOperands(operands));
        mutants.back().mayBeRefused = true;
      }
      return;
    }
    const std::string source = operand;
    auto compute = [&](const char *change, const std::string &with) {
      operand = "%mutant";
      replace(i, field.name + std::string(change),
              "{ .reg .b32 %mutant; " + with + "; " + guard +
                  statement.withOperands(operands) + " }");
    };
    if (field.name == std::string_view("parity")) {
      compute("^1", "xor.b32 %mutant, " + source + ", 1");
    } else {
      compute("+1", "add.s32 %mutant, " + source + ", 1");
      compute("-1", "add.s32 %mutant, " + source + ", -1");
    }
  }

  std::vector<Statement> statements;
  Moves moves;
  /// "bar.sync#1" of each instruction.
  std::vector<std::string> labels;
  std::map<std::string, std::vector<const Statement *>, std::less<>>
      definitions;
  std::vector<Mutant> mutants;
};

} // namespace

std::vector<Mutant> ptxsim::mutation::makeMutants(std::string_view ptx,
                                                  std::string_view kernel) {
  return Maker(ptx, kernel).makeAll();
}

Result<std::vector<Mutant>>
ptxsim::mutation::readMutants(std::string_view list, std::string_view ptx,
                              std::string_view kernel) {
  return Maker(ptx, kernel).read(list);
}
