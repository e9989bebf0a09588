//===- MbarrierWalkTest.cpp - Random walks over mbarriers -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One thread walks at random through the operations that an object's counts
// allow [9.7.13.15.2-7], in every way to write each of them, and looks at the
// phase behind each; the host counts along.
//
//===----------------------------------------------------------------------===//
#include "LaunchKit.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

constexpr int64_t kMost = (1 << 20) - 1;

/// The counts of an object, as the manual names them.
struct Counts {
  int64_t phase = 0, expected = 0, pending = 0, tx = 0;

  void init(int64_t count) { *this = {0, count, count, 0}; }
  void arrive(int64_t count) {
    pending -= count;
    finish();
  }
  void complete(int64_t bytes) {
    tx -= bytes;
    finish();
  }

private:
  void finish() {
    if (pending == 0 && tx == 0) {
      ++phase;
      pending = expected;
    }
  }
};

using Words = std::vector<std::string>;

/// Every choice of one word of each list, one behind the other.
Words product(const std::vector<Words> &lists) {
  Words all = {""};
  for (const Words &list : lists) {
    Words longer;
    for (const std::string &begin : all) {
      for (const std::string &word : list) {
        longer.push_back(begin + word);
      }
    }
    all = longer;
  }
  return all;
}

const Words kOwn = {"", ".shared", ".shared::cta"};
const Words kAny = {"", ".shared", ".shared::cta", ".shared::cluster"};
const Words kRelease = {"", ".release.cta", ".release.cluster", ".relaxed.cta",
                        ".relaxed.cluster"};
const Words kRelaxed = {"", ".relaxed.cta", ".relaxed.cluster"};
const Words kAcquire = {"", ".acquire.cta", ".acquire.cluster", ".relaxed.cta",
                        ".relaxed.cluster"};
const Words kNoComplete = {"", ".release.cta"};

/// What an operation may be written as; '@' stands for the object's address,
/// '#' for a number and '$' for the state's register.
Words formsOf(const std::string &operation) {
  auto with = [&](const Words &order, const Words &spaces, const Words &tails) {
    return product({{"mbarrier." + operation}, order, spaces, {".b64"}, tails});
  };
  if (operation == "init") {
    return with({""}, kOwn, {" [@], #;"});
  }
  if (operation == "inval") {
    return with({""}, kOwn, {" [@];"});
  }
  if (operation == "expect_tx" || operation == "complete_tx") {
    return with(kRelaxed, kAny, {" [@], #;"});
  }
  bool expects = operation.find("expect_tx") != std::string::npos;
  if (operation.find("noComplete") != std::string::npos) {
    return with(kNoComplete, kOwn, {" $, [@], #;", " _, [@], #;"});
  }
  Words tails = {" $, [@], #;", " _, [@], #;"};
  Words remote = {" _, [@], #;"};
  if (!expects) {
    tails.insert(tails.end(), {" $, [@];", " _, [@];"});
    remote.push_back(" _, [@];");
  }
  Words forms = with(kRelease, kOwn, tails);
  Words more = with(kRelease, {".shared::cluster"}, remote);
  forms.insert(forms.end(), more.begin(), more.end());
  return forms;
}

/// Text of the walk and the words that it should store.
class Walk {
public:
  explicit Walk(uint32_t seed) : random(seed) {
    text = "  mov.u32 %v0, bars;\n  mov.u64 %x0, bars;\n"
           "  cvta.shared.u64 %x1, %x0;\n  add.u64 %x2, %x1, 16;\n"
           "  add.u32 %v1, %v0, 16;\n"
           "  st.shared.b64 [bars], %x1;\n  st.shared.b64 [bars+16], %x1;\n";
    for (int which = 0; which < 2; ++which) {
      init(which);
    }
  }

  void step();
  /// Words around the objects are what they were.
  void end();

  std::string text;
  std::vector<uint32_t> expected;
  /// How often each form was written, by operation.
  static std::map<std::string, size_t> used;

private:
  struct State {
    int which;
    int64_t phase;
  };

  int64_t draw(int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>(least, most)(random);
  }

