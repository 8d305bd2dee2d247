"""The worker: a supervisor that imports no user code, and children that run handlers."""
