"""Between SQLAlchemy and the driver: what makes the statements of every subscriber cheap."""
