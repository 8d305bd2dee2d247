"""Measures Postroad beside its peers and beside the plainest loop that keeps the same promises."""
