//! Writes first inputs: `cargo run --release --example seeds -- corpus`.

use std::error::Error;
use std::fs;
use std::path::Path;

use proto::{Entry, Kind, Metadata, Proto, ProtoPath, Store};
use zpool_image::reader::fuzzing::{self, Parts};
use zpool_image::{Compression, Feature, PoolOptions, write};

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = std::env::args_os().nth(1).ok_or("the directory for the inputs is missing")?;
    let corpus = Path::new(&corpus);
    let directory = tempfile::tempdir()?;
    let proto = some_files(directory.path())?;
    let mut rich = PoolOptions::ramdisk();
    Feature::all().for_each(|feature| rich.enable(feature));
    rich.compression = Compression::Lz4;
    for dataset in &mut rich.datasets {
        dataset.snapshot = Some("made".to_owned());
    }
    let mut plain = PoolOptions::ramdisk();
    plain.record_size = 512;
    let gzip = PoolOptions { compression: Compression::Gzip(6), ..PoolOptions::ramdisk() };
    for (name, options) in [("plain", plain), ("gzip", gzip), ("rich", rich)] {
        let image = directory.path().join(name);
        write(&proto, &options, &image)?;
        let Parts { image, label, nvlist, trees, tables, attributes, space_maps } =
            fuzzing::disassemble(&image)?;
        for (target, inputs) in [
            ("image", vec![image]),
            ("label", vec![label]),
            ("nvlist", vec![nvlist]),
            ("tree", trees),
            ("zap", tables),
            ("attributes", attributes),
            ("space_map", space_maps),
        ] {
            let target = corpus.join(format!("zpool_{target}"));
            fs::create_dir_all(&target)?;
            for (number, input) in inputs.into_iter().enumerate() {
                fs::write(target.join(format!("{name}-{number}")), input)?;
            }
        }
    }
    Ok(())
}

fn some_files(directory: &Path) -> Result<Proto, Box<dyn Error>> {
    let mut proto = Proto::new(Store::create(directory.join("store"))?);
    let metadata = Metadata::root(0o644);
    let mut entries = vec![
        (String::new(), Entry::directory(metadata)),
        ("directory".to_owned(), Entry::directory(metadata)),
        ("short".to_owned(), Entry::symlink("somewhere", metadata)),
        ("long".to_owned(), Entry::symlink("a/b/c".repeat(100), metadata)),
        ("pipe".to_owned(), Entry::new(Kind::Fifo, metadata)),
    ];
    for size in [0, 40, 3000, 9000] {
        let bytes: Vec<u8> = (0..size).map(|n| (n * n / 7) as u8).collect();
        let content = proto.contents.store.add_bytes(&bytes)?;
        let name = format!("directory/file-of-{size}-bytes-{}", "x".repeat(size / 100));
        entries.push((name, Entry::new(Kind::File(content), metadata)));
    }
    for (name, entry) in entries {
        proto.manifest.insert(ProtoPath::new(name)?, entry)?;
    }
    Ok(proto)
}
