//===- attnrt-run.c - Runs an entry of a bundle on arrays -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The smallest engine: a C program that links nothing but libc and opens the
// runtime when it runs, privately, as a plug-in of a larger program would.
//
// Exit codes: 0 good, 1 the runtime refused something, 2 bad input.
//
//===----------------------------------------------------------------------===//
#include "attnrt/attnrt.h"
#include "npy.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_ARGUMENTS 64

static const char usage[] =
    "usage: attnrt-run BUNDLE [options] --arg=SPEC ..\n"
    "  --entry=NAME      default: the only one\n"
    "  --device=NAME     cpu (default), or null: plans, and computes nothing\n"
    "  --target=NAME     default: the best one of the bundle for the device\n"
    "  --arg=SPEC        one per argument: FILE.npy (bf16 as u2, 8-bit floats\n"
    "                    as u1, i4 as packed u1) or a number\n"
    "  --low=I:FILE.npy  the smallest values of argument I, whose values are\n"
    "                    then the largest: a plan for all between\n"
    "  --run-arg=I:FILE.npy  what argument I is when the step runs\n"
    "  --out=FILE.npy    write the next result\n"
    "  --out-arg=I:FILE.npy  write argument I after the run\n"
    "  --workers=N, --split=N, --threads=N\n"
    "  --verify          check the plans before they run\n"
    "  --validate        check before that where the tables lead\n"
    "  --library=PATH    default: libattnrt.so\n"
    "  --list            print entries and arguments instead\n";

/// The functions of attnrt.h that are used, found when the program runs.
// clang-format off
#define FUNCTIONS(X) \
  X(check_abi) \
  X(last_message) \
  X(context_create) \
  X(context_release) \
  X(bundle_load) \
  X(bundle_release) \
  X(bundle_num_entries) \
  X(bundle_entry_name) \
  X(kernel_load) \
  X(kernel_release) \
  X(kernel_describe) \
  X(kernel_argument) \
  X(schedule_create) \
  X(schedule_release) \
  X(schedule_update) \
  X(schedule_result) \
  X(schedule_verify) \
  X(schedule_validate) \
  X(run)
// clang-format on
#define X(name) static __typeof__(&attnrt_##name) rt_##name;
FUNCTIONS(X)
#undef X

typedef struct options {
  const char *bundle, *entry, *device, *target, *library;
  const char *args[MOST_ARGUMENTS], *outs[MOST_ARGUMENTS];
  const char *low[MOST_ARGUMENTS], *run[MOST_ARGUMENTS],
      *out_args[MOST_ARGUMENTS];
  int num_args, num_outs, workers, split, threads, verify, validate, list;
} options;

/// An argument or a result in memory.
typedef struct array {
  attnrt_argument_info info;
  DLTensor tensor;
  int64_t shape[ATTNRT_MAX_AXES];
  uint64_t cell; ///< of a scalar
  size_t size;
} array;

static int bad_input(const char *what, const char *which) {
  fprintf(stderr, "attnrt-run: %s%s\n", which, what);
  return 2;
}

static int refused(const char *function) {
  fprintf(stderr, "attnrt-run: %s: %s\n", function, rt_last_message());
  return 1;
}

static int open_library(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    return bad_input(dlerror(), "");
  }
#define X(name)                                                                \
  *(void **)&rt_##name = dlsym(library, "attnrt_" #name);                      \
  if (!rt_##name) {                                                            \
    return bad_input(" is missing", "attnrt_" #name);                          \
  }
  FUNCTIONS(X)
#undef X
  return rt_check_abi(ATTNRT_ABI_VERSION) ? refused("attnrt_check_abi") : 0;
}

static void *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  char *bytes = NULL;
  size_t room = 0;
  *size = 0;
  while (file) {
    if (*size == room) {
      room = room ? 2 * room : 1 << 16;
      char *more = realloc(bytes, room);
      if (!more) {
        break;
      }
      bytes = more;
    }
    size_t n = fread(bytes + *size, 1, room - *size, file);
    *size += n;
    if (n == 0) {
      fclose(file);
      return bytes;
    }
  }
  free(bytes);
  return NULL;
}

static void set_tensor(array *a, void *data) {
  a->tensor.data = data;
  a->tensor.device.device_type = kDLCPU;
  a->tensor.ndim = a->info.num_axes;
  a->tensor.dtype = a->info.dtype;
  a->tensor.shape = a->shape;
}

