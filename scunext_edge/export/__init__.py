"""Turning a network into the forms that engines read, each checked against its source."""
