"""From an incident to a message on somebody's screen."""
