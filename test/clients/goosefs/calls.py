# Why: a client lives longer than a master's process. How: one client; for each line on stdin one
# round of calls, whose outcome is a line on stdout.
#   python3 calls.py MASTER DIRECTORY
import sys

from goosefs import Config, Goosefs, WriteType

master, directory = sys.argv[1:]
with Goosefs(Config(master)) as fs:
    print('ready', flush=True)
    for number, _ in enumerate(sys.stdin):
        path = f'{directory}/round {number}'
        try:
            fs.mkdir(directory, recursive=True)
            data = f'round {number}'.encode() * 1000
            fs.write_file(path, data, write_type=WriteType.CacheThrough)
            again = [fs.read_file(f'{directory}/round {n}') for n in range(number + 1)]
            right = again == [f'round {n}'.encode() * 1000 for n in range(number + 1)]
            print('right' if right else 'wrong', flush=True)
        except Exception as error:
            print(' '.join(f'{type(error).__name__}: {error}'.split())[:300], flush=True)
