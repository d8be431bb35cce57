"""Why: programs for data read and write tables in the cache by S3. How: one table is written and
read back by pandas through s3fs, by pyarrow, and by DuckDB with its extension httpfs; row groups and
columns are read by ranges, and each program reads what the others wrote.

Usage: tables-at-s3.py ENDPOINT BUCKET PREFIX; credentials as boto3 finds them. Prints JSON.
"""

import json
import os
import sys
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import pandas
import pyarrow
import pyarrow.compute
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet
import s3fs

endpoint, bucket, prefix = sys.argv[1:]
key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
rows = 200_000
root = f"{bucket}/{prefix}"
frame = pandas.DataFrame(
    {"id": range(rows), "name": [f"row {i % 1000}" for i in range(rows)], "value": [i * 0.5 for i in range(rows)]}
)
expected = {"rows": rows, "sum": float(frame["value"].sum())}


def told(table):
    return {"rows": len(table), "sum": float(pandas.Series(table["value"]).sum())}


results = {"expected": expected}

# pandas through s3fs, in one row group of 20,000 rows each.
options = {"key": key, "secret": secret, "client_kwargs": {"endpoint_url": endpoint, "region_name": "us-east-1"}}
frame.to_parquet(f"s3://{root}/pandas.parquet", storage_options=options, row_group_size=20_000)
results["pandas"] = told(pandas.read_parquet(f"s3://{root}/pandas.parquet", storage_options=options))
frame.head(1000).to_csv(f"s3://{root}/a table.csv", storage_options=options, index=False)
results["csv"] = len(pandas.read_csv(f"s3://{root}/a table.csv", storage_options=options))

# s3fs as a file system: bytes by ranges, a file in parts, listings, moves.
files = s3fs.S3FileSystem(**options)
content = os.urandom(12 * 1024 * 1024 + 17)
with files.open(f"{root}/large", "wb", block_size=5 * 1024 * 1024) as file:
    file.write(content)
with files.open(f"{root}/large", "rb") as file:
    file.seek(7_000_000)
    results["range"] = file.read(100_000) == content[7_000_000:7_100_000]
results["whole"] = files.cat(f"{root}/large") == content
files.mv(f"{root}/large", f"{root}/moved")
results["moved"] = [files.exists(f"{root}/large"), files.info(f"{root}/moved")["size"] == len(content)]

# pyarrow's own client of S3: a data set of several files, row groups and columns by ranges.
arrow = pyarrow.fs.S3FileSystem(
    access_key=key, secret_key=secret, endpoint_override=endpoint, region="us-east-1", allow_bucket_creation=False
)
table = pyarrow.Table.from_pandas(frame)
parted = table.append_column("part", pyarrow.array([i % 4 for i in range(rows)]))
pyarrow.dataset.write_dataset(
    parted, f"{root}/set", filesystem=arrow, format="parquet", partitioning=["part"], partitioning_flavor="hive"
)
dataset = pyarrow.dataset.dataset(f"{root}/set", filesystem=arrow, format="parquet", partitioning="hive")
results["arrow"] = told(dataset.to_table().to_pandas())
results["pruned"] = dataset.to_table(columns=["id"], filter=pyarrow.dataset.field("part") == 3).num_rows
groups = pyarrow.parquet.ParquetFile(arrow.open_input_file(f"{root}/pandas.parquet"))
results["groups"] = groups.num_row_groups
results["group"] = groups.read_row_group(3, columns=["id"])["id"][0].as_py()

# DuckDB: the extension is a file of its package.
extension = next(Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension"))
base = duckdb.connect(config={"allow_unsigned_extensions": "true"})
base.execute(f"LOAD '{extension}'")
host = endpoint.removeprefix("http://")
base.execute(
    f"CREATE SECRET (TYPE s3, KEY_ID '{key}', SECRET '{secret}', ENDPOINT '{host}', URL_STYLE 'path', "
    "USE_SSL false, REGION 'us-east-1')"
)
count, total = base.execute(f"SELECT count(*), sum(value) FROM 's3://{root}/pandas.parquet'").fetchone()
results["duckdb reads pandas"] = {"rows": count, "sum": total}
base.execute(f"COPY (SELECT * FROM 's3://{root}/pandas.parquet') TO 's3://{root}/duckdb.parquet' (FORMAT parquet)")
results["pandas reads duckdb"] = told(pandas.read_parquet(f"s3://{root}/duckdb.parquet", storage_options=options))
query = f"SELECT count(*) FROM read_parquet('s3://{root}/set/*/*.parquet', hive_partitioning=true) WHERE part = 2"
results["duckdb prunes"] = base.execute(query).fetchone()[0]
print(json.dumps(results))
