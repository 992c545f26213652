"""Whether the kernel killed a process for want of memory."""
