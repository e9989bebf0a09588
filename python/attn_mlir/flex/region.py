# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Expressions as the region of an einsum: integers are of type index, floats f32.

What is made of captured tensors of f64 is computed in f64 up to where it meets the
score, comparisons with the score included: as f32, seconds since 1970 are minutes.
Functions such as exp stay of f32.
"""

import math

from . import expr, ops

_INT = {"add": "addi", "sub": "subi", "mul": "muli", "floordiv": "floordivsi",
        "min": "minsi", "max": "maxsi"}
_FLOAT = {"add": "addf", "sub": "subf", "mul": "mulf", "div": "divf",
          "min": "minimumf", "max": "maximumf"}
_CMPI = {"lt": "slt", "le": "sle", "eq": "eq", "ne": "ne"}
_CMPF = {"lt": "olt", "le": "ole", "eq": "oeq", "ne": "une"}
_MATH = {"exp": "exp", "log": "log", "sqrt": "sqrt", "tanh": "tanh", "floor": "floor"}


class Region:
    def __init__(self, space):
        self.space = space
        self.ops, self.inputs, self.done = [], [], {}
        self.numbers, self.known = {}, {}
        self.score = None
        self.float = "f32"  # the type of floats where we are

    def take_score(self):
        self.score = "%score"

    def _op(self, text):
        name = f"%v{len(self.ops)}"
        self.ops.append(f"      {name} = {text}\n")
        return name

    def einsum(self, name, names, kind, inputs, result, element):
        """Text of `name`: `inputs` are (operand, type, element), then the reads."""
        operands = [o for o, _, _ in inputs] + [o for o, _, _, _ in self.inputs]
        types = [t for _, t, _ in inputs] + [t for _, t, _, _ in self.inputs]
        arguments = [f"{self.score}: {e}" for _, _, e in inputs]
        arguments += [f"{a}: {e}" for _, _, e, a in self.inputs]
        head = f" {', '.join(operands)}" if operands else ""
        block = f"({', '.join(arguments)})" if arguments else ""
        return (
            f"    {name} = attn.einsum{head} -> [{names}]\n"
            f"        : ({', '.join(types)}) -> {kind} {{\n"
            f"    ^bb0{block}:\n{''.join(self.ops)}"
            f"      attn.yield {result} : {element}\n    }}\n"
        )

    def value(self, value):
        """The name that holds an expression; equal ones are computed once."""
        key = (self._number(value), self.float)
        if key not in self.done:
            made, kind = self._in_own_type(value)
            self.done[key] = made if value.kind != expr.FLOAT else self._widen(made, kind)
        return self.done[key]

    def _in_own_type(self, value):
        """(name, type): of f64 where no score makes it one of f32."""
        make = getattr(self, f"_{value.op}", self._plain)
        if value.kind == expr.FLOAT and value.precise and not value.of_score and value.op != "read":
            return self._with(lambda: make(value), "f64")
        return make(value), self.float

    def _with(self, make, kind):
        """(what `make` gives while floats are of type `kind`, kind)."""
        outer, self.float = self.float, kind
        out = make()
        self.float = outer
        return out, kind

    def _precisely(self, values):
        """(names, type) of floats that decide something."""
        kind = "f64" if any(v.precise for v in values) else "f32"
        return self._with(lambda: [self.value(v) for v in values], kind)

    def _type(self, kind):
        return {expr.INT: "index", expr.FLOAT: self.float, expr.BOOL: "i1"}[kind]

    def _number(self, value):
        """Equal for equal expressions; each node is looked at once."""
        if id(value) not in self.numbers:
            data = id(value.data) if value.op == "read" else value.data
            key = (value.op, value.kind, data, tuple(self._number(a) for a in value.args))
            number = self.known.setdefault(key, len(self.known))
            self.numbers[id(value)] = (value, number)  # the value keeps its id
        return self.numbers[id(value)][1]

    def _score(self, value):
        return self._widen(self.score, "f32")

    def _const(self, value):
        if value.kind == expr.BOOL:
            return self._op(f"arith.constant {'true' if value.data else 'false'}")
        if value.kind == expr.INT:
            return self._op(f"arith.constant {value.data} : index")
        if math.isinf(value.data) or math.isnan(value.data):
            bits = {math.inf: "0x7F800000", -math.inf: "0xFF800000"}.get(value.data, "0x7FC00000")
            return self._widen(self._op(f"arith.constant {bits} : f32"), "f32")
        return self._op(f"arith.constant {number(value.data)} : {self.float}")

    def _coord(self, value):
        if value.data == "q" and self.space.shape.page:
            p = self._op("attn.coord p")
            found = [a for o, _, _, a in self.inputs if o == "%off[b]"]
            if not found:
                found = [f"%r{len(self.inputs)}"]
                self.inputs.append(("%off[b]", "tensor<?xi32>", "i32", found[0]))
            return self._op(f"arith.addi {p}, {self._widen(found[0], 'i32')} : index")
        if value.data == "h" and self.space.shape.group > 1:
            g, r = self._op("attn.coord g"), self._op("attn.coord r")
            n = self._op(f"arith.constant {self.space.shape.group} : index")
            return self._op(f"arith.addi {self._op(f'arith.muli {g}, {n} : index')}, {r} : index")
        return self._op(f"attn.coord {self.space.rank_names([value.data])[0]}")

    def _read(self, value):
        return self._widen(*self._read_as_it_is(value))

    def _read_as_it_is(self, value):
        """(name, element type)."""
        found = self.space.access(value)
        if found is not None:
            name, where, kind = found
            element = self.space.accesses[int(name[2:])].element
            argument = f"%r{len(self.inputs)}"
            self.inputs.append((name + where, kind, element, argument))
            return argument, element
        name, kind, padded = self.space.whole(value)
        element = self.space.accesses[int(name[2:])].element
        indices = [self.value(i) for i in value.args]
        indices += [self._op("arith.constant 0 : index")] if padded else []
        text = f"tensor.extract {name}[{', '.join(indices)}] : {kind}"
        return self._op(text), element

    def _widen(self, name, element):
        if element in ("i1", self.float):
            return name
        if element[0] == "i":
            return self._op(f"arith.index_cast {name} : {element} to index")
        op = "truncf" if element == "f64" else "extf"
        return self._op(f"arith.{op} {name} : {element} to {self.float}")

    def _mod(self, value):
        # Of the divisor's sign: x - (x // y) * y.
        x, y = (self.value(a) for a in value.args)
        down = self._op(f"arith.floordivsi {x}, {y} : index")
        back = self._op(f"arith.muli {down}, {y} : index")
        return self._op(f"arith.subi {x}, {back} : index")

    def _compare(self, value):
        if value.args[0].kind == expr.FLOAT:
            (a, b), kind = self._precisely(value.args)
            return self._op(f"arith.cmpf {_CMPF[value.op]}, {a}, {b} : {kind}")
        if self.space.is_of_64_bits(value):
            a, b = (self._read_as_it_is(x)[0] for x in value.args)
            return self._op(f"arith.cmpi {_CMPI[value.op]}, {a}, {b} : i64")
        a, b = (self.value(x) for x in value.args)
        return self._op(f"arith.cmpi {_CMPI[value.op]}, {a}, {b} : index")

    _lt = _le = _eq = _ne = _compare

    def _not(self, value):
        one = self._op("arith.constant true")
        return self._op(f"arith.xori {self.value(value.args[0])}, {one} : i1")

    def _and(self, value):
        a, b = (self.value(x) for x in value.args)
        return self._op(f"arith.{value.op}i {a}, {b} : i1")

    _or = _and

    def _where(self, value):
        c, a, b = (self.value(x) for x in value.args)
        return self._op(f"arith.select {c}, {a}, {b} : {self._type(value.kind)}")

    def _abs(self, value):
        x, kind = self.value(value.args[0]), self._type(value.kind)
        return self._op(f"math.{'absi' if kind == 'index' else 'absf'} {x} : {kind}")

    def _convert(self, value):
        source = value.args[0].kind
        if source == value.kind:
            return self._round(value)
        if source == expr.FLOAT:
            (x,), kind = self._precisely(value.args)
            x = self._saturated(x, kind)
            cast = self._op(f"arith.fptosi {x} : {kind} to i32")
            return self._op(f"arith.index_cast {cast} : i32 to index")
        x = self.value(value.args[0])
        if source == expr.BOOL:
            if value.kind == expr.FLOAT:
                return self._op(f"arith.uitofp {x} : i1 to {self.float}")
            one = self._op("arith.constant 1 : index")
            zero = self._op("arith.constant 0 : index")
            return self._op(f"arith.select {x}, {one}, {zero} : index")
        # Positions and their differences fit 32 bits; products need not.
        large = any(_may_be_large(v) for v in expr.walk([value.args[0]]))
        bits = "i64" if large else "i32"
        cast = self._op(f"arith.index_cast {x} : index to {bits}")
        kind = "f32" if value.data == "float32" else self.float
        return self._widen(self._op(f"arith.sitofp {cast} : {bits} to {kind}"), kind)

    def _round(self, value):
        """A float as one of f32, or of f32 as one of f64."""
        if value.data == "float64":
            (x,), kind = self._with(lambda: [self.value(value.args[0])], "f32")
            return self._widen(x, kind)
        (x,), kind = self._precisely(value.args)
        if kind == "f64":
            x = self._op(f"arith.truncf {x} : f64 to f32")
        return self._widen(x, "f32")

    def _saturated(self, x, kind):
        """Within i32, nan as the least: what is -inf where a mask hides it stays so."""
        largest = {"f32": 2.0**31 - 128, "f64": 2.0**31 - 1}[kind]
        for sign, end in (("ogt", -(2.0**31)), ("olt", largest)):
            limit = self._op(f"arith.constant {number(end)} : {kind}")
            inside = self._op(f"arith.cmpf {sign}, {x}, {limit} : {kind}")
            x = self._op(f"arith.select {inside}, {x}, {limit} : {kind}")
        return x

    def _narrow(self, value):
        return self.value(value.args[0])  # checked to fit by each call

    def _plain(self, value):
        if value.op in _MATH:
            kind = self.float if value.op in ("floor", "sqrt") else "f32"
            (x,), _ = self._with(lambda: [self.value(value.args[0])], kind)
            return self._widen(self._op(f"math.{_MATH[value.op]} {x} : {kind}"), kind)
        args = ", ".join(self.value(a) for a in value.args)
        table = _FLOAT if value.kind == expr.FLOAT else _INT
        return self._op(f"arith.{table[value.op]} {args} : {self._type(value.kind)}")


def _may_be_large(value):
    """True if an integer need not fit 32 bits by what it is itself."""
    if value.op == "read":
        return value.data.dtype == "int64"
    return value.op == "mul" and not any(ops.is_const(a) for a in value.args)


def number(value):
    """A float as MLIR reads it."""
    text = repr(float(value))
    mantissa, sign, exponent = text.partition("e")
    return (mantissa if "." in mantissa else mantissa + ".0") + sign + exponent
