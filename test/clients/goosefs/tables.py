# Why: tables are what GooseFS's clients read and write most. How: pandas and pyarrow write bytes
# that go through the client, and read them back by its files; the last line is JSON, by operation.
#   python3 tables.py MASTER DIRECTORY
import io
import json
import sys

import pandas
import pyarrow
import pyarrow.parquet
from goosefs import Config, Goosefs, WriteType


class SeekableFile(io.RawIOBase):
    """What pandas and pyarrow want of a file; the client's reader lacks readinto and closed."""

    def __init__(self, reader):
        super().__init__()
        self.reader = reader

    def readable(self):
        return True

    def seekable(self):
        return True

    def readinto(self, target):
        found = self.reader.read(len(target))
        target[: len(found)] = found
        return len(found)

    def seek(self, offset, whence=io.SEEK_SET):
        return self.reader.seek(offset, whence)

    def tell(self):
        return self.reader.tell()

    def close(self):
        if not self.closed:
            self.reader.close()
        super().close()


def table():
    rows = 30_000
    return pandas.DataFrame({
        'number': range(rows),
        'text': [f'row {row % 97}' for row in range(rows)],
        'half': [row / 2 for row in range(rows)],
    })


def csv(fs, directory):
    frame = table()
    path = f'{directory}/table.csv'
    fs.write_file(path, frame.to_csv(index=False).encode(), write_type=WriteType.CacheThrough)
    pandas.testing.assert_frame_equal(pandas.read_csv(io.BytesIO(fs.read_file(path))), frame)
    with io.BufferedReader(SeekableFile(fs.open_file(path))) as file:
        pandas.testing.assert_frame_equal(pandas.read_csv(file), frame)


def parquet(fs, directory):
    frame = table()
    path = f'{directory}/table.parquet'
    with fs.create_file(path, write_type=WriteType.CacheThrough) as writer:
        sink = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.Table.from_pandas(frame), sink, row_group_size=5_000)
        writer.write(sink.getvalue())
    with SeekableFile(fs.open_file(path)) as file:
        found = pyarrow.parquet.read_table(file, columns=['half', 'number']).to_pandas()
    pandas.testing.assert_frame_equal(found[['number', 'half']], frame[['number', 'half']])
    with SeekableFile(fs.open_file(path)) as file:
        pandas.testing.assert_frame_equal(pandas.read_parquet(file), frame)


if __name__ == '__main__':
    master, directory = sys.argv[1:]
    outcomes = {}
    with Goosefs(Config(master)) as fs:
        fs.mkdir(directory, recursive=True)
        for name, operation in {'pandas_csv': csv, 'pyarrow_parquet': parquet}.items():
            try:
                operation(fs, directory)
                outcomes[name] = 'ok'
            except Exception as error:
                outcomes[name] = ' '.join(f'{type(error).__name__}: {error}'.split())[:500]
    print(json.dumps({'operations': outcomes, 'files': {}}))
