"""Between SQLAlchemy and the driver: turns to write, ready connections, statements that are compiled once."""