  void init(int which) {
    int64_t count = draw(0, 9) == 0 ? kMost : draw(1, 6);
    counts[which].init(count);
    write("init", which, count);
  }
  void store(const std::string &reg, int64_t value) {
    text += "  st.global.u32 [%out+" + std::to_string(4 * expected.size()) +
            "], " + reg + ";\n";
    expected.push_back(uint32_t(value));
  }
  /// Stores whether the wait gave true; one that may give false though its
  /// phase is complete is asked again, and ends for it must.
  void ask(const std::string &opcode, const std::string &operands,
           bool isComplete, bool mayFail) {
    std::string label = "ask" + std::to_string(expected.size());
    text += label + ":\n  " + opcode + " %p1, " + operands + ";\n";
    if (mayFail && isComplete) {
      text += "  @!%p1 bra " + label + ";\n";
    }
    text += "  selp.u32 %v3, 1, 0, %p1;\n";
    store("%v3", isComplete);
  }

  std::string address(int which, const std::string &form);
  std::string write(const std::string &operation, int which, int64_t value);
  void arriveBy(const std::string &operation, int which);
  void look();

  std::mt19937 random;
  Counts counts[2];
  std::map<std::string, State> states; // by register
  size_t numStates = 0;
};

std::map<std::string, size_t> Walk::used;

/// The objects are at bars+8 and bars+24.
std::string Walk::address(int which, const std::string &form) {
  if (form.find(".shared") == std::string::npos) {
    return which == 0 ? "%x1+8" : "%x2+8";
  }
  const char *const ways[3][2] = {
      {"bars+8", "bars+24"}, {"%v0+8", "%v1+8"}, {"%x0+8", "%x0+24"}};
  return ways[draw(0, 2)][which];
}

/// Gives the register that has the state, if any does.
std::string Walk::write(const std::string &operation, int which,
                        int64_t value) {
  Words forms = formsOf(operation);
  std::string form;
  // A count other than 1 has to be written.
  do {
    form = forms[used[operation]++ % forms.size()];
  } while (value != 1 && form.find("arrive") != std::string::npos &&
           form.find('#') == std::string::npos);
  std::string state;
  if (size_t at = form.find('$'); at != std::string::npos) {
    state = "%x" + std::to_string(4 + numStates++ % 8);
    form.replace(at, 1, state);
  }
  if (size_t at = form.find('#'); at != std::string::npos) {
    bool isRegister = draw(0, 1);
    if (isRegister) {
      text += "  mov.u32 %v2, " + std::to_string(value) + ";\n";
    }
    form.replace(at, 1, isRegister ? "%v2" : std::to_string(value));
  }
  std::string at = address(which, form);
  form.replace(form.find('@'), 1, at);
  text += "  " + form + "\n";
  return state;
}

/// "arrive", "arrive_drop", with or without ".expect_tx" or ".noComplete".
void Walk::arriveBy(const std::string &operation, int which) {
  Counts &c = counts[which];
  bool drops = operation.find("drop") != std::string::npos;
  bool expects = operation.find("expect_tx") != std::string::npos;
  bool mustNotComplete = operation.find("noComplete") != std::string::npos;
  int64_t most = std::min<int64_t>(c.pending, 1 << 10) - mustNotComplete;
  if (drops) {
    most = std::min(most, c.expected - 1);
  }
  // A phase whose bytes came first could not be completed by another arrival.
  int64_t least = std::max<int64_t>(0, -c.tx);
  int64_t left =
      expects ? std::min(draw(least, least + 4096), kMost - c.tx) : 0;
  if (c.tx + left < 0) {
    most = std::min(most, c.pending - 1);
  }
  if (most < 1) {
    return;
  }
  int64_t count = expects ? 1 : draw(1, most);
  if (c.pending == kMost && !expects && !drops && !mustNotComplete) {
    count = kMost;
    if (c.tx < 0) {
      return;
    }
  }
  State before{which, c.phase};
  int64_t pending = c.pending;
  std::string state = write(operation, which, expects ? left : count);
  c.tx += left;
  if (drops) {
    c.expected -= count;
  }
  c.arrive(count);
  if (state.empty()) {
    return;
  }
  states[state] = before;
  if (mustNotComplete) {
    text += "  mbarrier.pending_count.b64 %v3, " + state + ";\n";
    store("%v3", pending);
  }
}

