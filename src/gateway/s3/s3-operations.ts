// Why: the table of what the door does. How: a handler for each operation of request/operations.ts.
import type { DoorOperation } from '../../telemetry/door-metrics.ts'
import type { S3Handler } from './call/s3-call.ts'
import {
  createBucket,
  deleteBucket,
  deleteBucketTagging,
  getBucketLocation,
  getBucketTagging,
  getBucketVersioning,
  headBucket,
  listBuckets,
} from './buckets/bucket-operations.ts'
import { listObjectsV1, listObjectsV2 } from './listing/list-operations.ts'
import { copyObject } from './objects/copy-objects.ts'
import { deleteObject, deleteObjects } from './objects/delete-objects.ts'
import { deleteObjectTagging, getObjectTagging, putObjectTagging } from './objects/object-tags.ts'
import { getObjectAttributes } from './objects/object-attributes.ts'
import { getObject, headObject } from './objects/read-objects.ts'
import { putObject } from './objects/write-objects.ts'
import type { Operation } from './request/operations.ts'
import { abortMultipartUpload, createMultipartUpload } from './uploads/begin-upload.ts'
import { completeMultipartUpload } from './uploads/complete-upload.ts'
import { listMultipartUploads, listParts } from './uploads/list-uploads.ts'
import { uploadPart, uploadPartCopy } from './uploads/upload-parts.ts'

interface OperationDefinition {
  readonly handler: S3Handler
  /** For metrics. */
  readonly kind: DoorOperation
  /** It may take minutes before there is an answer, which is then kept alive. */
  readonly isSlow?: true
}

export const s3Operations: Readonly<Record<Operation, OperationDefinition>> = {
  ListBuckets: { handler: listBuckets, kind: 'list' },
  GetBucketLocation: { handler: getBucketLocation, kind: 'other' },
  GetBucketVersioning: { handler: getBucketVersioning, kind: 'other' },
  GetBucketTagging: { handler: getBucketTagging, kind: 'other' },
  DeleteBucketTagging: { handler: deleteBucketTagging, kind: 'other' },
  ListMultipartUploads: { handler: listMultipartUploads, kind: 'multipart' },
  ListObjectsV2: { handler: listObjectsV2, kind: 'list' },
  ListObjects: { handler: listObjectsV1, kind: 'list' },
  HeadBucket: { handler: headBucket, kind: 'stat' },
  CreateBucket: { handler: createBucket, kind: 'other' },
  DeleteBucket: { handler: deleteBucket, kind: 'other' },
  DeleteObjects: { handler: deleteObjects, kind: 'delete' },
  GetObjectTagging: { handler: getObjectTagging, kind: 'other' },
  PutObjectTagging: { handler: putObjectTagging, kind: 'other' },
  DeleteObjectTagging: { handler: deleteObjectTagging, kind: 'other' },
  ListParts: { handler: listParts, kind: 'multipart' },
  UploadPartCopy: { handler: uploadPartCopy, kind: 'multipart', isSlow: true },
  UploadPart: { handler: uploadPart, kind: 'multipart' },
  CreateMultipartUpload: { handler: createMultipartUpload, kind: 'multipart' },
  CompleteMultipartUpload: { handler: completeMultipartUpload, kind: 'multipart', isSlow: true },
  AbortMultipartUpload: { handler: abortMultipartUpload, kind: 'multipart' },
  GetObjectAttributes: { handler: getObjectAttributes, kind: 'stat' },
  GetObject: { handler: getObject, kind: 'read' },
  HeadObject: { handler: headObject, kind: 'stat' },
  CopyObject: { handler: copyObject, kind: 'copy', isSlow: true },
  PutObject: { handler: putObject, kind: 'write' },
  DeleteObject: { handler: deleteObject, kind: 'delete' },
}
