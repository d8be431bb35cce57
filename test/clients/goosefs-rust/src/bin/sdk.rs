// Why: GooseFS's crate is what all its other clients are made of. How: each operation once.
//   sdk MASTER DIRECTORY
use std::io::SeekFrom;

use goosefs_rust::{Outcomes, content, equal};
use goosefs_sdk::config::{GoosefsConfig, WriteType};
use goosefs_sdk::error::Error;
use goosefs_sdk::fs::{
    BaseFileSystem, CreateFileOptions, DeleteOptions, FileSystem, OpenFileOptions, WriteTypeXAttr,
};

const BLOCK: usize = 1024 * 1024;

fn options(write_type: WriteType) -> CreateFileOptions {
    CreateFileOptions {
        write_type: WriteTypeXAttr::Explicit(write_type),
        block_size_bytes: Some(BLOCK as i64),
        ..CreateFileOptions::default()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let fs = BaseFileSystem::connect(GoosefsConfig::new(arguments[1].as_str())).await?;
    let directory = arguments[2].as_str();
    let path = |name: &str| format!("{directory}/{name}");
    let mut outcomes = Outcomes::default();

    outcomes.tried("make_directory", async {
        fs.mkdir(&path("sub"), true).await?;
        equal(fs.get_status(&path("sub")).await?.folder, true)
    }).await;
    for (name, write_type) in [
        ("MUST_CACHE", WriteType::MustCache),
        ("TRY_CACHE", WriteType::TryCache),
        ("CACHE_THROUGH", WriteType::CacheThrough),
        ("THROUGH", WriteType::Through),
        ("ASYNC_THROUGH", WriteType::AsyncThrough),
    ] {
        outcomes.tried(&format!("write_{name}"), async {
            let data = content(name, 2 * BLOCK + 77);
            let mut writer = fs.create_file(&path(name), options(write_type)).await?;
            for piece in data.chunks(300_000) {
                writer.write(piece).await?;
            }
            writer.close().await?;
            equal(fs.get_status(&path(name)).await?.length, data.len() as i64)?;
            let mut reader = fs.open_file(&path(name), OpenFileOptions::new()).await?;
            equal(reader.read_all().await? == data, true)
        }).await;
    }
    outcomes.tried("read_by_stream", async {
        let data = content("CACHE_THROUGH", 2 * BLOCK + 77);
        let mut reader = fs.open_file(&path("CACHE_THROUGH"), OpenFileOptions::new()).await?;
        equal(reader.seek(BLOCK as i64 - 10).await?, BLOCK as i64 - 10)?;
        let mut buffer = vec![0; 20];
        let mut filled = 0;
        while filled < buffer.len() {
            filled += reader.read(&mut buffer[filled..]).await?;
        }
        equal(&buffer[..], &data[BLOCK - 10..BLOCK + 10])?;
        equal(&reader.read_at(5, 100).await?[..], &data[5..105])?;
        equal(reader.seek_from(SeekFrom::End(-7)).await?, data.len() as i64 - 7)?;
        equal(&reader.read_all().await?[..], &data[data.len() - 7..])
    }).await;
    outcomes.tried("list_a_directory", async {
        let mut names: Vec<String> = fs.list_status(directory, false).await?.into_iter().map(|one| one.name).collect();
        names.sort();
        let wanted = ["ASYNC_THROUGH", "CACHE_THROUGH", "MUST_CACHE", "THROUGH", "TRY_CACHE", "sub"];
        equal(names, wanted.map(String::from).to_vec())
    }).await;
    outcomes.tried("rename", async {
        let before = fs.get_status(&path("THROUGH")).await?.file_id;
        fs.rename(&path("THROUGH"), &path("sub/moved")).await?;
        equal(fs.get_status(&path("sub/moved")).await?.file_id, before)?;
        equal(fs.exists(&path("THROUGH")).await?, false)
    }).await;
    outcomes.tried("cancel_a_stream", async {
        let mut writer = fs.create_file(&path("cancelled"), options(WriteType::CacheThrough)).await?;
        writer.write(&content("cancelled", BLOCK + 1)).await?;
        writer.cancel().await?;
        match fs.get_status(&path("cancelled")).await {
            Ok(status) => equal(status.completed, false),
            Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }).await;
    outcomes.tried("delete", async {
        equal(fs.delete(&path("sub"), DeleteOptions::default()).await.is_err(), true)?;
        fs.delete(&path("sub"), DeleteOptions { recursive: true, ..DeleteOptions::default() }).await?;
        equal(fs.exists(&path("sub")).await?, false)
    }).await;
    outcomes.print();
    Ok(())
}
