"""The runtime by ctypes: bundles, plans and launches, without a compiler.

The structures are those of runtime/include/attnrt; what they mean stands there.
Needs NumPy only.
"""

import ctypes
import json
import pathlib
from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_int32, c_int64, c_uint32, c_uint64, c_void_p

import numpy as np

DTYPES = {"f64": 1, "f32": 2, "f16": 3, "bf16": 4, "i64": 16, "i32": 17}
BYTES = {"f64": 8, "f32": 4, "f16": 2, "bf16": 2, "i64": 8, "i32": 4}
MAX_RANK = 6


class Tensor(Structure):
    _fields_ = [("data", c_void_p), ("shape", c_int64 * MAX_RANK), ("stride", c_int64 * MAX_RANK),
                ("dtype", c_uint32), ("rank", c_uint32), ("bytes", c_uint64), ("reserved", c_uint64)]

    @classmethod
    def of(cls, data, shape, dtype, strides=None):
        tensor = cls(data=data, dtype=DTYPES[dtype], rank=len(shape))
        if strides is None:
            strides = [int(np.prod(shape[i + 1:])) for i in range(len(shape))]
        for axis in range(MAX_RANK):
            tensor.shape[axis] = shape[axis] if axis < len(shape) else 1
            tensor.stride[axis] = strides[axis] if axis < len(shape) else 0
        return tensor


class Args(Structure):
    _fields_ = [("tensors", POINTER(Tensor)), ("scalars", POINTER(c_uint64)), ("segments", c_void_p),
                ("rows", c_void_p), ("masks", c_void_p), ("merge_slots", c_void_p),
                ("lengths", c_void_p), ("imports", c_void_p)]


SEGMENT = np.dtype([("list", "<i8"), ("select", "<i8"), ("view", "<i4"), ("coord0", "<i4"),
                    ("count", "<i4"), ("len_ref", "<i4"), ("len_bias", "<i4"), ("param", "<i4"),
                    ("head", "<i4"), ("reserved", "<i4")])


class Sized(Structure):
    """A parameter struct: its first field is its size."""

    def __init__(self, **fields):
        super().__init__(struct_size=ctypes.sizeof(type(self)), **fields)


class Problem(Sized):
    _fields_ = [("struct_size", c_uint32), ("heads", c_int32), ("group", c_int32), ("reserved", c_uint32),
                ("segments", c_void_p), ("segment_count", c_int64), ("row_begin", c_void_p),
                ("row_end", c_void_p), ("row_list", c_void_p), ("row_list_size", c_int64),
                ("row_count", c_int64), ("coord", c_void_p), ("lo", c_void_p), ("limit", c_void_p),
                ("sure_lo", c_void_p), ("sure_limit", c_void_p), ("row_len_ref", c_void_p),
                ("row_back", c_void_p), ("sym", c_void_p), ("sure_count", c_void_p),
                ("mask_begin", c_void_p), ("masks", c_void_p), ("mask_words", c_int64),
                ("ext_begin", c_void_p), ("ext", c_void_p), ("keep", c_void_p),
                ("ext_count", c_int32), ("keep_count", c_int32)]


class Entry(Sized):
    _fields_ = [("struct_size", c_uint32)] + [
        (name, c_int32) for name in ("kernel", "max_packed_rows", "kv_tile", "states", "ordered", "axis",
                                     "resumes")] + [("next", c_void_p)]


class PlanOptions(Sized):
    _fields_ = [("struct_size", c_uint32), ("workers", c_int32), ("split", c_int32), ("strategy", c_int32),
                ("max_slots", c_int64), ("merge_rows", c_int32), ("tile_cost", c_int32),
                ("row_cost", c_int32), ("item_cost", c_int32), ("state_cost", c_int32),
                ("reserved", c_uint32), ("capacity", c_void_p)]


class PlanArray(Structure):
    _fields_ = [("offset", c_uint64), ("count", c_uint32), ("capacity", c_uint32)]


class Plan(Structure):
    _fields_ = [("magic", c_uint32), ("format", c_uint32), ("bytes", c_uint64), ("segments", PlanArray),
                ("rows", PlanArray), ("items", PlanArray), ("merges", PlanArray), ("stages", PlanArray),
                ("work", PlanArray), ("merge_slots", PlanArray), ("masks", PlanArray),
                ("slots", c_uint32), ("reserved", c_uint32 * 11)]


class Options(Structure):
    _fields_ = [("library", c_char_p), ("device", c_int32)]


class Info(Structure):
    _fields_ = [("name", c_char * 96), ("major", c_int32), ("minor", c_int32), ("sms", c_int32),
                ("l2_bytes", c_int64), ("shared_bytes_per_cta", c_int64)]


