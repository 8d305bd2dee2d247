"""The plainest loop that keeps the embedded engine's promises: the limit that Postroad is steered by."""
