"""Where a Python process stands right now, without a risk to it."""
