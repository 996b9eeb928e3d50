"""For tests of your own agents and providers: fakes, faults, virtual time, and real speech to try things on."""
