"""The optimized session: Deepgram hears while the caller speaks, and a voice behind `/v1/audio/speech` streams audio.

    DEEPGRAM_API_KEY=... python examples/optimized.py

SPEECH_URL is an endpoint with OpenAI's interface, such as Kokoro-FastAPI on this machine, and SPEECH_API_KEY its key.
"""

import os
from collections.abc import AsyncIterator

import duologue
from duologue.engine import EngineConfig
from duologue.session import SessionConfig
from duologue.settings.providers import stt_provider, tts_provider


class Agent:
    speculative = True  # no side effects: the first clause is ready when the turn is decided
    greeting = "Good morning."

    async def reply(self, turn: duologue.Turn) -> AsyncIterator[str]:
        """Answer in short clauses: the first is heard while the next is made."""
        yield "Certainly. "
        yield f"You said: {turn.text}"


def recognizer():
    """Listen over one connection a call: words come while the caller speaks, and the final when asked for."""
    url = os.environ.get("DEEPGRAM_URL", "https://api.deepgram.com")
    return stt_provider("deepgram/nova-3", base_url=url, language="en")


def voice():
    """Speak over connections that all calls share, kept open between clauses, and opened before the first call."""
    url = os.environ.get("SPEECH_URL", "http://127.0.0.1:8880/v1")
    key = os.environ.get("SPEECH_API_KEY")
    return tts_provider("openai/kokoro", voice="af_heart", base_url=url, api_key=key, keep_alive=30.0)


OPTIONS = {
    "stt": recognizer,
    "tts": voice,
    "config": SessionConfig(timeout=30 * 60.0, max_retries=3, enable_keep_alive=True, keep_alive_interval=30.0),
    "engine": EngineConfig(max_sessions=100),
}

if __name__ == "__main__":
    duologue.serve(Agent, **OPTIONS)
