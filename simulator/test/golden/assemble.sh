#!/usr/bin/env bash
# Runs every probe through ptxas of CUDA 13, as the simulator is no verifier of
# PTX. Needs no GPU; to be run after a change of a probe.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
count=0
for file in sm_*/*.ptx; do
  arch=$(sed -n 's/^\.target \(sm_[0-9a-z]*\).*/\1/p' "$file")
  if [ "$arch" != "${file%%/*}" ] || ! grep -q "^// probe: sm=${arch#sm_} " "$file"; then
    echo "$file: expects one chip in its folder, .target and header" >&2
    exit 1
  fi
  ptxas -arch="$arch" "$file" -o /dev/null
  count=$((count + 1))
done
echo "$count probes assemble"
