"""How the service stands, for whoever looks after it."""
