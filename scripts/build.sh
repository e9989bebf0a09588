# shellcheck shell=bash
# Sourced by the other scripts: configures and builds into build/.
# Defines root, build and the functions below.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${ATTN_BUILD_DIR:-$root/build}

# As many jobs as cores, but one per GB of memory that is free: a compile of
# MLIR code takes about that much.
job_count() {
  local cores free limit used
  cores=$(nproc)
  free=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
  # A container's limit does not show in /proc/meminfo.
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  if [ "$limit" != max ]; then
    used=$(cat /sys/fs/cgroup/memory.current 2>/dev/null || echo 0)
    limit=$(((limit - used) >> 30))
    free=$((limit < free ? limit : free))
  fi
  local jobs=$((free < cores ? free : cores))
  echo $((jobs < 1 ? 1 : jobs))
}

# nanobind, for the Python package: Debian 12 has no package of it. Without a
# network the Python package is not built, and its tests say UNSUPPORTED.
nanobind_version=3.1.0
get_nanobind() {
  local python
  python=$(system_python)
  if PYTHONPATH=$build/pip "$python" -c 'import nanobind' 2>/dev/null; then
    return
  fi
  echo "setup: installs nanobind $nanobind_version into $build/pip"
  if ! "$python" -m pip --quiet --disable-pip-version-check --retries=1 --timeout=15 install \
    --root-user-action=ignore --target "$build/pip" "nanobind==$nanobind_version"; then
    echo "setup: without nanobind the Python package is not built" >&2
  fi
}

# configure_and_build TARGET...
configure_and_build() {
  "$root/scripts/setup"
  mkdir -p "$build"
  get_nanobind
  # Again where the build was configured before nanobind was there.
  if [ ! -f "$build/build.ninja" ] || [ "$build/pip/nanobind" -nt "$build/build.ninja" ]; then
    echo "configure: $build"
    if ! cmake -S "$root" -B "$build" -G Ninja >"$build/configure.log" 2>&1; then
      tail -n 40 "$build/configure.log" >&2
      echo "configure failed; all of it is in $build/configure.log" >&2
      return 1
    fi
  fi
  NINJA_STATUS='[%f/%t, %es] ' ninja -C "$build" -j "${ATTN_JOBS:-$(job_count)}" "$@"
}

# The interpreter of the system: numpy is a package of the system.
system_python() {
  if [ -x /usr/bin/python3 ]; then
    echo /usr/bin/python3
  else
    command -v python3
  fi
}
