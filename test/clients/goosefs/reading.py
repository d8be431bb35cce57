# Why: what a reader sees while the cluster changes around it. How: reads files again and again, at
# once and by a stream, until a line comes on stdin; after the first round it says `reading`. The
# last line is JSON: how many reads were right, and the errors of those that failed. Bytes that are
# wrong, or too few, end it at once.
#   python3 reading.py MASTER PATH=SHA256...
import hashlib
import json
import sys
import threading

from goosefs import Config, Goosefs, exceptions

master, *files = sys.argv[1:]
wanted = dict(file.rsplit('=', 1) for file in files)
ends = threading.Event()


def wait():
    sys.stdin.readline()
    ends.set()


def by_stream(fs, path):
    with fs.open_file(path) as reader:
        found = hashlib.sha256()
        while piece := reader.read(200_000):
            found.update(piece)
        return found.hexdigest()


threading.Thread(target=wait, daemon=True).start()
right, failures = 0, []
after = 0
with Goosefs(Config(master)) as fs:
    first = True
    while not ends.is_set() or after < 1:
        # One whole round after the end was asked for: it must succeed.
        if ends.is_set():
            after += 1
        for path, digest in wanted.items():
            for read in (lambda: hashlib.sha256(fs.read_file(path)).hexdigest(), lambda: by_stream(fs, path)):
                try:
                    found = read()
                except exceptions.GoosefsError as error:
                    failures.append(' '.join(f'{type(error).__name__}: {error}'.split())[:300])
                    if after > 0:
                        raise
                    continue
                if found != digest:
                    raise AssertionError(f'{path} has {found}, not {digest}')
                right += 1
        if first:
            print('reading', flush=True)
        first = False
print(json.dumps({'right': right, 'failed': len(failures), 'failures': failures[:5]}))
