"""The application: what users write, put together from the floors below."""