class Kernel(Structure):
    _fields_ = [("name", c_char_p), ("threads", c_uint32), ("shared_bytes", c_uint32)]

    @classmethod
    def of(cls, record):
        return cls(record["symbol"].encode(), record["threads"], record["shared_bytes"])


class KernelInfo(Structure):
    _fields_ = [("registers", c_int32), ("local_bytes", c_int32), ("resident_ctas", c_int32)]


class Stage(Structure):
    _fields_ = [("plan", POINTER(Plan)), ("stage", c_int32), ("items", POINTER(Kernel)),
                ("merges", POINTER(Kernel)), ("tensors", POINTER(Tensor)), ("num_tensors", c_int64),
                ("scalars", POINTER(c_uint64)), ("num_scalars", c_int64), ("lengths", c_void_p),
                ("num_lengths", c_int64)]


assert ctypes.sizeof(Tensor) == 128 and ctypes.sizeof(Args) == 64 and SEGMENT.itemsize == 48
assert ctypes.sizeof(Plan) == 192 and ctypes.sizeof(Problem) == 200
assert ctypes.sizeof(Entry) == 40 and ctypes.sizeof(PlanOptions) == 56


class Error(Exception):
    """What the runtime said."""


class Runtime:
    """libattnrt.so."""

    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        self.library.attnrt_last_message.restype = c_char_p

    def call(self, name, *arguments):
        if getattr(self.library, name)(*arguments) != 0:
            raise Error(f"{name}: {self.library.attnrt_last_message().decode()}")

    def describe(self, driver=None):
        """Info of the device, by a module that has nothing in it."""
        device = self.open(b".version 7.0\n.target sm_80\n.address_size 64\n", driver)
        info = Info()
        self.call("attnrt_cuda_describe", device, byref(info))
        self.library.attnrt_cuda_destroy(device)
        return info

    def open(self, image, driver=None):
        device = c_void_p()
        options = Options(str(driver).encode() if driver else None, 0)
        self.call("attnrt_cuda_create", c_char_p(image), byref(options), byref(device))
        return device


def pointer(array):
    return array.ctypes.data_as(c_void_p)


class Program:
    """A bundle on a device."""

    def __init__(self, runtime, folder, driver=None):
        folder = pathlib.Path(folder)
        self.runtime = runtime
        self.facts = json.loads((folder / "program.json").read_text(encoding="utf-8"))
        self.host = ctypes.CDLL(str(folder / "host.so"))
        self.device = runtime.open((folder / "kernels.ptx").read_bytes(), driver)
        if len(self.facts["launches"]) != 1:
            raise Error(f"expects one launch, but got {len(self.facts['launches'])}")
        self.launch = self.facts["launches"][0]
        self.items, self.merges = (Kernel.of(self.launch[k]) for k in ("items", "merges"))
        self.kernel_info = KernelInfo()
        runtime.call("attnrt_cuda_describe_kernel", self.device, byref(self.items), byref(self.kernel_info))

    def close(self):
        self.runtime.library.attnrt_cuda_destroy(self.device)

    def prepare(self, arguments, memory, workers, split=0):
        """A call of the program that is ready to be enqueued.

        `arguments`: for each a Python number, or an object with data (a device
        pointer), shape, strides, dtype, and host: its values as a NumPy array
        where the host looks at them, else None. `memory(dtype, shape)` gives
        such an object for results and states."""
        return Call(self, arguments, memory, workers, split)


