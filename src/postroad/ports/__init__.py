"""What an engine and a store must do. The docstrings are the law; the conformance suite is the judge."""
