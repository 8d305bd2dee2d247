"""For those who test with Postroad, and those who test an engine: conformance, torture."""
