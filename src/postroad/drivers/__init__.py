"""Drivers: each moves messages for one broker technology, ignorant of the others and of what it carries."""
