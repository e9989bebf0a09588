/*===- no_memory.c - Missing memory in a program that opens the runtime ---===*
 *
 * Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 *===----------------------------------------------------------------------===*
 *
 *   no_memory <libattnrt.so> <a bundle> first|later
 *
 * Every allocation of the process fails from the n-th one on, in a load, for
 * every n: in a new thread each. `first`: nothing was called there before.
 *
 *===----------------------------------------------------------------------===*/
#include "attnrt/attnrt.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile long left = -1; /* allocations still given; negative: all */
static int may(void) { return left < 0 || left-- > 0; }

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
static void *none(void) {
  left = 0;
  errno = ENOMEM;
  return NULL;
}
void *malloc(size_t size) { return may() ? __libc_malloc(size) : none(); }
void *calloc(size_t count, size_t size) {
  return may() ? __libc_calloc(count, size) : none();
}
void *aligned_alloc(size_t alignment, size_t size) {
  return may() ? __libc_memalign(alignment, size) : none();
}

static __typeof__(attnrt_context_create) *create;
static __typeof__(attnrt_bundle_load) *load;
static __typeof__(attnrt_bundle_release) *release;
static __typeof__(attnrt_last_message) *message;
static attnrt_context *context;
static char bytes[8 << 20];
static size_t size;
static int isFirst;

/* Whether the load was done with so many allocations. */
static void *loadWith(void *count) {
  attnrt_bundle *bundle = NULL;
  if (!isFirst) {
    attnrt_context *other;
    (void)create(NULL, &other);
  }
  left = *(long *)count;
  attnrt_status status = load(context, bytes, size, &bundle);
  left = -1;
  if (status == ATTNRT_OK) {
    release(bundle);
    return count;
  }
  if (status != ATTNRT_RESOURCE_EXHAUSTED ||
      strcmp(message(), "not enough memory")) {
    printf("after %ld: %d %s\n", *(long *)count, status, message());
    exit(1);
  }
  return NULL;
}

int main(int argc, char **argv) {
  void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  FILE *file = fopen(argv[2], "rb");
  if (argc != 4 || !library || !file) {
    printf("expects a library, a bundle, and first or later: %s\n", dlerror());
    return 1;
  }
  size = fread(bytes, 1, sizeof(bytes), file);
  fclose(file);
  create = (__typeof__(create))dlsym(library, "attnrt_context_create");
  load = (__typeof__(load))dlsym(library, "attnrt_bundle_load");
  release = (__typeof__(release))dlsym(library, "attnrt_bundle_release");
  message = (__typeof__(message))dlsym(library, "attnrt_last_message");
  isFirst = !strcmp(argv[3], "first");
  if (create(NULL, &context)) {
    return 1;
  }
  long count = 0;
  for (void *done = NULL; !done; ++count) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, loadWith, &count) ||
        pthread_join(thread, &done)) {
      return 1;
    }
  }
  printf("loaded with %ld allocations\n", count - 1);
  return 0;
}
