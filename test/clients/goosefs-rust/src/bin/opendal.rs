// Why: OpenDAL's service for GooseFS is how Lance and others reach it. How: each of its operations.
//   opendal MASTER DIRECTORY
use goosefs_rust::{Outcomes, content, equal};
use opendal::{ErrorKind, Operator, services::GooseFs};

const BLOCK: usize = 1024 * 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let mut outcomes = Outcomes::default();
    for (index, write_type) in ["must_cache", "try_cache", "cache_through", "through", "async_through"].iter().enumerate() {
        let builder = GooseFs::default()
            .master_addr(&arguments[1])
            .root(&arguments[2])
            .block_size(BLOCK as u64)
            .write_type(write_type);
        let operator = Operator::new(builder)?;
        let name = format!("{write_type}.bin");
        let data = content(write_type, 2 * BLOCK + 77);
        outcomes.tried(&format!("write_{}", write_type.to_uppercase()), async {
            operator.write(&name, data.clone()).await?;
            equal(operator.stat(&name).await?.content_length(), data.len() as u64)?;
            equal(operator.read(&name).await?.to_vec() == data, true)
        }).await;
        if index != 2 {
            continue;
        }
        outcomes.tried("make_directory", async {
            operator.create_dir("sub/deep/").await?;
            equal(operator.stat("sub/deep/").await?.is_dir(), true)
        }).await;
        outcomes.tried("read_ranges", async {
            for (start, end) in [(0, 1), (BLOCK - 3, BLOCK + 3), (5, 2 * BLOCK + 77)] {
                let found = operator.read_with(&name).range(start as u64..end as u64).await?.to_vec();
                equal(found == data[start..end], true)?;
            }
            Ok(())
        }).await;
        outcomes.tried("write_by_stream", async {
            let mut writer = operator.writer("streamed").await?;
            for piece in data.chunks(300_000) {
                writer.write(piece.to_vec()).await?;
            }
            writer.close().await?;
            equal(operator.read("streamed").await?.to_vec() == data, true)
        }).await;
        outcomes.tried("list_a_directory", async {
            operator.write("sub/one", "1").await?;
            let mut paths: Vec<String> = operator.list("sub/").await?.iter().map(|one| one.path().to_owned()).collect();
            paths.retain(|path| path != "sub/");
            paths.sort();
            equal(paths, vec!["sub/deep/".to_owned(), "sub/one".to_owned()])
        }).await;
        outcomes.tried("rename", async {
            operator.rename("streamed", "sub/moved").await?;
            equal(operator.exists("streamed").await?, false)?;
            equal(operator.stat("sub/moved").await?.content_length(), data.len() as u64)
        }).await;
        outcomes.tried("write_if_not_exists", async {
            operator.write_with("once", "first").if_not_exists(true).await?;
            match operator.write_with("once", "second").if_not_exists(true).await {
                Err(error) if matches!(error.kind(), ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists) => {}
                other => return Err(format!("{other:?}").into()),
            }
            equal(operator.read("once").await?.to_vec(), b"first".to_vec())
        }).await;
        outcomes.tried("delete", async {
            operator.delete("sub/one").await?;
            operator.delete("sub/one").await?;
            equal(operator.exists("sub/one").await?, false)
        }).await;
    }
    outcomes.print();
    Ok(())
}
