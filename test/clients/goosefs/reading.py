# Why: what a reader sees while the cluster changes around it. How: reads files again and again, at
# once and by a stream, until a line comes on stdin and then a whole round is right; after the first
# round it says `reading`. The last line is JSON: how many reads were right, and the errors of those
# that failed. Bytes that are wrong, or too few, end it at once.
#   python3 reading.py MASTER PATH=SHA256...
import hashlib
import json
import sys
import threading
import time

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
with Goosefs(Config(master)) as fs:
    rounds = 0
    while True:
        is_last, failed_before = ends.is_set(), len(failures)
        for path, digest in wanted.items():
            for read in (lambda: hashlib.sha256(fs.read_file(path)).hexdigest(), lambda: by_stream(fs, path)):
                try:
                    found = read()
                except exceptions.GoosefsError as error:
                    failures.append(' '.join(f'{type(error).__name__}: {error}'.split())[:300])
                    continue
                if found != digest:
                    raise AssertionError(f'{path} has {found}, not {digest}')
                right += 1
        rounds += 1
        if rounds == 1:
            print('reading', flush=True)
        if is_last and len(failures) == failed_before:
            break
        if len(failures) > failed_before:
            time.sleep(0.5)
print(json.dumps({'right': right, 'failed': len(failures), 'failures': failures[:5]}))
