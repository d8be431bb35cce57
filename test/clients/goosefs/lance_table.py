# Why: Lance keeps its tables at goosefs:// addresses, by OpenDAL. How: a table is written, read,
# added to and read in an older version; the last line is JSON, by operation.
#   python3 lance_table.py MASTER DIRECTORY
import json
import sys

import lance
import pyarrow

master, directory = sys.argv[1:]
address = f'goosefs://{master}{directory}/table.lance'
options = {'goosefs_auth_type': 'simple', 'goosefs_write_type': 'cache_through'}
rows = pyarrow.table({'number': list(range(10_000)), 'text': [f'row {row}' for row in range(10_000)]})
outcomes = {}


def tried(name, operation):
    try:
        operation()
        outcomes[name] = 'ok'
    except Exception as error:
        outcomes[name] = ' '.join(f'{type(error).__name__}: {error}'.split())[:500]


def write():
    lance.write_dataset(rows, address, storage_options=options)


def read():
    assert lance.dataset(address, storage_options=options).to_table().equals(rows)


def append():
    lance.write_dataset(rows, address, mode='append', storage_options=options)
    assert lance.dataset(address, storage_options=options).count_rows() == 20_000


def older():
    assert lance.dataset(address, version=1, storage_options=options).count_rows() == 10_000


def filtered():
    found = lance.dataset(address, storage_options=options).to_table(filter='number = 77', columns=['text'])
    assert found['text'].to_pylist() == ['row 77', 'row 77']


for name, operation in {
    'lance_write': write,
    'lance_read': read,
    'lance_append': append,
    'lance_older_version': older,
    'lance_filter': filtered,
}.items():
    tried(name, operation)
print(json.dumps({'operations': outcomes, 'files': {}}))
