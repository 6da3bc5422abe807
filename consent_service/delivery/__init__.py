"""What leaves the house: the outbox, how it is delivered, mail, and whom not to write to."""
