"""The world as the watchdog sees it, in five rooms. What any of it means does not belong here.

Asked and looked at, never judged: nothing here knows a run, a verdict or a message.
"""
