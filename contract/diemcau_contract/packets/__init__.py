"""Layouts of the packets on the measuring port (SPEC 5): pure, octets to values and back.

All integers are big-endian; one module a family.
"""