/// From a .npy file or a number. Null, or what is wrong.
static const char *make_argument(const char *spec, array *a) {
  if (a->info.flags & ATTNRT_ARGUMENT_SCALAR) {
    char *end;
    double real = strtod(spec, &end);
    if (end == spec || *end) {
      return "expects a number";
    }
    float narrow = (float)real;
    long long whole = strtoll(spec, NULL, 10);
    int is_real = a->info.dtype.code == kDLFloat;
    if (is_real && a->info.dtype.bits < 32) {
      return "expects scalars of 32 or 64 bits";
    }
    const void *from = !is_real                   ? (const void *)&whole
                       : a->info.dtype.bits == 32 ? (const void *)&narrow
                                                  : (const void *)&real;
    memcpy(&a->cell, from, a->info.dtype.bits / 8);
    set_tensor(a, &a->cell);
    return NULL;
  }
  npy_array file;
  const char *error = npy_read(spec, &file);
  if (error) {
    return error;
  }
  int packs = a->info.dtype.bits == 4 ? 2 : 1;
  int fits =
      file.axes == a->info.num_axes &&
      (packs == 2 ? file.bytes == 1 : file.bytes * 8 == a->info.dtype.bits);
  if (!fits) {
    free(file.data);
    return "has another type or number of axes than the argument";
  }
  for (int i = 0; i < file.axes; ++i) {
    a->shape[i] = file.shape[i] * (i + 1 == file.axes ? packs : 1);
  }
  a->size = file.size;
  set_tensor(a, file.data);
  return NULL;
}

static const char *write_array(const char *path, const array *a) {
  npy_array file;
  memset(&file, 0, sizeof(file));
  int code = a->info.dtype.code;
  int is_plain = code == kDLFloat || code == kDLInt || code == kDLUInt;
  file.kind = code == kDLFloat  ? 'f'
              : code == kDLInt  ? 'i'
              : code == kDLBool ? 'b'
                                : 'u';
  if (a->info.dtype.bits < 8 || (!is_plain && code != kDLBool)) {
    file.kind = 'u'; // what NumPy has no type for: its bytes
  }
  file.bytes = a->info.dtype.bits < 8 ? 1 : a->info.dtype.bits / 8;
  file.axes = a->info.num_axes;
  for (int i = 0; i < file.axes; ++i) {
    int packs = a->info.dtype.bits == 4 && i + 1 == file.axes ? 2 : 1;
    file.shape[i] = a->shape[i] / packs;
  }
  file.size = a->size;
  file.data = a->tensor.data;
  return npy_write(path, &file);
}

static int list_entries(attnrt_bundle *bundle, DLDevice device) {
  for (int e = 0; e < rt_bundle_num_entries(bundle); ++e) {
    const char *name = rt_bundle_entry_name(bundle, e);
    attnrt_kernel *kernel = NULL;
    if (rt_kernel_load(bundle, name, device, NULL, &kernel)) {
      return refused("attnrt_kernel_load");
    }
    attnrt_kernel_info info = {.struct_size = sizeof(info)};
    rt_kernel_describe(kernel, &info);
    printf("%s for %s: %d arguments, %d results, %d launches\n", name,
           info.target, info.num_arguments, info.num_results,
           info.num_launches);
    for (int i = 0; i < info.num_arguments + info.num_results; ++i) {
      attnrt_argument_info a = {.struct_size = sizeof(a)};
      rt_kernel_argument(kernel, i, &a);
      printf("  %s %d:", i < info.num_arguments ? "argument" : "result",
             i < info.num_arguments ? i : i - info.num_arguments);
      for (int axis = 0; axis < a.num_axes; ++axis) {
        printf(" %lld", (long long)a.sizes[axis]);
      }
      printf(" of type %d, %d bits%s%s%s\n", a.dtype.code, a.dtype.bits,
             a.flags & ATTNRT_ARGUMENT_SCALAR ? ", scalar" : "",
             a.flags & ATTNRT_ARGUMENT_HOST_READ ? ", read on the host" : "",
             a.flags & ATTNRT_ARGUMENT_WRITTEN ? ", written" : "");
    }
    rt_kernel_release(kernel);
  }
  return 0;
}

