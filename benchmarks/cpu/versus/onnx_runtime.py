"""ONNX Runtime: its MultiHeadAttention (full) and GroupQueryAttention (causal, window,
decode) operators, each as a model of one node. Pages: it has none, so the cache of a
request is contiguous and is read in place."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from .cases import widen
from .contender import Contender, Missing

DOMAIN = "com.microsoft"


class OnnxRuntime(Contender):
    def versions(self):
        return {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}

    def session(self, operator, inputs, outputs, attributes):
        """`inputs` and `outputs`: [(name, type, rank)]; "" is an input that is left out."""
        def value(name, element, rank):
            return helper.make_tensor_value_info(name, element, [f"{name}{i}" for i in range(rank)])

        node = helper.make_node(operator, [n for n, _, _ in inputs], [n for n, _, _ in outputs],
                                domain=DOMAIN, **attributes)
        graph = helper.make_graph([node], "attention", [value(*i) for i in inputs if i[0]],
                                  [value(*o) for o in outputs])
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def open(self, case, data):
        self.case, q, element, number = case, widen(data.q), TensorProto.FLOAT, np.float32
        if case.element == "bf16":
            # Its CPU operators take f32 and f16.
            self.element, self.note = "f16", "operands of f16"
            element, number = TensorProto.FLOAT16, np.float16
        hidden = case.query_heads * case.channels
        flat = {"query": q.reshape(case.batch, case.queries, hidden).astype(number)}
        self.sets = []
        if case.page:
            self.note += " from a contiguous cache"
        attributes = {"num_heads": case.query_heads, "scale": case.scale}
        if not case.causal and not case.page:
            operator = "MultiHeadAttention"
            inputs = [("query", element, 3), ("key", element, 3), ("value", element, 3)]
            outputs = [("out", element, 3)]
            for name, array in (("key", data.k), ("value", data.v)):
                flat[name] = widen(array).reshape(case.batch, case.keys, -1).astype(number)
            feeds = [flat]
        else:
            operator = "GroupQueryAttention"
            attributes |= {"kv_num_heads": case.heads}
            if case.window:
                attributes["local_window_size"] = case.window
            inputs = [("query", element, 3), ("key", element, 3), ("value", element, 3), ("past_key", element, 4),
                      ("past_value", element, 4), ("seqlens_k", TensorProto.INT32, 1),
                      ("total", TensorProto.INT32, 1)]
            outputs = [("out", element, 3), ("present_key", element, 4), ("present_value", element, 4)]
            flat["seqlens_k"] = np.full(case.batch, case.keys - 1, np.int32)
            flat["total"] = np.array([case.keys], np.int32)
            feeds = [flat | more for more in self.caches(data, number)]
        self.run = self.session(operator, inputs, outputs, attributes)
        self.feeds = [self.bind(feed, [name for name, _, _ in outputs], number) for feed in feeds]

    def caches(self, data, number):
        """Per set: the new tokens, and a cache [B, H, M, D] with the others."""
        case = self.case
        new = case.queries
        for index in range(data.sets):
            feed = {}
            for which, (name, past) in enumerate((("key", "past_key"), ("value", "past_value"))):
                if case.page:
                    pool = (data.k, data.v)[which]
                    rows = pool[data.tables[index]].reshape(case.batch, -1, case.heads, case.channels)
                    rows = widen(rows)[:, :case.keys]
                else:
                    rows = widen((data.k, data.v)[which])
                feed[name] = np.ascontiguousarray(rows[:, -new:].reshape(case.batch, new, -1), number)
                feed[past] = np.ascontiguousarray(rows.transpose(0, 2, 1, 3), number)
            yield feed

    def bind(self, feed, outputs, number):
        """Inputs and outputs stay where they are; the present cache is the past one."""
        binding = self.run.io_binding()
        held = {name: onnxruntime.OrtValue.ortvalue_from_numpy(array) for name, array in feed.items()}
        case = self.case
        shape = (case.batch, case.queries, case.query_heads * case.channels)
        held["out"] = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(shape, number))
        for name in feed:
            binding.bind_ortvalue_input(name, held[name])
        for name in outputs:
            binding.bind_ortvalue_output(name, held[name.replace("present", "past")])
        return binding, held

    def call(self, number):
        self.last = number
        self.run.run_with_iobinding(self.feeds[number][0])

    def result(self):
        case = self.case
        out = self.feeds[self.last][1]["out"].numpy().astype(np.float32)
        return out.reshape(case.batch, case.queries, case.query_heads, case.channels)
