"""What a server measures: names, counters, the waterfall of a turn, traces, and how they are exported."""
