"""``postroad events``: types, groups, what goes by and what went to nobody."""
