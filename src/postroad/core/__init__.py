"""Pure values and decisions: no I/O, no clock, no threads, no event loop."""
