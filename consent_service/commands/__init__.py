"""The commands of the console script that have a file of their own, and what they share."""