void Walk::step() {
  int which = int(draw(0, 1));
  Counts &c = counts[which];
  int64_t bytes = draw(0, 20) == 0 ? kMost : draw(0, 5000);
  switch (draw(0, 11)) {
  case 0:
  case 1:
    if (c.tx + bytes <= kMost && c.pending > 0) {
      write("expect_tx", which, bytes);
      c.tx += bytes;
    }
    break;
  case 2:
  case 3:
  case 4:
    // Often all that is missing; before the last arrival also more than that.
    if (c.tx > 0 && (c.pending == 0 || draw(0, 1))) {
      bytes = draw(0, 2) ? c.tx : draw(0, c.tx);
    }
    if (c.tx - bytes >= -kMost && (c.tx >= bytes || c.pending > 0)) {
      write("complete_tx", which, bytes);
      c.complete(bytes);
    }
    break;
  case 5:
    if (draw(0, 4) == 0) {
      write("inval", which, 0);
      std::erase_if(states, [&](auto &s) { return s.second.which == which; });
      init(which);
    }
    break;
  case 6:
    arriveBy("arrive.expect_tx", which);
    break;
  case 7:
    arriveBy(draw(0, 2) ? "arrive_drop" : "arrive_drop.expect_tx", which);
    break;
  case 8:
    arriveBy(draw(0, 2) ? "arrive.noComplete" : "arrive_drop.noComplete",
             which);
    break;
  default:
    arriveBy("arrive", which);
    break;
  }
  look();
}

/// The current phase is incomplete, the one before it is complete; others may
/// not be asked for.
void Walk::look() {
  static const Words tests = product(
      {{"mbarrier.test_wait"}, {"", ".parity"}, kAcquire, kOwn, {".b64"}});
  static const Words tries = product(
      {{"mbarrier.try_wait"}, {"", ".parity"}, kAcquire, kOwn, {".b64"}});
  for (int which = 0; which < 2; ++which) {
    const Counts &c = counts[which];
    for (bool mayFail : {false, true}) {
      const Words &forms = mayFail ? tries : tests;
      size_t &next = used[mayFail ? "try_wait" : "test_wait"];
      std::string form = forms[next++ % forms.size()];
      std::string operands = "[" + address(which, form) + "], ";
      std::string hint = !mayFail || draw(0, 2) ? ""
                         : draw(0, 1)           ? ", 20"
                                                : ", %v0";
      if (form.find("parity") != std::string::npos) {
        int64_t parity = draw(0, 1);
        std::string text = std::to_string(parity);
        if (draw(0, 1)) {
          this->text += "  mov.u32 %v2, " + text + ";\n";
          text = "%v2";
        }
        ask(form, operands + text + hint, (c.phase & 1) != parity, mayFail);
        continue;
      }
      for (auto &[name, state] : states) {
        if (state.which == which && state.phase + 1 >= c.phase) {
          ask(form, operands + name + hint, state.phase < c.phase, mayFail);
        }
      }
    }
  }
}

void Walk::end() {
  for (std::string at : {"bars", "bars+16"}) {
    text += "  ld.shared.b64 %x3, [" + at +
            "];\n"
            "  setp.eq.u64 %p2, %x3, %x1;\n  selp.u32 %v3, 1, 0, %p2;\n";
    store("%v3", 1);
  }
}

Launch launchOf(const Walk &walk) {
  Launch launch(".shared .align 8 .b8 bars[32];", walk.text);
  launch.words = walk.expected.size();
  return launch;
}

} // namespace

TEST(MbarrierWalkTest, CountsAndPhases) {
  Walk::used.clear();
  for (uint32_t seed = 1; seed <= 100; ++seed) {
    Walk walk(seed);
    for (int i = 0; i < 50; ++i) {
      walk.step();
    }
    walk.end();
    expectClean(launchOf(walk), walk.expected);
    if (HasFatalFailure()) {
      return;
    }
  }
  for (const char *operation :
       {"init", "inval", "expect_tx", "complete_tx", "arrive",
        "arrive.expect_tx", "arrive.noComplete", "arrive_drop",
        "arrive_drop.expect_tx", "arrive_drop.noComplete"}) {
    EXPECT_GE(Walk::used[operation], formsOf(operation).size()) << operation;
  }
}
