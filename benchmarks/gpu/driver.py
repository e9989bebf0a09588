"""libcuda by ctypes, for kernels that are in no bundle: load, describe, launch.

The library is the one that libattnrt uses, and the context is what is current on
this thread.
"""

import ctypes
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_uint32, c_void_p

# CUfunction_attribute
LOCAL_BYTES, REGISTERS, MOST_DYNAMIC_SHARED = 3, 4, 8
MAP_BYTES, MAP_ALIGNMENT = 128, 64  # CUtensorMap


class Error(RuntimeError):
    """What the driver said."""


class Driver:
    def __init__(self, path=None):
        self.library = ctypes.CDLL(str(path or "libcuda.so.1"))

    def call(self, name, *arguments):
        status = getattr(self.library, name)(*arguments)
        if status != 0:
            text = c_char_p()
            self.library.cuGetErrorString(c_int(status), byref(text))
            raise Error(f"{name}: {(text.value or b'unknown error').decode()}")

    def load(self, ptx, name, shared_bytes):
        """A function of PTX text, with room for its shared memory."""
        module, function = c_void_p(), c_void_p()
        self.call("cuModuleLoadDataEx", byref(module), c_char_p(ptx), c_uint(0), None, None)
        self.call("cuModuleGetFunction", byref(function), module, c_char_p(name.encode()))
        self.call("cuFuncSetAttribute", function, c_int(MOST_DYNAMIC_SHARED), c_int(shared_bytes))
        return function

    def attribute(self, function, number):
        value = c_int()
        self.call("cuFuncGetAttribute", byref(value), c_int(number), function)
        return value.value

    def resident_ctas(self, function, threads, shared_bytes):
        value = c_int()
        self.call("cuOccupancyMaxActiveBlocksPerMultiprocessor", byref(value), function, c_int(threads),
                  c_size_t(shared_bytes))
        return value.value

    def encode(self, tensor_map):
        """The 128 bytes that a kernel takes, of a byhand.TensorMap."""
        room = ctypes.create_string_buffer(MAP_BYTES + MAP_ALIGNMENT)
        begin = -ctypes.addressof(room) % MAP_ALIGNMENT
        encoded = (ctypes.c_char * MAP_BYTES).from_buffer(room, begin)
        m = tensor_map
        self.call("cuTensorMapEncodeTiled", byref(encoded), c_int(m.type), c_uint32(m.rank), c_void_p(m.base),
                  m.dim, m.stride, m.box, m.step, c_int(m.interleave), c_int(m.swizzle),
                  c_int(m.promotion), c_int(m.fill))
        return encoded

    def launch(self, function, ctas, threads, shared_bytes, stream, parameters):
        """`parameters`: ctypes objects, each as the kernel takes it."""
        pointers = (c_void_p * len(parameters))(*[ctypes.addressof(p) for p in parameters])
        self.call("cuLaunchKernel", function, c_uint(ctas), c_uint(1), c_uint(1), c_uint(threads), c_uint(1),
                  c_uint(1), c_uint(shared_bytes), c_void_p(stream), pointers, None)
