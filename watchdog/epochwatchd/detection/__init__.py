"""Deciding, without input or output: what a worker's beats mean, what is wrong with it, and when to say so."""
