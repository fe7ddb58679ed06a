"""Probes of a room's devices: a table, one frame around them, one file each.

A probe opens its device in a short-lived child process, looks at the signal in memory, and hands
back numbers and words of closed lists. No picture and no sound is written or sent.
"""
