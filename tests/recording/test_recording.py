"""A call is written as it goes, decides alike when it is replayed, and is kept no longer than it may."""

from __future__ import annotations

import errno
import importlib.util
import json
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from duologue.agent import CallInfo
from duologue.audio.format import FRAME, RATE, WINDOW
from duologue.audio.wav import read_wav
from duologue.clock import VirtualClock
from duologue.conversation import events, inputs
from duologue.conversation.config import ConversationConfig
from duologue.conversation.inputs import Now
from duologue.errors import ConfigError, InvalidRecordingError
from duologue.recording import recordings as writing
from duologue.recording.blocks import to_blocks
from duologue.recording.config import RecordingConfig
from duologue.recording.export import text_lines, write_stereo_wav, write_text
from duologue.recording.file import (
    FORMAT_VERSION,
    Kind,
    open_blocks,
    pack_audio,
    pack_block,
    pack_json,
    pack_speech,
    preamble,
)
from duologue.recording.inputs import to_line
from duologue.recording.recorder import Budget, CallRecorder
from duologue.recording.recording import read_recording
from duologue.recording.replay import replay, verify
from duologue.recording.retention import check_is_call, delete, find_call, remove_old, stored_calls
from duologue.recording.saved_test import TEST_NAME, save_test
from duologue.recording.settings import encode_settings
from duologue.server.call_options import CallOptions, named_agents
from duologue.server.session_factory import SessionFactory
from duologue.session import CallRecord, CallRequest, ErrorRaised
from duologue.settings.local import LocalModels
from duologue.testing.agents import ScriptedAgent
from duologue.testing.assertions import said_in
from duologue.testing.fakes import FakeSpeechToText, FakeSttModel, FakeTtsModel, PeakVad, SentenceEnd
from duologue.testing.sinks import Recorder
from duologue.testing.spoken import speak, understand
from duologue.testing.virtual import VirtualCall
from recorded_call import SECRET, RecordedCall, record, recordings

pytestmark = pytest.mark.anyio

HEADER = {"call": {"id": "c1"}, "output_rate": 24_000}


def heard_again(path: Path) -> list[str]:
    """What the user heard, by a replay of the recording, which must be identical."""
    result = replay(read_recording(path))
    assert result.is_identical, str(result.difference)
    effects = [effect for each in result.effects for effect in each]
    return [effect["fields"]["text"] for effect in effects if effect["effect"] == "AgentHeard"]


async def test_five_turns_with_an_interruption_replay_to_the_same_decisions(tmp_path: Path) -> None:
    call = await record(tmp_path)
    assert len(call.turns) == 5
    assert call.session.record.interruptions == 1
    assert read_recording(call.path).is_whole
    assert heard_again(call.path) == [event.text for event in call.of(events.AgentHeard)]


async def test_a_call_on_a_machine_that_is_too_slow_replays_alike(tmp_path: Path) -> None:
    """Chunks come in bursts of up to 0.3 s, ticks are skipped, and transcripts come late: as on half a core."""
    into = recordings(tmp_path)
    call = RecordedCall(
        into, ScriptedAgent("One moment. I look it up.", "Yes."), stt=FakeSpeechToText(faults=[0.02] * 9)
    )
    async with call:
        pcm = bytes(32_000) + speak(f"Is {SECRET} there?") + bytes(64_000) + speak("Stop please.") + bytes(64_000)
        frame, at = int(FRAME * RATE) * 2, 0
        rng = np.random.default_rng(1)
        while at < len(pcm):
            frames = int(rng.integers(1, 16))
            for _ in range(frames):
                call.session.process_audio(pcm[at : at + frame].ljust(frame, b"\0"))
                at += frame
            call.engine.advance(frames * FRAME)  # one tick where there should have been thirty
        await call.settle()
    into.close()
    assert call.of(events.EvidenceLate)
    assert call.turns
    assert heard_again(call.path) == [event.text for event in call.of(events.AgentHeard)]