/// All of `all` are arguments, then results.
static int run_step(const options *o, attnrt_schedule *schedule, array *all,
                    int arguments, int results) {
  static array low[MOST_ARGUMENTS], real[MOST_ARGUMENTS];
  const DLTensor *given[MOST_ARGUMENTS], *lowest[MOST_ARGUMENTS] = {NULL};
  const DLTensor *run[MOST_ARGUMENTS];
  for (int i = 0; i < arguments; ++i) {
    given[i] = run[i] = &all[i].tensor;
    low[i].info = real[i].info = all[i].info;
    const char *error = o->low[i] ? make_argument(o->low[i], &low[i]) : NULL;
    if (!error && o->run[i]) {
      error = make_argument(o->run[i], &real[i]);
    }
    if (error) {
      return bad_input(error, "--low or --run-arg: ");
    }
    lowest[i] = o->low[i] ? &low[i].tensor : NULL;
    run[i] = o->run[i] ? &real[i].tensor : run[i];
  }
  attnrt_step step = {.struct_size = sizeof(step),
                      .num_arguments = arguments,
                      .arguments = given,
                      .low = lowest};
  if (o->validate && rt_schedule_validate(schedule, &step)) {
    return refused("attnrt_schedule_validate");
  }
  if (rt_schedule_update(schedule, &step, NULL)) {
    return refused("attnrt_schedule_update");
  }
  if (o->verify && rt_schedule_verify(schedule)) {
    return refused("attnrt_schedule_verify");
  }
  for (int r = 0; r < results; ++r) {
    array *a = &all[arguments + r];
    int32_t axes;
    if (rt_schedule_result(schedule, r, a->shape, &axes)) {
      return refused("attnrt_schedule_result");
    }
    a->size = a->info.dtype.bits / 8;
    for (int i = 0; i < axes; ++i) {
      a->size *= (size_t)a->shape[i];
    }
    void *data = malloc(a->size ? a->size : 1);
    if (!data) {
      return bad_input("not enough memory", "");
    }
    memset(data, 0xa5, a->size); // what nobody writes shows
    set_tensor(a, data);
    run[arguments + r] = &a->tensor;
  }
  return rt_run(schedule, run, arguments + results, NULL)
             ? refused("attnrt_run")
             : 0;
}

static int run_entry(const options *o, attnrt_kernel *kernel) {
  static array all[MOST_ARGUMENTS];
  attnrt_kernel_info info = {.struct_size = sizeof(info)};
  if (rt_kernel_describe(kernel, &info)) {
    return refused("attnrt_kernel_describe");
  }
  int arguments = info.num_arguments, results = info.num_results;
  if (arguments + results > MOST_ARGUMENTS || o->num_args != arguments) {
    fprintf(stderr, "attnrt-run: expects %d arguments, but got %d\n", arguments,
            o->num_args);
    return 2;
  }
  for (int i = 0; i < arguments + results; ++i) {
    all[i].info.struct_size = sizeof(all[i].info);
    if (rt_kernel_argument(kernel, i, &all[i].info)) {
      return refused("attnrt_kernel_argument");
    }
    const char *error =
        i < arguments ? make_argument(o->args[i], &all[i]) : NULL;
    if (error) {
      fprintf(stderr, "attnrt-run: argument %d (%s): %s\n", i, o->args[i],
              error);
      return 2;
    }
  }
  attnrt_schedule_caps caps = {
      .struct_size = sizeof(caps), .workers = o->workers, .split = o->split};
  attnrt_schedule *schedule = NULL;
  if (rt_schedule_create(kernel, &caps, &schedule)) {
    return refused("attnrt_schedule_create");
  }
  int status = run_step(o, schedule, all, arguments, results);
  for (int i = 0; !status && i < arguments + results; ++i) {
    const char *path = i < arguments ? o->out_args[i] : o->outs[i - arguments];
    const char *error = path ? write_array(path, &all[i]) : NULL;
    status = error ? bad_input(error, "--out: ") : 0;
  }
  for (int i = 0; i < arguments + results; ++i) {
    if (!(all[i].info.flags & ATTNRT_ARGUMENT_SCALAR)) {
      free(all[i].tensor.data);
    }
  }
  rt_schedule_release(schedule);
  return status;
}

