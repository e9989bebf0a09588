"""libattnrt by ctypes: a bundle on a GPU, planned and launched as an engine does it.

The structures are those of runtime/include/attnrt; what they mean stands there.
Needs NumPy only.
"""

import ctypes
import pathlib
from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p

import numpy as np

# DLPack: (code, bits).
INT, FLOAT, BFLOAT = 0, 2, 4
DTYPES = {"f64": (FLOAT, 64), "f32": (FLOAT, 32), "f16": (FLOAT, 16), "bf16": (BFLOAT, 16),
          "i64": (INT, 64), "i32": (INT, 32)}
NUMBERS = {(FLOAT, 32): np.float32, (FLOAT, 64): np.float64, (INT, 32): np.int32, (INT, 64): np.int64}
CPU, GPU = 1, 2
ABI_VERSION = 2  # 0.2
MOST_AXES = 6


class Device(Structure):
    _fields_ = [("type", c_int32), ("number", c_int32)]


class DataType(Structure):
    _fields_ = [("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16)]


class Tensor(Structure):
    _fields_ = [("data", c_void_p), ("device", Device), ("ndim", c_int32), ("dtype", DataType),
                ("shape", POINTER(c_int64)), ("strides", POINTER(c_int64)), ("byte_offset", c_uint64)]

    @classmethod
    def of(cls, data, place, shape, dtype, strides=None):
        lanes = DataType(*dtype, 1)
        sizes = (c_int64 * len(shape))(*shape)
        steps = None if strides is None else (c_int64 * len(shape))(*strides)
        return cls(data, Device(place, 0), len(shape), lanes, sizes, steps, 0)


class Sized(Structure):
    """A parameter struct: its first field is its size."""

    def __init__(self, **fields):
        super().__init__(struct_size=ctypes.sizeof(type(self)), **fields)


class ContextParams(Sized):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("allocator", c_void_p),
                ("parallel_for", c_void_p), ("parallel_self", c_void_p), ("log", c_void_p),
                ("log_self", c_void_p), ("cache_dir", c_char_p), ("cuda_library", c_char_p),
                ("cpu_threads", c_int32), ("cpu_pin", c_int32)]


class KernelParams(Sized):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("target", c_char_p)]


class KernelInfo(Sized):
    _fields_ = [("struct_size", c_uint32), ("num_arguments", c_int32), ("num_results", c_int32),
                ("num_launches", c_int32), ("target", c_char_p)]


class ArgumentInfo(Sized):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("dtype", DataType), ("num_axes", c_int32),
                ("sizes", c_int64 * MOST_AXES), ("name", c_char_p)]


class ScheduleCaps(Sized):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("workers", c_int32), ("split", c_int32),
                ("steps_in_flight", c_int32), ("reserved", c_int32)] + [
        (name, c_int64) for name in ("max_segments", "max_rows", "max_items", "max_merges", "max_slots",
                                     "max_workspace_bytes")]


class Step(Sized):
    _fields_ = [("struct_size", c_uint32), ("num_arguments", c_int32), ("arguments", c_void_p),
                ("host", c_void_p), ("low", c_void_p)]


class LaunchInfo(Sized):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("rows", c_int32), ("cols", c_int32),
                ("plan", c_void_p), ("counters", c_char_p), ("registers", c_int32),
                ("local_bytes", c_int32), ("resident_ctas", c_int32), ("reserved", c_int32)]


class Options(Structure):
    _fields_ = [("library", c_char_p), ("device", c_int32)]


class Info(Structure):
    _fields_ = [("name", c_char * 96), ("major", c_int32), ("minor", c_int32), ("sms", c_int32),
                ("l2_bytes", c_int64), ("shared_bytes_per_cta", c_int64)]


SCALAR = 1  # ATTNRT_ARGUMENT_SCALAR
assert ctypes.sizeof(Tensor) == 48 and ctypes.sizeof(ScheduleCaps) == 72
assert ctypes.sizeof(ArgumentInfo) == 72 and ctypes.sizeof(LaunchInfo) == 48


class Error(RuntimeError):
    """What the runtime said."""


class Runtime:
    """libattnrt.so, and the driver that it is to use (None: libcuda)."""

    def __init__(self, path, driver=None):
        self.library = ctypes.CDLL(str(path))
        self.library.attnrt_last_message.restype = c_char_p
        self.library.attnrt_bundle_entry_name.restype = c_char_p
        self.driver = str(driver).encode() if driver else None
        self.call("attnrt_check_abi", c_uint32(ABI_VERSION))
        self.made = None

    def call(self, name, *arguments):
        if getattr(self.library, name)(*arguments) != 0:
            raise Error(f"{name}: {self.library.attnrt_last_message().decode()}")

    def context(self):
        """One for all programs."""
        if self.made is None:
            self.made = c_void_p()
            params = ContextParams(cuda_library=self.driver)
            self.call("attnrt_context_create", byref(params), byref(self.made))
        return self.made

    def open(self):
        """The GPU, for its memory where no other library has it."""
        device = c_void_p()
        self.call("attnrt_cuda_create", byref(Options(self.driver, 0)), byref(device))
        return device

    def describe(self):
        device, info = self.open(), Info()
        self.call("attnrt_cuda_describe", device, byref(info))
        self.library.attnrt_cuda_destroy(device)
        return info


