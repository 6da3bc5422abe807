"""How often and how much: networks, addresses, the whole service, and what a form costs meanwhile."""
