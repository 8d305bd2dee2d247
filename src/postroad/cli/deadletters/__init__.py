"""``postroad dead-letters``: what could not be done, why, and what becomes of it."""
