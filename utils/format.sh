#!/usr/bin/env bash
# Formats the tracked C++ files: format.sh [--check] [FILE...]
# --check changes nothing, prints the files that differ and fails if there are
# any.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

formatter=
for candidate in clang-format-22 /usr/lib/llvm-22/bin/clang-format; do
  if command -v "$candidate" >/dev/null; then
    formatter=$candidate
    break
  fi
done
if [ -z "$formatter" ]; then
  echo "format.sh: expects clang-format-22 (package clang-format-22)" >&2
  exit 2
fi

check=false
if [ "${1:-}" = --check ]; then
  check=true
  shift
fi
if [ $# -gt 0 ]; then
  files=("$@")
else
  cd "$root"
  mapfile -t files < <(git ls-files --cached --others --exclude-standard -- '*.h' '*.c' '*.cpp')
fi

if $check; then
  status=0
  for file in "${files[@]}"; do
    if ! "$formatter" "$file" | cmp -s - "$file"; then
      echo "$file"
      status=1
    fi
  done
  exit "$status"
fi
"$formatter" -i "${files[@]}"
