"""What benchmarks/cpu/versus computes, held against literal numbers and itself.

    check_peers.py FOLDER_OF_PEERS_PY
"""

import os
import sys
import tempfile
import xml.dom.minidom

import numpy as np

sys.path.insert(0, sys.argv[1])
from versus import amx, cases, check, draw, options, remote, report, worker  # noqa: E402


def expect(what, got, want):
    if got != want:
        sys.exit(f"{what}: expects {want}, but got {got}")


# Work: what the mask removes is none.
expect("full", cases.prefill("f32", 64, 4, False, width=64).flops(), 4 * 64 * 16)
expect("causal", cases.prefill("f32", 64, 4, True, width=64).flops(), 4 * 64 * 10)
expect("window", cases.prefill("f32", 64, 4, True, 2, width=64).flops(), 4 * 64 * 7)
expect("decode", cases.decode(3, 100).kv_bytes(), 2 * 2 * 3 * 100 * 8 * 128)
expect("bf16", cases.to_bf16(np.float32([1.0, 1.00390625, 1.01171875])).tolist(), [0x3F80, 0x3F80, 0x3F82])
# Sets: four times the cache, but not more than the memory that is given.
case = cases.decode(1, 4096)
expect("sets", cases.sets_for(case, 32 << 20, 1 << 40), 8)
expect("sets by memory", cases.sets_for(case, 32 << 20, 3 * case.kv_bytes()), 3)

# A row without its needle is seen, in a set that is not the first one too.
case = cases.decode(2, 150, heads=2)
data = cases.Data(case, 2)
want = check.expected(case, data, 1)
check.check(case, want.astype(np.float32), want, "bf16")
position = cases.places(case)[0]
data.k[data.index_of(1, position[0], 149, position[1] // case.group)] = 0
try:
    check.check(case, check.expected(case, data, 1), want, "bf16")
    sys.exit("expects a missing key to be seen")
except check.Mismatch:
    pass


def row(case, times, **more):
    entries = {name: {"seconds": [t * 0.9, t, t * 1.3]} for name, t in times.items()}
    out = {"case": case.name, **vars(case), "entries": entries, "missing": {}, **more}
    report.finish(out, case, {"fma_gflops_all": [90.0, 100.0], "amx_bf16_gflops_all": [150.0],
                              "read_gbs_all": [20.0, 30.0],
                              "pages_gbs_all": [16.0, 10.0], "fma_gflops_one": [1e6]}, 2)
    return out


times = {"attn_mlir": 0.5, "SDPA": 1.0, "FlexAttention": 0.25, "vLLM": 0.5}
rows = [row(cases.prefill("bf16", 128, n, True), times) for n in (1024, 2048)]
rows += [row(cases.prefill("f32", 128, 1024, False), times)]
rows += [row(cases.decode(batch, 4096), times) for batch in (1, 8)]
expect("ceilings", [r["ceiling"] for r in rows], [150.0, 150.0, 100.0, 16.0, 16.0])
expect("ratios", rows[0]["ratios"], {"SDPA": 2.0, "FlexAttention": 0.5, "vLLM": 1.0})
expect("rate", rows[4]["entries"]["SDPA"]["rate"], 8 * 4096 * 8 * 128 * 4 / 1e9)
result = {"rows": rows, "contenders": list(worker.CONTENDERS), "hardware": {"cpu": "a <cpu>"}, "threads": 2,
          "cpus": [0, 1], "date": "today", "commit": "none", "ceilings": {"bf16": 150.0, "f32": 100.0, "read": 20.0},
          "missing": {"OpenVINO": "why"}, "amx": {}}
text = "\n".join(report.table(result))
for wanted in ("prefill by the best of PyTorch: 0.50x at least", "reached in 0 of 3 cases",
               "decode by gather and SDPA: 2.00x at least", "reached in 2 of 2 cases", "OpenVINO: not there: why"):
    if wanted not in text:
        sys.exit(f"expects '{wanted}' in the table, but got:\n{text}")
plots = draw.all_plots(result)
expect("plots", sorted(plots), ["batch", "length", "roofline"])
for name, text in plots.items():
    circles = xml.dom.minidom.parseString(text).getElementsByTagName("circle")
    # One per point and one per name in the legend; `length` leaves out what has one size.
    expect(name, len(circles), 4 + 4 * {"batch": 2, "length": 2, "roofline": 5}[name])

expect("command", options.shown(["--build", "b", "--quick", "--out=o", "--threads", "2"]),
       ["--quick", "--threads", "2"])

# Evidence of AMX.
log = "onednn_verbose,v1,primitive,exec,cpu,matmul,brg_matmul:avx512_core_amx,undef,src\n"
found = amx.kernels_in(log + log)
expect("kernels", found, {"matmul brg_matmul:avx512_core_amx": 2})
for features, permission, kernels, wanted in (((), True, found, "not on this machine"),
                                              (("amx_tile",), False, found, "no:"),
                                              (("amx_tile",), True, {"matmul jit:avx512_core": 1}, "not proven"),
                                              (("amx_tile",), True, found, "yes: matmul brg_matmul")):
    expect("verdict", amx.verdict(features, permission, kernels)[:len(wanted)], wanted)

# A worker whose library is missing, or who dies, is an error with a reason and no more.
with tempfile.TemporaryDirectory() as folder:
    for text, kind in (("raise ImportError('no such library')", remote.Failed),
                       ("import os\nos._exit(3)", remote.Gone)):
        with open(os.path.join(folder, "attn_mlir.py"), "w", encoding="utf-8") as file:
            file.write(text)
        try:
            remote.Remote("attn_mlir", sys.executable, 1, os.sched_getaffinity(0), [folder])
            sys.exit("expects an error")
        except kind as error:
            expect("reason", any(t in str(error) for t in ("no such library", "ended with 3")), True)
