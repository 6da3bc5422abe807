"""Accounts of the company's own people."""
