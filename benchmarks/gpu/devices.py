"""Where arrays live and how launches are timed: a GPU by PyTorch, or a dry run.

The dry run goes through everything but a GPU's clock: memory and launches by
the runtime on the simulator's driver, arrays by NumPy. Its times mean nothing.
"""

import ctypes
import statistics
import time

import numpy as np

TARGET_SECONDS, SAMPLES = 0.1, 7


class Array:
    """What attnrt.Call takes: a place on the device, and what it holds."""

    def __init__(self, data, shape, dtype, strides=None, host=None, keep=None):
        self.data, self.shape, self.dtype = data, tuple(shape), dtype
        self.strides, self.host, self.keep = strides, host, keep


def to_bf16(values):
    """The bits of f32 values, to nearest even."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


class Torch:
    """A GPU. Memory, streams and clocks are PyTorch's."""

    is_dry = False
    place = "cuda"

    def __init__(self, runtime):
        import torch

        self.torch = torch
        if not torch.cuda.is_available():
            raise RuntimeError("PyTorch sees no GPU")
        torch.zeros(1, device=self.place)  # its context is the one that is used
        self.info = runtime.describe()
        self.free_bytes = torch.cuda.mem_get_info()[0]
        self.dtypes = {"bf16": torch.bfloat16, "f32": torch.float32, "i32": torch.int32}

    def wrap(self, tensor, host=None):
        names = {kind: name for name, kind in self.dtypes.items()}
        return Array(tensor.data_ptr(), tensor.shape, names[tensor.dtype], tensor.stride(), host, tensor)

    def empty(self, dtype, shape):
        return self.wrap(self.torch.empty(shape, dtype=self.dtypes[dtype], device=self.place))

    def randn(self, shape, seed):
        generator = self.torch.Generator(device=self.place).manual_seed(seed)
        made = self.torch.empty(shape, dtype=self.torch.bfloat16, device=self.place)
        flat = made.view(-1)
        step = 1 << 28  # a part at a time: randn makes f32 on the way
        for begin in range(0, flat.numel(), step):
            flat[begin : begin + step].normal_(generator=generator)
        return self.wrap(made)

    def put(self, values):
        """A NumPy array of integers, whose values the host sees too."""
        return self.wrap(self.torch.from_numpy(values).to(self.place), host=values)

    def view(self, array, first, shape):
        """A part of an array, from element `first` on, in another shape."""
        count = int(np.prod(shape))
        return self.wrap(array.keep.view(-1)[first : first + count].view(shape))

    def shorten(self, array):
        """Without the last entry of the second axis, in place."""
        return self.wrap(array.keep[:, :-1])

    def read(self, array, index):
        """Values at an index, as f32 in NumPy."""
        return array.keep[index].float().cpu().numpy()

    def write(self, array, index, values):
        array.keep[index] = self.torch.from_numpy(np.ascontiguousarray(values)).to(array.keep)

    def stream(self):
        return self.torch.cuda.current_stream().cuda_stream

    def synchronize(self):
        self.torch.cuda.synchronize()

    def time(self, calls):
        """Milliseconds of one of `calls`, which run in turn: median and least.

        They are captured in a graph, so that nobody pays for Python; what cannot
        be captured is timed as it is."""
        torch = self.torch
        for call in calls:
            call()
        torch.cuda.synchronize()
        replay, per_replay = self.capture(calls), len(calls)
        begin = time.perf_counter()
        replay()
        torch.cuda.synchronize()
        once = max(time.perf_counter() - begin, 1e-6)
        repeats = max(1, int(TARGET_SECONDS / once))
        samples = []
        for _ in range(SAMPLES):
            start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            for _ in range(repeats):
                replay()
            stop.record()
            torch.cuda.synchronize()
            samples.append(start.elapsed_time(stop) / repeats / per_replay)
        return statistics.median(samples), min(samples)

    def capture(self, calls):
        torch = self.torch

        def plain():
            for call in calls:
                call()

        try:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                plain()
            graph.replay()
            torch.cuda.synchronize()
            return graph.replay
        except RuntimeError:
            torch.cuda.synchronize()
            return plain

    def copy_bandwidth(self):
        """GB/s, what is read and what is written."""
        source = self.torch.empty(1 << 30, dtype=self.torch.uint8, device=self.place)
        target = self.torch.empty_like(source)
        milliseconds, _ = self.time([lambda: target.copy_(source)])
        return 2 * source.numel() / milliseconds / 1e6

    def matmul_rate(self, size=8192):
        """TFLOP/s of bf16 on random data."""
        a = self.torch.randn(size, size, device=self.place).bfloat16()
        b = self.torch.randn(size, size, device=self.place).bfloat16()
        out = self.torch.empty_like(a)
        milliseconds, _ = self.time([lambda: self.torch.mm(a, b, out=out)])
        return 2 * size**3 / milliseconds / 1e9


class Dry:
    """No GPU: the simulator behind the driver's functions."""

    is_dry = True

    def __init__(self, runtime):
        self.runtime = runtime
        self.handle = runtime.open()
        self.info = runtime.describe()
        self.free_bytes = 1 << 28
        self.kinds = {"bf16": np.uint16, "f32": np.float32, "i32": np.int32}

    def empty(self, dtype, shape):
        place = ctypes.c_uint64()
        count = int(np.prod(shape, dtype=np.int64)) * np.dtype(self.kinds[dtype]).itemsize
        self.runtime.call("attnrt_cuda_allocate", self.handle, ctypes.c_uint64(count), ctypes.byref(place))
        return Array(place.value, shape, dtype)

    def upload(self, dtype, values):
        made = self.empty(dtype, values.shape)
        self.runtime.call("attnrt_cuda_copy_in", self.handle, ctypes.c_uint64(made.data),
                          values.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint64(values.nbytes))
        return made

    def randn(self, shape, seed):
        values = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
        return self.upload("bf16", to_bf16(values))

    def put(self, values):
        made = self.upload("i32", values)
        made.host = values
        return made

    def view(self, array, first, shape):
        size = np.dtype(self.kinds[array.dtype]).itemsize
        return Array(array.data + first * size, shape, array.dtype, keep=array)

    def shorten(self, array):
        shape = (array.shape[0], array.shape[1] - 1, *array.shape[2:])
        strides = [int(np.prod(array.shape[i + 1:])) for i in range(len(shape))]
        return Array(array.data, shape, array.dtype, strides, keep=array)

    def download(self, array):
        values = np.empty(array.shape, dtype=self.kinds[array.dtype])
        self.runtime.call("attnrt_cuda_copy_out", self.handle, values.ctypes.data_as(ctypes.c_void_p),
                          ctypes.c_uint64(array.data), ctypes.c_uint64(values.nbytes))
        return from_bf16(values) if array.dtype == "bf16" else values

    def read(self, array, index):
        return self.download(array)[index]

    def write(self, array, index, values):
        now = self.download(array)
        now[index] = values
        now = to_bf16(now) if array.dtype == "bf16" else now
        self.runtime.call("attnrt_cuda_copy_in", self.handle, ctypes.c_uint64(array.data),
                          now.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint64(now.nbytes))

    def stream(self):
        return 0

    def synchronize(self):
        self.runtime.call("attnrt_cuda_synchronize", self.handle)

    def time(self, calls):
        begin = time.perf_counter()
        for call in calls:
            call()
        self.synchronize()
        milliseconds = (time.perf_counter() - begin) * 1e3 / len(calls)
        return milliseconds, milliseconds

    def copy_bandwidth(self):
        return 1.0

    def matmul_rate(self):
        return 1.0
