import { S3Client, CreateBucketCommand, PutObjectCommand, DeleteObjectCommand } from '@aws-sdk/client-s3'
import { underFileSystemConformance } from './under-file-system-suite.ts'
import { openCosn, openS3 } from '../support/origin/stores.ts'
const credential = { accessKeyId: 'testaccesskey', secretAccessKey: 'testsecretkey' }
const on = (style: string) => async () => {
  const c = new S3Client({ endpoint: 'http://127.0.0.1:17488', forcePathStyle: true, region: 'us-east-1', credentials: credential })
  const bucket = `b-${style}-${Date.now()}`
  await c.send(new CreateBucketCommand({ Bucket: bucket }))
  const store = style === 's3' ? await openS3('http://127.0.0.1:17488', `s3://${bucket}/p x`, credential) : await openCosn('localhost:17488', `cosn://${bucket}/p x`, credential)
  return { store, put: async (key: string, bytes: Uint8Array) => void (await c.send(new PutObjectCommand({ Bucket: bucket, Key: `p x/${key}`, Body: bytes }))),
    remove: async (key: string) => void (await c.send(new DeleteObjectCommand({ Bucket: bucket, Key: `p x/${key}` }))), close: () => store.close() }
}
underFileSystemConformance('rgw s3', on('s3'))
underFileSystemConformance('rgw cosn', on('cosn'))
