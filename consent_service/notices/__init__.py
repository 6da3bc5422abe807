"""What people are told: texts, privacy statement, cookie notice; and the records of processing, made of the same."""
