# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a traced function captures.

Tensors of NumPy and PyTorch look at an index themselves, so `bias[h, q_idx]` would
fail inside of them. The function is therefore made anew with the same code and
with stand-ins for the tensors in its closure, globals, defaults and attributes;
so are the functions that it calls. The user's own objects are not touched.
"""

import functools
import types

from . import dtypes, expr, functions, ops
from .errors import TraceError
from .source import Source

MAX_AXES = 6
_COMPOSERS = "torch.nn.attention.flex_attention"


class Captured:
    """A tensor of the user, a Source, read by index."""

    def __init__(self, source, name, prefix=()):
        self.source, self.name, self.prefix = source, name, tuple(prefix)
        self.sizes = source.shape
        if len(self.sizes) > MAX_AXES:
            raise TraceError(
                f"expects tensors of at most {MAX_AXES} axes, but got {len(self.sizes)} of {name}"
            )

    shape = property(lambda self: self.sizes[len(self.prefix):])
    ndim = property(lambda self: len(self.shape))
    dtype = property(lambda self: self.source.library_dtype())
    dtype_name = property(lambda self: self.source.dtype)
    device = property(lambda self: getattr(self.source.tensor, "device", "cpu"))

    def size(self, axis=None):
        return self.shape if axis is None else self.shape[axis]

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, index):
        given = index if isinstance(index, tuple) else (index,)
        for i in given:
            if i is None or i is Ellipsis or isinstance(i, slice):
                raise TraceError(
                    f"expects {self.name} to be indexed by expressions, but got a "
                    "slice, None or ..."
                )
        indices = self.prefix + tuple(ops.lift(i) for i in given)
        if len(indices) > len(self.sizes):
            raise TraceError(
                f"expects at most {len(self.sizes)} indices of {self.name}, but got {len(indices)}"
            )
        for axis, i in enumerate(indices):
            if i.kind == expr.FLOAT:
                raise TraceError(
                    f"expects an integer as index of {self.name}, but got a float"
                )
            size = self.sizes[axis]
            if ops.is_const(i) and not -size <= i.data < size:
                raise TraceError(
                    f"expects an index of {self.name} from {-size} to {size - 1} on "
                    f"axis {axis}, but got {i.data}"
                )
        # A constant counts from the end where it is negative, as in Python.
        indices = tuple(
            ops.lift(i.data + self.sizes[axis]) if ops.is_const(i) and i.data < 0
            else ops.convert(i, expr.INT)
            for axis, i in enumerate(indices)
        )
        if len(indices) < len(self.sizes):
            return Captured(self.source, self.name, indices)
        return self._read(indices)

    def _read(self, indices):
        source = self.source.read()
        return expr.Value("read", indices, dtypes.kind_of(source.dtype), source, self.name)

    def as_value(self):
        if self.shape:
            raise TraceError(
                f"expects a number, but got the tensor {self.name} with "
                f"{len(self.shape)} axes that are not indexed"
            )
        return self._read(self.prefix)

    def item(self):
        return self.as_value()

    def contiguous(self, *_, **__):
        return self

    detach = cpu = cuda = contiguous

    def _as(self, name):
        return Captured(self.source.to(name), self.name, self.prefix)

    def to(self, *places, dtype=None, **_):
        """A type may stand anywhere among devices and layouts, or be that of a tensor."""
        name = dtypes.requested(places, dtype)
        return self if name is None else self._as(name)

    def type(self, dtype, **_):
        return self._as(dtypes.name_of(dtype))

    astype = type

    def type_as(self, other):
        return self.to(other)

    def __getattr__(self, name):
        # A tensor without axes is a number, with the methods of one.
        if name.startswith("_") or self.shape or not hasattr(expr.Value, name):
            raise AttributeError(name)
        return getattr(self.as_value(), name)

    def __bool__(self):
        return bool(self.as_value())

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return functions.call_function(ufunc.__name__, method, _values(inputs), options)

    def __array_function__(self, function, types_, inputs, options):
        return functions.call_function(
            function.__name__, "__call__", _values(inputs), options
        )

    @classmethod
    def __torch_function__(cls, function, types_, inputs=(), options=None):
        name = getattr(function, "__name__", str(function))
        return functions.call_function(name, "__call__", _values(inputs), options or {})


def _values(inputs):
    return [i.as_value() if isinstance(i, Captured) else i for i in inputs]


def _forward(name):
    def operator(self, *others):
        return getattr(self.as_value(), name)(*others)

    return operator


# A tensor without axes is a number that may change between calls.
for _name in (
    "add radd sub rsub mul rmul floordiv rfloordiv mod rmod truediv rtruediv pow rpow "
    "lshift rshift neg pos abs lt le gt ge eq ne and rand or ror xor rxor invert"
).split():
    setattr(Captured, f"__{_name}__", _forward(f"__{_name}__"))
Captured.__hash__ = object.__hash__
expr.add_converters(Captured)


class _Object:
    """An object of the user whose attributes are looked up with stand-ins."""

    def __init__(self, lifter, target, name):
        object.__setattr__(self, "_parts", (lifter, target, name))

    def __getattr__(self, attribute):
        lifter, target, name = self._parts
        value = getattr(target, attribute)
        if isinstance(value, types.MethodType) and value.__self__ is target:
            function = lifter.lift(value.__func__, f"{name}.{attribute}")
            return functools.partial(function, self)
        return lifter.lift(value, f"{name}.{attribute}")

    def __setattr__(self, attribute, _):
        raise TraceError(
            f"expects a function without effects, but got an assignment to {attribute}"
        )

    def __call__(self, *args, **options):
        return self.__getattr__("__call__")(*args, **options)


def is_tensor(value) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype") and (
        hasattr(value, "__dlpack__") or hasattr(value, "__array_interface__")
    )


class Lifter:
    """Makes functions anew; each object gets one stand-in."""

    def __init__(self):
        self.made = {}  # id -> (object, stand-in): the object keeps its id

    def lift(self, value, name):
        known = self.made.get(id(value))
        if known is not None and known[0] is value:
            return known[1]
        return self._lift(value, name)

    def _keep(self, value, stand_in):
        self.made[id(value)] = (value, stand_in)
        return stand_in

    def _lift(self, value, name):
        if value is None or isinstance(
            value, (bool, int, float, complex, str, bytes, type, types.ModuleType,
                    types.BuiltinFunctionType, expr.Value, Captured)
        ):
            return value
        if is_tensor(value):
            if "generic" in (kind.__name__ for kind in type(value).__mro__):
                return value.item()  # a NumPy scalar never changes
            if hasattr(value, "filled"):
                raise TraceError(f"expects arrays without a mask, but got a masked {name}: fill it")
            return self._keep(value, Captured(Source(value), name))
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.MethodType):
            function = self.lift(value.__func__, name)
            return functools.partial(function, self.lift(value.__self__, name))
        if isinstance(value, functools.partial):
            return functools.partial(
                self.lift(value.func, name),
                *(self.lift(a, f"{name} argument {i}") for i, a in enumerate(value.args)),
                **{k: self.lift(v, k) for k, v in value.keywords.items()},
            )
        if type(value) in (list, tuple):
            return type(value)(self.lift(v, f"{name}[{i}]") for i, v in enumerate(value))
        if type(value) is dict:
            return {k: self.lift(v, f"{name}[{k!r}]") for k, v in value.items()}
        if hasattr(value, "__dict__") and not hasattr(value, "__wrapped__"):
            return self._keep(value, _Object(self, value, name))
        return value

    def _function(self, function):
        module = function.__module__ or ""
        # PyTorch's composers of masks hold functions of the user.
        if module != _COMPOSERS and module.split(".")[0] in ("numpy", "torch", "math", "attn_mlir"):
            return function
        # Known before it is filled: functions may call each other.
        cells = tuple(types.CellType() for _ in function.__closure__ or ())
        made = types.FunctionType(
            function.__code__, _Globals(self, function.__globals__),
            function.__name__, None, cells,
        )
        self._keep(function, made)
        names = function.__code__.co_freevars
        for name, cell, old in zip(names, cells, function.__closure__ or ()):
            try:
                cell.cell_contents = self.lift(old.cell_contents, name)
            except ValueError:  # an empty cell stays empty
                pass
        if function.__defaults__:
            made.__defaults__ = tuple(self.lift(v, "a default") for v in function.__defaults__)
        if function.__kwdefaults__:
            made.__kwdefaults__ = {
                k: self.lift(v, k) for k, v in function.__kwdefaults__.items()
            }
        return made


class _Globals(dict):
    """Globals of a function: each name is lifted when it is first read."""

    def __init__(self, lifter, names):
        super().__init__()
        self.lifter, self.names = lifter, names
        self["__builtins__"] = names.get("__builtins__", __builtins__)

    def __missing__(self, name):
        value = self.lifter.lift(self.names[name], name)
        self[name] = value
        return value
