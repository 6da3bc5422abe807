"""What somebody may ask for: everything held of them, as a page, a file or an answer in time."""
