# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tensors that a traced function reads, as they are or converted.

What a library makes of a value that its new type does not hold (rounding, wrapping, and
what is undefined) is the library's own: it converts the tensor, once per call.
"""

from .._errors import Error
from .._native import Tensor
from .dtypes import known_name

# Unsigned integers are numbers, in the next type that is read.
_WIDER = {"uint8": "int16", "uint16": "int32", "uint32": "int64"}


class Source:
    """A tensor of the user after conversions; one object per tensor and conversions.

    `tensor`: the user's; `casts`: types of the conversions, in their order.
    """

    def __init__(self, tensor, casts=(), family=None):
        self.tensor, self.casts = tensor, casts
        self.shape = tuple(int(n) for n in tensor.shape)
        self.dtype = casts[-1] if casts else known_name(tensor.dtype)
        self._family = {(): self} if family is None else family  # casts -> Source

    def library_dtype(self):
        """The type as the tensor's own library names it."""
        if not self.casts:
            return self.tensor.dtype
        if self._is_torch():
            import torch

            return getattr(torch, self.dtype)
        return self.dtype

    def _is_torch(self):
        return type(self.tensor).__module__.split(".")[0] == "torch"

    requires_grad = property(lambda self: getattr(self.tensor, "requires_grad", False))

    def to(self, name):
        """This tensor with elements of the type `name`."""
        if name == self.dtype:
            return self
        casts = (*self.casts, name)
        if casts not in self._family:
            self._family[casts] = Source(self.tensor, casts, self._family)
        return self._family[casts]

    def read(self):
        """The Source whose elements kernels read."""
        return self.to(_WIDER.get(self.dtype, self.dtype))

    def is_contiguous(self):
        """Last axis of stride 1, as far as Python can tell."""
        tensor = self.tensor
        if self.casts or not self.shape:
            return True
        if hasattr(tensor, "strides") and hasattr(tensor, "itemsize"):
            return tuple(tensor.strides)[-1] == tensor.itemsize
        return hasattr(tensor, "stride") and tensor.stride()[-1] == 1

    def now(self):
        """Values of now, as a Tensor: the user's memory if nothing is converted."""
        return Tensor(self._convert() if self.casts else self.tensor)

    def _convert(self):
        tensor = self.tensor.detach() if hasattr(self.tensor, "detach") else self.tensor
        if self._is_torch():
            import torch

            for name in self.casts:
                tensor = tensor.to(getattr(torch, name))
            return tensor.contiguous()
        options = {"order": "C"} if hasattr(tensor, "__array_interface__") else {}
        for name in self.casts:
            try:
                tensor = tensor.astype(name, **options)
            except (AttributeError, TypeError) as error:
                raise Error(
                    "invalid argument",
                    f"expects a captured tensor that can become {name}, but got "
                    f"{type(tensor).__name__} of {self.tensor.dtype}: {error}",
                ) from error
        return tensor


def tensor_of(name, value):
    """A Tensor of an argument; the Error names it."""
    try:
        return Tensor(value)
    except Error as error:
        raise Error(error.status, f"{name}: {error.message}") from error


class Contents:
    """Captured tensors of one call: each is looked at, and converted, once."""

    def __init__(self):
        self._tensors = {}  # id of a source -> (it, Tensor)

    def tensor(self, source):
        if id(source) not in self._tensors:
            self._tensors[id(source)] = (source, source.now())
        return self._tensors[id(source)][1]

    def array(self, source):
        return self.tensor(source).numpy()
