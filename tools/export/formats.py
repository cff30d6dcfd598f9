"""The formats that a network is exported to: who writes each, and which runtime reads it again.

Whatever the format, what goes in and comes out has the names and shapes of the `.h5` file: images
as 0..255 by the names of the network's inputs, and `probabilities`, (p_real, p_fake).
"""

import json
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.common.command import InputError
from stages.networks.runtime import _quiet_native_output, keras, tf
from tools.export.scaling import with_plain_scaling

OUTPUT = "probabilities"

Run = Callable[[Mapping[str, np.ndarray]], np.ndarray]
"""Takes float32 arrays, [N, ...], by the names of the network's inputs; returns the probabilities
of REAL and FAKE, float32, [N, 2]."""


class Format(NamedTuple):
    """A format, and its runtime."""

    file: str
    """What the export of a variant is called, with {} for the variant."""
    packages: tuple[str, ...]
    """What it needs beside the pipeline's own packages, as Python imports it."""
    float32_only: bool
    """Whether its runtime computes in no other precision."""
    write: Callable[[keras.Model, Path], None]
    load: Callable[[Path, int], Run]
    """Takes the file or folder that was written, and a number of threads."""


def require(name: str, network: keras.Model, where: Path) -> None:
    """Refuse what cannot be exported to the format `name`.

    Raises:
        InputError: a package is missing, or the network `where` computes in 16 bits.
    """
    wanted = FORMATS[name]
    missing = [package for package in wanted.packages if find_spec(package) is None]
    if missing:
        raise InputError(
            f"--format {name}: Python finds no {' and no '.join(missing)}; run `make .venv/export`"
        )
    precisions = {layer.compute_dtype for layer in network.layers} - {"float32"}
    if wanted.float32_only and precisions:
        others = [other for other, what in FORMATS.items() if not what.float32_only]
        raise InputError(
            f"{where}: computes in {precisions.pop()}, which {name} does not; export it to "
            f"{' or '.join(others)}, or train it with precision: float32"
        )


def load_keras(path: Path, threads: int) -> Run:
    """Return how Keras runs the network in the `.h5` or `.keras` file `path`."""
    network = keras.models.load_model(path, compile=False)

    def run(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        values = [inputs[tensor.name] for tensor in network.inputs]
        return np.asarray(network.predict_on_batch(values if len(values) > 1 else values[0]))

    return run


def _write_onnx(network: keras.Model, path: Path) -> None:
    import onnx
    import tf2onnx
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    serve, signature = _serving(with_plain_scaling(network))
    # tf2onnx itself would take the statistics of a layer `Normalization` for inputs.
    frozen = convert_variables_to_constants_v2(tf.function(serve).get_concrete_function(*signature))
    plain = tf.function(lambda *inputs: {OUTPUT: frozen(*inputs)[0]})
    model, _ = tf2onnx.convert.from_function(plain, signature)
    for tensor in [*model.graph.input, *model.graph.output]:
        tensor.type.tensor_type.shape.dim[0].dim_param = "N"
    _number(model.graph)
    onnx.save(model, path)


def _number(graph: Any) -> None:
    """Name all within an ONNX `graph` by its place: tf2onnx's names follow the order of sets."""
    names = {tensor.name: tensor.name for tensor in [*graph.input, *graph.output]} | {"": ""}
    for place, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{place}"
        for tensors in (node.input, node.output):
            tensors[:] = [names.setdefault(name, f"tensor_{len(names)}") for name in tensors]
    for weights in graph.initializer:
        weights.name = names[weights.name]
    graph.initializer.sort(key=lambda weights: weights.name)
    del graph.value_info[:]


def _load_onnx(path: Path, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda inputs: np.asarray(session.run([OUTPUT], dict(inputs))[0])


def _write_tflite(network: keras.Model, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _write_saved_model(with_plain_scaling(network), Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        with _quiet_native_output():  # it warns of options that it sets itself
            path.write_bytes(converter.convert())


def _load_tflite(path: Path, threads: int) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads)
    with _quiet_native_output():  # it says what it computes with
        interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner()
    return lambda inputs: np.asarray(runner(**inputs)[OUTPUT])


def _write_saved_model(network: keras.Model, path: Path) -> None:
    serve, signature = _serving(network)
    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint("serve", serve, signature)
    archive.write_out(str(path), verbose=False)


def _load_saved_model(path: Path, threads: int) -> Run:
    model = tf.saved_model.load(str(path))

    def run(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        tensors = {name: tf.constant(values) for name, values in inputs.items()}
        return np.asarray(model.signatures["serving_default"](**tensors)[OUTPUT])

    return run


def _write_keras(network: keras.Model, path: Path) -> None:
    """Write a `.keras` file that does not hold the time, so that its bytes are always the same."""
    network.save(path)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(files["metadata.json"])
    del metadata["date_saved"]
    files["metadata.json"] = json.dumps(metadata).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)


def _serving(network: keras.Model) -> tuple[Callable[..., dict[str, tf.Tensor]], list]:
    """Return what computes the output by its name, and the names and shapes of what it takes."""

    def serve(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUT: network(list(inputs) if len(inputs) > 1 else inputs[0], training=False)}

    return serve, [tf.TensorSpec(t.shape, t.dtype, name=t.name) for t in network.inputs]


FORMATS = {
    "onnx": Format("{}.onnx", ("tf2onnx", "onnxruntime"), True, _write_onnx, _load_onnx),
    "tflite": Format("{}.tflite", ("ai_edge_litert",), True, _write_tflite, _load_tflite),
    "saved_model": Format("{}-saved_model", (), False, _write_saved_model, _load_saved_model),
    "keras": Format("{}.keras", (), False, _write_keras, load_keras),
}
"""By the name that `--format` takes."""
