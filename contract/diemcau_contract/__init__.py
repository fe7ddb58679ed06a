"""What both ends of diemcau agree on: words, messages, topics, packets, limits and verdicts.

Pure: nothing here opens a file or a socket. ``contract/SPEC.md`` says the same in words.
"""

__version__ = "0.1.0"
