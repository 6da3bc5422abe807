"""Accounts of the company's own people, what opens them, and whom they looked at."""
