"""``postroad doctor``: what is wrong with an engine, why, and what to do."""
