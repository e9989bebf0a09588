#!/usr/bin/env bash
# Makes the .ptx files from the .cu files, with nvcc of CUDA 13. The result is
# committed: tests need no CUDA.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
for file in *.cu; do
  nvcc -ptx -arch=sm_80 -lineinfo "$file" -o "${file%.cu}.ptx"
  # The folder of this machine does not matter.
  sed -i -e "s|\"$PWD/|\"|" -e "s|\"/.*/|\"|" "${file%.cu}.ptx"
done
