"""Plans for kernels that are in no bundle, by the planner of libattnrt.

The structures are those of attnrt/plan.h and attnrt/plan_format.h.
"""

import ctypes
from ctypes import POINTER, byref, c_int32, c_int64, c_uint32, c_uint64, c_void_p

import numpy as np

from attnrt import Sized

FOREST = 2  # ATTNRT_STRATEGY_FOREST: the longest records first


class Problem(Sized):
    _fields_ = [("struct_size", c_uint32), ("heads", c_int32), ("group", c_int32), ("reserved", c_uint32),
                ("segments", c_void_p), ("segment_count", c_int64), ("row_begin", c_void_p),
                ("row_end", c_void_p), ("row_list", c_void_p), ("row_list_size", c_int64),
                ("row_count", c_int64), ("coord", c_void_p), ("lo", c_void_p), ("limit", c_void_p),
                ("others", c_void_p * 8), ("mask_words", c_int64), ("ext_begin", c_void_p),
                ("ext", c_void_p), ("keep", c_void_p), ("ext_count", c_int32), ("keep_count", c_int32)]


class Entry(Sized):
    _fields_ = [("struct_size", c_uint32), ("kernel", c_int32), ("max_packed_rows", c_int32),
                ("kv_tile", c_int32), ("states", c_int32), ("ordered", c_int32), ("axis", c_int32),
                ("resumes", c_int32), ("next", c_void_p)]


class PlanOptions(Sized):
    _fields_ = [("struct_size", c_uint32), ("workers", c_int32), ("split", c_int32), ("strategy", c_int32),
                ("max_slots", c_int64), ("merge_rows", c_int32), ("costs", c_int32 * 4),
                ("reserved", c_uint32), ("capacity", c_void_p)]


class PlanHead(ctypes.Structure):
    _fields_ = [("magic", c_uint32), ("format", c_uint32), ("bytes", c_uint64)]


SEGMENT = np.dtype([("list", "i8"), ("select", "i8"), ("view", "i4"), ("coord0", "i4"), ("count", "i4"),
                    ("len_ref", "i4"), ("len_bias", "i4"), ("param", "i4"), ("head", "i4"), ("reserved", "i4")])
assert ctypes.sizeof(Problem) == 200 and ctypes.sizeof(Entry) == 40
assert ctypes.sizeof(PlanOptions) == 56 and SEGMENT.itemsize == 48


def causal(runtime, batch, tokens, heads, rows, keys, workers):
    """The block of a plan, as int32: each of `batch` requests has `tokens` rows,
    and row p sees the keys 0..p. Records of at most `rows` rows, none split."""
    segments = np.zeros(batch, dtype=SEGMENT)
    segments["select"] = segments["len_ref"] = segments["head"] = -1
    segments["count"], segments["param"] = tokens, np.arange(batch)
    begins = (np.arange(batch + 1) * tokens).astype(np.int32)
    coord = np.tile(np.arange(tokens, dtype=np.int32), batch)
    lo, limit = np.zeros_like(coord), coord + 1
    problem = Problem(heads=heads, group=1, segments=segments.ctypes.data, segment_count=batch,
                      row_begin=begins.ctypes.data, row_count=len(coord), coord=coord.ctypes.data,
                      lo=lo.ctypes.data, limit=limit.ctypes.data)
    entry = Entry(max_packed_rows=rows, kv_tile=keys)
    options = PlanOptions(workers=workers, strategy=FOREST)
    planner, plan = c_void_p(), POINTER(PlanHead)()
    runtime.call("attnrt_planner_create", byref(planner))
    try:
        runtime.call("attnrt_planner_plan", planner, byref(problem), byref(entry), byref(options), byref(plan))
        block = ctypes.string_at(plan, plan.contents.bytes)
    finally:
        runtime.library.attnrt_planner_destroy(planner)
    return np.frombuffer(block, dtype=np.int32).copy()
