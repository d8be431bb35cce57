"""Why: Spark uses both doors as file systems of Hadoop. How: in one session, it counts the words of
LICENSE by each door, writes the counts with the default committer, reads back by the other door
what one door wrote, and reads a partitioned table by both.

python3 THIS_FILE WEBHDFS_ADDRESS S3_ADDRESS NAMESPACE JARS FOLDER; the last line is JSON. FOLDER is
where the store of the namespace is: the table is put there as by another program.
"""

import json
import sys

from pyspark.sql import SparkSession

webhdfs, s3, namespace, jars, folder = sys.argv[1:6]
roots = {"webhdfs": f"webhdfs://{webhdfs}/{namespace}", "s3a": f"s3a://{namespace}"}
settings = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "700m",
    "spark.driver.extraClassPath": jars,
    "spark.driver.extraJavaOptions": "-Dfile.encoding=UTF-8",
    "spark.hadoop.fs.s3a.endpoint": f"http://{s3}",
    "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
    "spark.hadoop.fs.s3a.path.style.access": "true",
    "spark.hadoop.fs.s3a.access.key": "any",
    "spark.hadoop.fs.s3a.secret.key": "key",
    "spark.hadoop.fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
}
builder = SparkSession.builder.master("local[2]").appName("doors")
for key, value in settings.items():
    builder = builder.config(key, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
text = spark.sparkContext.textFile

# 200 files: each of 20 tasks writes one into each of 10 partitions.
rows = spark.range(0, 20_000).selectExpr("id", "id % 10 as part")
rows.repartition(20).write.partitionBy("part").parquet(f"file://{folder}/table")

found = {}
for scheme, root in roots.items():
    words = text(f"{root}/LICENSE").flatMap(lambda line: line.split(" ")).map(lambda word: (word, 1))
    counts = words.reduceByKey(lambda one, other: one + other)
    found[scheme] = sorted(counts.collect())
    # The default committer writes into _temporary and renames.
    counts.map(lambda pair: f"{pair[0]}\t{pair[1]}").saveAsTextFile(f"{root}/counts-{scheme}")

written = {}
for scheme, reader in (("webhdfs", "s3a"), ("s3a", "webhdfs"), ("webhdfs", "webhdfs")):
    lines = text(f"{roots[reader]}/counts-{scheme}").map(lambda line: line.rsplit("\t", 1)).collect()
    written[f"{scheme} by {reader}"] = sorted((word, int(n)) for word, n in lines) == found[scheme]

table = {}
for scheme, root in roots.items():
    frame = spark.read.parquet(f"{root}/table")
    pruned = frame.where("part = 3")
    places = pruned.selectExpr("id", "input_file_name() as file")
    (scan,) = places.selectExpr("count(*)", "sum(id)", "count(distinct file)").collect()
    table[scheme] = {
        "files": len(frame.inputFiles()),
        "rows": frame.count(),
        "pruned": {"rows": scan[0], "sum": scan[1], "files": scan[2]},
        "isPruned": "PartitionFilters: [isnotnull(part" in pruned._jdf.queryExecution().toString(),
    }
spark.stop()
equal = found["webhdfs"] == found["s3a"]
print(json.dumps({"equal": equal, "words": dict(found["webhdfs"]), "written": written, "table": table}))
