"""What people are told before they decide: texts, privacy statement, cookie notice."""
