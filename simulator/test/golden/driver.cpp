//===- driver.cpp - Runs the probes on a GPU ------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each probe runs in a process of its own, as an illegal instruction or access
// makes the GPU unusable for its process, and a probe that hangs is killed.
//
//===----------------------------------------------------------------------===//
#include "Cuda.h"
#include "Golden.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <functional>

using namespace ptxsim;
using namespace ptxsim::golden;

static const char kHelp[] =
    R"(usage: ptxsim-golden [options] FOLDER

Runs the probes of FOLDER that the first GPU can run, through the CUDA driver,
and writes what they gave to FOLDER/golden-<gpu>.json.

  --out=FILE      writes there instead
  --only=TEXT     only probes with TEXT in their names; needs --out
  --timeout=S     seconds for one probe (20)
  --list          prints the probes and the chips they need; needs no GPU
  --help          this text

Exit codes: 0 all ran; 1 the GPU refused some (the file holds the others and why
these failed); 2 no driver, no GPU or bad input.
)";

namespace {

struct Arguments {
  std::string folder, out, only;
  unsigned timeoutSeconds = 20;
  bool isList = false, isHelp = false;
};

} // namespace

static Result<Arguments> parseArguments(int count, char **words) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    std::string word = words[i];
    if (word == "--help") {
      arguments.isHelp = true;
    } else if (word == "--list") {
      arguments.isList = true;
    } else if (word.starts_with("--out=")) {
      arguments.out = word.substr(6);
    } else if (word.starts_with("--only=")) {
      arguments.only = word.substr(7);
    } else if (word.starts_with("--timeout=")) {
      Result<uint64_t> seconds = parseCount(word.substr(10));
      if (!seconds || *seconds == 0 || *seconds > 3600) {
        return Error{"expects a timeout from 1 to 3600, but got '" +
                     word.substr(10) + "'"};
      }
      arguments.timeoutSeconds = unsigned(*seconds);
    } else if (word.starts_with("-") || !arguments.folder.empty()) {
      return Error{"expects one folder and options of --help, but got '" +
                   word + "'"};
    } else {
      arguments.folder = word;
    }
  }
  if (arguments.folder.empty() && !arguments.isHelp) {
    return Error{"expects a folder of probes, see --help"};
  }
  // A part of the results must not take the place of all of them.
  if (!arguments.only.empty() && arguments.out.empty() && !arguments.isList) {
    return Error{"expects --out=FILE beside --only"};
  }
  return arguments;
}

/// What `work` returns in a process of its own; an error if that dies or takes
/// too long.
static Result<std::string> runApart(const std::function<std::string()> &work,
                                    unsigned timeoutSeconds) {
  int pipeEnds[2];
  if (pipe(pipeEnds)) {
    return Error{"expects a pipe"};
  }
  std::fflush(stdout);
  pid_t child = fork();
  if (child < 0) {
    return Error{"expects a new process"};
  }
  if (child == 0) {
    close(pipeEnds[0]);
    std::string text = work();
    for (size_t at = 0; at < text.size();) {
      ssize_t written = write(pipeEnds[1], text.data() + at, text.size() - at);
      if (written <= 0) {
        _exit(1);
      }
      at += size_t(written);
    }
    // No destructors: the driver's may hang after a fault.
    _exit(0);
  }
  close(pipeEnds[1]);
  using Clock = std::chrono::steady_clock;
  auto end = Clock::now() + std::chrono::seconds(timeoutSeconds);
  std::string text;
  bool isLate = false;
  for (;;) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - Clock::now());
    pollfd waitFor{pipeEnds[0], POLLIN, 0};
    if (left.count() <= 0 || poll(&waitFor, 1, int(left.count())) <= 0) {
      isLate = true;
      break;
    }
    char buffer[65536];
    ssize_t got = read(pipeEnds[0], buffer, sizeof buffer);
    if (got <= 0) {
      break;
    }
    text.append(buffer, size_t(got));
  }
  close(pipeEnds[0]);
  if (isLate) {
    kill(child, SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (isLate) {
    return Error{"no end within " + std::to_string(timeoutSeconds) + " s"};
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status)) {
    return Error{WIFSIGNALED(status) ? "the process ended by signal " +
                                           std::to_string(WTERMSIG(status))
                                     : std::string("the process ended early")};
  }
  return text;
}

