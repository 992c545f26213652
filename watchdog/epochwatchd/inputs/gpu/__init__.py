"""What the GPU driver tells, and what it told before."""
