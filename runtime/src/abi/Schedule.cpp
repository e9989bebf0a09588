//===- Schedule.cpp - Steps and runs of an entry --------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Schedule.h"

#include "Tensor.h"

using namespace attnrt;

void attnrt::checkCount(const attnrt_step &step, size_t arguments) {
  if (step.num_arguments < 0 || size_t(step.num_arguments) != arguments ||
      (arguments && !step.arguments)) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects %zu arguments, but got %d",
          arguments, step.arguments ? step.num_arguments : 0);
  }
}

Schedule::Schedule(std::shared_ptr<Kernel> given, const attnrt_schedule_caps &c)
    : kernel(std::move(given)), caps(c),
      memory(kernel->context(), kernel->device, kernel->where) {
  const int64_t most[] = {caps.max_segments, caps.max_rows,
                          caps.max_items,    caps.max_merges,
                          caps.max_slots,    caps.max_workspace_bytes};
  for (int64_t capacity : most) {
    if (capacity < 0) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects capacities of at least 0, but got %lld",
            static_cast<long long>(capacity));
    }
  }
  if (caps.strategy < ATTNRT_STRATEGY_AUTO ||
      caps.strategy > ATTNRT_STRATEGY_FIXED ||
      (caps.split && caps.strategy != ATTNRT_STRATEGY_AUTO &&
       caps.strategy != ATTNRT_STRATEGY_FIXED)) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects a strategy of 0..3, and a split with 0 or 3 only, but got "
          "strategy %d with split %d",
          caps.strategy, caps.split);
  }
  if ((caps.flags & ~uint32_t(ATTNRT_SCHEDULE_CAPTURE)) || caps.workers < 0 ||
      caps.workers > 1 << 16 || caps.split < 0 || caps.steps_in_flight < 0 ||
      caps.steps_in_flight > 64) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects flags of ATTNRT_SCHEDULE_*, 0..65536 workers, a split of at "
          "least 0 and 0..64 "
          "steps in flight, but got 0x%x, %d, %d and %d",
          caps.flags, caps.workers, caps.split, caps.steps_in_flight);
  }
  workers = caps.workers ? caps.workers : kernel->code->defaultWorkers();
  for (const Buffer &buffer : kernel->program->buffers) {
    numberOf.push_back(uint32_t(buffer.isMemory ? numTensors++ : numScalars++));
  }
  slotsRoom.resize(kernel->program->launches.size());
  session = kernel->code->makeSession(
      caps.steps_in_flight ? caps.steps_in_flight : 1, isCaptured());
}

void Schedule::verify() const {
  for (size_t l = 0; l < now.launches.size(); ++l) {
    const PlannedLaunch &planned = now.launches[l];
    if (planned.plan) {
      check(attnrt_plan_verify(planned.plan, planned.plan->bytes,
                               &planned.problem, &planned.entry,
                               &planned.options));
    }
  }
}

void Schedule::run(const DLTensor *const *tensors, int32_t count,
                   void *stream) {
  const Entry &entry = *kernel->entry;
  const Program &program = *kernel->program;
  size_t arguments = entry.arguments.size();
  if (!now.isPlanned) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects a step to be planned before it is run");
  }
  if (count < 0 || size_t(count) != arguments + entry.results.size() ||
      (count && !tensors)) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects %zu arguments and %zu results, but got %d tensors",
          arguments, entry.results.size(), tensors ? count : 0);
  }
  runTensors = now.tensors;
  runScalars = now.heldScalars;
  for (size_t n = 0; n < program.buffers.size(); ++n) {
    const Buffer &buffer = program.buffers[n];
    uint32_t number = numberOf[n];
    bool isResult = buffer.kind == BufferKind::Result;
    TensorName name{isResult ? "result" : "argument", buffer.index};
    if (buffer.kind == BufferKind::Scalar) {
      runScalars[number] = bindScalar(tensors[buffer.index],
                                      entry.arguments[buffer.index], name);
      if (kernel->isHostRead[buffer.index] &&
          runScalars[number] != now.scalars[number]) {
        raise(ATTNRT_INVALID_ARGUMENT,
              "argument %u expects the value that the step was planned with",
              buffer.index);
      }
    } else if (buffer.kind == BufferKind::Workspace) {
      runTensors[number].data = memory.data() + now.workspaceAt[number];
    } else if (buffer.kind == BufferKind::Operand || isResult) {
      const DLTensor *given =
          tensors[isResult ? arguments + buffer.index : buffer.index];
      const Argument &argument = isResult ? entry.results[buffer.index]
                                          : entry.arguments[buffer.index];
      attnrt_tensor bound = bindTensor(given, argument, name);
      const attnrt_tensor &wanted = now.tensors[number];
      bool isEmpty = false;
      for (uint32_t axis = 0; axis < bound.rank; ++axis) {
        isEmpty |= bound.shape[axis] == 0;
      }
      if (std::memcmp(bound.shape, wanted.shape, sizeof(bound.shape)) != 0) {
        raise(ATTNRT_INVALID_ARGUMENT, "%s %zu expects %s, but got %s",
              name.kind, name.number,
              describe(wanted.shape, bound.rank, argument.dtype).c_str(),
              describe(bound.shape, bound.rank, argument.dtype).c_str());
      }
      if (!isEmpty &&
          (!given->data || !kernel->where->reaches(given->device))) {
        raise(ATTNRT_INVALID_ARGUMENT,
              "%s %zu expects memory of device type %d, number %d, but got %s "
              "type %d, number %d",
              name.kind, name.number, int(kernel->device.device_type),
              kernel->device.device_id, given->data ? "" : "null,",
              int(given->device.device_type), given->device.device_id);
      }
      runTensors[number] = bound;
    }
  }
  for (size_t n = 0; n < program.buffers.size(); ++n) {
    if (program.buffers[n].isZero &&
        program.buffers[n].kind >= BufferKind::Result) {
      session->zero(runTensors[numberOf[n]], stream);
    }
  }
  RunInput input{runTensors.data(), numTensors,    runScalars.data(),
                 numScalars,        &now.statesAt, memory.data()};
  session->run(now.works, input, stream);
  hasRun = true;
}

