"""The same cases on other machines, over SSH: archive, agent, session, fleet."""
