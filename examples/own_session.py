"""A session without a server: a recording in the caller's place, and each event as it happens.

python examples/own_session.py question.wav
"""

import asyncio
import sys

import duologue
from duologue.audio.wav import read_wav_16k


async def agent(text: str):
    """Answer."""
    return f"You said: {text}"


async def main(pcm: bytes) -> None:
    """Hold one conversation. `pcm` is 16 kHz mono PCM16."""
    models = duologue.load_local()
    async with models.engine() as engine:
        session = duologue.VoiceSession(engine=engine, stt=models.stt, tts=models.tts, agent=agent)
        async with session, session.events() as events:
            handle = await session.say("Hello!")
            await handle.wait_for_playout()
            await session.feed(pcm)  # a live transport calls session.process_audio(pcm) with each 20 ms
            async for event in events:
                print(event)
                if type(event).__name__ == "TurnMeasured":  # the first answer has begun
                    break


if __name__ == "__main__":
    asyncio.run(main(read_wav_16k(sys.argv[1]).samples.tobytes()))
