"""The graphs that are built agree with those in the package, which stay the truth."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.errors import NotInstalledError
from duologue.store import cache_dir, package_file
from duologue.stt.moonshine_graphs import END, HEAD_WIDTH, HEADS, LAYERS, STEP, load_graphs
from duologue.testing.speech import real_speech

pytestmark = pytest.mark.models

Array = NDArray[np.float32]


def find(name: str) -> Path:
    return package_file("moonshine_voice", "assets", "tiny-en", name)


def session(model: Any) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def built() -> tuple[Any, Any]:
    encoder, decoder = load_graphs(find, cache_dir())
    return session(encoder), session(decoder)


@pytest.fixture(scope="module")
def shipped() -> tuple[Any, Any]:
    return session(str(find("encoder_model.ort"))), session(str(find("decoder_model_merged.ort")))


@pytest.fixture(scope="module")
def sounds() -> list[Array]:
    clips = {clip.name: clip for clip in real_speech()}
    return [clips[name].samples() for name in ("cards-1", "command-1", "austen-0880")]


def shipped_step(
    decoder: Any, token: NDArray[np.int64], hidden: Array, caches: dict[str, Array]
) -> tuple[Array, dict[str, Array]]:
    names = [node.name for node in decoder.get_outputs()]
    past = {node.name for node in decoder.get_inputs() if node.name.startswith("past")}
    rows = len(token)
    begins = {name: np.zeros((rows, HEADS, 0, HEAD_WIDTH), np.float32) for name in past}
    found = decoder.run(
        names,
        {
            "input_ids": token,
            "encoder_hidden_states": hidden,
            "encoder_attention_mask": np.ones((rows, hidden.shape[1] * 384), np.int64),
            "use_cache_branch": np.array([bool(caches)]),
            **(caches or begins),
        },
    )
    present = {name.replace("present", "past_key_values"): value for name, value in zip(names, found, strict=True)}
    logits = present.pop("logits")
    heard = {name: value for name, value in caches.items() if ".encoder." in name}
    return logits[:, -1], present | heard


def test_the_encoder_gives_what_the_shipped_decoder_reads(
    built: tuple[Any, Any], shipped: tuple[Any, Any], sounds: list[Array]
) -> None:
    for sound in sounds:
        sound = sound[: len(sound) // STEP * STEP]
        hidden = shipped[0].run(None, {"input_values": sound[None], "attention_mask": np.ones((1, len(sound)), int)})[0]
        _, caches = shipped_step(shipped[1], np.array([[1]]), hidden, {})
        memory = built[0].run(None, {"blocks": sound.reshape(-1, STEP)})[0].reshape(2 * LAYERS, HEADS, -1, HEAD_WIDTH)
        for i, one in enumerate(memory):
            theirs = caches[f"past_key_values.{i // 2}.encoder.{('key', 'value')[i % 2]}"][0]
            assert one.shape == theirs.shape
            # Rounded to 8 bits on its way, a change of 1e-6 in the input moves the shipped model's own output as far.
            assert np.corrcoef(one.ravel(), theirs.ravel())[0, 1] > 0.995


def test_the_decoder_gives_the_same_tokens_with_the_same_confidence(
    built: tuple[Any, Any], shipped: tuple[Any, Any], sounds: list[Array]
) -> None:
    sound = sounds[-1]
    hidden = shipped[0].run(None, {"input_values": sound[None], "attention_mask": np.ones((1, len(sound)), int)})[0]
    last, caches = np.array([[1]]), dict[str, Array]()
    tokens: list[int] = []
    logs: list[float] = []
    while not tokens or tokens[-1] != END:
        scores, caches = shipped_step(shipped[1], last, hidden, caches)
        tokens.append(int(scores.argmax()))
        logs.append(float(-np.log(np.exp(scores - scores.max()).sum())))
        last = np.array([[tokens[-1]]])
    kinds = ("key", "value")
    memory = [caches[f"past_key_values.{i // 2}.encoder.{kinds[i % 2]}"] for i in range(2 * LAYERS)]
    past = 2 * LAYERS * [np.zeros((1, HEADS, 0, HEAD_WIDTH), np.float32)]
    token = np.array([[1]])
    ours: list[int] = []
    probabilities: list[float] = []
    while not ours or ours[-1] != END:  # in runs of five tokens, so that the past is handed on
        *past, found, probability, _ = built[1].run(
            None,
            {
                "steps": np.array(5),
                "token": token,
                "start": np.array([[past[0].shape[2]]]),
                "length": np.array([past[0].shape[2] + 1]),
                "unsaid": np.zeros((1, 1, 1, past[0].shape[2] + 5), np.float32),
                "hidden": np.zeros((1, 1, 1, memory[0].shape[2]), np.float32),
                **{f"memory{i}": one for i, one in enumerate(memory)},
                **{f"past{i}": one for i, one in enumerate(past)},
            },
        )
        ours += found.ravel().tolist()
        probabilities += probability.ravel().tolist()
        token = found[-1][:, 0]
    assert ours == tokens
    # Where a number falls on a half, the 8 bits may differ. Processors without an 8-bit dot product add pairs of
    # products in 16 bits, which saturate: there the same tokens come out, with other numbers on the way.
    exact = "vnni" in Path("/proc/cpuinfo").read_text()
    assert np.allclose(np.log(probabilities), logs, atol=0.1 if exact else 0.3)
    for i, one in enumerate(past):
        theirs = caches[f"past_key_values.{i // 2}.decoder.{kinds[i % 2]}"]
        assert one.shape == theirs.shape
        assert np.corrcoef(one.ravel(), theirs.ravel())[0, 1] > (0.999 if exact else 0.9)


def test_the_second_load_comes_from_the_cache_and_needs_no_onnx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_graphs(find, tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)  # any import of it now fails
    assert load_graphs(find, tmp_path) == first


def test_without_a_cache_and_without_onnx_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(NotInstalledError, match=r"'onnx' is not installed.*duologue\[local\]"):
        load_graphs(find, tmp_path)


def test_other_weights_than_the_pinned_are_refused_by_name(tmp_path: Path) -> None:
    other = tmp_path / "encoder_model.ort"
    other.write_bytes(b"other weights")
    with pytest.raises(NotInstalledError, match=r"encoder_model\.ort is not the file.*moonshine-voice==0\.1\.0"):
        load_graphs(lambda name: other, tmp_path)
