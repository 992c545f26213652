"""Where a Python process stands right now, asked without a risk to it. Not: whether it hangs."""
