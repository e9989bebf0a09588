"""What a result depends on beside the code: the machine, the commit, the day."""

import datetime
import os
import pathlib
import re
import subprocess

# Those that kernels, or the code that makes them, choose by.
FEATURES = (
    "sse4_2 avx avx2 fma f16c avx512f avx512bw avx512dq avx512vl avx512_bf16 "
    "avx512_fp16 avx512_vnni avx_vnni amx_tile amx_bf16 amx_int8"
).split()


def read(path, otherwise=""):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return otherwise


def caches():
    """{"L1 data": bytes, "L2": .., ..} of one core, as Linux lists them."""
    found = {}
    for folder in sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind = read(folder / "type")
        size = re.fullmatch(r"(\d+)([KMG]?)", read(folder / "size"))
        if kind != "Instruction" and size:
            scale = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[size[2]]
            name = f"L{read(folder / 'level')}" + (" data" if kind == "Data" else "")
            found[name] = int(size[1]) * scale
    return found


def hardware():
    info = read("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.*)$", info, re.M)
    flags = re.search(r"^flags\s*: (.*)$", info, re.M)
    flags = set(flags[1].split()) if flags else set()
    return {
        "cpu": model[1] if model else "unknown",
        "cores_used": len(os.sched_getaffinity(0)),
        "cores": os.cpu_count(),
        "features": [name for name in FEATURES if name in flags],
        "caches": caches(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def short_name(cpu):
    """For file names: "Intel(R) Xeon(R) Gold 6330 CPU @ 2.00GHz" is intel-xeon-gold-6330."""
    words = re.sub(r"\(R\)|\(TM\)|@.*|\b(CPU|Processor|\d+-Core)\b", " ", cpu)
    return "-".join(re.findall(r"[a-z0-9]+", words.lower())) or "unknown"


def commit(root):
    """The commit of the working tree, "-changed" behind it if files differ."""
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=10"]
    command += ["--exclude=*", "--dirty=-changed"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def today():
    return datetime.date.today().isoformat()