class Call:
    """A plan and its arguments on the device. Launches by enqueue()."""

    def __init__(self, program, arguments, memory, workers, split):
        self.program = program
        self.runtime = program.runtime
        buffers = program.facts["buffers"]
        self.tensors = (Tensor * sum(b["memory"] for b in buffers))()
        self.scalars = (c_uint64 * max(1, sum(not b["memory"] for b in buffers)))()
        self.keep, self.results = [], {}
        self.bind_arguments(arguments)
        self.find_extents()
        self.allocate("result", memory)
        self.plan = self.make_plan(workers, split)
        self.allocate("state", memory)
        self.handle = self.upload()

    def slots(self):
        """(buffer, number among tensors or among scalars) in order."""
        numbers = {True: 0, False: 0}
        for buffer in self.program.facts["buffers"]:
            yield buffer, numbers[buffer["memory"]]
            numbers[buffer["memory"]] += 1

    def bind_arguments(self, arguments):
        host = []
        for buffer, number in self.slots():
            if buffer["kind"] == "operand":
                given = arguments[buffer["index"]]
                self.check(buffer, given)
                self.keep.append(given)
                self.tensors[number] = Tensor.of(given.data, given.shape, given.dtype, given.strides)
                host.append((number, given.host))
            elif buffer["kind"] == "scalar":
                cell = np.zeros(1, dtype=np.uint64)
                kind = {"f32": np.float32, "i32": np.int32, "i64": np.int64}[buffer["dtype"]]
                cell.view(kind)[0] = arguments[buffer["index"]]
                self.scalars[number] = int(cell[0])
        # What the host's functions read: shapes, and values where there are any.
        self.host_tensors = (Tensor * len(self.tensors))(*self.tensors)
        for number, values in host:
            self.host_tensors[number].data = values.ctypes.data if values is not None else None
            self.keep.append(values)
        self.host_args = Args(self.host_tensors, self.scalars)

    def check(self, buffer, given):
        sizes = buffer["sizes"]
        fits = len(sizes) == len(given.shape) and given.dtype == buffer["dtype"]
        if not fits or any(want not in (-1, got) for want, got in zip(sizes, given.shape)):
            raise Error(f"argument {buffer['index']} expects {sizes} of {buffer['dtype']}, "
                        f"but got {list(given.shape)} of {given.dtype}")

    def find_extents(self):
        extents = self.program.facts["extents"]
        self.extents = np.zeros(len(extents), dtype=np.int64)
        function = getattr(self.program.host, self.program.facts["extents_function"])
        function(byref(self.host_args), pointer(self.extents))
        first = {}
        for number, extent in enumerate(extents):
            if extent["group"] >= 0:
                other = first.setdefault(extent["group"], number)
                if self.extents[other] != self.extents[number]:
                    raise Error(f"extents of rank '{extent['rank']}' disagree: "
                                f"{self.extents[other]} and {self.extents[number]}")
        for buffer, number in self.slots():
            if buffer["kind"] == "extent":
                self.scalars[number] = int(self.extents[buffer["index"]])

    def product(self, numbers):
        return int(np.prod([self.extents[n] for n in numbers], dtype=np.int64))

    def allocate(self, kind, memory):
        for buffer, number in self.slots():
            if buffer["kind"] == kind:
                shape = [int(self.extents[e]) for e in buffer["shape"]]
                if kind == "state":
                    shape = [self.plan.contents.slots, *shape]
                made = memory(buffer["dtype"], shape)
                self.keep.append(made)
                self.tensors[number] = Tensor.of(made.data, made.shape, made.dtype)
                if kind == "result":
                    self.results[buffer["index"]] = made

    def make_plan(self, workers, split):
        launch = self.program.launch
        segments = self.product(launch["segments"])
        rows = int(self.extents[launch["row"]]) if launch["row"] >= 0 else 1
        count = int(self.extents[launch["fold"]]) * launch["cols"]
        records = np.zeros(segments, dtype=SEGMENT)
        for name in ("select", "len_ref", "head"):
            records[name] = -1
        records["count"] = count
        records["param"] = np.arange(segments)
        seg = np.repeat(np.arange(segments, dtype=np.int32), rows)
        coord = np.tile(np.arange(rows, dtype=np.int32), segments)
        low, high = np.zeros_like(coord), np.zeros_like(coord)
        row_begin = np.arange(segments + 1, dtype=np.int32) * np.int32(rows)
        getattr(self.program.host, launch["range"])(
            byref(self.host_args), pointer(seg), pointer(coord), pointer(low), pointer(high),
            c_int64(len(seg)))
        problem = Problem(heads=self.product(launch["heads"]), group=self.product(launch["subs"]),
                          segments=records.ctypes.data, segment_count=segments,
                          row_begin=row_begin.ctypes.data, row_count=len(seg), coord=coord.ctypes.data,
                          lo=low.ctypes.data, limit=high.ctypes.data)
        entry = Entry(max_packed_rows=launch["rows"], kv_tile=launch["cols"], states=len(launch["states"]),
                      ordered=launch["ordered"])
        options = PlanOptions(workers=workers, split=split)
        self.planner, plan = c_void_p(), POINTER(Plan)()
        self.runtime.call("attnrt_planner_create", byref(self.planner))
        self.runtime.call("attnrt_planner_plan", self.planner, byref(problem), byref(entry),
                          byref(options), byref(plan))
        self.visible = int(np.maximum(high.astype(np.int64) - low, 0).sum())
        return plan

    def upload(self):
        stage = Stage(self.plan, 0, ctypes.pointer(self.program.items), ctypes.pointer(self.program.merges),
                      self.tensors, len(self.tensors), self.scalars, len(self.scalars), None, 0)
        handle = c_void_p()
        self.runtime.call("attnrt_cuda_prepare", self.program.device, byref(stage), byref(handle))
        return handle

    def enqueue(self, stream=0):
        self.runtime.call("attnrt_cuda_enqueue", self.handle, c_void_p(stream))

    def release(self):
        self.runtime.library.attnrt_cuda_release(self.handle)
        self.runtime.library.attnrt_planner_destroy(self.planner)