CUT_OFF = """
import asyncio, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from recorded_call import RecordedCall, recordings

async def main():
    async with RecordedCall(recordings(Path({folder!r}))) as call:
        await call.talk()
        await call.silence(1.0)
        print(call.session.accepted, call.session.id, len(call.heard), flush=True)
        time.sleep(60)

asyncio.run(main())
"""


async def test_a_recording_that_kill_9_cuts_off_replays_up_to_its_last_second(tmp_path: Path) -> None:
    program = CUT_OFF.format(tests=str(Path(__file__).parent.parent), folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        accepted, call, heard = process.stdout.readline().split()
        path = find_when_written(tmp_path, int(accepted))
        process.send_signal(signal.SIGKILL)
    recording = read_recording(path)
    assert recording.call == call
    assert not recording.is_whole
    assert recording.steps[-1].now.pos > int(accepted) - RATE
    assert len([text for text in heard_again(path) if text]) == int(heard)
    assert "breaks off" in recording.notes[0]


def find_when_written(folder: Path, accepted: int) -> Path:
    """The recording, once the writer had its turn: it writes four times a second."""
    patience = threading.Event()
    for _ in range(400):
        patience.wait(0.025)
        if (stored := stored_calls(folder)) and read_recording(stored[0].path).seconds > accepted / RATE - 1:
            return stored[0].path
    raise AssertionError("Nothing was written.")


async def test_a_file_cut_anywhere_is_read_up_to_there(recorded: Path, tmp_path: Path) -> None:
    whole, data = read_recording(recorded), recorded.read_bytes()
    for share in (0.02, 0.3, 0.5, 0.9, 0.999):
        cut = tmp_path / "cut.call"
        cut.write_bytes(data[: int(share * len(data))])
        recording = read_recording(cut)
        assert recording.steps == whole.steps[: len(recording.steps)]
        assert replay(recording).is_identical
        assert not recording.is_whole
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 0xFF
    cut.write_bytes(damaged)
    assert replay(read_recording(cut)).is_identical


RATES_OF_NONE: tuple[Any, ...] = (0, -1, "8000", [], 8000.0)


def headed(**changed: Any) -> bytes:
    """A recording that consists of a header."""
    settings = encode_settings(ConversationConfig())
    header = {**HEADER, "settings": settings, "window": WINDOW, "versions": {}, **changed}
    return preamble() + pack_json(Kind.HEADER, header)


def line_of(**effect: Any) -> bytes:
    """A block with one input that has one effect."""
    lines = to_line(inputs.TurnBegun(), Now(0, 0.0)) + json.dumps([effect]).encode() + b"\n"
    return pack_block(Kind.EVENTS, zlib.compress(lines))


@pytest.mark.parametrize(
    ("effect", "message"),
    [
        ({"effect": "TurnDecided", "fields": {"turn": 1}}, r"Input 1: TurnDecided\.text is missing"),
        (
            {"effect": "TurnContinued", "fields": {"turn": "1"}},
            r"TurnContinued\.turn is a string, and must be an integer",
        ),
        ({"effect": "AgentHeard", "fields": {"turn": 1, "generation": None}}, r"AgentHeard\.generation is null"),
        ({"effect": "SpeechStarted", "fields": {}}, r"SpeechStarted\.turn is missing"),
        ({"effect": "RequestTranscript", "fields": {}}, r"RequestTranscript\.ask is missing"),
        ({"effect": "RequestEndOfTurn", "fields": {}}, r"RequestEndOfTurn\.ask is missing"),
    ],
)
def test_an_effect_of_another_release_is_refused_where_it_lacks_what_is_read(
    effect: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.call"
    path.write_bytes(headed() + line_of(**effect))
    with pytest.raises(InvalidRecordingError, match=message):
        read_recording(path)


def test_effects_that_only_a_replay_compares_may_be_of_any_release(tmp_path: Path) -> None:
    path = tmp_path / "a.call"
    path.write_bytes(headed() + line_of(effect="Remembered", fields={"so": "much"}))
    assert replay(read_recording(path)).difference is not None


def test_audio_before_the_call_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.call"
    for block in (
        pack_block(Kind.HEARD, pack_audio(-100, bytes(640))),
        pack_block(Kind.SPOKEN, pack_speech(-1, 0, 1, 0.0, bytes(640))),
        pack_block(Kind.SPOKEN, pack_speech(0, -1, 1, 0.0, bytes(640))),
    ):
        path.write_bytes(headed() + block)
        with pytest.raises(InvalidRecordingError, match="begins before the call"):
            write_stereo_wav(read_recording(path), tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no recorded call"),
        (b"RIFF" * 20, "is no recorded call"),
        (b"duologue-call 9\n", "has version 9 of the format; this release reads version 1"),
        (preamble(), "breaks off before its header"),
        (preamble() + pack_block(Kind.END, b"{}"), "does not begin with a header"),
        (preamble() + pack_block(Kind.HEADER, b"[]"), "must hold an object"),
        (preamble() + pack_block(Kind.HEADER, b'{"call":{"id":"1"}}'), "lacks settings, window, output_rate, versions"),
        (headed(versions=[]), "versions or a session that are no object"),
        (headed(session=1), "versions or a session that are no object"),
        *((headed(output_rate=rate), "has an output rate that no voice has") for rate in RATES_OF_NONE),
    ],
)
def test_what_is_no_recording_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.call").write_bytes(content)
    with pytest.raises(InvalidRecordingError, match=message):
        read_recording(tmp_path / "a.call")
    with pytest.raises(InvalidRecordingError, match="cannot be read"):
        read_recording(tmp_path / "missing.call")


async def test_a_decision_that_differs_is_found_and_shown_without_words(recorded: Path) -> None:
    recording = read_recording(recorded)
    index = next(i for i, step in enumerate(recording.steps) if "TurnDecided" in str(step.effects))
    decided = next(e for e in recording.steps[index].effects if e["effect"] == "TurnDecided")
    decided["fields"]["silence"] += 0.032
    decided["fields"]["text"] = SECRET
    result = replay(recording)
    assert result.difference is not None
    assert result.difference.step == index
    assert len(result.effects) == index + 1
    assert "silence=0.384" in str(result.difference)
    assert "silence=0.352" in str(result.difference)
    assert SECRET not in str(result.difference)


# --- both voices ---


async def test_both_voices_are_in_the_export_where_they_sounded(tmp_path: Path) -> None:
    call = await record(tmp_path / "calls")
    recording = read_recording(call.path)
    seconds = write_stereo_wav(recording, tmp_path / "call.wav")
    assert seconds == pytest.approx(recording.seconds, abs=0.1)
    raw = np.frombuffer((tmp_path / "call.wav").read_bytes()[44:], np.int16).reshape(-1, 2)
    assert read_wav(tmp_path / "call.wav").duration == pytest.approx(seconds)
    words = understand(raw[:, 0].tobytes())
    assert words == f"A table for {SECRET} please. On Friday then. At seven please. By the window. Good bye."
    sounded = call.sink.timeline()
    agent = np.abs(raw[:, 1].astype(np.int32)) > 1000
    live = np.abs(np.frombuffer(sounded, np.int16).astype(np.int32)) > 1000
    onset, expected = int(np.argmax(agent)) / RATE, int(np.argmax(live)) / call.sink.rate
    assert onset == pytest.approx(expected, abs=0.1)
    assert agent.sum() / RATE == pytest.approx(live.sum() / call.sink.rate, rel=0.05)


async def test_the_text_has_what_was_said_and_heard_in_order(recorded: Path) -> None:
    lines = text_lines(read_recording(recorded))
    assert [line.split(maxsplit=2)[1:] for line in lines][:3] == [
        ["agent", "Welcome to the line."],
        ["user", f"A table for {SECRET} please."],
        ["agent", "Which day would suit you best for it?"],
    ]
    assert any(line.endswith("There is room at seven, at eight,  (interrupted)") for line in lines)
    times = [float(line.split()[0].partition(":")[2]) for line in lines]
    assert times == sorted(times)


async def test_without_audio_a_recording_is_replayed_and_not_heard(tmp_path: Path) -> None:
    into = recordings(tmp_path, audio=False)
    async with RecordedCall(into) as call:
        await call.settle()
    into.close()
    assert heard_again(call.path) == ["Welcome to the line."]
    with pytest.raises(InvalidRecordingError, match="has no audio"):
        write_stereo_wav(read_recording(call.path), tmp_path / "a.wav")


# --- what it may cost ---


def test_a_disk_that_is_too_slow_costs_audio_first_and_then_the_rest() -> None:
    budget = Budget(limit=20_000)
    recorder = CallRecorder(HEADER, budget, lambda _: None)
    window = np.zeros(WINDOW, np.int16)
    for n in range(100):
        recorder.heard(n * WINDOW, window)
        recorder.told(inputs.VadScored(n * WINDOW, (n + 1) * WINDOW, 0.1), Now(n * WINDOW, 0.0), [])
    assert budget.waiting <= budget.limit + 2_000
    assert recorder.cut == "too_slow"
    assert budget.cut == 1
    assert recorder.audio_dropped == budget.audio_dropped > 20
    kinds = [kind for kind, _, _ in recorder.queue]
    assert kinds.count(Kind.EVENTS) > kinds.count(Kind.HEARD) > 5
    blocks = list(to_blocks(recorder, list(recorder.queue)))
    assert [block[0] for block in blocks] == [Kind.EVENTS, Kind.HEARD]  # what belongs together is one block


def test_what_cannot_be_recorded_cuts_the_recording_there() -> None:
    recorder = CallRecorder(HEADER, Budget(10**6), lambda _: None)
    recorder.told(inputs.TextArrived("Hello."), Now(0, 0.0), [])
    recorder.told(inputs.TextArrived(None), Now(0, 0.0), [])  # type: ignore[arg-type]  # a provider that lies
    recorder.told(inputs.TextArrived("Hello again."), Now(0, 0.0), [])
    (block,) = to_blocks(recorder, list(recorder.queue))
    assert block[0] == Kind.EVENTS
    assert recorder.cut == "invalid"


async def test_a_full_disk_ends_the_recording_and_not_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write, written = os.write, 0

    def limited(file: int, data: Any) -> int:
        nonlocal written
        written += 1
        if written == 3:
            write(file, bytes(data)[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    monkeypatch.setattr(os, "write", limited)
    with caplog.at_level(logging.DEBUG):
        call = await record(tmp_path)
    assert len(call.turns) == 5
    assert call.into.counters()["recordings_failed"] == 1
    assert [r.getMessage() for r in caplog.records if r.name == writing.__name__] == [
        f"A call cannot be recorded to {tmp_path}: the disk is full."
    ]
    assert replay(read_recording(call.path)).is_identical
    assert SECRET not in caplog.text


async def test_words_never_reach_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        call = await record(tmp_path)
        recording = read_recording(call.path)
        recording.steps[-1].effects.append({"effect": "AgentSaid", "fields": {"text": SECRET, "turn": 1}})
        assert SECRET not in str(replay(recording).difference)
    assert call.into.counters()["recordings_written"] == 1
    assert SECRET not in caplog.text
    assert SECRET.encode() not in call.path.read_bytes()[:4000]  # the header holds none either


async def test_an_observer_that_raises_is_removed_and_the_call_goes_on() -> None:
    class Broken:
        def heard(self, *_: object) -> None:
            raise ValueError(SECRET)

        def told(self, *_: object) -> None: ...

    call = VirtualCall(ScriptedAgent("Yes."))
    call.session.observe(Broken())  # type: ignore[arg-type]  # what is tested
    async with call:
        await call.say("Hello.")
        assert call.heard == ["Yes."]
        assert "ValueError" in call.one(ErrorRaised).message
        assert SECRET not in call.one(ErrorRaised).message


# --- consent, retention, deletion ---


def test_calls_are_not_recorded_without_consent(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not recorded without consent"):
        RecordingConfig(tmp_path)
    with pytest.raises(ConfigError, match="must be more than 0"):
        RecordingConfig(tmp_path, consent=True, max_age=0)


async def test_each_call_may_refuse(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The application's function decides, plain or async; the client's own refusal comes first; a failure refuses."""

    async def agrees(call: CallInfo) -> bool:
        return bool(call.metadata["agreed"])

    async def refused(consent: Any, *asked: dict[str, Any]) -> list[bool]:
        into = recordings(tmp_path, consent=consent)
        sessions = SessionFactory(engine, models, options, recordings=into)
        found = []
        for metadata in asked:
            before = into.refused
            session = await sessions.open_session(CallRequest(metadata=metadata), Recorder(24_000, VirtualClock()))
            found.append(into.refused > before)
            await session.abandon()
        sessions.close()
        into.close()
        return found

    models = LocalModels(PeakVad(), FakeSttModel(), FakeTtsModel(), SentenceEnd(), None)
    options = CallOptions(agents=named_agents(None, {"desk": lambda: ScriptedAgent("Yes.")}))
    async with models.engine(clock=VirtualClock(), paced=False) as engine:
        assert await refused(True, {}, {"record": False}, {"record": 0}) == [False, True, False]
        assert await refused(agrees, {"agreed": 1}, {"agreed": 0}, {}, {"agreed": 1, "record": False}) == [
            False, True, True, True,
        ]  # fmt: skip
        assert await refused(lambda call: "yes", {}) == [True]
    assert "is not recorded" in caplog.text
    assert stored_calls(tmp_path) == []


async def test_recordings_are_their_owners_alone(tmp_path: Path) -> None:
    call = await record(tmp_path / "calls")
    assert stat.S_IMODE(call.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(call.path.parent.stat().st_mode) == 0o700


def test_the_old_and_the_oldest_go(tmp_path: Path) -> None:
    now = 1_000_000.0
    for n, age in enumerate((10, 1000, 2000, 3000, 90_000)):
        path = tmp_path / f"20260101T00000{n}Z-c{n}.call"
        path.write_bytes(bytes(100))
        os.utime(path, (now - age, now - age))
    (tmp_path / "notes.txt").write_text("mine")

    def left() -> list[str]:
        return [each.call for each in stored_calls(tmp_path)]

    assert left() == ["c4", "c3", "c2", "c1", "c0"]
    assert len(remove_old(tmp_path, max_age=80_000, max_bytes=10**6, now=now)) == 1
    assert left() == ["c3", "c2", "c1", "c0"]
    remove_old(tmp_path, max_age=80_000, max_bytes=250, now=now)
    assert left() == ["c1", "c0"]
    remove_old(tmp_path, max_age=1, max_bytes=1, now=now)
    assert left() == ["c0"]  # it may be of a call that goes on
    assert (tmp_path / "notes.txt").exists()


async def test_deletion_leaves_nothing(tmp_path: Path) -> None:
    call = await record(tmp_path)
    delete(find_call(call.session.id, tmp_path))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="There is no recording"):
        find_call(call.session.id, tmp_path)


def test_what_is_no_recording_is_not_deleted(tmp_path: Path) -> None:
    for name, content in (("notes.txt", b"mine"), ("saved", preamble()), ("empty.call", b"")):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidRecordingError, match=r"notes\.txt is no recorded call"):
        check_is_call(tmp_path / "notes.txt")
    with pytest.raises(InvalidRecordingError, match="cannot be read: No such file"):
        check_is_call(tmp_path / "missing")
    check_is_call(tmp_path / "saved")
    check_is_call(tmp_path / "empty.call")  # the disk was full


def test_a_call_of_an_impossible_name_is_refused(tmp_path: Path) -> None:
    for name in ("x" * 300, "x" * 5000, "a\0b"):
        with pytest.raises(ConfigError, match=r"names no recording|cannot be read|There is no recording"):
            find_call(name, tmp_path)
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", Path("a\0b")):
        with pytest.raises(ConfigError, match="cannot be read"):
            stored_calls(folder)
    assert stored_calls(tmp_path / "missing") == []


# --- a test of one's own ---


async def test_a_call_becomes_a_regression_test(recorded: Path, tmp_path: Path) -> None:
    saved = save_test(read_recording(recorded), tmp_path / "calls")
    assert saved.stat().st_size < recorded.stat().st_size / 10
    assert not [block for block in open_blocks(saved) if block.kind in (Kind.HEARD, Kind.SPOKEN)]
    spec = importlib.util.spec_from_file_location("saved", tmp_path / "calls" / TEST_NAME)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert [saved] == module.CALLS
    module.test_a_recorded_call_is_decided_alike(saved)
    content = saved.read_bytes()
    saved.write_bytes(content.replace(b'"threshold":0.7', b'"threshold":0.9', 1))
    with pytest.raises(InvalidRecordingError, match="breaks off before its header"):
        verify(saved)  # the checksum of the header is another


def test_the_version_of_the_format_is_fixed() -> None:
    """Recordings on disk depend on it: a change of a block's meaning needs a new version."""
    assert FORMAT_VERSION == 1
    assert preamble() == b"duologue-call 1\n"
    head = bytes([Kind.END, 0, 0, 0]) + (2).to_bytes(4, "little") + zlib.crc32(b"{}").to_bytes(4, "little")
    assert pack_block(Kind.END, b"{}") == head + b"{}"
    assert [(kind.name, kind.value) for kind in Kind] == [
        ("HEADER", 1), ("EVENTS", 2), ("HEARD", 3), ("CLEANED", 4), ("SPOKEN", 5), ("END", 6),
    ]  # fmt: skip


async def test_the_end_is_noted_once() -> None:
    recorder = CallRecorder(HEADER, Budget(10**6), lambda _: None)
    recorder.ended(CallRecord("c1"))
    assert not recorder.queue  # a call that never began has no recording
    recorder.told(inputs.CallRequested(), Now(0, 0.0), [])
    recorder.ended(CallRecord("c1"))
    recorder.ended(CallRecord("c1"))
    assert [kind for kind, _, _ in recorder.queue] == [Kind.EVENTS, Kind.END]


async def test_a_saved_call_that_is_damaged_fails_its_test(recorded: Path, tmp_path: Path) -> None:
    saved = save_test(read_recording(recorded), tmp_path / "calls")
    assert len(said_in(saved)) == 5
    whole = saved.read_bytes()
    for data in (whole[:-1], whole[: len(whole) // 2], whole[:-20] + bytes(20), whole + b"\1"):
        saved.write_bytes(data)
        for check in (verify, said_in):
            with pytest.raises(InvalidRecordingError, match=r"is damaged: its last \d+ bytes cannot be read"):
                check(saved)


async def test_nothing_is_written_over_the_recording_itself(recorded: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.call"
    path.write_bytes(recorded.read_bytes())
    recording = read_recording(path)
    (tmp_path / f"{recording.call}.call").symlink_to(path)
    for write in (
        lambda: write_stereo_wav(recording, path),
        lambda: write_text(recording, path),
        lambda: save_test(recording, tmp_path),
    ):
        with pytest.raises(ConfigError, match="is the recording itself"):
            write()
    assert path.read_bytes() == recorded.read_bytes()


async def test_a_full_disk_is_told_and_leaves_nothing_behind(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = read_recording(recorded)
    with pytest.raises(ConfigError, match="/dev/full cannot be written: No space left on device"):
        write_stereo_wav(recording, Path("/dev/full"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ConfigError, match=r"call\.wav cannot be written: No space left on device"):
        write_stereo_wav(recording, tmp_path / "call.wav")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ConfigError, match="cannot be written to: No space left on device"):
        save_test(recording, tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_an_export_is_the_same_where_a_disk_cannot_be_asked_for_room(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = read_recording(recorded)
    write_stereo_wav(recording, tmp_path / "one.wav")
    monkeypatch.delattr(os, "posix_fallocate")
    write_stereo_wav(recording, tmp_path / "other.wav")
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "other.wav").read_bytes()