static int load_and_run(const options *o) {
  size_t size;
  void *bytes = read_file(o->bundle, &size);
  if (!bytes) {
    return bad_input(" cannot be read", o->bundle);
  }
  attnrt_context_params params = {.struct_size = sizeof(params),
                                  .cpu_threads = o->threads};
  attnrt_context *context = NULL;
  attnrt_bundle *bundle = NULL;
  attnrt_kernel *kernel = NULL;
  DLDevice device = {kDLCPU, 0};
  if (strcmp(o->device, "null") == 0) {
    device.device_type = kDLExtDev;
    device.device_id = ATTNRT_DEVICE_NULL;
  } else if (strcmp(o->device, "cpu") != 0) {
    return bad_input("expects --device of cpu, null", "");
  }
  int status = 0;
  if (rt_context_create(&params, &context)) {
    status = refused("attnrt_context_create");
  } else if (rt_bundle_load(context, bytes, size, &bundle)) {
    status = refused("attnrt_bundle_load");
  } else if (o->list) {
    status = list_entries(bundle, device);
  } else {
    const char *entry = o->entry ? o->entry : rt_bundle_entry_name(bundle, 0);
    attnrt_kernel_params how = {.struct_size = sizeof(how),
                                .target = o->target};
    if (!o->entry && rt_bundle_num_entries(bundle) != 1) {
      status = bad_input("expects --entry, as there are several", "");
    } else if (rt_kernel_load(bundle, entry, device, &how, &kernel)) {
      status = refused("attnrt_kernel_load");
    } else {
      status = run_entry(o, kernel);
    }
  }
  // In any order: each keeps what it needs.
  rt_context_release(context);
  rt_bundle_release(bundle);
  rt_kernel_release(kernel);
  free(bytes);
  return status;
}

/// The value of `--key=value`, else null.
static const char *value_of(const char *word, const char *key) {
  size_t length = strlen(key);
  return strncmp(word, key, length) == 0 ? word + length : NULL;
}

/// --key=I:VALUE; null, or what is wrong.
static const char *set_indexed(const char *text, const char **list) {
  char *end;
  long i = strtol(text, &end, 10);
  if (end == text || *end != ':' || i < 0 || i >= MOST_ARGUMENTS) {
    return "expects a number of an argument and a file, as 3:a.npy";
  }
  list[i] = end + 1;
  return NULL;
}

int main(int argc, char **argv) {
  options o;
  memset(&o, 0, sizeof(o));
  o.device = "cpu";
  o.library = "libattnrt.so";
  for (int i = 1; i < argc; ++i) {
    const char *word = argv[i], *value, *error = NULL;
    if ((value = value_of(word, "--arg="))) {
      if (o.num_args == MOST_ARGUMENTS) {
        return bad_input("expects at most 64 arguments", "");
      }
      o.args[o.num_args++] = value;
    } else if ((value = value_of(word, "--out="))) {
      if (o.num_outs == MOST_ARGUMENTS) {
        return bad_input("expects at most 64 results", "");
      }
      o.outs[o.num_outs++] = value;
    } else if ((value = value_of(word, "--low="))) {
      error = set_indexed(value, o.low);
    } else if ((value = value_of(word, "--run-arg="))) {
      error = set_indexed(value, o.run);
    } else if ((value = value_of(word, "--out-arg="))) {
      error = set_indexed(value, o.out_args);
    } else if ((value = value_of(word, "--entry="))) {
      o.entry = value;
    } else if ((value = value_of(word, "--device="))) {
      o.device = value;
    } else if ((value = value_of(word, "--target="))) {
      o.target = value;
    } else if ((value = value_of(word, "--library="))) {
      o.library = value;
    } else if ((value = value_of(word, "--workers="))) {
      o.workers = atoi(value);
    } else if ((value = value_of(word, "--split="))) {
      o.split = atoi(value);
    } else if ((value = value_of(word, "--threads="))) {
      o.threads = atoi(value);
    } else if (strcmp(word, "--verify") == 0) {
      o.verify = 1;
    } else if (strcmp(word, "--validate") == 0) {
      o.validate = 1;
    } else if (strcmp(word, "--list") == 0) {
      o.list = 1;
    } else if (strcmp(word, "--help") == 0) {
      fputs(usage, stdout);
      return 0;
    } else if (word[0] == '-' || o.bundle) {
      return bad_input(" is not understood (see --help)", word);
    } else {
      o.bundle = word;
    }
    if (error) {
      return bad_input(error, "");
    }
  }
  if (!o.bundle) {
    return bad_input("expects a bundle (see --help)", "");
  }
  int status = open_library(o.library);
  return status ? status : load_and_run(&o);
}