class Program:
    """The only entry of a bundle on a GPU, for one of its chips."""

    def __init__(self, runtime, path, chip):
        self.runtime = runtime
        data = pathlib.Path(path).read_bytes()
        self.bundle, self.kernel = c_void_p(), c_void_p()
        runtime.call("attnrt_bundle_load", runtime.context(), data, c_uint64(len(data)), byref(self.bundle))
        name = runtime.library.attnrt_bundle_entry_name(self.bundle, 0)
        runtime.call("attnrt_kernel_load", self.bundle, name, Device(GPU, 0),
                     byref(KernelParams(target=chip.encode())), byref(self.kernel))
        self.info = KernelInfo()
        runtime.call("attnrt_kernel_describe", self.kernel, byref(self.info))

    def argument(self, number):
        info = ArgumentInfo()
        self.runtime.call("attnrt_kernel_argument", self.kernel, c_int32(number), byref(info))
        return info

    def close(self):
        self.runtime.library.attnrt_kernel_release(self.kernel)
        self.runtime.library.attnrt_bundle_release(self.bundle)

    def prepare(self, arguments, memory, split=0):
        """A call of the program that is ready to be enqueued.

        `arguments`: for each a Python number, or an object with data (a device
        pointer), shape, strides, dtype, and host: its values as a NumPy array
        where the host looks at them, else None. `memory(dtype, shape)` gives
        such an object for a result."""
        return Call(self, arguments, memory, split)


class Call:
    """A planned step with its tensors. Launches by enqueue()."""

    def __init__(self, program, arguments, memory, split):
        self.program, self.runtime = program, program.runtime
        self.keep = []  # what the pointers below point to
        self.handle = c_void_p()
        self.runtime.call("attnrt_schedule_create", program.kernel,
                          byref(ScheduleCaps(split=split, flags=1)), byref(self.handle))
        try:
            tensors, host = self.bind(arguments)
            step = Step(num_arguments=len(tensors), arguments=ctypes.addressof(self.pointers(tensors)),
                        host=ctypes.addressof(self.pointers(host)))
            self.runtime.call("attnrt_schedule_update", self.handle, byref(step), None)
            self.results = [self.make_result(i, memory) for i in range(program.info.num_results)]
            tensors += [self.tensor_of(made) for made in self.results]
            self.tensors, self.count = self.pointers(tensors), len(tensors)
        except Error:
            self.release()
            raise

    def pointers(self, tensors):
        array = (c_void_p * max(1, len(tensors)))(*[t and ctypes.addressof(t) for t in tensors])
        self.keep += [array, *tensors]
        return array

    def tensor_of(self, array):
        self.keep.append(array)
        return Tensor.of(array.data, GPU, array.shape, DTYPES[array.dtype], array.strides)

    def bind(self, arguments):
        tensors, host = [], []
        for number, given in enumerate(arguments):
            info = self.program.argument(number)
            if info.flags & SCALAR:
                kind = (info.dtype.code, info.dtype.bits)
                cell = np.array(given, dtype=NUMBERS[kind])
                self.keep.append(cell)
                tensors.append(Tensor.of(cell.ctypes.data, CPU, (), kind))
                host.append(None)
                continue
            tensors.append(self.tensor_of(given))
            values = given.host
            self.keep.append(values)
            host.append(None if values is None else
                        Tensor.of(values.ctypes.data, CPU, values.shape, DTYPES[given.dtype]))
        return tensors, host

    def make_result(self, number, memory):
        info = self.program.argument(self.program.info.num_arguments + number)
        sizes, axes = (c_int64 * MOST_AXES)(), c_int32()
        self.runtime.call("attnrt_schedule_result", self.handle, c_int32(number), sizes, byref(axes))
        names = {kind: name for name, kind in DTYPES.items()}
        return memory(names[(info.dtype.code, info.dtype.bits)], list(sizes[: axes.value]))

    def describe(self):
        """Of the first launch: registers, local memory, CTAs at a time."""
        info = LaunchInfo()
        self.runtime.call("attnrt_schedule_launch", self.handle, c_int32(0), byref(info))
        return info

    def enqueue(self, stream=0):
        self.runtime.call("attnrt_run", self.handle, self.tensors, c_int32(self.count), c_void_p(stream))

    def release(self):
        self.runtime.library.attnrt_schedule_release(self.handle)
