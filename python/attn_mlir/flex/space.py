# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Names, types and arguments of one cascade."""

import dataclasses

from .._errors import Error
from . import expr
from .affine import coords_of, linear
from .errors import TraceError

_ELEMENTS = {
    "bool": "i1", "int8": "i8", "int16": "i16", "int32": "i32",
    "int64": "i64", "float16": "f16", "bfloat16": "bf16", "float32": "f32",
    "float64": "f64",
}


def element_type(dtype, place):
    if dtype not in _ELEMENTS:
        raise TraceError(
            "expects captured tensors of type "
            f"{', '.join(sorted({*_ELEMENTS, 'uint8', 'uint16', 'uint32'}))}, but got {dtype}",
            place,
        )
    return _ELEMENTS[dtype]


@dataclasses.dataclass(frozen=True)
class Shape:
    """What the text is made for; lengths and the batch are free but for reports."""

    head_dim: int = 64
    value_dim: int = 64
    group: int = 1  # query heads per KV head
    element: str = "f32"
    lengths: tuple = ()  # batch, KV heads, queries, keys; (): free
    page: int = 0  # tokens of a page of the cache; 0: k and v are dense
    lse: bool = False  # the logarithm of each row's sum is a second result

    def size(self, rank):
        """The size of a rank in types."""
        known = {"r": self.group, "e": self.head_dim, "f": self.value_dim}
        if self.lengths:
            batch, heads, rows, keys = self.lengths
            known |= {"b": batch, "h": heads, "g": heads, "p": rows, "m": keys}
        return str(known.get(rank, "?"))


@dataclasses.dataclass
class Access:
    """An argument: which tensor, and how it is seen.

    `coords`: its axes, by coordinate; None: the tensor as it is. `indices`: one
    linear form per axis of the tensor.
    """

    tensor: object  # a Source
    element: str
    coords: tuple = None
    indices: tuple = ()
    place: tuple = ("", 0)
    # A last axis of size 1: for strides that are not 1.
    padded: bool = False


class Space:
    """Names of coordinates, symbols and arguments of one cascade."""

    def __init__(self, shape):
        self.shape = shape
        self.accesses, self._known = [], {}
        self.symbols = {}  # name -> (argument name, map)
        self.ranks = ("b", "h") if shape.group == 1 else ("b", "g", "r")

    def coord(self, name):
        """{rank or symbol: factor} of a coordinate."""
        if name == "q" and self.shape.page:
            # The position of a request's first query is data of the call.
            self.symbols["off"] = ("%off", "[b]", "tensor<?xi32>")
            return {"p": 1, "off": 1}
        if name == "h" and self.shape.group > 1:
            return {"g": self.shape.group, "r": 1}
        return {self.rank_names([name])[0]: 1}

    def rank_names(self, coords):
        out = []
        for c in coords:
            both = c == "h" and self.shape.group > 1
            out += ["g", "r"] if both else [{"q": "p", "kv": "m"}.get(c, c)]
        return out

    @property
    def knows_keys_by_request(self):
        """Whether a request says something of its keys that is not in the cache."""
        return any(
            access.coords and {"b", "kv"} <= set(access.coords) and "q" not in access.coords
            for access in self.accesses
        )

    def has_view(self, read):
        """Whether a read is an element of a view of its tensor at ranks."""
        # Queries of paged requests begin anywhere: no view has such an index.
        if self.shape.page and "q" in coords_of(read):
            return False
        return all(linear(i) is not None for i in read.args)

    def access(self, read):
        """(name, map, type) of an argument for a read, or None if no view has it."""
        if not self.has_view(read):
            return None
        indices = tuple(linear(i) for i in read.args)
        coords = coords_of(read)
        # The same view for equal indices, with the memory as it is if it can.
        bare = [i for i in indices if set(i.values()) - {0}]
        last = indices[-1] if indices else {}
        padded = bool(coords) and not (
            coords[-1] in ("q", "kv", "b")
            and last.get(coords[-1]) == 1
            and sum(1 for i in bare if i.get(coords[-1])) == 1
            and read.data.is_contiguous()
        )
        key = (id(read.data), tuple(tuple(sorted(i.items(), key=str)) for i in indices))
        if key not in self._known:
            element = element_type(read.data.dtype, read.place)
            self._known[key] = len(self.accesses)
            self.accesses.append(
                Access(read.data, element, coords, indices, read.place, padded)
            )
        number = self._known[key]
        return f"%x{number}", self.map(number), self.type(number)

    def whole(self, read):
        """(name, type, padded) of the tensor itself, for indices that are computed."""
        key = (id(read.data), None)
        if key not in self._known:
            element = element_type(read.data.dtype, read.place)
            self._known[key] = len(self.accesses)
            padded = not read.data.is_contiguous()
            self.accesses.append(Access(read.data, element, None, (), read.place, padded))
        number = self._known[key]
        return f"%x{number}", self.type(number), self.accesses[number].padded

    def map(self, number):
        """Of an operand; "" for a scalar."""
        access = self.accesses[number]
        names = self.rank_names(access.coords) + (["0"] if access.padded else [])
        return f"[{', '.join(names)}]" if names else ""

    def type(self, number):
        access = self.accesses[number]
        if access.coords is None:
            sizes = ["?"] * len(access.tensor.shape)
        else:
            sizes = [self.shape.size(n) for n in self.rank_names(access.coords)]
        sizes += ["1"] if access.padded else []
        return f"tensor<{'x'.join(sizes)}x{access.element}>" if sizes else access.element

    def is_symbol(self, read):
        """Whether a read is an integer at the query's side, which sets may name."""
        return read.kind == expr.INT and "kv" not in coords_of(read) and self.has_view(read)

    def is_of_64_bits(self, value):
        """Whether a comparison of two reads is made by point in all of their 64 bits."""
        return (
            value.op in ("lt", "le", "eq", "ne")
            and all(a.op == "read" and a.kind == expr.INT for a in value.args)
            and all(str(a.data.dtype).endswith(("int64", "i64")) for a in value.args)
            and not all(self.is_symbol(a) for a in value.args)
        )

    def symbol(self, read):
        """A name for an integer that is read at the query's side, or None."""
        if not self.is_symbol(read):
            return None
        found = self.access(read)
        name = f"s{found[0][2:]}"
        self.symbols[name] = found
        return name

    def names_head(self, symbol):
        """Whether a symbol has a value for each head."""
        return "h" in self.accesses[int(symbol[1:])].coords

    def symbol_values(self, point):
        """Values now of the symbols that {coordinate: number} decides."""
        out = {}
        for name in self.symbols:
            access = self.accesses[int(name[1:])]
            if not set(access.coords) <= set(point):
                continue
            at = tuple(
                sum(n * point.get(c, 1) for c, n in i.items()) for i in access.indices
            )
            array = access.tensor.now().numpy()
            if any(not 0 <= i < n for i, n in zip(at, array.shape)):
                file, line = access.place
                raise Error(
                    "invalid argument",
                    f"{file}:{line}: expects indices inside of a captured tensor "
                    f"{list(array.shape)}, but got {list(at)} at {point}",
                )
            out[name] = int(array[at])
        return out
