"""Processes, as the kernel shows them: who they are, what they do, how they end. Not: why, or whether that is bad."""
