"""What does not work: one step after the other, from the configuration to an app's call."""
