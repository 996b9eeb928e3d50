"""A survey by phone: three questions, with the answers of each caller kept apart, and the call ended at the end.

python examples/survey.py                               # talk at http://localhost:8000
"""

import asyncio

import duologue
from duologue import EndCall, Turn

QUESTIONS = ("How did you like the food?", "Was the staff friendly?", "Would you come again?")
RESULTS: list[list[str]] = []


class Survey:
    """Asks the questions one after the other. Each call gets an instance of its own."""

    speculative = False  # it notes answers: it is asked once a turn is decided
    greeting = f"Thank you for your visit. {QUESTIONS[0]}"

    def __init__(self) -> None:
        self.answers: list[str] = []

    async def reply(self, turn: Turn):
        """Take an answer, and ask the next question."""
        self.answers.append(turn.text)
        if len(self.answers) < len(QUESTIONS):
            yield f"Thank you. {QUESTIONS[len(self.answers)]}"
            return
        RESULTS.append(self.answers)
        yield "That was all. Goodbye."
        yield EndCall("survey_done")  # the goodbye is heard first


async def ask_the_silent(session: duologue.VoiceSession) -> None:
    """Ask a silent caller whether they are still there."""
    async with session.events() as events:
        async for event in events:
            if type(event).__name__ == "UserChanged" and event.state == "away":
                await session.say("Are you still there?")


async def on_start(session: duologue.VoiceSession) -> None:
    """Watch a call that has begun, until it ends."""
    task = asyncio.create_task(ask_the_silent(session))
    WATCHERS.add(task)
    task.add_done_callback(WATCHERS.discard)


WATCHERS: set[asyncio.Task[None]] = set()

if __name__ == "__main__":
    duologue.serve(Survey, on_start=on_start)