/// Name, compute capability and driver of the GPU, found out apart: a process
/// that has opened the driver cannot hand it to its children.
static Result<GoldenFile> askGpu(unsigned timeoutSeconds) {
  Result<std::string> text = runApart(
      [] {
        Result<Gpu> gpu = Gpu::open();
        GoldenFile file;
        if (!gpu) {
          file.driver = gpu.message();
          return writeGolden(file);
        }
        const GpuInfo &info = gpu->info();
        file.gpu = info.name;
        file.computeCapability =
            std::to_string(info.major) + "." + std::to_string(info.minor);
        file.driver = info.driver;
        return writeGolden(file);
      },
      timeoutSeconds);
  if (!text) {
    return text.error();
  }
  Result<GoldenFile> file = readGolden(*text);
  if (file && file->computeCapability.empty()) {
    return Error{file->driver};
  }
  return file;
}

static GoldenProbe runProbe(const Probe &probe, unsigned timeoutSeconds) {
  Result<std::string> text = runApart(
      [&] {
        Result<Gpu> gpu = Gpu::open();
        Result<std::vector<uint8_t>> output =
            gpu ? gpu->run(probe) : Result<std::vector<uint8_t>>(gpu.error());
        return writeGolden(output ? makeGolden(probe, *output)
                                  : makeFailure(probe, output.message()));
      },
      timeoutSeconds);
  if (!text) {
    return makeFailure(probe, text.message());
  }
  Result<GoldenProbe> golden = readGoldenProbe(*text);
  return golden ? *golden : makeFailure(probe, golden.message());
}

/// "NVIDIA H200" -> "golden-nvidia-h200.json"
static std::string fileName(const std::string &gpu) {
  std::string name = "golden-";
  for (char c : gpu) {
    name += std::isalnum(uint8_t(c)) ? char(std::tolower(uint8_t(c))) : '-';
  }
  return name + ".json";
}

static int badInput(const std::string &message) {
  std::fprintf(stderr, "ptxsim-golden: %s\n", message.c_str());
  return 2;
}

int main(int count, char **words) {
  Result<Arguments> arguments = parseArguments(count, words);
  if (!arguments) {
    return badInput(arguments.message());
  }
  if (arguments->isHelp) {
    std::fputs(kHelp, stdout);
    return 0;
  }
  Result<std::vector<Probe>> probes = readProbes(arguments->folder);
  if (!probes) {
    return badInput(probes.message());
  }
  std::erase_if(*probes, [&](const Probe &probe) {
    return probe.name.find(arguments->only) == std::string::npos;
  });
  if (probes->empty()) {
    return badInput("expects a probe with '" + arguments->only +
                    "' in its name");
  }
  if (arguments->isList) {
    for (const Probe &probe : *probes) {
      std::printf("%-8s %s\n", probe.chip.name().c_str(), probe.name.c_str());
    }
    return 0;
  }
  Result<GoldenFile> file = askGpu(arguments->timeoutSeconds);
  if (!file) {
    return badInput(file.message());
  }
  std::printf("%s, compute capability %s, driver %s\n", file->gpu.c_str(),
              file->computeCapability.c_str(), file->driver.c_str());
  unsigned numFailed = 0, numNotForIt = 0;
  for (const Probe &probe : *probes) {
    if (!file->runs(probe.chip)) {
      ++numNotForIt;
      continue;
    }
    GoldenProbe golden = runProbe(probe, arguments->timeoutSeconds);
    bool isAnswer = golden.error.empty() || probe.mayFault;
    numFailed += !isAnswer;
    std::printf("%-6s %s%s%s\n", isAnswer ? "ok" : "FAILED", probe.name.c_str(),
                golden.error.empty() ? "" : ": ", golden.error.c_str());
    file->probes.push_back(std::move(golden));
  }
  std::string path = arguments->out.empty()
                         ? arguments->folder + "/" + fileName(file->gpu)
                         : arguments->out;
  std::ofstream stream(path, std::ios::binary);
  stream << writeGolden(*file);
  stream.close();
  if (!stream) {
    return badInput("expects to write '" + path + "'");
  }
  std::printf("%zu probes ran, %u failed, %u are for other GPUs; wrote %s\n",
              file->probes.size() - numFailed, numFailed, numNotForIt,
              path.c_str());
  return numFailed ? 1 : 0;
}
