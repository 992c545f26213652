"""Whether the kernel killed a process for want of memory. Not: any other cause of a death."""
