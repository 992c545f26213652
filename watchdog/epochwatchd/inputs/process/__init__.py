"""Processes, as the kernel shows them: who they are, what they do, how they end."""
