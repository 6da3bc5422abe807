"""Bringing over the list that a company had before it had this service."""