//===----------------------------------------------------------------------===//
// C ABI
//===----------------------------------------------------------------------===//

attnrt_status attnrt_schedule_create(attnrt_kernel *kernel,
                                     const attnrt_schedule_caps *caps,
                                     attnrt_schedule **out) {
  return guard([&] {
    if (!kernel || !out) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a kernel and a place for the schedule, but got null");
    }
    *out = new attnrt_schedule{
        Schedule(kernel->impl, readParams(caps, "attnrt_schedule_caps"))};
  });
}

void attnrt_schedule_release(attnrt_schedule *schedule) { delete schedule; }

attnrt_status attnrt_schedule_update(attnrt_schedule *schedule,
                                     const attnrt_step *step, void *stream) {
  return guard([&] {
    if (!schedule || !step) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a schedule and a step, but got null");
    }
    schedule->impl.update(readParams(step, "attnrt_step"), stream);
  });
}

attnrt_status attnrt_schedule_result(const attnrt_schedule *schedule,
                                     int32_t result, int64_t *sizes,
                                     int32_t *numAxes) {
  return guard([&] {
    if (!schedule || !sizes || !numAxes) {
      raise(ATTNRT_INVALID_ARGUMENT, "expects a schedule and places for sizes, "
                                     "but got null");
    }
    const Schedule &s = schedule->impl;
    size_t results = s.kernel->entry->results.size();
    if (!s.now.isPlanned) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a step to be planned before its results are known");
    }
    if (result < 0 || size_t(result) >= results) {
      raise(ATTNRT_INVALID_ARGUMENT, "expects a result below %zu, but got %d",
            results, result);
    }
    const auto &buffers = s.kernel->program->buffers;
    for (size_t n = 0; n < buffers.size(); ++n) {
      if (buffers[n].kind == BufferKind::Result &&
          buffers[n].index == uint32_t(result)) {
        const attnrt_tensor &tensor = s.now.tensors[s.numberOf[n]];
        *numAxes = int32_t(tensor.rank);
        std::memcpy(sizes, tensor.shape, tensor.rank * sizeof(int64_t));
      }
    }
  });
}

attnrt_status attnrt_schedule_describe(const attnrt_schedule *schedule,
                                       attnrt_schedule_stats *out) {
  return guard([&] {
    if (!schedule) {
      raise(ATTNRT_INVALID_ARGUMENT, "expects a schedule, but got null");
    }
    writeInfo(schedule->impl.now.stats, out, "attnrt_schedule_stats");
  });
}

attnrt_status attnrt_schedule_verify(const attnrt_schedule *schedule) {
  return guard([&] {
    if (!schedule) {
      raise(ATTNRT_INVALID_ARGUMENT, "expects a schedule, but got null");
    }
    schedule->impl.verify();
  });
}

attnrt_status attnrt_run(attnrt_schedule *schedule,
                         const DLTensor *const *tensors, int32_t count,
                         void *stream) {
  return guard([&] {
    if (!schedule) {
      raise(ATTNRT_INVALID_ARGUMENT, "expects a schedule, but got null");
    }
    schedule->impl.run(tensors, count, stream);
  });
}

attnrt_status attnrt_schedule_validate(const attnrt_schedule *schedule,
                                       const attnrt_step *step) {
  return guard([&] {
    if (!schedule || !step) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a schedule and a step, but got null");
    }
    schedule->impl.validate(readParams(step, "attnrt_step"));
  });
}
