"""From an artifact that passed to a folder that a device can check, install and accept."""
