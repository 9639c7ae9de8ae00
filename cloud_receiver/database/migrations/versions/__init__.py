"""One file a step: 0002_what_it_does.py. A released step is never edited."""
