# Reads files through the client of GooseFS from PyPI, and prints the seconds of each kind:
# python read.py MASTER LARGE SMALL_PREFIX SMALL_COUNT
import sys
import time

from goosefs import Config, Goosefs

master, large, prefix, count = sys.argv[1:5]
files = Goosefs(Config(master))
files.read_file(prefix + "0")

began = time.monotonic()
read = 0
with files.open_file(large) as reader:
    while True:
        part = reader.read(8 * 1024 * 1024)
        if not part:
            break
        read += len(part)
large_seconds = time.monotonic() - began

began = time.monotonic()
for index in range(int(count)):
    read += len(files.read_file(prefix + str(index)))
small_seconds = time.monotonic() - began
print(large_seconds, small_seconds, read, flush=True)
