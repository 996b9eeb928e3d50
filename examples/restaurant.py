"""A restaurant on the phone: the front desk knows its guests and takes bookings, the manager takes complaints.

    OPENAI_API_KEY=... python examples/restaurant.py        # OPENAI_BASE_URL and MODEL change who answers

A telephone gateway names the caller in the address: ws://.../v1/stream?from=%2B15550100
"""

import functools
import os

from pydantic_ai import RunContext

import duologue
from duologue.agent.llm import LLMAgent, openai_model, side_effect

GUESTS = {"+15550100": {"name": "Ada", "table": "by the window"}}
BOOKED: list[str] = []


@functools.cache
def model():
    """One for all calls, so that they share its connections."""
    return openai_model(os.environ.get("MODEL", "openai:gpt-6-luna"))


def guest(call: duologue.CallInfo) -> dict[str, str]:
    """Look the caller up: `user_data` of the call."""
    return GUESTS.get(call.query.get("from", ""), {"name": "our guest", "table": "by the door"})


@side_effect
async def book_table(ctx: RunContext[dict[str, str]], day: str, people: int) -> str:
    """Book the guest's favorite table."""
    BOOKED.append(f"{ctx.deps['name']}: {day}, {people} people, {ctx.deps['table']}")
    return f"Booked for {day}: the table {ctx.deps['table']}."


def front_desk(call: duologue.CallInfo) -> LLMAgent:
    """Make the agent that answers first."""
    return LLMAgent(
        model(),
        instructions=f"You answer a restaurant's phone, in short sentences. You speak with {call.user_data['name']}.",
        tools=[book_table],
        greeting=f"Good evening, {call.user_data['name']}.",
        hand_over_to={"manager": "takes complaints"},
        can_hang_up=True,
    )


def manager() -> LLMAgent:
    """Make the agent that complaints go to; it knows all that was said before."""
    return LLMAgent(model(), instructions="You manage a restaurant. Be kind.", greeting="The manager speaking.")


AGENTS = {"desk": front_desk, "manager": manager}

if __name__ == "__main__":
    duologue.serve(agents=AGENTS, user_data=guest, policy=duologue.CallPolicy(agents=["desk"]))
