# Why: GooseFS's own client for Python is the judge of its protocol. How: each operation of the
# client once, by the calls that wait or by the asynchronous ones; the last line says as JSON which
# of them did what they should, and the SHA-256 of what was written.
#   python3 operations.py sync|async MASTER DIRECTORY
# The asynchronous form is the only one here. The object that waits gets it by coroutines that never
# pause, because that object refuses to be called inside a running event loop.
import asyncio
import hashlib
import json
import random
import sys

from goosefs import AsyncGoosefs, Config, Goosefs, WriteType, exceptions

MIB = 1024 * 1024
BLOCK = MIB
WRITE_TYPES = {
    'MUST_CACHE': WriteType.MustCache,
    'TRY_CACHE': WriteType.TryCache,
    'CACHE_THROUGH': WriteType.CacheThrough,
    'THROUGH': WriteType.Through,
    'ASYNC_THROUGH': WriteType.AsyncThrough,
}


class Waiting:
    """The same methods as coroutines, of an object whose methods wait."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        member = getattr(self.inner, name)
        if name in ('tell',) or not callable(member):
            return member

        async def call(*args, **named):
            result = member(*args, **named)
            return Waiting(result) if hasattr(result, 'close') else result

        return call


def content(name, length):
    return random.Random(name).randbytes(length)


def equal(found, wanted):
    if found != wanted:
        text = f'{found!r:.200}, not {wanted!r:.200}'
        raise AssertionError(text)


async def raises(kind, awaitable):
    try:
        await awaitable
    except kind:
        return
    raise AssertionError(f'no {kind.__name__}')


class Operations:
    def __init__(self, fs, directory):
        self.fs = fs
        self.directory = directory
        self.files = {}

    def path(self, name):
        return f'{self.directory}/{name}'

    async def written(self, name, length, write_type=WriteType.CacheThrough):
        data = content(name, length)
        equal(await self.fs.write_file(self.path(name), data, write_type=write_type, block_size_bytes=BLOCK), length)
        self.files[self.path(name)] = hashlib.sha256(data).hexdigest()
        return data

    async def make_directory(self):
        await self.fs.mkdir(self.path('one/two'), recursive=True)
        await self.fs.mkdir(self.path('one/two'), recursive=True)
        equal((await self.fs.get_status(self.path('one/two'))).is_folder(), True)

    async def write_of_type(self, name):
        kind = WRITE_TYPES[name]
        for length in (1, BLOCK, 2 * BLOCK + 12345):
            file = f'{name} {length}'
            data = await self.written(file, length, kind)
            status = await self.fs.get_status(self.path(file))
            equal((status.length, status.is_completed()), (length, True))
            if name in ('CACHE_THROUGH', 'THROUGH'):
                equal(status.is_persisted(), True)
            equal(hashlib.sha256(await self.fs.read_file(self.path(file))).hexdigest(), hashlib.sha256(data).hexdigest())

    async def write_empty_file(self):
        for name, kind in WRITE_TYPES.items():
            await self.written(f'empty {name}', 0, kind)
            equal(await self.fs.read_file(self.path(f'empty {name}')), b'')

    async def write_by_stream(self):
        data = content('stream', 3 * BLOCK + 7)
        path = self.path('stream')
        writer = await self.fs.create_file(path, write_type=WriteType.CacheThrough, block_size_bytes=BLOCK)
        for start in range(0, len(data), 300_000):
            piece = data[start : start + 300_000]
            equal(await writer.write(piece), len(piece))
        await writer.close()
        self.files[path] = hashlib.sha256(data).hexdigest()
        equal(await self.fs.read_file(path), data)

    async def cancel_a_stream(self):
        path = self.path('cancelled')
        for kind in (WriteType.MustCache, WriteType.CacheThrough):
            writer = await self.fs.create_file(path, write_type=kind, block_size_bytes=BLOCK)
            await writer.write(content('cancelled', BLOCK + 5))
            await writer.cancel()
            if await self.fs.exists(path):
                equal((await self.fs.get_status(path)).is_completed(), False)
            try:
                await self.fs.delete(path)
            except exceptions.NotFound:
                pass
            equal(await self.fs.exists(path), False)

    async def read_ranges(self):
        data = await self.written('ranges', 2 * BLOCK + 100)
        for offset, length in ((0, 1), (BLOCK - 3, 6), (BLOCK, BLOCK), (5, 2 * BLOCK + 95)):
            equal(await self.fs.read_range(self.path('ranges'), offset, length), data[offset : offset + length])

    async def read_by_stream(self):
        data = await self.written('read by stream', 2 * BLOCK + 4321)
        reader = await self.fs.open_file(self.path('read by stream'))
        found = b''
        while piece := await reader.read(65_537):
            found += piece
        equal(hashlib.sha256(found).hexdigest(), hashlib.sha256(data).hexdigest())
        equal(await reader.seek(BLOCK - 10), BLOCK - 10)
        equal(await reader.read(20), data[BLOCK - 10 : BLOCK + 10])
        equal(reader.tell(), BLOCK + 10)
        equal(await reader.read_at(17, 100), data[17:117])
        equal(reader.tell(), BLOCK + 10)
        equal(await reader.seek(-5, 2), len(data) - 5)
        equal(await reader.read(), data[-5:])
        equal(await reader.read(1), b'')
        await reader.close()

    async def read_a_block_by_position(self):
        data = await self.written('positioned', BLOCK + 1000)
        path = self.path('positioned')
        equal(await self.fs.positioned_read(path, block_index=0, offset=100, length=64), data[100:164])
        equal(await self.fs.positioned_read(path, block_index=0, offset=10, length=-1), data[10:BLOCK])
        equal(await self.fs.positioned_read(path, block_index=1, offset=10, length=990), data[BLOCK + 10 :])
        ids = (await self.fs.get_status(path)).block_ids
        equal(len(ids), 2)
        # Without an event loop the worker's calls cannot be awaited: they are asynchronous only.
        if isinstance(self.fs, Waiting):
            return
        worker = await self.fs.acquire_worker_for_block(ids[1])
        equal(await worker.read_block_positioned(ids[1], 0, 1000), data[BLOCK:])
        await worker.close()

    async def get_status(self):
        await self.written('status', BLOCK + 1)
        status = await self.fs.get_status(self.path('status'))
        equal((status.name, status.path, status.length), ('status', self.path('status'), BLOCK + 1))
        equal((status.folder, status.block_size_bytes, len(status.block_ids)), (False, BLOCK, 2))
        equal(await self.fs.exists(self.path('status')), True)
        equal(await self.fs.exists(self.path('nothing')), False)
        await raises(exceptions.NotFound, self.fs.get_status(self.path('nothing')))

    async def get_status_in_batches(self):
        paths = [self.path(f'batch/{number}') for number in range(20)]
        await self.fs.batch_create_dir([self.path('batch')], recursive=True)
        for path in paths:
            await self.fs.write_file(path, b'x', write_type=WriteType.MustCache)
        equal([status.path for status in await self.fs.batch_get_status(paths)], paths)
        found = await self.fs.batch_exists([*paths, self.path('batch/none')])
        equal(found, [True] * 20 + [False])
        await self.fs.batch_delete(paths)
        equal(await self.fs.batch_exists(paths), [False] * 20)

    async def list_a_directory(self):
        await self.fs.mkdir(self.path('listed/sub'), recursive=True)
        names = ['listed/a b', 'listed/caf\u00e9', 'listed/sub/deep']
        for name in names:
            await self.written(name, 3)
        paths = sorted(status.path for status in await self.fs.list_status(self.path('listed')))
        equal(paths, sorted(map(self.path, ['listed/a b', 'listed/caf\u00e9', 'listed/sub'])))
        files = [s.path for s in await self.fs.list_status(self.path('listed'), recursive=True) if not s.folder]
        equal(sorted(files), sorted(map(self.path, names)))
        await self.fs.mkdir(self.path('hollow'), recursive=True)
        equal(list(await self.fs.list_status(self.path('hollow'))), [])
        await raises(exceptions.NotFound, self.fs.list_status(self.path('nowhere')))

    async def rename(self):
        data = await self.written('old name', 100)
        await self.written('taken', 5)
        before = await self.fs.get_status(self.path('old name'))
        await raises(exceptions.AlreadyExists, self.fs.rename(self.path('old name'), self.path('taken')))
        await self.fs.rename(self.path('old name'), self.path('new name'))
        self.files[self.path('new name')] = self.files.pop(self.path('old name'))
        equal((await self.fs.get_status(self.path('new name'))).file_id, before.file_id)
        equal(await self.fs.read_file(self.path('new name')), data)
        equal(await self.fs.exists(self.path('old name')), False)
        await raises(exceptions.NotFound, self.fs.rename(self.path('old name'), self.path('again')))

    async def delete(self):
        await self.fs.mkdir(self.path('full'), recursive=True)
        await self.fs.write_file(self.path('full/file'), b'1', write_type=WriteType.CacheThrough)
        await raises(exceptions.DirectoryNotEmpty, self.fs.delete(self.path('full')))
        await self.fs.delete(self.path('full/file'))
        equal(await self.fs.exists(self.path('full/file')), False)
        await self.fs.write_file(self.path('full/file'), b'2', write_type=WriteType.MustCache)
        await self.fs.delete(self.path('full'), recursive=True)
        equal(await self.fs.exists(self.path('full')), False)
        await raises(exceptions.NotFound, self.fs.delete(self.path('full')))

    async def refuse_an_existing_file(self):
        await self.written('there', 9)
        await raises(
            exceptions.AlreadyExists,
            self.fs.write_file(self.path('there'), b'other', write_type=WriteType.CacheThrough),
        )
        equal(len(await self.fs.read_file(self.path('there'))), 9)


def names_of_operations():
    own = [name for name, member in vars(Operations).items() if asyncio.iscoroutinefunction(member)]
    plain = [(name, name, ()) for name in own if name not in ('written', 'write_of_type')]
    return [(f'write_{kind}', 'write_of_type', (kind,)) for kind in WRITE_TYPES] + plain


async def tried(operations):
    outcomes = {}
    for label, name, args in names_of_operations():
        try:
            await getattr(operations, name)(*args)
            outcomes[label] = 'ok'
        except Exception as error:
            text = f'{type(error).__name__}: {error}'
            outcomes[label] = ' '.join(text.split())[:500]
    return {'operations': outcomes, 'files': operations.files}


async def asynchronous(config, directory):
    fs = await AsyncGoosefs.connect(config)
    await fs.mkdir(directory, recursive=True)
    result = await tried(Operations(fs, directory))
    await fs.close()
    return result


def synchronous(config, directory):
    with Goosefs(config) as fs:
        fs.mkdir(directory, recursive=True)
        try:
            tried(Operations(Waiting(fs), directory)).send(None)
        except StopIteration as end:
            return end.value
    raise AssertionError('a coroutine paused')


if __name__ == '__main__':
    form, master, directory = sys.argv[1:]
    config = Config(master)
    result = asyncio.run(asynchronous(config, directory)) if form == 'async' else synchronous(config, directory)
    print(json.dumps(result))
