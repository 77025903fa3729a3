"""Reference results: what the project computes on fixed seeds, before and after a change.

    python -m reference store FILE
    python -m reference compare FILE FILE

One value of a result has one name, `digits/examples/stored/3`; what takes time or names a moment is
left out. On one machine and one number of threads two runs give the same values to the bit.
"""
