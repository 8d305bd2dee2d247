"""Looking at a running system: the inspection API, an operator's acts, logs."""
