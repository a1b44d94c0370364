"""A builder of ONNX graphs: operators are called like functions and return the name of their output."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 20  # the first with Gelu
IR_VERSION = 10
FLOAT, DOUBLE, INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64
TensorShape = tuple[int, list[str | int]]  # a type, and sizes, of which those that are text are free


class GraphBuilder:
    """Nodes and constants of one graph. Names of tensors are strings."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def __call__(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Add an operator with one used output; return its name."""
        return self.all_outputs(operator, *inputs, outputs=outputs, **attributes)[0]

    def all_outputs(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> list[str]:
        """Add an operator; return the names of its outputs."""
        names = [f"{operator}_{len(self.nodes)}" + (f"_{number}" if number else "") for number in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def constant(self, values: np.ndarray | Sequence[float], kind: Any = np.float32) -> str:
        """Add a constant array; return its name. Equal arrays share one."""
        array = np.ascontiguousarray(values, dtype=kind)
        name = f"constant_{len(self.constants)}"
        for known, stored in self.constants.items():
            if stored.dtype == array.dtype and stored.shape == array.shape and (stored == array).all():
                return known
        self.constants[name] = array
        return name

    def integers(self, *values: int) -> str:
        """Add a constant vector of integers, such as a shape."""
        return self.constant(values, np.int64)

    def linear(self, inputs: str, weight: np.ndarray, bias: np.ndarray | None = None) -> str:
        """Multiply (…, in) with weight (out, in) as PyTorch's Linear does; return (…, out)."""
        product = self("MatMul", inputs, self.constant(weight.T))
        return product if bias is None else self("Add", product, self.constant(bias))

    def concat(self, parts: Sequence[str], axis: int) -> str:
        """Join tensors along an axis."""
        return parts[0] if len(parts) == 1 else self("Concat", *parts, axis=axis)

    def slice(self, inputs: str, start: int, end: int, axis: int) -> str:
        """Return inputs[start:end] along an axis."""
        return self("Slice", inputs, self.integers(start), self.integers(end), self.integers(axis))

    def reshape(self, inputs: str, *shape: int) -> str:
        """Return inputs in a shape, in which 0 keeps a size and -1 is what remains."""
        return self("Reshape", inputs, self.integers(*shape))

    def unsqueeze(self, inputs: str, axis: int) -> str:
        """Add an axis of size 1."""
        return self("Unsqueeze", inputs, self.integers(axis))

    def size(self, inputs: str, axis: int) -> str:
        """Return the size of an axis as a vector of one integer."""
        return self("Shape", inputs, start=axis, end=axis + 1)

    def build(
        self, inputs: dict[str, TensorShape], outputs: dict[str, tuple[str, TensorShape]], facts: dict[str, str]
    ) -> bytes:
        """Serialise the graph.

        Args:
            inputs: Type and shape of each input by name.
            outputs: The tensor of each output by name, with its type and shape.
            facts: Metadata of the model.

        Returns:
            The bytes of a checked ONNX model; the same graph gives the same bytes.
        """
        nodes = [*self.nodes, *(helper.make_node("Identity", [inner], [name]) for name, (inner, _) in outputs.items())]
        graph = helper.make_graph(
            nodes,
            "nightcast",
            [helper.make_tensor_value_info(name, *value) for name, value in inputs.items()],
            [helper.make_tensor_value_info(name, *value) for name, (_, value) in outputs.items()],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        for key, value in facts.items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
        onnx.checker.check_model(model)
        data: bytes = model.SerializeToString(deterministic=True)
        return data
