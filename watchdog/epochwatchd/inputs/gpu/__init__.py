"""What the GPU driver tells, and what it told before. Not: what is usual, or wrong."""
