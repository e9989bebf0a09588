"""The kernel by hand of a pack, launched wrongly in several ways.

    check_hopper.py PACK
"""

import ctypes
import pathlib
import sys
import types

import numpy as np

PACK = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(PACK))

import attnrt
import cases
import checks
import driver
import run

OPTIONS = types.SimpleNamespace(dry_run=True, driver=None, pack=PACK, no_peers=True)


def attempt(name, change):
    """`change` takes the facts of the kernel and may alter them."""
    runtime, device = run.open_device(OPTIONS)
    bench = run.Benchmark(OPTIONS, runtime, device, PACK, "sm_80")
    program = next(p for p in run.programs.all_programs() if p.by_hand)
    case = next(iter(cases.tiny([program])))
    bench.make_pools([(program, case)])
    bench.say = lambda text: None
    try:
        lengths = change(bench, program)
        compiled = bench.load(program)
        if compiled is None:
            return print(f"{name}: left out")
        setting = run.Setting(device, program, case, bench.pools)
        setting.place_needles()
        call = bench.prepare(compiled, setting, 0, lengths)
        # CUtensorMap wants 64; the driver refuses less.
        assert all(ctypes.addressof(x) % 64 == 0 for x in call.parameters[3:])
        error = bench.launch_and_check(setting, call)
        return print(f"{name}: error {error:.2g}")
    except (checks.Mismatch, driver.Error, attnrt.Error) as error:
        return print(f"{name}: caught: {error}")


def of_maps(**fields):
    def change(bench, program):
        for fact in bench.load(program).facts["tensor_maps"]:
            fact.update(fields)

    return change


def exchange(bench, program):
    for fact in bench.load(program).facts["tensor_maps"]:
        fact["tensor"] = 3 - fact["tensor"]


def less_shared(bench, program):
    kernel = bench.load(program)
    kernel.function = kernel.driver.load((PACK / "kernels" / f"{program.name}.ptx").read_bytes(), "prefill", 0)


def other_device(bench, program):
    bench.device.info.major = 10


attempt("right", lambda bench, program: None)
attempt("a token less", lambda bench, program: np.array([149, 150], dtype=np.int32))
attempt("panels of half the width", of_maps(swizzle=64, box=[1, 16, 1, 32]))
attempt("boxes of half a page", of_maps(box=[1, 8, 1, 64]))
attempt("values for keys", exchange)
attempt("no room asked for", less_shared)
attempt("another compute capability", other_device)
