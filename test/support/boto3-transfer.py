"""Why: boto3 is called from Python alone. How: moves a whole folder, as the other clients do.

Usage: boto3-transfer.py upload|download ENDPOINT BUCKET PREFIX FOLDER
A download prints what is listed below the prefix: sizes by key, as JSON.

Usage: boto3-transfer.py presign ENDPOINT BUCKET KEY -
Prints an address to put the object and one to get it, as JSON.
"""

import json
import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

action, endpoint, bucket, prefix, folder = sys.argv[1:]
version = {"signature_version": "s3v4"} if action == "presign" else {}
client = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}, **version))
part = 5 * 1024 * 1024
parts = TransferConfig(multipart_threshold=part, multipart_chunksize=part)

if action == "upload":
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            key = f"{prefix}/{os.path.relpath(path, folder)}"
            if os.path.getsize(path) > part:
                client.upload_file(path, bucket, key, Config=parts)
            else:
                with open(path, "rb") as file:
                    client.put_object(Bucket=bucket, Key=key, Body=file)
elif action == "presign":
    signed = {"Bucket": bucket, "Key": prefix}
    print(json.dumps([client.generate_presigned_url(name, signed, 60) for name in ("put_object", "get_object")]))
else:
    sizes = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/"):
        for entry in page.get("Contents", []):
            key = entry["Key"][len(prefix) + 1 :]
            sizes[key] = entry["Size"]
            path = os.path.join(folder, key)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            client.download_file(bucket, entry["Key"], path, Config=parts)
    print(json.dumps(sizes))
