"""Kernels that were written in `sm`, not compiled from a cascade.

They are PTX beside a JSON that says what a launch needs: what the compiler wrote
of the function (`sm.shared_bytes`, `nvvm.reqntid`, `sm.tensor_maps`). Loaded and
called as attnrt.Program is.
"""

import ctypes
import dataclasses
import json
import math
from ctypes import c_float, c_int32, c_int64, c_uint32, c_uint64, c_void_p

import driver
import plans

# attnrt_dtype
DTYPES = {"f32": 2, "f16": 3, "bf16": 4, "i32": 17}
ROWS, KEYS = 128, 128  # most rows of a record, and keys of a tile
CAPABILITY = (9, 0)


class TensorRecord(ctypes.Structure):
    """attnrt_tensor, as kernels read it."""

    _fields_ = [("data", c_void_p), ("shape", c_int64 * 6), ("stride", c_int64 * 6), ("dtype", c_uint32),
                ("rank", c_uint32), ("bytes", c_uint64), ("reserved", c_uint64)]

    @classmethod
    def of(cls, array, shape):
        record = cls(data=array.data, dtype=DTYPES[array.dtype], rank=len(shape))
        record.shape[:] = [*shape, *[1] * (6 - len(shape))]
        record.stride[: len(shape)] = [math.prod(shape[axis + 1:]) for axis in range(len(shape))]
        return record


class MapRecipe(ctypes.Structure):
    _fields_ = [("dtype", c_uint32), ("swizzle", c_uint32), ("box", c_uint32 * 6)]


class TensorMap(ctypes.Structure):
    """attnrt_map: the arguments of cuTensorMapEncodeTiled."""

    _fields_ = [("type", c_int32), ("rank", c_uint32), ("base", c_uint64), ("dim", c_uint64 * 5),
                ("stride", c_uint64 * 4), ("box", c_uint32 * 5), ("step", c_uint32 * 5),
                ("interleave", c_int32), ("swizzle", c_int32), ("promotion", c_int32), ("fill", c_int32)]


assert ctypes.sizeof(TensorRecord) == 128 and ctypes.sizeof(TensorMap) == 144


@dataclasses.dataclass(frozen=True)
class Described:
    registers: int
    local_bytes: int
    resident_ctas: int


class Kernel:
    """Causal attention over pages of 16, as hopper-prefill.mlir has it."""

    def __init__(self, runtime, path, workers):
        self.runtime, self.workers = runtime, workers
        self.facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        self.driver = driver.Driver(runtime.driver and runtime.driver.decode())
        self.function = self.driver.load(path.read_bytes(), self.facts["name"], self.facts["shared_bytes"])

    def encode_map(self, fact, tensors):
        recipe = MapRecipe(DTYPES[fact["element"]], fact["swizzle"], (c_uint32 * 6)(*fact["box"]))
        described = TensorMap()
        self.runtime.call("attnrt_describe_map", ctypes.byref(recipe), ctypes.byref(tensors[fact["tensor"]]),
                          ctypes.byref(described))
        return self.driver.encode(described)

    def prepare(self, setting, number, lengths, device):
        """A call on set `number` of a Setting, whose requests have `lengths` tokens."""
        case, program = setting.case, setting.program
        q, k, v, table, length, scale = setting.arguments(number, lengths)
        out = device.empty("f32", (case.batch, case.queries, program.heads, program.channels))
        flat = (case.batch * case.queries, program.heads, program.channels)
        starts = device.put(setting.row_starts())
        plan = device.put(plans.causal(self.runtime, case.batch, case.queries, program.heads, ROWS, KEYS,
                                       self.workers))
        tensors = [TensorRecord.of(q, flat), *[TensorRecord.of(a, a.shape) for a in (k, v, table, length, starts)],
                   TensorRecord.of(out, flat)]
        # The kernel's weights are powers of 2.
        cells = bytes(c_float(scale * math.log2(math.e))).ljust(8, b"\0") + bytes(c_int64(program.group))
        block = b"".join(bytes(t) for t in tensors) + cells
        parameters = [ctypes.create_string_buffer(block, len(block)), c_uint64(plan.data), c_int32(0),
                      *[self.encode_map(fact, tensors) for fact in self.facts["tensor_maps"]]]
        return Call(self, parameters, out, (q, k, v, table, length, starts, plan))


class Call:
    """A launch with its arguments. What attnrt.Call has."""

    def __init__(self, kernel, parameters, out, keep):
        self.kernel, self.parameters, self.results, self.keep = kernel, parameters, [out], keep

    def enqueue(self, stream=0):
        k = self.kernel
        k.driver.launch(k.function, k.workers, k.facts["threads"], k.facts["shared_bytes"], stream, self.parameters)

    def describe(self):
        k = self.kernel
        return Described(k.driver.attribute(k.function, driver.REGISTERS),
                         k.driver.attribute(k.function, driver.LOCAL_BYTES),
                         k.driver.resident_ctas(k.function, k.facts["threads"], k.facts["shared_bytes"]))

    def release(self):
        self.parameters = self.keep = None


def fits(info):
    """sm_90a runs on its own compute capability only, not on later ones."""
    return (info.major, info.minor) == CAPABILITY
