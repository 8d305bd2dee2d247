"""``postroad bench``: the embedded engine, measured on this machine and this disk."""
