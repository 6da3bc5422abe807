"""What leaves the house: the outbox, how it is delivered, and mail."""
