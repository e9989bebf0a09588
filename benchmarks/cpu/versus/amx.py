"""Whether a process used AMX, as far as that can be known from outside of its code.

A process may touch tiles only after it asked the kernel for them: without that
permission it proves that no instruction of it used AMX. With it, the log of oneDNN
(ONEDNN_VERBOSE) or MKL names the kernels that ran."""

import ctypes
import re

ARCH_GET_XCOMP_PERM, TILE_DATA = 0x1022, 1 << 18
SYS_ARCH_PRCTL = 158


def permitted():
    """True if this process may use tiles."""
    mask = ctypes.c_uint64(0)
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(ctypes.c_long(SYS_ARCH_PRCTL), ctypes.c_long(ARCH_GET_XCOMP_PERM), ctypes.byref(mask))
    return done == 0 and bool(mask.value & TILE_DATA)


def kernels_in(log):
    """{name of a oneDNN kernel: calls}, and lines of MKL that name AMX."""
    found = {}
    for match in re.finditer(r"primitive,exec,cpu,(\w+),([\w:.]+),", log):
        name = f"{match[1]} {match[2]}"
        found[name] = found.get(name, 0) + 1
    lines = [line for line in log.splitlines() if line.startswith("MKL_VERBOSE") and "AMX" in line.upper()]
    if lines:
        found[lines[0][:100]] = len(lines)
    return found


def verdict(features, has_permission, kernels):
    """One sentence."""
    if "amx_tile" not in features:
        return "not on this machine: it has no AMX"
    if not has_permission:
        return "no: the process never asked for tiles"
    used = [name for name in kernels if "amx" in name.lower()]
    if used:
        return f"yes: {', '.join(used[:3])}"
    return "not proven: it may use tiles, but its log names no such kernel"
