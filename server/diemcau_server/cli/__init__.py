"""The technician's command ``diemcau``: speaks HTTP to a server, computes no verdict itself."""
