"""The sealed consent log: what was asked, in which words, how it was agreed to, and the proof of it."""
