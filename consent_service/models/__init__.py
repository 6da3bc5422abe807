"""Tables and their constraints, a module for each part of the service."""
