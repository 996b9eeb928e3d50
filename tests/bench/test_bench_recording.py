"""`bench recording` tells what recording a call costs."""

from command_line import CommandLine


def test_it_tells_the_cost_of_windows_frames_and_writing(duologue: CommandLine) -> None:
    cost = duologue("bench", "recording", "--seconds", "1", "--json").json
    assert all(cost[name] > 0 for name in ("window_s", "frame_s", "writer_s"))
    assert cost["core_share_per_call"] > cost["writer_s"]
    assert "of a core in all" in duologue("bench", "recording", "--seconds", "1").out
