"""Loops over float64 arrays and nothing else: NaN is missing, no dates, no words. The only address of numba."""
