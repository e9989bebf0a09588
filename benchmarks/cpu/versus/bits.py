"""bf16 for attn_mlir without PyTorch: u16 bits that say by DLPack what they are."""

import ctypes
from ctypes import POINTER, Structure, c_int32, c_int64, c_uint8, c_uint16, c_uint64, c_void_p

CPU, BFLOAT = 1, 4


class _Tensor(Structure):
    _fields_ = [("data", c_void_p), ("device_type", c_int32), ("device_id", c_int32), ("ndim", c_int32),
                ("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16), ("shape", POINTER(c_int64)),
                ("strides", POINTER(c_int64)), ("byte_offset", c_uint64)]


class _Managed(Structure):
    pass


_Deleter = ctypes.CFUNCTYPE(None, POINTER(_Managed))
_Managed._fields_ = [("tensor", _Tensor), ("context", c_void_p), ("deleter", _Deleter)]
# The array behind a tensor is kept by its Bits, so there is nothing to free.
_NOTHING = _Deleter(lambda _: None)
_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype, _new_capsule.argtypes = ctypes.py_object, [c_void_p, ctypes.c_char_p, c_void_p]


class Bits:
    """A view of a C-contiguous u16 array as bf16. Must outlive what is made of it."""

    def __init__(self, array):
        if array.dtype.itemsize != 2 or not array.flags.c_contiguous:
            raise ValueError(f"expects contiguous elements of 2 bytes, but got {array.dtype}")
        self.array = array
        self.shape = (c_int64 * array.ndim)(*array.shape)
        tensor = _Tensor(array.ctypes.data, CPU, 0, array.ndim, BFLOAT, 16, 1, self.shape, None, 0)
        self.managed = _Managed(tensor, None, _NOTHING)

    def __dlpack_device__(self):
        return CPU, 0

    def __dlpack__(self, **_):
        return _new_capsule(ctypes.addressof(self.managed), b"dltensor", None)
