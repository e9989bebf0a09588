#!/usr/bin/env bash
# Makes the .ptx files from the .cu files: with nvcc of CUDA 13, and with clang
# 22 (*_clang.ptx) where the file can be compiled so. The result is committed:
# tests need no CUDA. Fails where ptxas does not take a file, spills a register
# or has something to say of wgmma (C75xx: products one after another).
#
# NVCC, PTXAS, CLANG and CUDA name other tools and another toolkit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
: "${CUDA:=/usr/local/cuda}"
: "${NVCC:=$CUDA/bin/nvcc}" "${PTXAS:=$CUDA/bin/ptxas}"
: "${CLANG:=clang++-22}"

# The folders of this machine do not matter, nor does the hash of a file's path
# that names of its own functions have: _INTERNAL_0123abcd_ and, for an unnamed
# namespace, _GLOBAL__N__0123abcd_, as numbers.
strip_paths() {
  local digit='(4[89]|5[0-7]|9[789]|10[0-2])'
  local before='(73,78,84,69,82,78,65,76,95|71,76,79,66,65,76,95,95,78,95,95)'
  sed -i -E -e "s|\"$PWD/|\"|" -e 's|"/.*/|"|' \
    -e '/^[[:space:]]*\.loc/s|[[:space:]]*//.*||' \
    -e "s/$before(,$digit)+,95,/\\1,48,95,/g" "$1"
}

with_nvcc() { # file arch [name of the result, options]
  local to=${3:-$1}
  "$NVCC" -ptx -arch="$2" -lineinfo "${@:4}" "$1.cu" -o "$to.ptx"
  check "$to.ptx" "$2"
}

with_clang() { # file arch
  "$CLANG" --cuda-gpu-arch="$2" --cuda-device-only --cuda-path="$CUDA" \
    -nocudalib -Wno-unknown-cuda-version -Wall -Werror -O3 \
    -gline-tables-only -S "$1.cu" -o "$1_clang.ptx"
  check "$1_clang.ptx" "$2"
}

check() { # file arch
  strip_paths "$1"
  local said
  if ! said=$("$PTXAS" -v -arch="$2" "$1" -o /dev/null 2>&1); then
    echo "$1: ptxas refuses it:" "$said" >&2
    exit 1
  fi
  # One line of frame and spills for each function.
  if grep -q 'C75[0-9][0-9]' <<<"$said" ||
    ! grep -q ' 0 bytes spill stores, 0 bytes spill loads' <<<"$said" ||
    grep 'spill' <<<"$said" |
    grep -vq ' 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads'
  then
    echo "$1: expects no spills and no C75xx of ptxas, but got:" "$said" >&2
    exit 1
  fi
}

with_nvcc sum sm_80
with_nvcc flash sm_80
with_clang flash sm_80
with_nvcc flash sm_80 flash_128 -DCHANNELS=128
with_nvcc flash_hopper sm_90a
with_clang flash_hopper sm_90a
