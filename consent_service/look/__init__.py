"""Colours and logo of the company, and the design that pages, mails and printouts share."""
