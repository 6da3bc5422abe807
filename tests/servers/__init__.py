"""Real servers on loopback that stand in for the outside world; a test can make each of them misbehave."""
